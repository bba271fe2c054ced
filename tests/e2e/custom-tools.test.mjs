// OpenAI's custom tools, whose calls are texts and no JSON: the official client in both of its dialects, in front of servers of
// either, and what happens where the target has none (`data/fields`).
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { createOpenAI } from '@ai-sdk/openai';
import { generateText, isStepCount, streamText } from 'ai';
import OpenAI from 'openai';
import { MODELS, clients, collect, user, weather } from './clients.mjs';
import { startHarness } from './harness.mjs';

const question = 'List the folder, then say what is in it.';
const grammar = { syntax: 'lark', definition: 'start: /[a-z -]+/ "\\n"?' };
const script = 'ls -l\n# "quoted" {not json} \u{1F682}';
const words = '';
const sealed = text => Buffer.from(`sealed:${text}`).toString('base64');

/** What the provider says: it calls a custom tool beside a function, then another one with nothing to say, then it answers. */
const TURNS = [
  { reasoning: 'First the folder.', calls: [{ id: 'call_Aa1', name: 'run', input: script }, { id: 'call_Bb2', name: 'get_weather', arguments: { city: 'Lisbon' } }] },
  { reasoning: 'Now the words.', calls: [{ id: 'call_Cc3', name: 'say', input: words }] },
];
const result = name => `what ${name} brought`;

/** The tools, as each dialect declares them. */
const TOOLS = {
  'openai-chat': [
    { type: 'custom', custom: { name: 'run', description: 'Runs a command', format: { type: 'grammar', grammar } } },
    { type: 'custom', custom: { name: 'say', format: { type: 'text' } } },
    { type: 'function', function: { name: 'get_weather', parameters: weather, strict: false } },
  ],
  'openai-responses': [
    { type: 'custom', name: 'run', description: 'Runs a command', format: { type: 'grammar', ...grammar } },
    { type: 'custom', name: 'say', format: { type: 'text' } },
    { type: 'function', name: 'get_weather', parameters: weather, strict: false },
  ],
};

let gateway;
let openai;
before(async () => {
  const provider = (sim, name, more) => ({ [name]: { base_url: sim.baseUrl(name), api_key: `sim-${name}`, ...more } });
  gateway = await startHarness({
    config: sim => ({
      providers: {
        // A server with all of OpenAI's own that has no Responses.
        ...provider(sim, 'old', { kind: 'openai-chat', profile: 'openai', api_version: '2024-10-21' }),
        ...provider(sim, 'mistral', {}),
      },
      aliases: { 'only-mistral': { candidates: ['mistral/mistral-medium-latest'], policy: 'balanced' } },
    }),
  });
  ({ openai } = clients(gateway));
});
after(() => gateway?.close());
beforeEach(() => gateway.sim.reset());

const bodies = () => gateway.sim.log.all(attempt => attempt.status === 200).map(attempt => JSON.parse(attempt.body));

/** The client's own way through the loop in either dialect: the turns as `{calls: [[type, name, text]], ended}`, and the last text. */
const CLIENTS = {
  async 'openai-chat'({ model, stream, ...more }) {
    const messages = user(question);
    const turns = [];
    for (;;) {
      const request = { model, messages, tools: TOOLS['openai-chat'], ...more };
      const answer = stream ? await openai.chat.completions.stream(request).finalChatCompletion() : await openai.chat.completions.create(request);
      const [{ message, finish_reason: ended }] = answer.choices;
      const calls = message.tool_calls ?? [];
      turns.push({ ended, calls: calls.map(call => [call.type, call[call.type].name, call.custom?.input ?? call.function.arguments]) });
      if (!calls.length) return { turns, text: message.content };
      // Clients send back OpenAI's own members of a message.
      messages.push({ role: 'assistant', content: message.content, tool_calls: calls.map(({ id, type, ...call }) => ({ id, type, [type]: call[type] })) });
      messages.push(...calls.map(call => ({ role: 'tool', tool_call_id: call.id, content: result(call[call.type].name) })));
    }
  },

  async 'openai-responses'({ model, stream, ...more }) {
    const input = user(question);
    const turns = [];
    for (;;) {
      const request = { model, input, tools: TOOLS['openai-responses'], store: false, include: ['reasoning.encrypted_content'], reasoning: { effort: 'low' }, ...more };
      const answer = stream ? await openai.responses.stream(request).finalResponse() : await openai.responses.create(request);
      const calls = answer.output.filter(item => /_call$/.test(item.type));
      turns.push({ ended: answer.status, calls: calls.map(call => [call.type === 'function_call' ? 'function' : 'custom', call.name, call.input ?? call.arguments]) });
      if (!calls.length) return { turns, text: answer.output_text };
      input.push(...answer.output, ...calls.map(call => ({ type: `${call.type}_output`, call_id: call.call_id, output: result(call.name) })));
    }
  },
};

