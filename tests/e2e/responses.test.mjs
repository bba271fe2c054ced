// The official OpenAI client's Responses, with providers of every dialect behind the gateway; everybody else's clients in front of
// a server that has only Responses; and what of chat goes there by itself. Tool loops are in loops.test.mjs.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogle } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import { GoogleGenAI } from '@google/genai';
import { Mistral } from '@mistralai/mistralai';
import { OpenRouter } from '@openrouter/sdk';
import { generateText, streamText } from 'ai';
import OpenAI from 'openai';
import { MODELS, capital, clients, collect, invoice, pixel, user, weather } from './clients.mjs';
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
let anthropic;
before(async () => {
  gateway = await startHarness({
    config: sim => ({
      providers: {
        plain: { kind: 'openai-chat', base_url: sim.baseUrl('plain'), api_key: 'sim-plain' },
        only: { kind: 'openai-responses', profile: 'openai', base_url: sim.baseUrl('only'), api_key: 'sim-only' },
      },
    }),
  });
  ({ openai, anthropic } = clients(gateway));
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

const only = 'only/some-model';
const vercel = (model, stream) => {
  const request = { model, instructions: 'Be brief.', prompt: question, maxRetries: 0 };
  return stream ? streamText(request) : generateText(request);
};

/** Each client's own way to an answer: its text and, where the client is told, its tokens. */
const CALLERS = {
  async 'openai, chat'(stream) {
    const request = { model: only, messages: [{ role: 'system', content: 'Be brief.' }, ...capital] };
    const whole = () => openai.chat.completions.create(request);
    const { choices, usage } = await (stream ? openai.chat.completions.stream({ ...request, stream_options: { include_usage: true } }).finalChatCompletion() : whole());
    return [choices[0].message.content, usage.total_tokens];
  },
  async '@anthropic-ai/sdk'(stream) {
    const request = { model: only, max_tokens: 100, system: 'Be brief.', messages: capital };
    const { content, usage } = await (stream ? anthropic.messages.stream(request).finalMessage() : anthropic.messages.create(request));
    return [content[0].text, usage.input_tokens + usage.output_tokens];
  },
  async '@google/genai'(stream) {
    const { models } = new GoogleGenAI({ apiKey: 'none', httpOptions: { baseUrl: gateway.url } });
    const request = { model: only, contents: question, config: { systemInstruction: 'Be brief.' } };
    const answers = stream ? await collect(await models.generateContentStream(request)) : [await models.generateContent(request)];
    return [answers.map(answer => answer.text ?? '').join(''), answers.at(-1).usageMetadata.totalTokenCount];
  },
  async '@openrouter/sdk'(stream) {
    const client = new OpenRouter({ serverURL: `${gateway.url}/v1`, apiKey: 'none', retryConfig: { strategy: 'none' } });
    const answer = await client.chat.send({ chatRequest: { model: only, stream, messages: [{ role: 'system', content: 'Be brief.' }, ...capital] } });
    if (!stream) return [answer.choices[0].message.content, answer.usage.totalTokens];
    return [(await collect(answer)).map(chunk => chunk.choices[0]?.delta.content ?? '').join('')];
  },
  async '@mistralai/mistralai'(stream) {
    const client = new Mistral({ serverURL: gateway.url, apiKey: 'none', retryConfig: { strategy: 'none' } });
    const request = { model: only, messages: [{ role: 'system', content: 'Be brief.' }, ...capital] };
    if (!stream) return (({ choices, usage }) => [choices[0].message.content, usage.totalTokens])(await client.chat.complete(request));
    return [(await collect(await client.chat.stream(request))).map(event => event.data.choices[0]?.delta.content ?? '').join('')];
  },
};
for (const [name, model] of Object.entries({
  'ai with @ai-sdk/openai, chat': () => createOpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none' }).chat(only),
  'ai with @ai-sdk/anthropic': () => createAnthropic({ baseURL: `${gateway.url}/v1`, apiKey: 'none' })(only),
  'ai with @ai-sdk/google': () => createGoogle({ baseURL: `${gateway.url}/v1beta`, apiKey: 'none' })(`models/${only}`),
})) {
  CALLERS[name] = async stream => (({ text, usage }) => Promise.all([text, usage]))(await vercel(model(), stream)).then(([text, usage]) => [text, usage.totalTokens]);
}

for (const [client, ask] of Object.entries(CALLERS)) {
  test(`${client}, with a server of Responses only: an answer, whole and streamed`, async () => {
    const [text, tokens] = await ask(false);
    assert.match(text, /Paris/);
    assert.ok(tokens > 0);
    const [streamed, counted = tokens] = await ask(true);
    assert.deepEqual([streamed, counted], [text, tokens]);
    const attempts = gateway.sim.log.all();
    assert.deepEqual(attempts.map(attempt => [attempt.dialect, attempt.stream]), [['openai-responses', false], ['openai-responses', true]]);
    for (const { body } of attempts) assert.match(body, /Be brief\./);
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
