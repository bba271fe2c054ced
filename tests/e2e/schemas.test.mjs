// Our own answers against their published JSON Schemas (docs/schemas). These allow no member that they do not name, so that
// what is not documented is found out.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { after, before, beforeEach, describe, test } from 'node:test';
import Ajv from 'ajv/dist/2020.js';
import { MODELS, capital, slow, user } from './clients.mjs';
import { startHarness, until } from './harness.mjs';
import { dataOf, send } from './wire.mjs';

const folder = new URL('../../docs/schemas/', import.meta.url);
const files = readdirSync(folder);
const ajv = new Ajv({ allErrors: true, strict: true, allowUnionTypes: true, strictTypes: false, formats: { date: /^\d{4}-\d\d-\d\d$/, 'date-time': /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/ } });
for (const file of files) ajv.addSchema(JSON.parse(readFileSync(new URL(file, folder), 'utf8')), file);

const seen = new Set();
function fits(name, value) {
  const validate = ajv.getSchema(`${name}.schema.json`);
  assert.ok(validate(value), `${ajv.errorsText(validate.errors, { separator: '\n' })}\n${JSON.stringify(value).slice(0, 2000)}`);
  seen.add(`${name}.schema.json`);
}

let gateway;
before(async () => (gateway = await startHarness({ secrets: { SIGNALBOX_PRINCIPAL_KEY: 'a key of our own' }, config: sim => ({ feedback: {}, capture: { sample: 1 }, providers: { house: { kind: 'openai-chat', base_url: sim.baseUrl('house'), api_key: 'sim-house' } } }) })));
after(() => gateway?.close());
beforeEach(() => gateway.sim.reset());

const json = async (path, body, headers) => (await gateway.call(path, body, { headers })).json();
const anthropic = { 'anthropic-version': '2023-06-01' };
const explain = { 'x-signalbox-explain': 'true' };
const chat = (model, more = {}) => ({ model, messages: capital, ...more });

test('the schemas themselves are valid, and closed', () => {
  for (const file of files) {
    assert.ok(ajv.getSchema(file), file);
    const open = [];
    JSON.parse(readFileSync(new URL(file, folder), 'utf8'), (_, value) => {
      if (value?.type === 'object' && value.additionalProperties !== false && !value.additionalProperties?.$ref) open.push(value);
      return value;
    });
    assert.deepEqual(open, [], `${file} has objects that anything fits`);
  }
});

test('models, in both shapes', async () => {
  fits('models', await json('/v1/models'));
  fits('models.anthropic', await json('/v1/models', undefined, anthropic));
  for (const id of ['auto', MODELS.OpenAI, MODELS.Anthropic]) {
    fits('model', await json(`/v1/models/${id}`));
    fits('model.anthropic', await json(`/v1/models/${encodeURIComponent(id)}`, undefined, anthropic));
  }
});

describe('decisions', () => {
  test('for every kind of request', async () => {
    const tools = [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }];
    for (const body of [
      chat('auto'), chat('auto', { max_tokens: 10, reasoning_effort: 'high' }), chat('auto', { tools, tool_choice: 'required', temperature: 0.2 }), chat('house/unknown'),
      chat(MODELS.OpenAI, { models: [MODELS.Gemini] }), chat('auto', { provider: { sort: 'price' } }), chat('auto', { provider: { order: ['gemini'] } }),
      chat(MODELS.OpenAI, { provider: { ignore: ['openai'] } }), chat(MODELS.Anthropic, { n: 3 }), chat('auto:floor', { messages: user('word '.repeat(200_000)) }),
    ]) fits('route', await json('/v1/route', body));
    fits('route', await json('/v1/route', chat(MODELS.Anthropic, { seed: 5 }), { 'x-signalbox-on-unsupported': 'drop', 'x-signalbox-task': 'code' }));
    fits('route', await json('/v1/route', { ...chat('auto'), max_tokens: 5 }, { 'x-signalbox-dialect': 'anthropic-messages' }));
  });

  test('in the answer\'s own member, whole and streamed, of each dialect', async () => {
    gateway.sim.behave('gpt-5-mini', 'status-401');
    fits('signalbox', (await json('/v1/chat/completions', chat(MODELS.OpenAI, { models: [MODELS.Anthropic], user: 'u', prompt_cache_key: 'k' }), explain)).signalbox);
    fits('signalbox', (await json('/v1/chat/completions', chat('house/unknown'), explain)).signalbox);
    for (const [path, body] of [['/v1/chat/completions', chat(MODELS.Gemini, { stream: true })], ['/v1/messages', chat(MODELS.Anthropic, { stream: true, max_tokens: 50 })], ['/v1/messages', chat(MODELS.Gemini, { max_tokens: 50 })]]) {
      const answer = await (await gateway.call(path, body, { headers: explain })).text();
      const items = body.stream ? dataOf(answer) : [JSON.parse(answer)];
      fits('signalbox', items.find(item => item.signalbox).signalbox);
    }
    gateway.sim.behave('gemini-2.5-flash', { body: { promptFeedback: { blockReason: 'SAFETY' }, usageMetadata: { promptTokenCount: 3, totalTokenCount: 3 } } });
    const { signalbox } = await json('/v1/chat/completions', chat(MODELS.Gemini));
    assert.equal(signalbox.safety[0].value.blockReason, 'SAFETY');
    fits('signalbox', signalbox);
    gateway.sim.behave('gemini-2.5-flash', 'malformed;at=1');
    const skipped = dataOf(await (await gateway.call('/v1/chat/completions', chat(MODELS.Gemini, { stream: true }), { headers: explain })).text()).find(item => item.signalbox);
    assert.equal(skipped.signalbox.malformed_events, 1);
    fits('signalbox', skipped.signalbox);
  });
});

