// The official Anthropic client, with models of all three dialects behind the gateway.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { MODELS, capital, clients, collect, dialectOf, invoice, pixel, slow, user, weather } from './clients.mjs';
import { startHarness } from './harness.mjs';

const tools = [{ name: 'get_weather', description: 'Current weather', input_schema: weather }];
let gateway;
let anthropic;

before(async () => {
  gateway = await startHarness();
  ({ anthropic } = clients(gateway));
});
after(() => gateway?.close());
beforeEach(() => gateway.sim.reset());

const sent = () => gateway.sim.log.all().at(-1);
const textOf = message => message.content.filter(block => block.type === 'text').map(block => block.text).join('');
const callsOf = message => message.content.filter(block => block.type === 'tool_use');

for (const [provider, model] of Object.entries(MODELS)) {
  describe(`with a model of ${provider}`, () => {
    const base = { model, max_tokens: 500, messages: capital };
    const ask = (body, options) => anthropic.messages.create({ ...base, ...body }, options);
    const gathered = body => anthropic.messages.stream({ ...base, ...body }).finalMessage();

    test('a whole answer', async () => {
      const answer = await ask({ system: 'Be brief.' });
      assert.match(textOf(answer), /Paris/);
      assert.deepEqual([answer.type, answer.role, answer.stop_reason], ['message', 'assistant', 'end_turn']);
      assert.ok(answer.usage.input_tokens > 0 && answer.usage.output_tokens > 0);
      assert.equal(sent().dialect, dialectOf(model));
      assert.match(sent().body, /Be brief\./);
    });

    test('a streamed answer says the same, in legal order', async () => {
      const whole = await ask();
      const events = await collect(await ask({ stream: true }));
      assert.equal(events[0].type, 'message_start');
      assert.equal(events.at(-1).type, 'message_stop');
      assert.equal(events.filter(event => event.type === 'message_delta').length, 1);
      const final = await gathered();
      assert.equal(textOf(final), textOf(whole));
      assert.deepEqual([final.stop_reason, final.usage.output_tokens, final.usage.input_tokens], [whole.stop_reason, whole.usage.output_tokens, whole.usage.input_tokens]);
    });

    test('a tool call, whole and streamed in pieces', async () => {
      const request = { tools, messages: user('Weather in Lisbon?') };
      const whole = await ask(request);
      assert.equal(whole.stop_reason, 'tool_use');
      assert.deepEqual(callsOf(whole).map(call => [call.name, call.input]), [['get_weather', { city: 'Lisbon' }]]);
      const events = await collect(await ask({ ...request, stream: true }));
      const pieces = events.filter(event => event.delta?.type === 'input_json_delta').map(event => event.delta.partial_json);
      assert.deepEqual(JSON.parse(pieces.join('')), { city: 'Lisbon' });
      if (provider !== 'Gemini') assert.ok(pieces.filter(Boolean).length > 1, 'arguments come in pieces where the provider sends pieces');
    });

    test('parallel tool calls, whole and streamed', async () => {
      const request = { tools, messages: user('Weather in Lisbon and Porto?') };
      for (const answer of [await ask(request), await gathered(request)]) {
        assert.deepEqual(callsOf(answer).map(call => call.input.city), ['Lisbon', 'Porto']);
        assert.equal(new Set(callsOf(answer).map(call => call.id)).size, 2);
      }
    });

    test('the turn with the tools\' results', async () => {
      const question = user('Weather in Lisbon and Porto?');
      const { content } = await ask({ tools, messages: question });
      const results = content.filter(block => block.type === 'tool_use').map(call => ({ type: 'tool_result', tool_use_id: call.id, content: `21 degrees in ${call.input.city}` }));
      const answer = await ask({ tools, messages: [...question, { role: 'assistant', content }, { role: 'user', content: results }] });
      assert.match(textOf(answer), /21 degrees/);
      assert.equal(answer.stop_reason, 'end_turn');
      for (const city of ['Lisbon', 'Porto']) assert.match(sent().body, new RegExp(`21 degrees in ${city}`));
    });

    test('a named tool is forced', async () => {
      const answer = await ask({ tools: [{ name: 'other', input_schema: weather }, ...tools], tool_choice: { type: 'tool', name: 'get_weather' } });
      assert.deepEqual(callsOf(answer).map(call => call.name), ['get_weather']);
    });

    test('a structured answer', async () => {
      const body = { messages: user('Invoice number 7, blue'), output_config: { format: { type: 'json_schema', schema: invoice } } };
      assert.deepEqual(JSON.parse(textOf(await ask(body))), { number: 7, colour: 'blue' });
      assert.deepEqual(JSON.parse(textOf(await gathered(body))), { number: 7, colour: 'blue' });
    });

    test('a picture', async () => {
      const content = [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: pixel } }, { type: 'text', text: 'What is this?' }];
      assert.match(textOf(await ask({ messages: user(content) })), /picture shows/);
      assert.ok(sent().body.includes(pixel));
    });

    test('an output bound holds', async () => {
      const answer = await ask({ max_tokens: 3 });
      assert.deepEqual([answer.stop_reason, textOf(answer)], ['max_tokens', 'The capital ']);
    });

    // Google charges on: its answer is read to the end (streaming.test.mjs).
    if (provider !== 'Gemini') test('a client that aborts stops the provider', async () => {
      gateway.sim.behave('*', slow);
      const stream = await ask({ stream: true });
      for await (const event of stream) {
        if (event.delta?.type === 'text_delta') stream.controller.abort();
      }
      assert.equal((await gateway.sim.waitFor(attempt => attempt.ended)).ended, 'client closed');
    });
  });
}

test('thinking of a model in its own dialect comes with its signature', async () => {
  const request = { model: MODELS.Anthropic, max_tokens: 2000, thinking: { type: 'enabled', budget_tokens: 1024 }, messages: capital };
  for (const answer of [await anthropic.messages.create(request), await anthropic.messages.stream(request).finalMessage()]) {
    assert.deepEqual(answer.content.map(block => block.type), ['thinking', 'text']);
    assert.ok(answer.content[0].signature);
  }
});

test('the catalogue, as the client reads it', async () => {
  const models = await collect(anthropic.models.list());
  const found = models.find(model => model.id === MODELS.Anthropic);
  assert.equal(found.type, 'model');
  assert.equal((await anthropic.models.retrieve(MODELS.Anthropic)).id, MODELS.Anthropic);
  await assert.rejects(anthropic.models.retrieve('openai/no-such-model'), Anthropic.NotFoundError);
});
