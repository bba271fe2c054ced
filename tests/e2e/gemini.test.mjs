// The official Gemini client, with models of all three dialects behind the gateway.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { ApiError, FunctionCallingConfigMode, GoogleGenAI } from '@google/genai';
import { MODELS, collect, dialectOf, invoice, pixel, slow, weather } from './clients.mjs';
import { startHarness } from './harness.mjs';

const tools = [{ functionDeclarations: [{ name: 'get_weather', description: 'Current weather', parametersJsonSchema: weather }] }];
let gateway;
let ai;

before(async () => {
  gateway = await startHarness();
  ai = new GoogleGenAI({ apiKey: 'none', httpOptions: { baseUrl: gateway.url } });
});
after(() => gateway?.close());
beforeEach(() => gateway.sim.reset());

const sent = () => gateway.sim.log.all().at(-1);
const partsOf = answers => answers.flatMap(answer => answer.candidates?.[0]?.content?.parts ?? []);
const textOf = answers => partsOf(answers).filter(part => part.text && !part.thought).map(part => part.text).join('');
const callsOf = answers => partsOf(answers).flatMap(part => part.functionCall ?? []);

for (const [provider, model] of Object.entries(MODELS)) {
  describe(`with a model of ${provider}`, () => {
    const ask = (contents = 'What is the capital of France?', config = {}) => ai.models.generateContent({ model, contents, config });
    const stream = async (contents = 'What is the capital of France?', config = {}) => collect(await ai.models.generateContentStream({ model, contents, config }));

    test('a whole answer', async () => {
      const answer = await ask(undefined, { systemInstruction: 'Be brief.' });
      assert.match(answer.text, /Paris/);
      assert.equal(answer.candidates[0].finishReason, 'STOP');
      const { promptTokenCount, totalTokenCount } = answer.usageMetadata;
      assert.ok(promptTokenCount > 0 && totalTokenCount > promptTokenCount);
      assert.equal(sent().dialect, dialectOf(model));
      assert.match(sent().body, /Be brief\./);
    });

    test('a streamed answer says the same', async () => {
      const [whole, chunks] = [await ask(), await stream()];
      assert.equal(textOf(chunks), whole.text);
      assert.ok(chunks.length > 2);
      assert.deepEqual(chunks.map(chunk => chunk.candidates?.[0]?.finishReason).filter(Boolean), ['STOP']);
      assert.equal(chunks.at(-1).usageMetadata.totalTokenCount, whole.usageMetadata.totalTokenCount);
    });

    test('tool calls, single and parallel, whole and streamed', async () => {
      for (const [contents, cities] of [['Weather in Lisbon?', ['Lisbon']], ['Weather in Lisbon and Porto?', ['Lisbon', 'Porto']]]) {
        for (const answers of [[await ask(contents, { tools })], await stream(contents, { tools })]) {
          assert.deepEqual(callsOf(answers).map(call => [call.name, call.args.city]), cities.map(city => ['get_weather', city]));
        }
      }
    });

    test('the turn with the tools\' results', async () => {
      const question = { role: 'user', parts: [{ text: 'Weather in Lisbon and Porto?' }] };
      const called = (await ask([question], { tools })).candidates[0].content;
      const responses = called.parts.filter(part => part.functionCall).map(({ functionCall: { id, name, args } }) => ({ functionResponse: { id, name, response: { output: `21 degrees in ${args.city}` } } }));
      const answer = await ask([question, called, { role: 'user', parts: responses }], { tools });
      assert.match(answer.text, /21 degrees/);
      for (const city of ['Lisbon', 'Porto']) assert.match(sent().body, new RegExp(`21 degrees in ${city}`));
    });

    test('a named tool is forced', async () => {
      const other = { functionDeclarations: [{ name: 'other', parametersJsonSchema: weather }, ...tools[0].functionDeclarations] };
      const toolConfig = { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY, allowedFunctionNames: ['get_weather'] } };
      assert.deepEqual(callsOf([await ask('Weather in Lisbon?', { tools: [other], toolConfig })]).map(call => call.name), ['get_weather']);
    });

    test('a structured answer', async () => {
      const config = { responseMimeType: 'application/json', responseJsonSchema: invoice };
      for (const answers of [[await ask('Invoice number 7, blue', config)], await stream('Invoice number 7, blue', config)]) {
        assert.deepEqual(JSON.parse(textOf(answers)), { number: 7, colour: 'blue' });
      }
    });

    test('a picture', async () => {
      const answer = await ask([{ role: 'user', parts: [{ text: 'What is this?' }, { inlineData: { mimeType: 'image/png', data: pixel } }] }]);
      assert.match(answer.text, /picture shows/);
      assert.ok(sent().body.includes(pixel));
    });

    test('an output bound holds', async () => {
      const answer = await ask(undefined, { maxOutputTokens: 3 });
      assert.deepEqual([answer.candidates[0].finishReason, answer.text], ['MAX_TOKENS', 'The capital ']);
    });

    // Google charges on: its answer is read to the end (streaming.test.mjs).
    if (provider !== 'Gemini') test('a client that aborts stops the provider', async () => {
      gateway.sim.behave('*', slow);
      const leaving = new AbortController();
      await assert.rejects(async () => {
        for await (const chunk of await ai.models.generateContentStream({ model, contents: 'x', config: { abortSignal: leaving.signal } })) if (chunk.text) leaving.abort();
      });
      assert.equal((await gateway.sim.waitFor(attempt => attempt.ended)).ended, 'client closed');
    });

    for (const [status, expected] of [[400, 400], [401, 502], [404, 404]]) {
      test(`the provider's ${status}, in Google's words`, async () => {
        gateway.sim.behave('*', { status });
        for (const call of [ask, stream]) {
          const error = await call().catch(error => error);
          assert.ok(error instanceof ApiError);
          assert.equal(error.status, expected);
          const told = JSON.parse(error.message).error;
          assert.deepEqual([told.code, typeof told.status], [expected, 'string']);
        }
      });
    }
  });
}

test('the catalogue, as the client reads it', async () => {
  const models = await collect(await ai.models.list());
  assert.ok(models.some(model => model.name === `models/${MODELS.Anthropic}`));
  assert.equal((await ai.models.get({ model: MODELS.Gemini })).name, `models/${MODELS.Gemini}`);
});

test('an unknown model and a body that is none, in Google\'s words', async () => {
  await assert.rejects(ai.models.generateContent({ model: 'no-such-model', contents: 'x' }), error => error.status === 404);
  const answer = await gateway.call(`/v1beta/models/${MODELS.Gemini}:generateContent`, '{"contents":');
  assert.deepEqual([answer.status, (await answer.json()).error.status], [400, 'INVALID_ARGUMENT']);
});
