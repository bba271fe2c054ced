// Workers AI through its binding, for which an entrypoint stands in: the real one is always remote.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { join } from 'node:path';
import { startHarness } from './harness.mjs';

const LLAMA = 'workers-ai/@cf/meta/llama-3.3-70b-instruct-fp8-fast';
const OSS = 'workers-ai/@cf/openai/gpt-oss-20b';
const ask = content => [{ role: 'user', content }];

describe('Workers AI', () => {
  let gateway;
  let openai;
  before(async () => {
    gateway = await startHarness({
      entry: join(import.meta.dirname, 'stand-in', 'ai.mjs'),
      services: { AI: { service: 'signalbox', entrypoint: 'Ai' } },
    });
    openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
  });
  after(() => gateway?.close());

  test('answers whole, wrapped or not, and is priced', async () => {
    for (const content of ['plain', 'raw']) {
      const answer = await openai.chat.completions.create({ model: LLAMA, messages: ask(content) });
      assert.match(answer.choices[0].message.content, /Paris/);
      assert.equal(answer.choices[0].finish_reason, 'stop');
      assert.equal(answer.usage.prompt_tokens, 9);
      assert.ok(answer.usage.cost > 0);
    }
  });

  for (const model of [LLAMA, OSS]) {
    test(`streams ${model} to a client of either dialect`, async () => {
      let text = '';
      let finish;
      for await (const chunk of await openai.chat.completions.create({ model, messages: ask('x'), stream: true })) {
        text += chunk.choices[0]?.delta.content ?? '';
        finish ??= chunk.choices[0]?.finish_reason;
      }
      assert.match(text, /Paris\.$/);
      assert.equal(finish, 'stop');
      const anthropic = new Anthropic({ baseURL: gateway.url, apiKey: 'none', maxRetries: 0 });
      const message = await anthropic.messages.stream({ model, max_tokens: 100, messages: ask('x') }).finalMessage();
      assert.match(message.content[0].text, /Paris\.$/);
      assert.equal(message.stop_reason, 'end_turn');
    });
  }

  test('calls tools', async () => {
    const tools = [{ type: 'function', function: { name: 'look', parameters: { type: 'object', properties: { at: { type: 'string' } } } } }];
    const answer = await openai.chat.completions.create({ model: LLAMA, messages: ask('call'), tools });
    const [call] = answer.choices[0].message.tool_calls;
    assert.deepEqual([call.function.name, call.function.arguments, answer.choices[0].finish_reason], ['look', '{"at":"x"}', 'tool_calls']);
    assert.ok(call.id && call.id !== 'null');
  });

  test('trap 18: no neurons is an empty account, no capacity is worth a retry', async () => {
    for (const [content, attempts] of [['no neurons', 1], ['no capacity', 2]]) {
      const answer = await gateway.call('/v1/chat/completions', { model: LLAMA, messages: ask(content) });
      assert.ok(answer.status >= 400);
      assert.equal(answer.headers.get('x-signalbox-attempts').split(',').length, attempts, content);
    }
  });
});

describe('without the binding', () => {
  let gateway;
  before(async () => { gateway = await startHarness(); });
  after(() => gateway?.close());

  test('Workers AI is no candidate, and operators are told why', async () => {
    const answer = await gateway.call('/v1/route', { model: LLAMA, messages: ask('x') });
    assert.match(await answer.text(), /no binding AI|unavailable/);
    const refused = await gateway.call('/v1/chat/completions', { model: LLAMA, messages: ask('x') });
    assert.equal(refused.status, 400);
  });
});
