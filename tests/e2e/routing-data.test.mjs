// Recorded prompts through /v1/route in workerd, with a learned table in KV: the picks are those of the same code run natively.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, describe, test } from 'node:test';
import { startHarness } from './harness.mjs';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const folder = process.env.SIGNALBOX_ROUTING_DATA ?? join(root, '..', 'shared', 'routing-data');
const here = existsSync(join(folder, 'nine.models.json'));
const PROMPTS = 200;

describe('recorded prompts', { skip: here ? false : 'the folder with recorded outcomes is not here' }, () => {
  let work;
  let gateway;
  let rows;
  const native = new Map(); // id → [{policy, model}]
  before(async () => {
    work = mkdtempSync(join(tmpdir(), 'signalbox-routing-'));
    const lines = readFileSync(join(folder, 'nine.dev.jsonl'), 'utf8').split('\n').slice(0, PROMPTS);
    rows = lines.map(line => JSON.parse(line));
    writeFileSync(join(work, 'rows.jsonl'), lines.join('\n'));
    execFileSync('cargo', ['run', '--quiet', '--locked', '--example', 'route_eval', '--', join(folder, 'nine.models.json'),
      join(work, 'rows.jsonl'), join(work, 'out.jsonl'), '--config', join(work, 'config.json')], { cwd: root, stdio: 'pipe' });
    for (const line of readFileSync(join(work, 'out.jsonl'), 'utf8').trim().split('\n')) {
      const { id, policy, model } = JSON.parse(line);
      if (!native.has(id)) native.set(id, []);
      native.get(id).push({ policy, model });
    }
    const { config, prices } = JSON.parse(readFileSync(join(work, 'config.json'), 'utf8'));
    gateway = await startHarness({ config, prices });
  });
  after(async () => {
    await gateway?.close();
    if (work) rmSync(work, { recursive: true, force: true });
  });

  test('are sent by the Worker where the native code sends them', async () => {
    const wrong = [];
    const chosen = new Set();
    for (const [at, { id, prompt }] of rows.entries()) {
      const { policy, model } = native.get(id)[at % native.get(id).length];
      const body = { model: 'pool', messages: [{ role: 'user', content: prompt }] };
      const answer = await gateway.call('/v1/route', body, { headers: { 'x-signalbox-policy': policy } });
      const decision = await answer.json();
      chosen.add(decision.chosen);
      if (decision.chosen !== `pool/${model}`) wrong.push({ id, policy, model, chosen: decision.chosen ?? decision });
      assert.equal(decision.candidates?.[0].quality.kind, 'measured');
    }
    assert.deepEqual(wrong, []);
    assert.equal(rows.length, PROMPTS);
    assert.ok(chosen.size > 2, 'picks differ from prompt to prompt');
  });
});
