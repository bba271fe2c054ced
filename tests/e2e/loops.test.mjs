// Tool loops with thinking, as the official SDKs run them by themselves: every client against every kind of provider, whole
// and streamed. What a provider signed in the first two turns has to be in the third request, whichever client carried it.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogle } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import { GoogleGenAI } from '@google/genai';
import { Mistral } from '@mistralai/mistralai';
import { OpenRouter } from '@openrouter/sdk';
import { generateText, isStepCount, jsonSchema, streamText, tool } from 'ai';
import { clients, collect, user, weather } from './clients.mjs';
import { startHarness } from './harness.mjs';

const question = 'Weather in Lisbon and then in Porto?';
const name = 'get_weather';
const description = 'Current weather';
const measure = ({ city }) => `21 degrees in ${city}`;
const base64 = text => Buffer.from(text).toString('base64');

/** What the provider says first: it thinks and calls, twice. */
const TURNS = [
  { id: 'call_Aa1Bb2Cc3Dd4', city: 'Lisbon', reasoning: 'The first place is Lisbon, so Lisbon it is.' },
  { id: 'call_Ee5Ff6Gg7Hh8', city: 'Porto', reasoning: 'Lisbon is known. Porto is left.' },
];

/**
 * A model of each kind of provider, and what of a turn it wants to see again. OpenAI shows nothing of its reasoning in chat,
 * and takes the functions of some models on Responses only; DeepSeek insists on the member, which clients of its own dialect do not keep.
 */
const TARGETS = {
  OpenAI: { model: 'openai/gpt-5-mini', signed: (turn, client) => (RESPONSES.has(client) ? [base64(`sealed:${turn.reasoning}`)] : []) },
  'OpenAI by Responses': { model: 'openai/gpt-5.6-sol', signed: turn => [base64(`sealed:${turn.reasoning}`)] },
  DeepSeek: { model: 'deepseek/deepseek-v4-pro', signed: (turn, client) => (CHAT.has(client) ? ['"reasoning_content":""'] : [turn.reasoning]) },
  Anthropic: { model: 'anthropic/claude-sonnet-4-6', signed: turn => [base64(`signed:${turn.reasoning}`), turn.reasoning] },
  Gemini: { model: 'gemini/gemini-2.5-flash', signed: turn => [base64(`signed:${turn.id}`)] },
};

const CHAT = new Set(['openai', 'ai with @ai-sdk/openai, chat', '@openrouter/sdk', '@mistralai/mistralai']);

const RESPONSES = new Set(['openai, responses', 'ai with @ai-sdk/openai, responses']);

/** Mistral streams a call in one piece, and its client takes no other: streamed text is in mistral.test.mjs. */
const WHOLE_ONLY = new Set(['@mistralai/mistralai']);

/** OpenAI's chunks keep their bytes, `usage: null` among them, which OpenRouter's client refuses. */
const streams = (client, provider) => !WHOLE_ONLY.has(client) && !(client === '@openrouter/sdk' && ['OpenAI', 'DeepSeek'].includes(provider));

let gateway;
before(async () => {
  gateway = await startHarness({ config: sim => ({ providers: { deepseek: { base_url: sim.baseUrl('deepseek'), api_key: 'sim-deepseek' } } }) });
});
after(() => gateway?.close());
beforeEach(() => gateway.sim.reset());

