// Mistral's official client and its schemas: what the gateway sends to Mistral is a request as Mistral's SDK writes it, and
// the client itself can be pointed at the gateway. Its tool loops are in loops.test.mjs.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { Mistral } from '@mistralai/mistralai';
import { ChatCompletionRequest$outboundSchema as outbound } from '@mistralai/mistralai/models/components';
import { MODELS, capital, clients, collect, invoice, pixel, user, weather } from './clients.mjs';
import { startHarness } from './harness.mjs';

const model = 'mistral/mistral-medium-latest';
let gateway;
let mistral;

before(async () => {
  gateway = await startHarness({ config: sim => ({ providers: { mistral: { base_url: sim.baseUrl('mistral'), api_key: 'sim-mistral' } } }) });
  mistral = new Mistral({ serverURL: gateway.url, apiKey: 'none', retryConfig: { strategy: 'none' } });
});
after(() => gateway?.close());
beforeEach(() => gateway.sim.reset());

const sent = () => JSON.parse(gateway.sim.log.all().at(-1).body);

/** The schema reads the SDK's own spelling and gives the wire's, with defaults. What it does not know it drops. */
const assertMistrals = body => assert.partialDeepStrictEqual(outbound.parse(inCamelCase(body)), body);

const USERS_OWN = new Set(['parameters', 'schema', 'schema_definition', 'arguments', 'metadata']);

function inCamelCase(value) {
  if (Array.isArray(value)) return value.map(inCamelCase);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => {
    const spelt = name === 'schema' ? 'schemaDefinition' : name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
    return [spelt, USERS_OWN.has(name) ? member : inCamelCase(member)];
  }));
}

const result = { id: 'toolu_0123456789abcdef', city: 'Lisbon' };
const REQUESTS = {
  'plain settings': { max_tokens: 50, temperature: 0.5, top_p: 0.9, stop_sequences: ['END'], system: 'Be brief.', messages: capital },
  'tools, a call and its result': {
    max_tokens: 50, tools: [{ name: 'get_weather', description: 'Current weather', input_schema: weather }], tool_choice: { type: 'auto', disable_parallel_tool_use: true },
    messages: [
      ...user('Weather in Lisbon?'),
      { role: 'assistant', content: [{ type: 'text', text: 'Let me see.' }, { type: 'tool_use', id: result.id, name: 'get_weather', input: { city: result.city } }] },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: result.id, content: '21 degrees' }, { type: 'text', text: 'And tomorrow?' }] },
    ],
  },
  'a forced tool': { max_tokens: 50, tools: [{ name: 'get_weather', input_schema: weather }], tool_choice: { type: 'tool', name: 'get_weather' }, messages: capital },
  'a picture': { max_tokens: 50, messages: user([{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: pixel } }, { type: 'text', text: 'What is this?' }]) },
  'a schema': { max_tokens: 50, output_config: { format: { type: 'json_schema', schema: invoice } }, messages: user('Invoice number 7, blue') },
};

describe('what Mistral is sent is what its SDK writes', () => {
  for (const [name, request] of Object.entries(REQUESTS)) {
    for (const stream of [false, true]) {
      test(`${name}${stream ? ', streamed' : ''}`, async () => {
        const { anthropic } = clients(gateway);
        const answer = stream ? await anthropic.messages.stream({ model, ...request }).finalMessage() : await anthropic.messages.create({ model, ...request });
        assert.ok(answer.content.length > 0);
        assertMistrals(sent());
      });
    }
  }

  test('a member that Mistral does not know would be found', () => {
    assert.throws(() => assertMistrals({ model: 'm', messages: [{ role: 'user', content: 'x' }], stream_options: {} }));
  });
});

for (const [provider, name] of Object.entries({ Mistral: model, ...MODELS })) {
  test(`the client itself, with a model of ${provider}, whole and streamed`, async () => {
    const whole = await mistral.chat.complete({ model: name, messages: capital });
    assert.match(whole.choices[0].message.content, /Paris/);
    assert.ok(whole.usage.totalTokens > 0);
    // OpenAI's chunks keep their bytes, `usage: null` among them, which this client refuses.
    if (provider === 'OpenAI') return;
    const chunks = (await collect(await mistral.chat.stream({ model: name, messages: capital }))).map(event => event.data);
    assert.equal(chunks.map(chunk => chunk.choices[0]?.delta.content ?? '').join(''), whole.choices[0].message.content);
  });
}
