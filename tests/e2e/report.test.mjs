// `npm run report`: sums of records, exact to the picodollar, and a page without outside parts.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { root } from '../../scripts/lib/paths.mjs';

const folder = mkdtempSync(join(tmpdir(), 'signalbox-report-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const attempt = (model, more) => ({ provider: model.split('/')[0], model: model.split('/')[1], outcome: '200', usage: { input_tokens: 10, output_tokens: 5, cached_input_tokens: 4, reasoning_tokens: 1 }, ...more });
const record = (n, model, picousd, more) => ({
  request_id: `req_${n}`, started_ms: 1_800_000_000_000 + n * 1000, duration_ms: 400 + n, ttft_ms: 100 * n, status: 200, operation: 'chat', task: 'code', model,
  attempts: [attempt(model)], cost: { certainty: 'exact', picousd }, best: { model: 'a/best', expected_picousd: 4_000_000, chosen_picousd: 1_000_000 }, ...more,
});
const records = [
  record(1, 'a/small', '9007199254740993'), // beyond what a double holds
  record(2, 'a/small', '1', { attempts: [attempt('b/big', { class: 'server_error', outcome: '503' }), attempt('a/small')] }),
  record(3, 'c/<script>', '5', { task: 'chat' }),
  { request_id: 'req_4', started_ms: 1_800_000_000_000, duration_ms: 1, status: 200, operation: '', attempts: [] },
];

function report(text, ...args) {
  const file = join(folder, 'records');
  writeFileSync(file, text);
  return spawnSync(process.execPath, [join(root, 'scripts', 'report.mjs'), file, ...args], { encoding: 'utf8' });
}

test('adds up by model and task, exactly, and says what the choice saved', () => {
  const { stdout, stderr, status } = report(records.map(one => JSON.stringify(one)).join('\n'));
  assert.equal(status, 0, stderr);
  assert.match(stdout, /3 requests for a model and 1 others/);
  assert.match(stdout, /\| a\/small \| code \| 2 \| 0 \| 1 \| 42 \(12\) \| 18 \| 9007\.199254740994 \| 200 ms/);
  assert.match(stdout, /\| b\/big \| server_error \| 1 \|/);
  assert.match(stdout, /expected 0\.000003 USD, actual 9007\.199254740999 USD/);
  assert.match(stdout, /0\.000012 USD: 75\.0 % saved/);
});

test('reads an answer of /v1/stats as well, and draws a page that nothing can be slipped into', () => {
  const html = join(folder, 'out.html');
  assert.equal(report(JSON.stringify({ object: 'stats', recent: records }), '--html', html).status, 0);
  const page = readFileSync(html, 'utf8');
  assert.match(page, /<svg /);
  assert.doesNotMatch(page, /<script|https?:\/\//);
  assert.ok(page.includes('c/&lt;script&gt;'));
});

test('names the line that is no record', () => {
  const { status, stderr } = report(`${JSON.stringify(records[0])}\n{"a":1}\n`);
  assert.equal(status, 1);
  assert.match(stderr, /line 2: no record/);
  assert.equal(report('').status, 1);
});
