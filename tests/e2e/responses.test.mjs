// Models whose functions OpenAI takes on Responses only, asked by the official client in chat.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { clients, collect, user, weather } from './clients.mjs';
import { startHarness } from './harness.mjs';

const chatTools = [{ type: 'function', function: { name: 'get_weather', description: 'Current weather', parameters: weather } }];
const needing = 'openai/gpt-5.6-sol';
let gateway;
let openai;

before(async () => {
  gateway = await startHarness();
  ({ openai } = clients(gateway));
});
after(() => gateway?.close());
beforeEach(() => gateway.sim.reset());

const sent = () => gateway.sim.log.all().at(-1);

test('functions beside an effort reach /v1/responses, and chat is answered as chat', async () => {
  const ask = body => openai.chat.completions.create({ model: needing, messages: user('Weather in Lisbon and Porto?'), tools: chatTools, reasoning_effort: 'low', ...body });
  const cities = calls => calls.map(call => JSON.parse(call.function.arguments).city);
  const whole = await ask();
  assert.deepEqual([whole.object, whole.choices[0].finish_reason], ['chat.completion', 'tool_calls']);
  assert.deepEqual(cities(whole.choices[0].message.tool_calls), ['Lisbon', 'Porto']);
  assert.deepEqual([sent().dialect, sent().path], ['openai-responses', '/openai/v1/responses']);
  const { store, reasoning } = JSON.parse(sent().body);
  assert.deepEqual([store, reasoning], [false, { effort: 'low' }]);
  const streamed = await openai.chat.completions.stream({ model: needing, messages: user('Weather in Lisbon and Porto?'), tools: chatTools, reasoning_effort: 'low' }).finalChatCompletion();
  assert.deepEqual(cities(streamed.choices[0].message.tool_calls), ['Lisbon', 'Porto']);
  assert.equal(streamed.choices[0].finish_reason, 'tool_calls');
  assert.equal(sent().dialect, 'openai-responses');
  const chunks = await collect(await ask({ reasoning_effort: 'none', stream: true, stream_options: { include_usage: true } }));
  assert.equal(sent().dialect, 'openai-chat', 'what chat takes stays there');
  assert.equal(chunks.filter(chunk => chunk.usage).length, 1);
});

test('the dry run says so', async () => {
  const { candidates } = await (await gateway.call('/v1/route', { model: needing, messages: user('x'), tools: chatTools })).json();
  assert.deepEqual(candidates.map(({ model, dialect }) => [model, dialect]), [[needing, 'openai-responses']]);
});
