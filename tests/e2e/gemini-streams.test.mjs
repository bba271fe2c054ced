// What is Gemini's alone: streams as arrays, ends without a terminator, chats, the catalogue's pages.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { ApiError, GoogleGenAI } from '@google/genai';
import { collect, MODELS, weather } from './clients.mjs';
import { startHarness } from './harness.mjs';
import { send } from './wire.mjs';

const contents = 'What is the capital of France?';
const tools = [{ functionDeclarations: [{ name: 'get_weather', description: 'The weather in a city', parametersJsonSchema: weather }] }];
const FALLBACK = { 'x-signalbox-models': 'openai/gpt-5-mini' };
let gateway;
let google;

const client = (options = {}) => new GoogleGenAI({ apiKey: 'none', ...options, httpOptions: { baseUrl: gateway.url, ...options.httpOptions } });

describe('@google/genai', () => {
  before(async () => {
    gateway = await startHarness();
    google = client();
  });
  after(() => gateway?.close());
  beforeEach(() => gateway.sim.reset());

  for (const [name, model] of Object.entries(MODELS)) {
    describe(`with a model of ${name}'s dialect`, () => {
      test('gets the same stream as one array, element by element', async () => {
        gateway.sim.behave(model.split('/')[1], { holds: [{ at: 'end', gate: 'rest' }] });
        const raw = await send(`${gateway.url}/v1beta/models/${model}:streamGenerateContent`, { body: { contents: [{ parts: [{ text: contents }] }] } });
        assert.match(raw.headers['content-type'], /^application\/json/);
        let text = (await raw.next()).toString();
        assert.match(text, /^\s*\[\{/, 'the first element is there before the last was sent');
        gateway.sim.open('rest');
        text += await raw.text();
        const chunks = JSON.parse(text);
        assert.match(chunks.flatMap(chunk => chunk.candidates[0].content.parts).map(part => part.text).join(''), /Paris/);
        assert.equal(chunks.at(-1).candidates[0].finishReason, 'STOP');
      });

      test('has a chat with tools, over several turns', async () => {
        const chat = google.chats.create({ model, config: { tools } });
        const asks = await chat.sendMessage({ message: 'What is the weather in Paris? Use the tool.' });
        const [call] = asks.functionCalls;
        assert.equal(call.name, 'get_weather');
        assert.equal(typeof call.args.city, 'string');
        const says = await chat.sendMessage({ message: [{ functionResponse: { id: call.id, name: call.name, response: { output: '21 degrees' } } }] });
        assert.match(says.text, /21 degrees/);
        assert.equal(chat.getHistory().length, 4);
      });

      test('is told of an error inside a stream', async () => {
        gateway.sim.behave(model.split('/')[1], { fault: 'error-event;at=2' });
        const error = await google.models.generateContentStream({ model, contents }).then(collect).catch(thrown => thrown);
        assert.ok(error instanceof ApiError, String(error));
        assert.ok(error.status >= 500);
      });

      test('is never given a cut stream as a whole one', async () => {
        gateway.sim.behave(model.split('/')[1], { fault: 'cut;events=2;how=clean' });
        const error = await google.models.generateContentStream({ model, contents }).then(collect).catch(thrown => thrown);
        assert.ok(error instanceof ApiError, String(error));
      });
    });
  }

  test('falls back unseen, and finds the decision in the last chunk', async () => {
    gateway.sim.behave('gemini-2.5-flash', { status: 503 });
    const asking = client({ httpOptions: { headers: { ...FALLBACK, 'x-signalbox-explain': 'true' } } });
    const raw = await send(`${gateway.url}/v1beta/models/${MODELS.Gemini}:streamGenerateContent?alt=sse`, { body: { contents: [{ parts: [{ text: contents }] }] }, headers: { ...FALLBACK, 'x-signalbox-explain': 'true' } });
    assert.match(raw.headers['x-signalbox-attempts'], /^gemini\/gemini-2.5-flash:503,.*openai\/gpt-5-mini:200$/);
    const events = (await raw.text()).split(/\r?\n\r?\n/).filter(Boolean).map(event => JSON.parse(event.replace(/^data: /, '')));
    assert.ok(events.at(-1).signalbox.decision);
    const answer = await asking.models.generateContent({ model: MODELS.Gemini, contents });
    assert.match(answer.text, /Paris/);
  });

  test('thinks aloud only when asked to', async () => {
    gateway.sim.behave('claude-sonnet-4-6', { answer: { reasoning: 'let me see' } });
    const thoughts = answer => answer.candidates[0].content.parts.filter(part => part.thought && part.text).length;
    const ask = includeThoughts => google.models.generateContent({ model: MODELS.Anthropic, contents, config: { maxOutputTokens: 4000, thinkingConfig: { thinkingBudget: 1024, includeThoughts } } });
    assert.equal(thoughts(await ask(true)), 1);
    assert.equal(thoughts(await ask(false)), 0);
  });

  test('may use the version v1beta, and aliases', async () => {
    const answer = await client({ apiVersion: 'v1beta' }).models.generateContent({ model: MODELS.Gemini, contents });
    assert.match(answer.text, /Paris/);
    assert.match((await google.models.generateContent({ model: 'auto', contents })).text, /Paris/);
  });

  test('lists models in pages and gets one', async () => {
    const { models } = client({ apiVersion: 'v1beta' });
    const all = await collect(await models.list());
    const paged = await collect(await models.list({ config: { pageSize: 10 } }));
    assert.ok(all.length > 20);
    assert.deepEqual(paged.map(one => one.name), all.map(one => one.name));
    const one = await models.get({ model: MODELS.Gemini });
    assert.equal(one.name, `models/${MODELS.Gemini}`);
    assert.ok(one.inputTokenLimit > 0 && one.supportedActions.includes('generateContent'));
    await assert.rejects(models.get({ model: 'none' }), error => error instanceof ApiError && error.status === 404);
  });

  test('is told of a setting that a model cannot have', async () => {
    const wrong = await google.models.generateContent({ model: MODELS.Anthropic, contents, config: { safetySettings: [{ category: 'HARM_CATEGORY_HARASSMENT', threshold: 'BLOCK_NONE' }] } }).catch(thrown => thrown);
    assert.ok(wrong instanceof ApiError && wrong.status === 400 && /safetySettings/.test(wrong.message), String(wrong));
  });
});
