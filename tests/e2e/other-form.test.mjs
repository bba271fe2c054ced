// Providers that answer in one piece what was to be a stream, or stream what was to be one piece: the official clients get what
// they asked for, from providers of every dialect.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { GoogleGenAI } from '@google/genai';
import { MODELS, clients, collect, user, weather } from './clients.mjs';
import { startHarness } from './harness.mjs';

let gateway;
let openai;
let anthropic;
let ai;

before(async () => {
  gateway = await startHarness();
  ({ openai, anthropic } = clients(gateway));
  ai = new GoogleGenAI({ apiKey: 'none', httpOptions: { baseUrl: gateway.url } });
});
after(() => gateway?.close());
beforeEach(() => gateway.sim.reset());

const question = 'Weather in Lisbon and Porto?';
const cities = ['Lisbon', 'Porto'];
const parameters = weather;
const chatTools = [{ type: 'function', function: { name: 'get_weather', parameters } }];
const responsesTools = [{ type: 'function', name: 'get_weather', parameters, strict: false }];
const messagesTools = [{ name: 'get_weather', input_schema: parameters }];
const geminiTools = [{ functionDeclarations: [{ name: 'get_weather', parametersJsonSchema: parameters }] }];

const cityOf = call => JSON.parse(call.arguments).city;
const functionCalls = parts => parts.flatMap(part => part.functionCall ?? []).map(call => call.args.city);

// Each asks for the weather in two cities, and returns which cities the model wants to know it of.
const ASK = {
  'chat, streamed': async model => {
    const answer = await openai.chat.completions.stream({ model, messages: user(question), tools: chatTools, stream_options: { include_usage: true } }).finalChatCompletion();
    assert.equal(answer.choices[0].finish_reason, 'tool_calls');
    assert.ok(answer.usage.total_tokens > 0);
    return answer.choices[0].message.tool_calls.map(call => cityOf(call.function));
  },
  'chat, whole': async model => {
    const answer = await openai.chat.completions.create({ model, messages: user(question), tools: chatTools });
    assert.deepEqual([answer.object, answer.choices[0].finish_reason], ['chat.completion', 'tool_calls']);
    return answer.choices[0].message.tool_calls.map(call => cityOf(call.function));
  },
  'Responses, streamed': async model => {
    const answer = await openai.responses.stream({ model, input: question, tools: responsesTools }).finalResponse();
    assert.equal(answer.status, 'completed');
    return answer.output.filter(item => item.type === 'function_call').map(cityOf);
  },
  'Responses, whole': async model => {
    const answer = await openai.responses.create({ model, input: question, tools: responsesTools });
    return answer.output.filter(item => item.type === 'function_call').map(cityOf);
  },
  'Messages, streamed': async model => {
    const answer = await anthropic.messages.stream({ model, max_tokens: 500, messages: user(question), tools: messagesTools }).finalMessage();
    assert.deepEqual([answer.stop_reason, answer.usage.output_tokens > 0], ['tool_use', true]);
    return answer.content.filter(block => block.type === 'tool_use').map(block => block.input.city);
  },
  'Messages, whole': async model => {
    const answer = await anthropic.messages.create({ model, max_tokens: 500, messages: user(question), tools: messagesTools });
    return answer.content.filter(block => block.type === 'tool_use').map(block => block.input.city);
  },
  'Gemini, streamed': async model => {
    const answers = await collect(await ai.models.generateContentStream({ model, contents: question, config: { tools: geminiTools } }));
    return functionCalls(answers.flatMap(answer => answer.candidates?.[0]?.content?.parts ?? []));
  },
  'Gemini, whole': async model => {
    const answer = await ai.models.generateContent({ model, contents: question, config: { tools: geminiTools } });
    return functionCalls(answer.candidates[0].content.parts);
  },
};

for (const [provider, model] of Object.entries(MODELS)) {
  describe(`a provider that speaks like ${provider}`, () => {
    for (const [form, ask] of Object.entries(ASK)) {
      test(form, async () => {
        gateway.sim.behave('*', 'other-form');
        assert.deepEqual(await ask(model), cities);
        assert.equal(gateway.sim.log.all().length, 1, 'nobody is asked twice');
      });
    }
  });
}
