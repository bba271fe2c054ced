// The harness itself, with a stand-in for the gateway: what the gateway's tests rely on has to hold.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { merge, startHarness, until } from './harness.mjs';

const here = name => fileURLToPath(new URL(`./stand-in/${name}`, import.meta.url));
const body = { model: 'gpt-test', messages: [{ role: 'user', content: 'What is the capital of France?' }] };
let harness;

before(async () => {
  process.env.OPENAI_API_KEY = 'sk-from-the-environment';
  harness = await startHarness({ entry: here('worker.mjs'), wranglerConfig: here('wrangler.toml'), config: { providers: { extra: { a: 1 } } } });
});
after(() => harness?.close());
beforeEach(() => harness.sim.reset());

test('configuration and mode arrive, the environment\'s keys do not', async () => {
  assert.deepEqual(await (await harness.call('/env')).json(), { mode: 'local', base: harness.sim.baseUrl('openai'), extra: { a: 1 } });
});

test('the Worker reaches the simulator on a real socket', async () => {
  const answer = await (await harness.call('/chat/completions', body)).json();
  assert.match(answer.choices[0].message.content, /Paris/);
  assert.ok((await harness.sim.waitFor(attempt => attempt.ended === 'finished')).headers['cf-worker']);
});

test('a refused and a reset connection fail in the Worker\'s fetch, and its log is kept', async () => {
  await harness.sim.refuse();
  assert.equal((await harness.call('/chat/completions', body)).status, 502);
  await harness.sim.accept();
  harness.sim.behave('gpt-test', 'reset');
  assert.equal((await harness.call('/chat/completions', body)).status, 502);
  await until(() => harness.logs.some(line => line.message.includes('fetch failed')), { what: 'the log line' });
});

test('a cut stream reaches the client as a cut', async () => {
  harness.sim.behave('gpt-test', 'cut;events=2');
  const answer = await harness.call('/chat/completions', { ...body, stream: true });
  await assert.rejects(answer.text());
});

test('a restart keeps what was stored; a new configuration counts at once', async () => {
  await harness.kv.put('mark', 'kept');
  await harness.restart();
  assert.equal(await harness.kv.get('mark'), 'kept');
  await harness.configure({ providers: { extra: 'other' } });
  assert.equal((await (await harness.call('/env')).json()).extra, 'other');
});

test('patches merge as RFC 7396 says, and keep their nulls', () => {
  assert.deepEqual(merge({ a: { b: 1, c: 2 }, d: [1] }, { a: { b: null, e: { f: 3 } }, d: [2] }), { a: { b: null, c: 2, e: { f: 3 } }, d: [2] });
});