/** Each client's own way through the loop: the text of the last answer. */
const CLIENTS = {
  async 'openai'({ model, stream }) {
    const tools = [{ type: 'function', function: { name, description, parameters: weather, parse: JSON.parse, function: measure } }];
    return clients(gateway).openai.chat.completions.runTools({ model, stream, tools, messages: user(question), reasoning_effort: 'low' }).finalContent();
  },

  async 'openai, responses'({ model, stream }) {
    const { openai } = clients(gateway);
    const tools = [{ type: 'function', name, description, parameters: weather, strict: false }];
    const request = { model, tools, store: false, reasoning: { effort: 'low' }, include: ['reasoning.encrypted_content'] };
    const input = user(question);
    for (;;) {
      const answer = stream ? await openai.responses.stream({ ...request, input }).finalResponse() : await openai.responses.create({ ...request, input });
      const calls = answer.output.filter(item => item.type === 'function_call');
      if (!calls.length) return answer.output_text;
      input.push(...answer.output, ...calls.map(call => ({ type: 'function_call_output', call_id: call.call_id, output: measure(JSON.parse(call.arguments)) })));
    }
  },

  async '@anthropic-ai/sdk'({ model, stream }) {
    const tools = [{ type: 'custom', name, description, input_schema: weather, parse: input => input, run: measure }];
    const runner = clients(gateway).anthropic.beta.messages.toolRunner({ model, stream, tools, max_tokens: 4000, thinking: { type: 'enabled', budget_tokens: 1024 }, messages: user(question) });
    return (await runner.runUntilDone()).content.filter(block => block.type === 'text').map(block => block.text).join('');
  },

  async '@google/genai'({ model, stream }) {
    const ai = new GoogleGenAI({ apiKey: 'none', httpOptions: { baseUrl: gateway.url } });
    const callTool = async calls => calls.map(({ id, args }) => ({ functionResponse: { id, name, response: { output: measure(args) } } }));
    const tools = [{ tool: async () => ({ functionDeclarations: [{ name, description, parametersJsonSchema: weather }] }), callTool }];
    const request = { model, contents: question, config: { tools, thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 } } };
    const answers = stream ? await collect(await ai.models.generateContentStream(request)) : [await ai.models.generateContent(request)];
    return answers.map(answer => answer.text ?? '').join('');
  },

  'ai with @ai-sdk/openai, chat': ask => vercel(createOpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none' }).chat(ask.model), ask),
  'ai with @ai-sdk/openai, responses': ask => vercel(createOpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none' }).responses(ask.model), ask),
  'ai with @ai-sdk/anthropic': ask => vercel(createAnthropic({ baseURL: `${gateway.url}/v1`, apiKey: 'none' })(ask.model), ask),
  'ai with @ai-sdk/google': ask => vercel(createGoogle({ baseURL: `${gateway.url}/v1beta`, apiKey: 'none' })(`models/${ask.model}`), ask),

  async '@openrouter/sdk'({ model, stream }) {
    const client = new OpenRouter({ serverURL: `${gateway.url}/v1`, apiKey: 'none', retryConfig: { strategy: 'none' } });
    const request = { model, stream, tools: [{ type: 'function', function: { name, description, parameters: weather } }], reasoning: { effort: 'low' } };
    return loop(async messages => {
      const answer = await client.chat.send({ chatRequest: { ...request, messages } });
      return stream ? gathered(await collect(answer)) : answer.choices[0].message;
    });
  },

  async '@mistralai/mistralai'({ model, stream }) {
    const client = new Mistral({ serverURL: gateway.url, apiKey: 'none', retryConfig: { strategy: 'none' } });
    const request = { model, tools: [{ type: 'function', function: { name, description, parameters: weather } }], reasoningEffort: 'high' };
    return loop(async messages => {
      if (!stream) return (await client.chat.complete({ ...request, messages })).choices[0].message;
      return gathered((await collect(await client.chat.stream({ ...request, messages }))).map(event => event.data));
    });
  },
};

async function vercel(model, { stream }) {
  const providerOptions = {
    openai: { reasoningEffort: 'low', forceReasoning: true, store: false, include: ['reasoning.encrypted_content'] },
    anthropic: { thinking: { type: 'enabled', budgetTokens: 1024 } },
    google: { thinkingConfig: { includeThoughts: true, thinkingBudget: 1024 } },
  };
  const tools = { [name]: tool({ description, inputSchema: jsonSchema(weather), execute: measure }) };
  const request = { model, tools, prompt: question, stopWhen: isStepCount(4), maxRetries: 0, maxOutputTokens: 4000, providerOptions };
  if (!stream) return (await generateText(request)).text;
  const errors = [];
  const result = streamText({ ...request, onError: ({ error }) => errors.push(error) });
  const text = await result.text.catch(error => { throw errors[0] ?? error; });
  assert.deepEqual(errors, []);
  return text;
}

/** For clients that leave the loop to their users; both keep the members that they know, in camel case. */
async function loop(send) {
  const messages = user(question);
  for (;;) {
    const message = await send(messages);
    if (!message.toolCalls?.length) return message.content;
    messages.push({ ...message, role: 'assistant' });
    for (const call of message.toolCalls) messages.push({ role: 'tool', toolCallId: call.id, content: measure(JSON.parse(call.function.arguments)) });
  }
}

/** A message out of its deltas: the text, and the tool calls by their index. */
function gathered(chunks) {
  const deltas = chunks.map(chunk => chunk.choices[0]?.delta ?? {});
  const calls = [];
  for (const { index = 0, id, function: { name: called, arguments: piece } = {} } of deltas.flatMap(delta => delta.toolCalls ?? [])) {
    const call = (calls[index] ??= { id: '', type: 'function', function: { name: '', arguments: '' } });
    call.id ||= id ?? '';
    call.function.name ||= called ?? '';
    call.function.arguments += piece ?? '';
  }
  const content = deltas.map(delta => (typeof delta.content === 'string' ? delta.content : '')).join('');
  return { role: 'assistant', content, ...(calls.length ? { toolCalls: calls } : {}) };
}

for (const [client, run] of Object.entries(CLIENTS)) {
  describe(client, () => {
    for (const [provider, { model, signed }] of Object.entries(TARGETS)) {
      for (const stream of streams(client, provider) ? [false, true] : [false]) {
        test(`a tool loop with a thinking model of ${provider}${stream ? ', streamed' : ''}`, async () => {
          const steps = TURNS.map(({ id, city, reasoning }) => ({ answer: { text: '', reasoning, toolCalls: [{ id, name, arguments: { city } }] } }));
          gateway.sim.behave('*', ...steps, {});
          const text = await run({ model, stream });
          assert.match(text, /According to the tool: .*21 degrees in Porto/);
          const answered = gateway.sim.log.all(attempt => attempt.status === 200);
          assert.deepEqual(answered.map(attempt => attempt.stream), Array(3).fill(stream));
          const third = JSON.stringify(JSON.parse(answered[2].body));
          for (const turn of TURNS) {
            assert.ok(third.includes(measure(turn)), `the result for ${turn.city} came back`);
            for (const part of signed(turn, client)) assert.ok(third.includes(part), `what was signed about ${turn.city} came back`);
          }
          assert.ok(!third.includes('signalbox'), 'nothing of ours reaches the provider');
        });
      }
    }
  });
}
