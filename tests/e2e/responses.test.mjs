// The official OpenAI client's Responses, with providers of every dialect behind the gateway, and what of chat goes there by
// itself. Its tool loops are in loops.test.mjs.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import OpenAI from 'openai';
import { MODELS, clients, collect, invoice, pixel, user, weather } from './clients.mjs';
import { startHarness } from './harness.mjs';

const tools = [{ type: 'function', name: 'get_weather', description: 'Current weather', parameters: weather, strict: true }];
const chatTools = [{ type: 'function', function: { name: 'get_weather', description: 'Current weather', parameters: weather } }];
const format = { type: 'json_schema', name: 'invoice', strict: true, schema: invoice };
const question = 'What is the capital of France?';
const needing = 'openai/gpt-5.6-sol';

/** A model of each kind of provider, and the dialect that it is spoken to in. */
const TARGETS = {
  'OpenAI': [MODELS.OpenAI, 'openai-responses'],
  'a server of chat only': ['plain/some-model', 'openai-chat'],
  'Anthropic': [MODELS.Anthropic, 'anthropic-messages'],
  'Gemini': [MODELS.Gemini, 'gemini'],
};

let gateway;
let openai;
before(async () => {
  gateway = await startHarness({ config: sim => ({ providers: { plain: { kind: 'openai-chat', base_url: sim.baseUrl('plain'), api_key: 'sim-plain' } } }) });
  ({ openai } = clients(gateway));
});
after(() => gateway?.close());
beforeEach(() => gateway.sim.reset());

const sent = () => gateway.sim.log.all().at(-1);
const called = answer => answer.output.filter(item => item.type === 'function_call');
const cities = answer => called(answer).map(call => JSON.parse(call.arguments).city);

for (const [provider, [model, dialect]] of Object.entries(TARGETS)) {
  describe(`with a model of ${provider}`, () => {
    const ask = (body, options) => openai.responses.create({ model, input: question, ...body }, options);
    const final = body => openai.responses.stream({ model, input: question, ...body }).finalResponse();

    test('an answer, whole and streamed', async () => {
      const whole = await ask({ instructions: 'Be brief.' });
      assert.match(whole.output_text, /Paris/);
      assert.deepEqual([whole.object, whole.status, whole.error, whole.incomplete_details], ['response', 'completed', null, null]);
      assert.ok(whole.usage.input_tokens > 0);
      assert.equal(whole.usage.total_tokens, whole.usage.input_tokens + whole.usage.output_tokens);
      assert.equal(sent().dialect, dialect);
      assert.match(sent().body, /Be brief\./);

      const events = await collect(await ask({ instructions: 'Be brief.', stream: true }));
      assert.deepEqual(events.map(event => event.sequence_number), events.map((_, index) => index), 'numbers run on');
      assert.equal(events.filter(event => event.type === 'response.output_text.delta').map(event => event.delta).join(''), whole.output_text);
      assert.deepEqual([events[0].type, events.at(-1).type], ['response.created', 'response.completed']);
      assert.deepEqual(events.at(-1).response.usage, whole.usage);
      assert.equal((await final()).output_text, (await ask()).output_text, 'the helper that gathers a stream gathers ours');
    });

    test('parallel calls, whole and streamed, and the turn with their results', async () => {
      const input = user('Weather in Lisbon and Porto?');
      const whole = await ask({ input, tools });
      const streamed = await final({ input, tools });
      for (const answer of [whole, streamed]) {
        assert.deepEqual([cities(answer), answer.status], [['Lisbon', 'Porto'], 'completed']);
        const results = called(answer).map(call => ({ type: 'function_call_output', call_id: call.call_id, output: `21 degrees in ${JSON.parse(call.arguments).city}` }));
        const last = await ask({ input: [...input, ...answer.output, ...results], tools });
        assert.match(last.output_text, /21 degrees/);
        for (const city of ['Lisbon', 'Porto']) assert.match(sent().body, new RegExp(`21 degrees in ${city}`));
      }
    });

    test('a structured answer', async () => {
      const body = { model, input: 'Invoice number 7, blue', text: { format } };
      const parsed = await openai.responses.parse(body);
      for (const answer of [parsed, await final(body)]) assert.deepEqual(JSON.parse(answer.output_text), { number: 7, colour: 'blue' });
      assert.match(sent().body, /"enum":\["red","blue"\]/);
    });

    test('a picture', async () => {
      const content = [{ type: 'input_text', text: 'What is this?' }, { type: 'input_image', detail: 'auto', image_url: `data:image/png;base64,${pixel}` }];
      assert.match((await ask({ input: user(content) })).output_text, /picture shows/);
      assert.ok(sent().body.includes(pixel));
    });

    test('a bound cuts the answer, and says so', async () => {
      for (const answer of [await ask({ max_output_tokens: 3 }), await final({ max_output_tokens: 3 })]) {
        assert.deepEqual([answer.status, answer.incomplete_details.reason, answer.output_text], ['incomplete', 'max_output_tokens', 'The capital ']);
      }
    });

    test('failures raise the right class, in a stream too', async () => {
      for (const [status, kind] of [[400, OpenAI.BadRequestError], [404, OpenAI.NotFoundError]]) {
        for (const stream of [false, true]) {
          gateway.sim.reset();
          gateway.sim.behave('*', { status });
          await assert.rejects(ask({ stream }), error => error instanceof kind && error.status === status && error.requestID.startsWith('req_'));
        }
      }
      gateway.sim.reset();
      const said = 'and so on '.repeat(50);
      gateway.sim.behave('*', { fault: 'error-event;at=8', delays: { between: 20 }, answer: { text: said } });
      let text = '';
      const broken = (async () => {
        for await (const event of await ask({ stream: true })) if (event.type === 'response.output_text.delta') text += event.delta;
      })();
      await assert.rejects(broken, error => error instanceof OpenAI.APIError);
      assert.ok(text.length > 0 && text.length < said.length, 'what had come stays');
    });
  });
}