test('health', async () => fits('healthz', await json('/healthz')));

test('statistics, after attempts of every kind', async () => {
  gateway.sim.behave('gpt-5-mini', 'status-503');
  await json('/v1/chat/completions', chat(MODELS.OpenAI, { models: [MODELS.Anthropic] }));
  await json('/v1/chat/completions', chat('nobody/knows'));
  await until(async () => {
    const page = await json('/v1/stats');
    fits('stats', page);
    return page.recent.some(record => record.attempts.length > 1);
  }, { what: 'the request in the ring' });
});

test('usage, after attempts of every kind', async () => {
  fits('usage', await json('/v1/usage'));
  for (const group of ['model', 'day', 'task']) fits('usage.groups', await json(`/v1/usage?group_by=${group}`));
  await json('/v1/chat/completions', chat('house/unknown'));
  gateway.sim.behave('*', slow);
  const leaving = await send(`${gateway.url}/v1/chat/completions`, { body: chat(MODELS.OpenAI, { stream: true }) });
  await leaving.next();
  leaving.leave();
  await gateway.sim.waitFor(attempt => attempt.ended === 'client closed');
  fits('usage', await json('/v1/usage'));
});

test('captures, of streams and of whole answers', async () => {
  for (const body of [chat(MODELS.Anthropic, { stream: true }), chat('auto'), chat('house/unknown')]) {
    const answer = await gateway.call('/v1/chat/completions', body);
    await answer.text();
    const request = answer.headers.get('x-signalbox-request-id');
    const kept = await until(async () => {
      const list = await json('/v1/captures?limit=1');
      fits('captures', list);
      return list.data.find(capture => capture.request_id === request);
    });
    fits('capture', await json(`/v1/captures/${kept.id}`));
    fits('capture.fixture', await json(`/v1/captures/${kept.id}?format=fixture`));
    fits('replay', await json(`/v1/captures/${kept.id}/replay`, {}));
  }
});

test('scores', async () => {
  const { headers } = await gateway.call('/v1/chat/completions', chat(MODELS.OpenAI));
  fits('feedback', await json('/v1/feedback', { request_id: headers.get('x-signalbox-request-id'), receipt: headers.get('x-signalbox-feedback'), score: 0.5 }));
});

describe('errors', () => {
  const both = async body => {
    fits('error', await json('/v1/chat/completions', body));
    fits('error.anthropic', await json('/v1/messages', { max_tokens: 50, ...body }));
  };

  test('of callers, of the policy and of providers, in both dialects', async () => {
    await both({ model: 5 });
    await both(chat('no-such-model'));
    await both(chat(MODELS.OpenAI, { provider: { ignore: ['openai'] } }));
    for (const fault of ['status-400', 'status-401', 'status-404', 'status-413', 'status-429', 'status-503', 'reset']) {
      gateway.sim.behave('*', fault);
      await both(chat(MODELS.Gemini));
    }
    fits('error', await json('/v1/chat/completions', chat(MODELS.Anthropic, { n: 2 })));
    fits('error', await json('/v1/nonsense'));
    fits('error.anthropic', await json('/v1/messages/nonsense', {}));
    fits('error', await json('/v1/models/nonsense'));
    fits('error.anthropic', await json('/v1/models/nonsense', undefined, anthropic));
  });

  test('inside a stream, with and without the explanation', async () => {
    for (const headers of [{}, explain]) {
      for (const [path, schema, body] of [['/v1/chat/completions', 'error', {}], ['/v1/messages', 'error.anthropic', { max_tokens: 50 }]]) {
        gateway.sim.reset();
        gateway.sim.behave('*', { cut: { events: 2 }, holds: [{ at: 1, gate: 'seen' }] });
        const answer = await send(`${gateway.url}${path}`, { headers: { 'x-signalbox-continue': 'off', ...headers }, body: chat(MODELS.Gemini, { stream: true, ...body }) });
        gateway.sim.open('seen');
        const last = dataOf(await answer.text()).at(-1);
        fits(schema, last);
        assert.equal('signalbox' in last, 'x-signalbox-explain' in headers);
      }
    }
  });
});

after(() => assert.deepEqual(files.filter(file => !seen.has(file)), [], 'every schema has met an answer'));
