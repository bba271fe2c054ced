// The harness itself, with a stand-in for the gateway: what the gateway's tests rely on has to hold.
import assert from 'node:assert/strict';
import { createServer, request } from 'node:http';
import { after, before, beforeEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { merge, startHarness, until } from './harness.mjs';
import { LeakWatch } from './leaks.mjs';

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

describe('what must not get out is found wherever it does', () => {
  const KEY = 'sk-canary-of-the-watch';
  const PROMPT = 'a prompt that is long enough to be told from others';
  let server;
  let said; // what the server answers, in pieces
  before(() => new Promise(ready => {
    server = createServer((req, res) => req.resume().on('end', () => {
      for (const piece of said) res.write(piece);
      res.end();
    })).listen(0, '127.0.0.1', ready);
  }));
  after(() => server.close());

  /** What a watch finds while something is done with the server as its gateway. */
  async function found(act, { pieces = ['fine'], log = [] } = {}) {
    said = pieces;
    const url = `http://127.0.0.1:${server.address().port}`;
    const watch = new LeakWatch();
    watch.owns(url);
    watch.guard({ providers: { a: { api_key: KEY } } });
    watch.said(JSON.stringify({ messages: [{ role: 'user', content: [{ type: 'text', text: `\n${PROMPT}` }] }] }));
    await act(url);
    return watch.end(log);
  }
  const fetched = (path, init) => async url => (await fetch(`${url}${path}`, init)).text();
  const wired = url => new Promise(done => request(url, res => res.resume().on('end', done)).end());

  test('a key in an answer, to fetch and on the wire, also where it is cut in two', async () => {
    for (const act of [fetched('/'), wired]) {
      assert.deepEqual(await found(act), []);
      assert.match((await found(act, { pieces: [`x${KEY}x`] })).join(), /a key of 22 characters in the answer to GET \//);
      assert.match((await found(act, { pieces: [KEY.slice(0, 9), KEY.slice(9)] })).join(), /a key/);
    }
  });

  test('a key, a credential and a prompt in the log', async () => {
    const token = 'eyJ-a-token-of-a-caller.x.y';
    const act = fetched('/', { headers: { authorization: `Bearer ${token}` } });
    assert.deepEqual(await found(act, { log: [{ message: 'all is well' }] }), []);
    for (const [what, text] of [['a key', KEY], ['a credential', token], ['a prompt', JSON.stringify({ body: PROMPT })]]) {
      assert.deepEqual((await found(act, { log: [{ message: text }] })).map(finding => finding.split(' of ')[0]), [what]);
    }
  });

  test('a key, a credential and a prompt in an export', async () => {
    const body = text => ({ method: 'POST', body: JSON.stringify({ resourceSpans: [text] }) });
    assert.deepEqual(await found(fetched('/v1/traces', body('fine'))), []);
    for (const text of [KEY, PROMPT]) assert.equal((await found(fetched('/v1/traces', body(text)))).length, 1, text);
  });
});