test('what no provider of another dialect can do is refused by name', async () => {
  for (const [param, value] of [['previous_response_id', 'resp_1'], ['background', true], ['store', true]]) {
    await assert.rejects(openai.responses.create({ model: MODELS.Anthropic, input: question, [param]: value }), error => error instanceof OpenAI.BadRequestError && error.param === param);
  }
  await assert.rejects(openai.responses.create({ model: 'no-such-model', input: question }), error => error instanceof OpenAI.NotFoundError && error.code === 'model_not_found');
});

test('functions beside an effort reach /v1/responses, and chat is answered as chat', async () => {
  const request = { model: needing, messages: user('Weather in Lisbon and Porto?'), tools: chatTools, reasoning_effort: 'low' };
  const places = choice => choice.message.tool_calls.map(call => JSON.parse(call.function.arguments).city);
  const whole = await openai.chat.completions.create(request);
  assert.deepEqual([whole.object, whole.choices[0].finish_reason, places(whole.choices[0])], ['chat.completion', 'tool_calls', ['Lisbon', 'Porto']]);
  assert.deepEqual([sent().dialect, sent().path], ['openai-responses', '/openai/v1/responses']);
  const { store, reasoning } = JSON.parse(sent().body);
  assert.deepEqual([store, reasoning], [false, { effort: 'low' }]);
  const streamed = await openai.chat.completions.stream(request).finalChatCompletion();
  assert.deepEqual([streamed.choices[0].finish_reason, places(streamed.choices[0])], ['tool_calls', ['Lisbon', 'Porto']]);
  assert.equal(sent().dialect, 'openai-responses');
  await collect(await openai.chat.completions.create({ ...request, reasoning_effort: 'none', stream: true }));
  assert.equal(sent().dialect, 'openai-chat', 'what chat takes stays there');
});

test('the dry run says so', async () => {
  const { candidates } = await (await gateway.call('/v1/route', { model: needing, messages: user('x'), tools: chatTools })).json();
  assert.deepEqual(candidates.map(({ model, dialect }) => [model, dialect]), [[needing, 'openai-responses']]);
});
