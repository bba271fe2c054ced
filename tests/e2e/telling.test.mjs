// What every answer says about itself (DESIGN §2 "Response headers"), and what the log says about every request.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { MODELS, capital, slow } from './clients.mjs';
import { startHarness, until } from './harness.mjs';
import { dataOf, send } from './wire.mjs';

const SECRET = 'The launch code is swordfish-8841.';
const PARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
let gateway;
before(async () => (gateway = await startHarness()));
after(() => gateway?.close());
beforeEach(() => gateway.sim.reset());

const messages = [{ role: 'user', content: SECRET }];
const to = (path, body, headers) => send(`${gateway.url}${path}`, { body, headers });
const chat = (more, headers) => to('/v1/chat/completions', { model: MODELS.OpenAI, messages, ...more }, headers);
const lines = () => gateway.logs.map(({ message }) => parsed(message)).filter(line => line?.message === 'request');
const lineOf = id => until(() => lines().find(line => line.request_id === id), { what: 'the log line' });

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

describe('headers', () => {
  test('of a whole answer', async () => {
    const { headers } = await chat();
    assert.match(headers['x-signalbox-request-id'], /^req_[0-9a-f]{24}$/);
    assert.equal(headers['x-request-id'], headers['x-signalbox-request-id']);
    assert.deepEqual(['model', 'policy', 'attempts', 'losses', 'cost-certainty'].map(name => headers[`x-signalbox-${name}`]), [MODELS.OpenAI, 'balanced', `${MODELS.OpenAI}:200`, '', 'exact']);
    assert.match(headers['x-signalbox-cost-usd'], /^0\.\d+$/);
    assert.match(headers.traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
    assert.equal(headers['cache-control'], 'no-store');
  });

  test('of a stream: everything but the cost, which is not known yet', async () => {
    const { headers } = await chat({ stream: true });
    assert.deepEqual(['model', 'policy', 'attempts', 'losses'].map(name => headers[`x-signalbox-${name}`]), [MODELS.OpenAI, 'balanced', `${MODELS.OpenAI}:200`, '']);
    assert.deepEqual([headers['x-signalbox-cost-usd'], headers['x-signalbox-cost-certainty']], [undefined, undefined]);
    assert.match(headers['content-type'], /^text\/event-stream/);
    assert.match(headers['cache-control'], /no-transform/);
    assert.equal(headers['content-length'], undefined);
  });

  test('of an answer to an Anthropic caller: its SDK\'s name for the request id', async () => {
    const { headers } = await to('/v1/messages', { model: MODELS.Gemini, max_tokens: 50, messages });
    assert.match(headers['request-id'], /^req_/);
    assert.equal(headers['x-signalbox-model'], MODELS.Gemini);
  });

  test('of a fallback: every attempt in order', async () => {
    for (const stream of [false, true]) {
      gateway.sim.behave('gpt-5-mini', 'status-401');
      const { headers } = await chat({ stream, models: [MODELS.Anthropic] });
      assert.equal(headers['x-signalbox-attempts'], `${MODELS.OpenAI}:401,${MODELS.Anthropic}:200`);
      assert.equal(headers['x-signalbox-model'], MODELS.Anthropic);
    }
  });

  test('of an error: attempts and no model', async () => {
    gateway.sim.behave('*', 'status-401');
    const { status, headers } = await chat({ models: [MODELS.Anthropic] });
    assert.equal(status, 502);
    assert.equal(headers['x-signalbox-attempts'], `${MODELS.OpenAI}:401,${MODELS.Anthropic}:401`);
    assert.deepEqual([headers['x-signalbox-model'], headers['x-should-retry'], headers['x-signalbox-policy']], [undefined, 'false', 'balanced']);
  });

  test('losses name what is not exact, and how', async () => {
    const { status, headers } = await to('/v1/chat/completions', { model: MODELS.Anthropic, messages, prompt_cache_key: 'k', user: 'u', seed: 7 }, { 'x-signalbox-on-unsupported': 'drop' });
    assert.equal(status, 200);
    assert.match(headers['x-signalbox-losses'], /prompt_cache_key:advisory/);
    assert.match(headers['x-signalbox-losses'], /seed:(unsupported|advisory)/);
  });

  test('upstreams\' own headers are not the gateway\'s', async () => {
    gateway.sim.behave('*', { headers: { 'set-cookie': 'a=b', 'x-ratelimit-remaining-requests': '3', 'openai-organization': 'org-secret' } });
    const { headers } = await chat();
    for (const name of ['set-cookie', 'x-ratelimit-remaining-requests', 'openai-organization']) assert.equal(headers[name], undefined, name);
  });
});

describe('explain', () => {
  test('brings decision and attempts under one member, in the last chunk of a stream', async () => {
    const whole = await (await chat({ model: 'auto' }, { 'x-signalbox-explain': 'true' })).json();
    const items = dataOf(await (await chat({ model: 'auto', stream: true }, { 'x-signalbox-explain': 'true' })).text());
    const carrying = items.filter(item => item.signalbox);
    assert.equal(carrying.length, 1);
    assert.deepEqual([items.indexOf(carrying[0]), items.at(-1)], [items.length - 2, '[DONE]']);
    for (const { signalbox } of [whole, carrying[0]]) {
      assert.equal(signalbox.decision.requested, 'auto');
      assert.equal(signalbox.model, signalbox.decision.chosen);
      assert.deepEqual(signalbox.attempts.map(one => one.outcome), ['200']);
    }
  });

  test('in an Anthropic stream, too', async () => {
    const items = dataOf(await (await to('/v1/messages', { model: MODELS.Anthropic, max_tokens: 50, messages, stream: true }, { 'x-signalbox-explain': 'true' })).text());
    const carrying = items.filter(item => item.signalbox);
    assert.equal(carrying.length, 1);
    assert.deepEqual([items.at(-1).type, carrying[0].signalbox.model], ['message_stop', MODELS.Anthropic]);
  });
});

describe('trace context', () => {
  test('a caller\'s trace is joined, in the answer and at the provider, each under a span of its own', async () => {
    for (const stream of [false, true]) {
      gateway.sim.reset();
      const answer = await chat({ stream }, { traceparent: PARENT });
      await answer.rest();
      const [attempt] = gateway.sim.log.all();
      const [ours, theirs] = [answer.headers.traceparent, attempt.headers.traceparent].map(text => text.split('-'));
      assert.deepEqual([ours[1], theirs[1]], [PARENT.split('-')[1], PARENT.split('-')[1]]);
      assert.equal(new Set([PARENT.split('-')[2], ours[2], theirs[2]]).size, 3);
      assert.equal((await lineOf(answer.headers['x-signalbox-request-id'])).trace_id, ours[1]);
    }
  });

  test('one that is not valid is replaced', async () => {
    for (const bad of ['nonsense', '00-00000000000000000000000000000000-00f067aa0ba902b7-01', 'ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01']) {
      const { headers } = await chat({}, { traceparent: bad });
      assert.match(headers.traceparent, /^00-[0-9a-f]{32}-/);
      assert.ok(!headers.traceparent.includes(bad.split('-')[1] ?? 'nonsense'));
    }
  });
});

describe('the log', () => {
  test('has one line per request with what happened', async () => {
    gateway.sim.behave('gpt-5-mini', 'status-401');
    const fallback = await chat({ models: [MODELS.Anthropic] }, { 'x-signalbox-task': 'code' });
    await fallback.rest();
    const line = await lineOf(fallback.headers['x-signalbox-request-id']);
    const { method, path, dialect, status, stream, requested_model, model, policy, task, attempts, cost_certainty, level } = line;
    assert.deepEqual({ method, path, dialect, status, stream, requested_model, model, policy, task, attempts, cost_certainty, level }, {
      method: 'POST', path: '/v1/chat/completions', dialect: 'openai-chat', status: 200, stream: false, requested_model: MODELS.OpenAI, model: MODELS.Anthropic,
      policy: 'balanced', task: 'code', attempts: fallback.headers['x-signalbox-attempts'], cost_certainty: 'exact', level: 'info',
    });
    assert.equal(line.cost_usd, fallback.headers['x-signalbox-cost-usd']);
    assert.ok(line.usage.input_tokens > 0 && line.duration_ms >= line.ttft_ms);
  });

  test('tells failures and leavers as what they were', async () => {
    gateway.sim.behave('*', 'status-401');
    const failed = await lineOf((await chat()).headers['x-signalbox-request-id']);
    assert.deepEqual([failed.status, failed.level, failed.error], [502, 'error', 'upstream_auth_failed']);
    const wrong = await lineOf((await chat({ messages: 5 })).headers['x-signalbox-request-id']);
    assert.deepEqual([wrong.status, wrong.level, wrong.error], [400, 'info', 'invalid_request']);
    gateway.sim.behave('*', slow);
    const answer = await chat({ stream: true });
    await answer.next();
    answer.leave();
    const left = await lineOf(answer.headers['x-signalbox-request-id']);
    assert.deepEqual([left.status, left.cost_certainty], [499, 'estimated']);
  });

  test('holds no prompt, no answer, no key: not in any line of any kind', async () => {
    gateway.sim.behave('gpt-5-mini', { status: 400, message: `You said: ${SECRET} with key sim-openai` }, { answer: { text: 'The answer is swordfish-8841.' } });
    for (const call of [
      () => chat(), () => chat(), () => chat({ stream: true }), () => chat({ model: SECRET }), () => chat({ messages: SECRET }), () => chat({ tools: [{ type: 'function', function: { name: SECRET, parameters: { type: SECRET } } }], model: MODELS.Anthropic }),
      () => to('/v1/messages', { model: MODELS.OpenAI, max_tokens: 50, system: SECRET, messages }), () => to('/v1/route', { model: 'auto', messages }),
      () => to('/v1/chat/completions', `{"messages":"${SECRET}`), () => to(`/v1/messages?key=${encodeURIComponent('AIza-secret-key')}`, { model: 'auto', max_tokens: 5, messages }),
    ]) {
      const answer = await call();
      await answer.rest();
      await lineOf(answer.headers['x-signalbox-request-id']);
    }
    const everything = JSON.stringify(gateway.logs);
    for (const word of ['swordfish', 'sim-openai', 'sim-anthropic', 'sim-gemini', 'AIza-secret-key', 'Bearer']) assert.ok(!everything.includes(word), word);
    assert.ok(lines().length >= 10);
    assert.equal(new Set(lines().map(line => line.request_id)).size, lines().length, 'one line each');
  });
});
