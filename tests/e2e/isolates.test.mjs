// Two isolates of the Worker at once, with the objects of one deployment between them: what both have seen is told as one.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { wranglerEnv } from '../../scripts/lib/env.mjs';
import { root, wranglerCli } from '../../scripts/lib/paths.mjs';
import { startNode } from '../../scripts/lib/proc.mjs';
import { startSimulator } from '../../tools/simulator/server.mjs';
import { MODELS } from './clients.mjs';
import { baseConfig, until } from './harness.mjs';

const OBJECTS = [['LEDGER', 'Ledger'], ['HEALTH', 'Health'], ['STREAMS', 'StreamLog']];
let sim;
let folder;
let child;
let url;
const lines = [];

async function freePort() {
  const server = createServer();
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise(resolve => server.close(resolve));
  return port;
}

/** The Worker as `one`, which has the objects, and as `two`, which uses them; in front a Worker that gives either a path. */
function configurations() {
  const shared = { main: join(root, 'build', 'index.js'), compatibility_date: '2026-10-01', compatibility_flags: ['enable_request_signal'], kv_namespaces: [{ binding: 'CATALOGUE', id: 'one' }], vars: { SIGNALBOX_MODE: 'local', SIGNALBOX_CONFIG: JSON.stringify({ ...baseConfig(sim), telemetry: { flush_ms: 20 } }) } };
  const objects = script => ({ bindings: OBJECTS.map(([name, class_name]) => ({ name, class_name, ...script })) });
  const front = {
    name: 'front', main: join(folder, 'front.mjs'), compatibility_date: '2026-10-01',
    services: ['one', 'two'].map(service => ({ binding: service, service })),
  };
  writeFileSync(front.main, `export default { async fetch(request, env) {
    const url = new URL(request.url);
    const [, to, path] = /^\\/([^/]+)(\\/.*)$/.exec(url.pathname + url.search);
    return env[to].fetch(new Request(new URL(path, url), request));
  } };`);
  const all = [front, { name: 'one', ...shared, durable_objects: objects({}), migrations: [{ tag: 'v1', new_sqlite_classes: OBJECTS.map(([, name]) => name) }] }, { name: 'two', ...shared, durable_objects: objects({ script_name: 'one' }) }];
  return all.map(config => {
    mkdirSync(join(folder, config.name), { recursive: true });
    const file = join(folder, config.name, 'wrangler.json');
    writeFileSync(file, JSON.stringify({ ...config, send_metrics: false }));
    return file;
  });
}

before(async () => {
  sim = await startSimulator();
  folder = mkdtempSync(join(tmpdir(), 'signalbox-isolates-'));
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  child = startNode(wranglerCli, ['dev', ...configurations().flatMap(file => ['--config', file]), '--ip', '127.0.0.1', '--port', String(port), '--persist-to', join(folder, 'state'), '--show-interactive-dev-session=false'], { env: wranglerEnv(), onLine: line => lines.push(line) });
  await until(() => fetch(`${url}/two/healthz`).then(answer => answer.ok, () => {
    assert.equal(child.exitCode, null, lines.join('\n'));
    return false;
  }), { timeout: 90_000, every: 200, what: 'the Workers' });
});

after(async () => {
  child?.kill('SIGTERM');
  await sim?.close();
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
});

test('the figures of one are those of both', async () => {
  const ask = async (isolate, model) => {
    const answer = await fetch(`${url}/${isolate}/v1/chat/completions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ model, messages: [{ role: 'user', content: 'Hi' }] }) });
    assert.equal(answer.status, 200, await answer.text());
    return answer.headers.get('x-signalbox-request-id');
  };
  const asked = await Promise.all([ask('one', MODELS.OpenAI), ask('two', MODELS.OpenAI), ask('two', MODELS.Anthropic), ask('one', MODELS.Gemini)]);
  for (const isolate of ['one', 'two']) {
    const page = await until(async () => {
      const stats = await (await fetch(`${url}/${isolate}/v1/stats`)).json();
      return asked.every(id => stats.recent?.some(record => record.request_id === id)) && stats;
    }, { what: `all requests in the register, as ${isolate} tells` });
    assert.equal(page.total.requests, 4);
    assert.equal(page.by.model.find(row => row.key === MODELS.OpenAI).requests, 2, 'one from each');
    assert.equal(page.by.principal.reduce((sum, row) => sum + row.requests, 0), 4);
    assert.equal(page.total.duration_ms.count, 4);
  }
});
