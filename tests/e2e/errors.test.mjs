// Failures as the official clients meet them: the right class, the provider's or our words, and no useless retries.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { MODELS, capital, clients, collect } from './clients.mjs';
import { startHarness, until } from './harness.mjs';

let gateway;
let openai;
let anthropic;
before(async () => {
  gateway = await startHarness({ config: sim => ({ max_body_bytes: 100_000, providers: fresh(sim) }) });
  ({ openai, anthropic } = clients(gateway));
});
after(() => gateway?.close());
beforeEach(() => gateway.sim.reset());

// A provider per failure: a retry budget is a provider's own, and a test must not live on what another has left of it.
const KINDS = { OpenAI: 'openai-chat', Anthropic: 'anthropic-messages', Gemini: 'gemini' };
const alone = (dialect, nth) => `${dialect.toLowerCase()}-${nth}`;
const fresh = sim => Object.fromEntries(Object.entries(KINDS).flatMap(([dialect, kind]) => [...new Set([...FAILURES.map(one => one.status + one.calls), 'eager', 'limited', 'event'])].map(nth => [
  alone(dialect, nth), { kind, base_url: sim.baseUrl(dialect.toLowerCase()), api_key: 'sim-alone' },
])));

const chat = (model, more, options) => openai.chat.completions.create({ model, messages: capital, ...more }, options);
const message = (model, more, options) => anthropic.messages.create({ model, max_tokens: 100, messages: capital, ...more }, options);
const attempts = () => gateway.sim.log.all().length;

// What a provider answers, what the callers of both clients get for it, and how often the provider is asked: a failure that
// may pass is tried once more, any other is not.
const overloaded = { OpenAI: 503, Anthropic: 529, Gemini: 503 };
const FAILURES = [
  { provider: 400, status: 400, calls: 1, openai: OpenAI.BadRequestError, anthropic: Anthropic.BadRequestError, type: 'invalid_request_error' },
  { provider: 401, status: 502, calls: 1, openai: OpenAI.InternalServerError, anthropic: Anthropic.InternalServerError, type: 'api_error', code: 'upstream_auth_failed' },
  { provider: 403, status: 502, calls: 1, openai: OpenAI.InternalServerError, anthropic: Anthropic.InternalServerError, type: 'api_error', code: 'upstream_auth_failed' },
  { provider: 404, status: 404, calls: 1, openai: OpenAI.NotFoundError, anthropic: Anthropic.NotFoundError, type: 'not_found_error' },
  { provider: 413, status: 413, calls: 1, openai: OpenAI.APIError, anthropic: Anthropic.APIError, type: 'request_too_large' },
  { provider: 429, status: 429, calls: 2, openai: OpenAI.RateLimitError, anthropic: Anthropic.RateLimitError, type: 'rate_limit_error' },
  { provider: 500, status: 502, calls: 2, openai: OpenAI.InternalServerError, anthropic: Anthropic.InternalServerError, type: 'api_error' },
  { provider: overloaded, status: 503, calls: 2, openai: OpenAI.InternalServerError, anthropic: Anthropic.InternalServerError, type: 'overloaded_error' },
];

for (const failure of FAILURES) {
  for (const dialect of Object.keys(MODELS)) {
    const status = failure.provider[dialect] ?? failure.provider;
    describe(`${dialect}'s ${status}`, () => {
      for (const stream of [false, true]) {
        test(`${stream ? 'streamed' : 'whole'}: the right class in both clients`, async () => {
          const model = `${alone(dialect, failure.status + failure.calls)}/some-model`;
          gateway.sim.behave('*', { status, message: 'The provider says no.' });
          const one = await chat(model, { stream }).catch(error => error);
          assert.ok(one instanceof failure.openai, `${one.constructor.name}: ${one.message}`);
          assert.equal(one.status, failure.status);
          assert.equal(attempts(), failure.calls);
          assert.ok(one.requestID?.startsWith('req_'));
          const two = await message(model, { stream }).catch(error => error);
          assert.ok(two instanceof failure.anthropic, `${two.constructor.name}: ${two.message}`);
          assert.deepEqual([two.status, two.error.error.type], [failure.status, failure.type]);
          assert.ok(two.requestID?.startsWith('req_'));
          for (const error of [one, two]) {
            assert.equal(error.headers.get('x-should-retry'), 'false');
            assert.match(error.headers.get('x-signalbox-attempts'), new RegExp(`^${model}:${status}`));
            assert.equal(/The provider says no/.test(error.message), failure.status < 429, 'a provider\'s words are shown where the caller is at fault, and only there');
          }
          if (failure.code) assert.equal(one.code, failure.code);
        });
      }
    });
  }
}