/** Calls and what answers them in a request's history, in either dialect: `[id, type, name, text]` and `[id, type, result]`. */
const HISTORY = {
  'openai-chat': ({ messages }) => ({
    calls: messages.flatMap(message => message.tool_calls ?? []).map(({ id, type, custom, function: fn }) => [id, type, (custom ?? fn).name, custom?.input ?? fn.arguments]),
    answers: messages.filter(({ role }) => role === 'tool').map(({ tool_call_id, content }) => [tool_call_id, content]),
  }),
  'openai-responses': ({ input }) => ({
    calls: input.filter(({ type }) => /_call$/.test(type)).map(({ call_id, type, name, ...item }) => [call_id, type === 'custom_tool_call' ? 'custom' : 'function', name, item.input ?? item.arguments]),
    answers: input.filter(({ type }) => /_output$/.test(type)).map(({ call_id, type, output }) => {
      const called = input.find(item => item.call_id === call_id);
      assert.equal(type, `${called.type}_output`, 'each call is answered in its own kind');
      return [call_id, output];
    }),
  }),
};

const called = TURNS.flatMap(({ calls }) => calls).map(({ id, name, input, arguments: args }) => [id, input === undefined ? 'function' : 'custom', name, input ?? JSON.stringify(args)]);

/** Who asks in which dialect, and in which the provider is asked. */
const ROUTES = [
  ['openai-chat', 'openai-chat', MODELS.OpenAI, {}],
  ['openai-chat', 'openai-responses', 'openai/gpt-5.6-sol', { reasoning_effort: 'low' }],
  ['openai-responses', 'openai-responses', MODELS.OpenAI, {}],
  ['openai-responses', 'openai-chat', 'old/some-model', {}],
];

for (const [dialect, target, model, more] of ROUTES) {
  for (const stream of [false, true]) {
    test(`from ${dialect} to ${target}: a loop of grammar, text and function${stream ? ', streamed' : ''}`, async () => {
      gateway.sim.behave('*', ...TURNS.map(({ reasoning, calls: toolCalls }) => ({ answer: { text: '', reasoning, toolCalls } })), {});
      const { turns, text } = await CLIENTS[dialect]({ model, stream, ...more });
      assert.match(text, /According to the tool: what say brought/);
      const [calling, done] = { 'openai-chat': ['tool_calls', 'stop'], 'openai-responses': ['completed', 'completed'] }[dialect];
      assert.deepEqual(turns, [
        { ended: calling, calls: called.slice(0, 2).map(([, ...call]) => call) },
        { ended: calling, calls: called.slice(2).map(([, ...call]) => call) },
        { ended: done, calls: [] },
      ]);

      const attempts = gateway.sim.log.all();
      assert.deepEqual(attempts.map(attempt => [attempt.dialect, attempt.stream]), Array(3).fill([target, stream]));
      const third = bodies()[2];
      const byName = list => Object.fromEntries(list.map(tool => [(tool.custom ?? tool.function ?? tool).name, tool]));
      assert.deepEqual(byName(third.tools), byName(TOOLS[target]));
      const { calls, answers } = HISTORY[target](third);
      assert.deepEqual(calls, called, 'every call comes back as it was made');
      assert.deepEqual(answers, called.map(([id, , name]) => [id, result(name)]));
      if (target === 'openai-responses') {
        for (const { reasoning } of TURNS) assert.ok(attempts[2].body.includes(sealed(reasoning)), 'what was thought comes back with the calls');
      }
      assert.ok(!attempts[2].body.includes('signalbox'));
    });
  }
}

