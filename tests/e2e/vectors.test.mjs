// Vectors and counts through the gateway, by the official clients.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { ApiError, GoogleGenAI } from '@google/genai';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { clients, MODELS, weather } from './clients.mjs';
import { startHarness } from './harness.mjs';

const contents = 'What is the capital of France?';
let gateway;
let google;
let openai;
let anthropic;

describe('vectors and counts', () => {
  before(async () => {
    gateway = await startHarness();
    google = new GoogleGenAI({ apiKey: 'none', httpOptions: { baseUrl: gateway.url } });
    ({ openai, anthropic } = clients(gateway));
  });
  after(() => gateway?.close());
  beforeEach(() => gateway.sim.reset());

  test('@google/genai counts tokens, at every provider that can', async () => {
    for (const model of Object.values(MODELS)) {
      const { totalTokens } = await google.models.countTokens({ model, contents });
      assert.ok(totalTokens > 0, model);
    }
    const error = await google.models.countTokens({ model: 'flaky/m', contents }).catch(thrown => thrown);
    assert.ok(error instanceof ApiError && error.status === 400 && /count_tokens/.test(error.message), String(error));
  });

  test('@google/genai embeds, at Google and at OpenAI', async () => {
    for (const model of ['gemini/gemini-embedding-001', 'gemini/gemini-embedding-2', 'openai/text-embedding-3-small']) {
      const { embeddings } = await google.models.embedContent({ model, contents: ['one', 'two'], config: { outputDimensionality: 6 } });
      assert.ok(embeddings.length >= 1 && embeddings.every(one => one.values.length === 6), model);
    }
    const config = { taskType: 'RETRIEVAL_QUERY' };
    assert.equal((await google.models.embedContent({ model: 'gemini/gemini-embedding-001', contents: 'one', config })).embeddings.length, 1);
    const error = await google.models.embedContent({ model: 'openai/text-embedding-3-small', contents: 'one', config }).catch(thrown => thrown);
    assert.ok(error instanceof ApiError && error.status === 400 && /taskType/.test(error.message), String(error));
  });

  test('openai gets the same numbers by either encoding, from OpenAI and from Google', async () => {
    for (const model of ['openai/text-embedding-3-small', 'gemini/gemini-embedding-001']) {
      const ask = more => openai.embeddings.create({ model, input: ['one', 'zwei 😀'], dimensions: 5, ...more });
      const unsaid = await ask({}); // the client asks for base64 by itself, and decodes it
      const floats = await ask({ encoding_format: 'float' });
      assert.equal(unsaid.data.length, 2);
      for (const [index, { embedding }] of unsaid.data.entries()) {
        assert.deepEqual([...embedding], floats.data[index].embedding.map(Math.fround), model);
      }
      assert.ok(floats.usage.prompt_tokens > 0);
      assert.equal(typeof floats.usage.cost, 'number');
    }
    const bytes = await openai.embeddings.create({ model: 'openai/text-embedding-3-small', input: [[1, 2, 3]], encoding_format: 'base64' });
    assert.equal(typeof bytes.data[0].embedding, 'string');
  });

  test('openai is told why there are no vectors', async () => {
    await assert.rejects(openai.embeddings.create({ model: 'gemini/gemini-embedding-001', input: [1, 2] }), error => error instanceof OpenAI.BadRequestError && error.param === 'input');
    await assert.rejects(openai.embeddings.create({ model: 'auto', input: 'a' }), OpenAI.BadRequestError);
    await assert.rejects(openai.embeddings.create({ model: 'no-such-model', input: 'a' }), OpenAI.NotFoundError);
    gateway.sim.behave('text-embedding-3-small', { status: 429, retryAfter: 30 });
    await assert.rejects(openai.embeddings.create({ model: 'openai/text-embedding-3-small', input: 'a' }), OpenAI.RateLimitError);
  });

  test('anthropic counts tokens, at every provider that can', async () => {
    const messages = [{ role: 'user', content: contents }];
    for (const model of Object.values(MODELS)) {
      const { input_tokens: tokens } = await anthropic.messages.countTokens({ model, messages, system: 'Be brief.', tools: [{ name: 'get_weather', input_schema: weather }] });
      assert.ok(tokens > 0, model);
    }
    await assert.rejects(anthropic.messages.countTokens({ model: 'flaky/m', messages }), error => error instanceof Anthropic.BadRequestError && /count_tokens/.test(error.message));
    await assert.rejects(anthropic.messages.countTokens({ model: MODELS.Anthropic, messages: [] }), Anthropic.BadRequestError);
  });
});