describe('retries', () => {
  test('a client that would retry is told not to repeat what was tried', async () => {
    gateway.sim.behave('*', 'status-503');
    const eager = clients(gateway, { maxRetries: 2 });
    await assert.rejects(eager.openai.chat.completions.create({ model: 'openai-eager/m', messages: capital }), OpenAI.InternalServerError);
    assert.equal(attempts(), 2);
    await assert.rejects(eager.anthropic.messages.create({ model: 'anthropic-eager/m', max_tokens: 9, messages: capital }), Anthropic.InternalServerError);
    assert.equal(attempts(), 4);
  });

  test('a rate limit that names its end is passed on, and a client that waits for it succeeds', async () => {
    gateway.sim.behave('gpt-5-mini', { status: 429, retryAfter: 30 });
    const error = await chat(MODELS.OpenAI).catch(error => error);
    assert.ok(error instanceof OpenAI.RateLimitError);
    assert.deepEqual(['x-should-retry', 'retry-after'].map(name => error.headers.get(name)), ['true', '30']);
    assert.equal(attempts(), 1);
    // The smallest of all candidates' hints counts.
    gateway.sim.behave('claude-sonnet-4-6', { status: 429, retryAfter: 20 });
    const both = await chat(MODELS.OpenAI, { models: [MODELS.Anthropic] }).catch(error => error);
    assert.deepEqual([both.status, both.headers.get('retry-after')], [429, '20']);
    gateway.sim.behave('gpt-5-mini', { status: 429, retryAfter: 4 }, {});
    const answer = await clients(gateway, { maxRetries: 1 }).openai.chat.completions.create({ model: MODELS.OpenAI, messages: capital });
    assert.match(answer.choices[0].message.content, /Paris/);
  });

  test('a short rate limit is waited out, unseen', async () => {
    gateway.sim.behave('gpt-5-mini', { status: 429, retryAfter: 1 }, {});
    const { data, response } = await chat(MODELS.OpenAI).withResponse();
    assert.match(data.choices[0].message.content, /Paris/);
    assert.equal(response.headers.get('x-signalbox-attempts'), 'openai/gpt-5-mini:429,openai/gpt-5-mini:200');
  });
});

describe('an error inside a stream', () => {
  for (const provider of Object.keys(MODELS)) {
    const model = `${alone(provider, 'event')}/m`;
    test(`${provider}: before content it is retried unseen`, async () => {
      gateway.sim.behave('*', { errorEvent: { at: 0, status: 529 } }, {});
      const chunks = await collect(await chat(model, { stream: true }));
      assert.match(chunks.map(chunk => chunk.choices[0]?.delta.content ?? '').join(''), /Paris/);
      assert.equal(attempts(), 2);
    });

    test(`${provider}: after content it raises the client's class for it, and nothing is added`, async () => {
      gateway.sim.behave('*', { errorEvent: { at: 5, status: 529 }, holds: [{ at: 5, gate: 'seen' }] });
      for (const [call, kind, textOf] of [
        [chat, OpenAI.APIError, chunk => chunk.choices[0]?.delta.content],
        [message, Anthropic.APIError, event => event.delta?.text],
      ]) {
        let text = '';
        const error = await (async () => {
          for await (const item of await call(model, { stream: true })) {
            text += textOf(item) ?? '';
            if (text) gateway.sim.open('seen');
          }
        })().catch(error => error);
        assert.ok(error instanceof kind, `${error?.constructor?.name}: ${error?.message}`);
        assert.match(error.message, /overloaded|broke off/i);
        assert.ok('The capital of France is Paris.'.startsWith(text) && text, text);
      }
      // So short a text is asked for once more, in vain; not where the provider's own words are out already.
      assert.equal(attempts(), provider === 'Anthropic' ? 3 : 4);
    });
  }
});

describe('the caller\'s own mistakes', () => {
  test('an unknown model is not found, in both clients', async () => {
    await assert.rejects(chat('no-such-model'), error => error instanceof OpenAI.NotFoundError && error.param === 'model' && error.code === 'model_not_found');
    await assert.rejects(message('no-such-model'), error => error instanceof Anthropic.NotFoundError && error.error.error.type === 'not_found_error');
    assert.equal(attempts(), 0);
  });

  test('a missing or wrong field is named', async () => {
    await assert.rejects(chat(MODELS.OpenAI, { messages: undefined }), error => error instanceof OpenAI.BadRequestError && error.param === 'messages');
    await assert.rejects(chat(MODELS.OpenAI, { stream: 'yes' }), error => error instanceof OpenAI.BadRequestError && error.param === 'stream');
    await assert.rejects(message(MODELS.Anthropic, { messages: 'hello' }), error => error instanceof Anthropic.BadRequestError && /^400.*messages: /.test(error.message));
  });

  test('a provider that quotes our key does not show it to the caller', async () => {
    gateway.sim.behave('*', { status: 400, message: 'The key sim-openai may not use this model in this way.' });
    await assert.rejects(chat(MODELS.OpenAI), error => error instanceof OpenAI.BadRequestError && /The key \[key\] may not/.test(error.message));
  });

  test('a body over the limit is too large, in both clients', async () => {
    const messages = [{ role: 'user', content: 'a'.repeat(100_001) }];
    await assert.rejects(chat(MODELS.OpenAI, { messages }), error => error instanceof OpenAI.APIError && error.status === 413 && /100000 bytes/.test(error.message));
    await assert.rejects(message(MODELS.Anthropic, { messages }), error => error.status === 413 && error.error.error.type === 'request_too_large');
    assert.equal(attempts(), 0);
  });

  test('a compressed body is refused by the header\'s name, in every dialect', async () => {
    const body = gzipSync(JSON.stringify({ model: MODELS.OpenAI, messages: capital }));
    for (const path of ['/v1/chat/completions', '/v1/responses', '/v1/messages', '/v1beta/models/m:generateContent']) {
      const answer = await fetch(gateway.url + path, { method: 'POST', body, headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' } });
      assert.equal(answer.status, 415, path);
      assert.match((await answer.json()).error.message, /content-encoding/);
    }
    assert.equal(attempts(), 0);
  });

  test('what a target cannot express is refused before anybody is called', async () => {
    const error = await chat(MODELS.Anthropic, { n: 3 }).catch(error => error);
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.deepEqual([error.param, error.code], ['n', 'unsupported_parameter']);
    assert.equal(attempts(), 0);
  });
});

test('a client that aborts before the answer gets its own error', async () => {
  gateway.sim.behave('*', 'hang');
  const leaving = new AbortController();
  const waiting = chat(MODELS.OpenAI, {}, { signal: leaving.signal });
  await until(() => attempts() === 1, { what: 'the call to the provider' });
  leaving.abort();
  await assert.rejects(waiting, OpenAI.APIUserAbortError);
});