test('streamed inputs come in pieces, in the client\'s form', async () => {
  const answer = { text: '', toolCalls: [{ id: 'call_1', name: 'run', input: script }] };
  for (const [dialect, , model, more] of ROUTES) {
    gateway.sim.reset();
    gateway.sim.behave('*', { answer });
    if (dialect === 'openai-chat') {
      const chunks = await collect(await openai.chat.completions.create({ model, messages: user(question), tools: TOOLS[dialect], stream: true, ...more }));
      const deltas = chunks.flatMap(chunk => chunk.choices[0]?.delta.tool_calls ?? []);
      assert.deepEqual([deltas[0].type, deltas[0].custom.name, deltas.every(delta => delta.index === 0 && !delta.function)], ['custom', 'run', true]);
      assert.equal(deltas.map(delta => delta.custom.input ?? '').join(''), script);
      assert.ok(deltas.length > 3);
    } else {
      const events = await collect(await openai.responses.create({ model, input: question, tools: TOOLS[dialect], stream: true }));
      const of = type => events.filter(event => event.type === `response.${type}`);
      const deltas = of('custom_tool_call_input.delta');
      assert.equal(deltas.map(event => event.delta).join(''), script);
      assert.ok(deltas.length > 2);
      const [done] = of('custom_tool_call_input.done');
      const [item] = of('output_item.done').map(event => event.item).filter(({ type }) => type === 'custom_tool_call');
      assert.deepEqual([done.input, done.item_id, item.input, item.status], [script, item.id, script, 'completed']);
    }
  }
});

test('one that is to be called, by name or among those allowed', async () => {
  for (const [dialect, target, model, more] of ROUTES) {
    const flat = dialect === 'openai-responses';
    const named = flat ? { type: 'custom', name: 'say' } : { type: 'custom', custom: { name: 'say' } };
    const allowed = { mode: 'required', tools: [named] };
    for (const tool_choice of [named, { type: 'allowed_tools', ...(flat ? allowed : { allowed_tools: allowed }) }]) {
      const request = { model, tools: TOOLS[dialect], tool_choice, ...more };
      if (flat) await openai.responses.create({ ...request, input: question });
      else await openai.chat.completions.create({ ...request, messages: user(question) });
      const sent = bodies().at(-1);
      const says = { 'openai-chat': { type: 'custom', custom: { name: 'say' } }, 'openai-responses': { type: 'custom', name: 'say' } }[target];
      if (dialect === target) assert.deepEqual(sent.tool_choice, tool_choice, 'the caller\'s own words');
      else if (tool_choice === named) assert.deepEqual(sent.tool_choice, says);
      else assert.deepEqual([sent.tool_choice, sent.tools.map(tool => (tool.custom ?? tool).name)], ['required', ['say']]);
    }
  }
});

