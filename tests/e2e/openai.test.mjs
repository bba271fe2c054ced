// The official OpenAI client, with models of all three dialects behind the gateway.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import OpenAI from 'openai';
import { MODELS, capital, clients, collect, dialectOf, invoice, pixel, slow, user, weather } from './clients.mjs';
import { startHarness } from './harness.mjs';

const tools = [{ type: 'function', function: { name: 'get_weather', description: 'Current weather', parameters: weather } }];
const format = { type: 'json_schema', json_schema: { name: 'invoice', strict: true, schema: invoice } };
let gateway;
let openai;

before(async () => {
  gateway = await startHarness();
  ({ openai } = clients(gateway));
});
after(() => gateway?.close());
beforeEach(() => gateway.sim.reset());

const sent = () => gateway.sim.log.all().at(-1);

for (const [provider, model] of Object.entries(MODELS)) {
  describe(`with a model of ${provider}`, () => {
    const ask = (body, options) => openai.chat.completions.create({ model, messages: capital, ...body }, options);

    test('a whole answer', async () => {
      const answer = await ask({ messages: [{ role: 'system', content: 'Be brief.' }, ...capital] });
      assert.match(answer.choices[0].message.content, /Paris/);
      assert.deepEqual([answer.object, answer.choices[0].message.role, answer.choices[0].finish_reason], ['chat.completion', 'assistant', 'stop']);
      assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
      assert.equal(sent().dialect, dialectOf(model));
      assert.match(sent().body, /Be brief\./);
    });

    test('a streamed answer says the same, with usage where it is asked for', async () => {
      const whole = await ask();
      const chunks = await collect(await ask({ stream: true, stream_options: { include_usage: true } }));
      const text = chunks.map(chunk => chunk.choices[0]?.delta.content ?? '').join('');
      assert.equal(text, whole.choices[0].message.content);
      assert.equal(chunks.filter(chunk => chunk.choices[0]?.finish_reason).length, 1);
      const usages = chunks.map(chunk => chunk.usage).filter(Boolean);
      assert.deepEqual(usages, [whole.usage]);
      assert.equal(chunks.at(-1).choices.length, 0);
      const quiet = await collect(await ask({ stream: true }));
      assert.ok(quiet.every(chunk => !chunk.usage && chunk.choices.length === 1), 'no usage chunk unasked');
    });

    test('the helper that gathers a stream gathers ours', async () => {
      const final = await openai.chat.completions.stream({ model, messages: capital }).finalChatCompletion();
      assert.match(final.choices[0].message.content, /Paris/);
    });

    test('a tool call, whole and streamed in pieces', async () => {
      const request = { tools, messages: user('Weather in Lisbon?') };
      const whole = (await ask(request)).choices[0];
      assert.equal(whole.finish_reason, 'tool_calls');
      const [call] = whole.message.tool_calls;
      assert.deepEqual([call.type, call.function.name, JSON.parse(call.function.arguments)], ['function', 'get_weather', { city: 'Lisbon' }]);
      const chunks = await collect(await ask({ ...request, stream: true }));
      const deltas = chunks.flatMap(chunk => chunk.choices[0]?.delta.tool_calls ?? []);
      assert.ok(deltas[0].id && deltas[0].function.name === 'get_weather');
      assert.deepEqual(JSON.parse(deltas.map(delta => delta.function.arguments ?? '').join('')), { city: 'Lisbon' });
      if (provider !== 'Gemini') assert.ok(deltas.length > 2, 'arguments come in pieces where the provider sends pieces');
      assert.equal(chunks.findLast(chunk => chunk.choices[0]?.finish_reason).choices[0].finish_reason, 'tool_calls');
    });

    test('parallel tool calls, whole and streamed', async () => {
      const request = { tools, messages: user('Weather in Lisbon and Porto?') };
      const cities = calls => calls.map(call => JSON.parse(call.function.arguments).city);
      const whole = (await ask(request)).choices[0].message.tool_calls;
      assert.deepEqual(cities(whole), ['Lisbon', 'Porto']);
      assert.equal(new Set(whole.map(call => call.id)).size, 2);
      const streamed = await openai.chat.completions.stream({ model, ...request }).finalChatCompletion();
      assert.deepEqual(cities(streamed.choices[0].message.tool_calls), ['Lisbon', 'Porto']);
      await ask({ ...request, parallel_tool_calls: false }).then(
        answer => assert.equal(answer.choices[0].message.tool_calls.length, 1),
        error => assert.ok(error instanceof OpenAI.BadRequestError && error.param === 'parallel_tool_calls', 'one call, or a refusal that names the field'),
      );
    });

    test('the turn with the tools\' results', async () => {
      const question = user('Weather in Lisbon and Porto?');
      const { message } = (await ask({ tools, messages: question })).choices[0];
      const results = message.tool_calls.map(call => ({ role: 'tool', tool_call_id: call.id, content: `21 degrees in ${JSON.parse(call.function.arguments).city}` }));
      const answer = await ask({ tools, messages: [...question, message, ...results] });
      assert.match(answer.choices[0].message.content, /21 degrees/);
      assert.equal(answer.choices[0].finish_reason, 'stop');
      for (const city of ['Lisbon', 'Porto']) assert.match(sent().body, new RegExp(`21 degrees in ${city}`));
    });

    test('a named tool is forced', async () => {
      const answer = await ask({ tools: [{ type: 'function', function: { name: 'other', parameters: weather } }, ...tools], tool_choice: { type: 'function', function: { name: 'get_weather' } } });
      assert.deepEqual(answer.choices[0].message.tool_calls.map(call => call.function.name), ['get_weather']);
    });

    test('a structured answer', async () => {
      const messages = user('Invoice number 7, blue');
      const parsed = await openai.chat.completions.parse({ model, messages, response_format: format });
      assert.deepEqual(JSON.parse(parsed.choices[0].message.content), { number: 7, colour: 'blue' });
      const streamed = await openai.chat.completions.stream({ model, messages, response_format: format }).finalChatCompletion();
      assert.deepEqual(JSON.parse(streamed.choices[0].message.content), { number: 7, colour: 'blue' });
      assert.match(sent().body, /"enum":\["red","blue"\]/);
    });

    test('a picture', async () => {
      const content = [{ type: 'text', text: 'What is this?' }, { type: 'image_url', image_url: { url: `data:image/png;base64,${pixel}` } }];
      const answer = await ask({ messages: user(content) });
      assert.match(answer.choices[0].message.content, /picture shows/);
      assert.ok(sent().body.includes(pixel));
    });

    test('an output bound and stop sequences hold', async () => {
      const short = (await ask({ max_completion_tokens: 3 })).choices[0];
      assert.deepEqual([short.finish_reason, short.message.content], ['length', 'The capital ']);
      const body = { messages: user('What is 6 * 7?'), stop: ['result'] };
      if (provider === 'OpenAI') assert.equal((await ask(body)).choices[0].message.content, 'The ');
      else assert.deepEqual([(await ask(body)).choices[0].message.content, 'stop'], ['The ', (await ask(body)).choices[0].finish_reason]);
    });

    // Google charges on: its answer is read to the end (streaming.test.mjs).
    if (provider !== 'Gemini') test('a client that aborts stops the provider', async () => {
      gateway.sim.behave('*', slow);
      const leaving = new AbortController();
      const stream = await ask({ stream: true }, { signal: leaving.signal });
      for await (const chunk of stream) {
        if (chunk.choices[0]?.delta.content) leaving.abort();
      }
      assert.equal((await gateway.sim.waitFor(attempt => attempt.ended)).ended, 'client closed');
    });
  });
}

test('the catalogue, as the client reads it', async () => {
  const models = await collect(openai.models.list());
  const found = models.find(model => model.id === MODELS.Anthropic);
  assert.equal(found.object, 'model');
  assert.deepEqual(await openai.models.retrieve(MODELS.Anthropic), found);
  assert.ok(models.some(model => model.id === 'auto'));
  await assert.rejects(openai.models.retrieve('openai/no-such-model'), OpenAI.NotFoundError);
});
