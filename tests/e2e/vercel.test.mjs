// Vercel's AI SDK with its OpenAI, Anthropic and Google providers pointed at the gateway, and models of every kind behind it.
// Its tool loops are in loops.test.mjs.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogle } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import { APICallError, Output, embedMany, generateText, jsonSchema, streamText, tool } from 'ai';
import { MODELS, dialectOf, invoice, pixel, weather } from './clients.mjs';
import { startHarness } from './harness.mjs';

let gateway;
before(async () => { gateway = await startHarness(); });
after(() => gateway?.close());
beforeEach(() => gateway.sim.reset());

const sent = () => gateway.sim.log.all().at(-1);
const openai = () => createOpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none' });

const PROVIDERS = {
  '@ai-sdk/openai, chat': model => openai().chat(model),
  '@ai-sdk/openai, responses': model => openai().responses(model),
  '@ai-sdk/anthropic': model => createAnthropic({ baseURL: `${gateway.url}/v1`, apiKey: 'none' })(model),
  '@ai-sdk/google': model => createGoogle({ baseURL: `${gateway.url}/v1beta`, apiKey: 'none' })(`models/${model}`),
};

/** What a stream brought: the whole text, and how it ended. */
async function streamed(request) {
  const errors = [];
  const result = streamText({ maxRetries: 0, ...request, onError: ({ error }) => errors.push(error) });
  let text = '';
  for await (const piece of result.textStream) text += piece;
  if (errors.length) throw errors[0];
  return { text, finishReason: await result.finishReason, usage: await result.usage, toolCalls: await result.toolCalls };
}

for (const [name, providerModel] of Object.entries(PROVIDERS)) {
  for (const [provider, model] of Object.entries(MODELS)) {
    describe(`${name}, with a model of ${provider}`, () => {
      const ask = request => generateText({ model: providerModel(model), maxRetries: 0, ...request });
      const stream = request => streamed({ model: providerModel(model), ...request });

      test('an answer, whole and streamed', async () => {
        const request = { prompt: 'What is the capital of France?', instructions: 'Be brief.' };
        const whole = await ask(request);
        assert.match(whole.text, /Paris/);
        assert.equal(whole.finishReason, 'stop');
        assert.ok(whole.usage.inputTokens > 0 && whole.usage.outputTokens > 0);
        assert.equal(sent().dialect, dialectOf(model, /responses/.test(name)));
        assert.match(sent().body, /Be brief\./);
        const { text, finishReason, usage } = await stream(request);
        assert.deepEqual([text, finishReason, usage.totalTokens], [whole.text, 'stop', whole.usage.totalTokens]);
      });

      test('parallel tool calls, whole and streamed', async () => {
        const request = { prompt: 'Weather in Lisbon and Porto?', tools: { get_weather: tool({ inputSchema: jsonSchema(weather) }) } };
        for (const { toolCalls, finishReason } of [await ask(request), await stream(request)]) {
          assert.deepEqual(toolCalls.map(call => [call.toolName, call.input]), ['Lisbon', 'Porto'].map(city => ['get_weather', { city }]));
          assert.equal(finishReason, 'tool-calls');
        }
      });

      test('an object', async () => {
        // For models that it does not know, the Anthropic provider would force a tool and forbid a second call.
        const providerOptions = { anthropic: { structuredOutputMode: 'outputFormat' } };
        const request = { prompt: 'Invoice number 7, blue', output: Output.object({ schema: jsonSchema(invoice) }), providerOptions };
        assert.deepEqual((await ask(request)).output, { number: 7, colour: 'blue' });
        assert.deepEqual(JSON.parse((await stream(request)).text), { number: 7, colour: 'blue' });
      });

      test('a picture', async () => {
        const content = [{ type: 'text', text: 'What is this?' }, { type: 'file', data: pixel, mediaType: 'image/png' }];
        assert.match((await ask({ messages: [{ role: 'user', content }] })).text, /picture shows/);
        assert.ok(sent().body.includes(pixel));
      });

      test('errors, as its own class', async () => {
        for (const call of [ask, stream]) {
          gateway.sim.reset();
          gateway.sim.behave('*', { status: 404 });
          const error = await call({ prompt: 'x' }).then(() => assert.fail('it was answered'), error => error);
          assert.ok(APICallError.isInstance(error), error);
          assert.deepEqual([error.statusCode, error.isRetryable], [404, false]);
          assert.match(error.message, /told to fail/);
        }
      });
    });
  }
}

test('vectors', async () => {
  const { embeddings, usage } = await embedMany({ model: openai().embedding('openai/text-embedding-3-small'), values: ['one', 'two'], maxRetries: 0 });
  assert.deepEqual([embeddings.length, new Set(embeddings.map(vector => vector.length)).size], [2, 1]);
  assert.ok(usage.tokens > 0);
});