/** Asks in a history that holds all of it; headers and status come with the answer. */
const ASKS = {
  'openai-chat': (model, headers) => openai.chat.completions.create({
    model, tools: TOOLS['openai-chat'],
    messages: [
      ...user(question),
      { role: 'assistant', content: null, tool_calls: [{ id: 'call_1', type: 'custom', custom: { name: 'run', input: script } }, { id: 'call_2', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Lisbon"}' } }] },
      { role: 'tool', tool_call_id: 'call_1', content: result('run') },
      { role: 'tool', tool_call_id: 'call_2', content: result('get_weather') },
    ],
  }, { headers }).withResponse(),
  'openai-responses': (model, headers) => openai.responses.create({
    model, tools: TOOLS['openai-responses'], store: false,
    input: [
      ...user(question),
      { type: 'custom_tool_call', call_id: 'call_1', name: 'run', input: script },
      { type: 'function_call', call_id: 'call_2', name: 'get_weather', arguments: '{"city":"Lisbon"}' },
      { type: 'custom_tool_call_output', call_id: 'call_1', output: result('run') },
      { type: 'function_call_output', call_id: 'call_2', output: result('get_weather') },
    ],
  }, { headers }).withResponse(),
};

/** Targets without custom tools. Who names a server of its own dialect is passed on to it: an alias names none. */
const WITHOUT = {
  Anthropic: () => MODELS.Anthropic,
  Gemini: () => MODELS.Gemini,
  Mistral: dialect => (dialect === 'openai-chat' ? 'only-mistral' : 'mistral/mistral-medium-latest'),
};

for (const [dialect, ask] of Object.entries(ASKS)) {
  for (const [provider, model] of Object.entries(WITHOUT)) {
    describe(`from ${dialect} to ${provider}, which has none`, () => {
      const unable = model(dialect);

      test('nobody is asked, and the error names the field and the target', async () => {
        for (const mode of [undefined, 'route', 'error']) {
          const headers = mode ? { 'x-signalbox-on-unsupported': mode } : {};
          await assert.rejects(ask(unable, headers), error => {
            assert.ok(error instanceof OpenAI.BadRequestError, error);
            assert.match(error.param, /^(tools\[\d\]|messages\[1\]\.tool_calls\[0\]|input\[\*\].*)$/);
            return error.message.toLowerCase().includes(provider.toLowerCase());
          });
        }
        assert.deepEqual(gateway.sim.log.all(), []);
      });

      test('a candidate that has them is asked in its place, unless the caller wants an error', async () => {
        const others = { 'x-signalbox-models': MODELS.OpenAI };
        const { response } = await ask(unable, others);
        assert.deepEqual([response.headers.get('x-signalbox-model'), response.headers.get('x-signalbox-losses')], [MODELS.OpenAI, '']);
        assert.deepEqual(HISTORY[dialect](bodies()[0]).calls.map(([, type]) => type), ['custom', 'function']);
        gateway.sim.reset();
        await assert.rejects(ask(unable, { ...others, 'x-signalbox-on-unsupported': 'error' }), OpenAI.BadRequestError);
        assert.deepEqual(gateway.sim.log.all(), []);
      });

      test('what may be dropped goes whole: tools, calls and what answers them, and each is told', async () => {
        const { response } = await ask(unable, { 'x-signalbox-on-unsupported': 'drop' });
        const told = response.headers.get('x-signalbox-losses');
        const places = dialect === 'openai-chat' ? ['messages[1].tool_calls[0]', 'messages[2].content'] : ['input[*]'];
        for (const field of ['tools[0]', 'tools[1]', ...places]) assert.match(told, new RegExp(`${field.replace(/[[\]*.]/g, '\\$&')}\\S*:unsupported`));
        const [{ body }] = gateway.sim.log.all();
        for (const word of ['custom', 'ls -l', result('run'), 'Runs a command']) assert.ok(!body.includes(word), `${word} in ${body}`);
        for (const word of ['get_weather', result('get_weather')]) assert.ok(body.includes(word), 'the function beside them stays');
      });
    });
  }
}

describe('Vercel\'s AI SDK, whose OpenAI provider has custom tools in Responses', () => {
  for (const [dialect, , model] of ROUTES.filter(([dialect]) => dialect === 'openai-responses')) {
    for (const stream of [false, true]) {
      test(`a loop with ${model}${stream ? ', streamed' : ''}`, async () => {
        gateway.sim.behave('*', { answer: { text: '', toolCalls: [{ id: 'call_1', name: 'run', input: script }] } }, {});
        const provider = createOpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none' });
        const inputs = [];
        const run = { ...provider.tools.customTool({ description: 'Runs a command', format: { type: 'grammar', ...grammar } }), execute: input => { inputs.push(input); return result('run'); } };
        const request = { model: provider.responses(model), tools: { run }, prompt: question, stopWhen: isStepCount(3), maxRetries: 0, providerOptions: { openai: { store: false } } };
        const text = stream ? await streamText(request).text : (await generateText(request)).text;
        assert.match(text, /According to the tool: what run brought/);
        assert.deepEqual(inputs, [script]);
        const { calls, answers } = HISTORY[gateway.sim.log.all()[1].dialect](bodies()[1]);
        assert.deepEqual([calls, answers], [[['call_1', 'custom', 'run', script]], [['call_1', result('run')]]]);
      });
    }
  }
});
