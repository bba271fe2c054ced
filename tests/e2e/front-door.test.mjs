// The front door: browsers, wrong turnings, bodies that are none. Raw requests, because official clients make no such mistakes.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { MODELS, capital } from './clients.mjs';
import { startHarness } from './harness.mjs';
import { send } from './wire.mjs';

const ORIGIN = 'https://app.example.com';
const LIMIT = 50_000;
let gateway;
before(async () => (gateway = await startHarness({ config: { max_body_bytes: LIMIT, cors: { origins: [ORIGIN] } } })));
after(() => gateway?.close());
beforeEach(() => gateway.sim.reset());

const to = (path, options) => send(`${gateway.url}${path}`, options);
const chat = { model: MODELS.OpenAI, messages: capital };
const message = { model: MODELS.Anthropic, max_tokens: 50, messages: capital };

describe('browsers', () => {
  const preflight = origin => to('/v1/chat/completions', { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization, content-type, x-stainless-os' } });

  test('a preflight of a listed origin is granted, without a credential', async () => {
    const { status, headers } = await preflight(ORIGIN);
    assert.equal(status, 204);
    assert.equal(headers['access-control-allow-origin'], ORIGIN);
    assert.match(headers['access-control-allow-methods'], /POST/);
    assert.equal(headers['access-control-allow-headers'], 'authorization, content-type, x-stainless-os');
    assert.match(headers.vary, /Origin/);
    assert.equal(headers['access-control-allow-credentials'], undefined);
  });

  test('a preflight of any other origin is not', async () => {
    for (const origin of ['https://app.example.com.evil.io', 'http://app.example.com', 'null']) {
      assert.equal((await preflight(origin)).headers['access-control-allow-origin'], undefined, origin);
    }
  });

  for (const [what, path, body] of [
    ['an answer', '/v1/chat/completions', chat],
    ['a stream', '/v1/chat/completions', { ...chat, stream: true }],
    ['an error', '/v1/chat/completions', '{'],
    ['an unknown route', '/v1/nonsense', {}],
    ['an Anthropic answer', '/v1/messages', message],
  ]) {
    test(`${what} can be read by the page, with our headers exposed`, async () => {
      const { headers } = await to(path, { headers: { origin: ORIGIN }, body });
      assert.equal(headers['access-control-allow-origin'], ORIGIN);
      const exposed = headers['access-control-expose-headers'].split(/, */);
      for (const name of ['x-signalbox-request-id', 'x-signalbox-model', 'x-signalbox-attempts', 'x-signalbox-losses', 'x-signalbox-cost-usd', 'x-signalbox-cost-certainty', 'retry-after', 'x-should-retry', 'traceparent']) assert.ok(exposed.includes(name), name);
      const foreign = await to(path, { headers: { origin: 'https://other.example' }, body });
      assert.equal(foreign.headers['access-control-allow-origin'], undefined);
    });
  }
});

describe('wrong turnings', () => {
  test('an unknown path is a 404 in the dialect that the path suggests', async () => {
    const openai = await to('/v1/chat/completion', { body: chat });
    assert.equal(openai.status, 404);
    const { error } = await openai.json();
    assert.deepEqual([error.type, error.code], ['invalid_request_error', 'unknown_url']);
    assert.match(error.message, /POST \/v1\/chat\/completion/);
    const anthropic = await to('/v1/messages/batch', { body: {} });
    assert.deepEqual([anthropic.status, (await anthropic.json()).error.type], [404, 'not_found_error']);
  });

  test('a wrong method names the right one', async () => {
    for (const [method, path, right] of [['GET', '/v1/chat/completions', 'POST'], ['PUT', '/v1/chat/completions', 'POST'], ['DELETE', '/v1/messages', 'POST'], ['POST', '/v1/models', 'GET'], ['POST', '/healthz', 'GET']]) {
      const answer = await to(path, { method });
      assert.equal(answer.status, 405, `${method} ${path}`);
      assert.equal(answer.headers.allow, right);
      assert.match((await answer.json()).error.message, new RegExp(`use ${right}`));
    }
  });

  test('HEAD is GET without a body', async () => {
    const answer = await to('/v1/models', { method: 'HEAD' });
    assert.deepEqual([answer.status, await answer.text()], [200, '']);
  });

  test('a trailing slash and a query do not matter', async () => {
    assert.equal((await to('/v1/models/?limit=5', { method: 'GET' })).status, 200);
    assert.equal((await to('/v1/messages?beta=true', { body: message })).status, 200);
  });
});

describe('bodies', () => {
  // [what, body, the field that is named, or what the message says]
  const MISTAKES = [
    ['no body', undefined, /no body/],
    ['an empty body', '', /no body/],
    ['malformed JSON', '{"model":', /JSON/],
    ['text behind the JSON', '{"model":"m","messages":[]} x', /JSON/],
    ['a list', '[]', /object/],
    ['a text', '"hello"', /object/],
    ['a null', 'null', /object/],
    ['no UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), /UTF-8|JSON/],
    ['no model', { messages: capital }, 'model'],
    ['a number for the model', { ...message, model: 5 }, 'model'],
    ['an empty model', { ...message, model: '' }, 'model'],
    ['no messages', { model: 'm', max_tokens: 5 }, 'messages'],
    ['a text for the messages', { ...message, messages: 'hello' }, 'messages'],
    ['no messages in the list', { ...message, messages: [] }, 'messages'],
    ['a text for stream', { ...message, stream: 'true' }, 'stream'],
  ];

  for (const [path, namedBy] of [
    ['/v1/chat/completions', error => error.param],
    ['/v1/messages', error => error.message.split(':')[0]],
  ]) {
    describe(path, () => {
      for (const [what, body, expected] of MISTAKES) {
        test(`${what} is a 400 that says so`, async () => {
          const answer = await to(path, { body });
          assert.equal(answer.status, 400);
          assert.match(answer.headers['content-type'], /^application\/json/);
          assert.equal(answer.headers['x-should-retry'], 'false');
          const { error } = await answer.json();
          assert.equal(error.type, 'invalid_request_error');
          if (expected instanceof RegExp) assert.match(error.message, expected);
          else assert.equal(namedBy(error), expected, error.message);
          assert.equal(gateway.sim.log.all().length, 0);
        });
      }
    });
  }

  test('fields inside are named by their path, in each dialect\'s notation, where a translation reads them', async () => {
    const content = [{ type: 'text', text: 'a' }, { type: 'image_url', image_url: 5 }];
    const openai = await (await to('/v1/chat/completions', { body: { model: MODELS.Anthropic, messages: [...capital, { role: 'user', content }] } })).json();
    assert.equal(openai.error.param, 'messages[1].content[1].image_url');
    const blocks = [{ type: 'text', text: 5 }];
    const anthropic = await (await to('/v1/messages', { body: { ...message, model: MODELS.OpenAI, messages: [{ role: 'user', content: blocks }] } })).json();
    assert.match(anthropic.error.message, /^messages\.0\.content\.0\.text:/);
  });

  test('a body over the limit is a 413, with and without a content-length', async () => {
    const body = JSON.stringify({ ...chat, messages: [{ role: 'user', content: 'a'.repeat(LIMIT) }] });
    const answer = await to('/v1/chat/completions', { body });
    assert.equal(answer.status, 413);
    assert.match((await answer.json()).error.message, new RegExp(`${LIMIT} bytes`));
    const pieces = new ReadableStream({ start: out => (out.enqueue(Buffer.from(body.slice(0, 100))), out.enqueue(Buffer.from(body.slice(100))), out.close()) });
    const chunked = await fetch(`${gateway.url}/v1/messages`, { method: 'POST', body: pieces, duplex: 'half' });
    assert.deepEqual([chunked.status, (await chunked.json()).error.type], [413, 'request_too_large']);
    const fits = JSON.stringify({ ...chat, messages: [{ role: 'user', content: '' }] }).length;
    assert.equal((await to('/v1/chat/completions', { body: { ...chat, messages: [{ role: 'user', content: 'a'.repeat(LIMIT - fits) }] } })).status, 200);
  });

  test('an unknown content type of a JSON body does not matter', async () => {
    assert.equal((await to('/v1/chat/completions', { headers: { 'content-type': 'text/plain' }, body: chat })).status, 200);
  });
});

describe('routing fields and headers', () => {
  test('they never reach a provider', async () => {
    const body = { ...chat, models: [MODELS.OpenAI], provider: { allow_fallbacks: false }, session_id: 's1' };
    const answer = await to('/v1/chat/completions', { body, headers: { 'x-signalbox-session': 's1', 'x-signalbox-explain': 'true', 'x-signalbox-unknown': 'x', 'x-other': 'y', cookie: 'a=b' } });
    assert.equal(answer.status, 200);
    const [attempt] = gateway.sim.log.all();
    for (const name of ['models', 'provider', 'session_id']) assert.equal(name in attempt.json, false, name);
    assert.deepEqual(Object.keys(attempt.headers).filter(name => /^x-signalbox|^x-other|^cookie|^origin/.test(name)), []);
  });

  for (const [header, value] of [['x-signalbox-task', 'gossip'], ['x-signalbox-policy', 'none-such'], ['x-signalbox-latency-budget-ms', 'soon'], ['x-signalbox-max-cost-usd', '-1'], ['x-signalbox-on-unsupported', 'shrug'], ['x-signalbox-continue', 'sometimes']]) {
    test(`${header}: ${value} is a 400 that names it`, async () => {
      const answer = await to('/v1/chat/completions', { body: chat, headers: { [header]: value } });
      assert.equal(answer.status, 400);
      assert.equal((await answer.json()).error.param, header);
      const other = await to('/v1/messages', { body: message, headers: { [header]: value } });
      assert.match((await other.json()).error.message, new RegExp(header));
    });
  }

  test('a member of `provider` that is not known is a 400, never ignored', async () => {
    const answer = await to('/v1/chat/completions', { body: { ...chat, provider: { quantizations: ['fp8'] } } });
    assert.deepEqual([answer.status, (await answer.json()).error.param], [400, 'provider.quantizations']);
  });
});
