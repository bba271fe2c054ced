// The provider simulator itself: what the other tests rely on has to hold.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import OpenAI from 'openai';
import { haveFixtures } from '../../tools/simulator/fixtures.mjs';
import { startSimulator } from '../../tools/simulator/server.mjs';
import { dataOf, send } from './wire.mjs';

let sim;
before(async () => (sim = await startSimulator()));
after(() => sim.close());
beforeEach(() => sim.reset());

const openai = () => new OpenAI({ baseURL: sim.baseUrl('openai'), apiKey: 'sk-simulated-1234', maxRetries: 0 });
const anthropic = () => new Anthropic({ baseURL: sim.baseUrl('anthropic'), apiKey: 'sk-ant-5678', maxRetries: 0 });
const messages = [{ role: 'user', content: 'What is the capital of France?' }];
const chat = (extra = {}, path = '/openai/v1/chat/completions', options = {}) =>
  send(`${sim.url}${path}`, { headers: { authorization: 'Bearer sk-simulated-1234' }, body: { model: 'gpt-test', messages, ...extra }, ...options });
const streamed = (extra, path) => chat({ stream: true, ...extra }, path);
const seen = (how, options) => sim.waitFor(attempt => attempt.ended === how, options);

describe('official clients', () => {
  test('OpenAI chat, whole and streamed', async () => {
    const whole = await openai().chat.completions.create({ model: 'gpt-test', messages });
    assert.match(whole.choices[0].message.content, /Paris/);
    assert.equal(whole.usage.total_tokens, whole.usage.prompt_tokens + whole.usage.completion_tokens);
    let text = '';
    let usage;
    for await (const chunk of await openai().chat.completions.create({ model: 'gpt-test', messages, stream: true, stream_options: { include_usage: true } })) {
      text += chunk.choices[0]?.delta.content ?? '';
      usage = chunk.usage ?? usage;
    }
    assert.equal(text, whole.choices[0].message.content);
    assert.deepEqual(usage, whole.usage);
  });

  test('OpenAI tools, JSON schema, embeddings and Responses', async () => {
    const tools = [{ type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] } } }];
    const called = await openai().chat.completions.create({ model: 'gpt-test', messages: [{ role: 'user', content: 'Weather in Lisbon?' }], tools });
    assert.equal(called.choices[0].finish_reason, 'tool_calls');
    assert.deepEqual(JSON.parse(called.choices[0].message.tool_calls[0].function.arguments), { city: 'Lisbon' });
    const schema = { type: 'object', properties: { n: { type: 'integer' }, colour: { enum: ['red', 'blue'] } }, required: ['n', 'colour'], additionalProperties: false };
    const shaped = await openai().chat.completions.create({ model: 'gpt-test', messages: [{ role: 'user', content: 'Take 7, blue' }], response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } });
    assert.deepEqual(JSON.parse(shaped.choices[0].message.content), { n: 7, colour: 'blue' });
    const vectors = await openai().embeddings.create({ model: 'embed-test', input: ['a', 'b'], dimensions: 4 });
    assert.deepEqual(vectors.data.map(entry => entry.embedding.length), [4, 4]);
    const stream = openai().responses.stream({ model: 'gpt-test', input: 'What is 6 * 7?' });
    assert.match((await stream.finalResponse()).output_text, /42/);
  });

  test('Anthropic messages, whole and streamed, with a thinking block and a tool', async () => {
    const request = { model: 'claude-test', max_tokens: 2000, messages };
    assert.match((await anthropic().messages.create(request)).content[0].text, /Paris/);
    const final = await anthropic().messages.stream({ ...request, thinking: { type: 'enabled', budget_tokens: 1024 } }).finalMessage();
    assert.deepEqual(final.content.map(block => block.type), ['thinking', 'text']);
    assert.ok(final.content[0].signature);
    const tools = [{ name: 'look', input_schema: { type: 'object', properties: { at: { type: 'string' } }, required: ['at'] } }];
    const tool = await anthropic().messages.stream({ ...request, tools }).finalMessage();
    assert.equal(tool.stop_reason, 'tool_use');
    assert.equal(typeof tool.content[0].input.at, 'string');
    assert.ok((await anthropic().messages.countTokens({ model: 'claude-test', messages })).input_tokens > 0);
  });

  test('Gemini, whole and streamed', async () => {
    const ai = new GoogleGenAI({ apiKey: 'AIza-9012', httpOptions: { baseUrl: sim.baseUrl('gemini') } });
    const request = { model: 'gemini-test', contents: 'What is the capital of Japan?' };
    const whole = await ai.models.generateContent(request);
    assert.match(whole.text, /Tokyo/);
    let text = '';
    for await (const chunk of await ai.models.generateContentStream(request)) text += chunk.text ?? '';
    assert.equal(text, whole.text);
    assert.equal(whole.usageMetadata.totalTokenCount, whole.usageMetadata.promptTokenCount + whole.usageMetadata.candidatesTokenCount);
  });

  test('Gemini without alt=sse streams one JSON array', async () => {
    const answer = await send(`${sim.baseUrl('gemini')}/v1beta/models/gemini-test:streamGenerateContent`, { headers: { 'x-goog-api-key': 'k' }, body: { contents: [{ parts: [{ text: 'haiku' }] }] } });
    assert.equal((await answer.json()).at(-1).candidates[0].finishReason, 'STOP');
  });
});

describe('providers check what they are sent', () => {
  test('in their own error shapes', async () => {
    assert.equal((await (await chat({ messages: [] })).json()).error.type, 'invalid_request_error');
    assert.match((await (await chat({ provider: { order: [] } })).json()).error.message, /Unrecognized request argument supplied: provider/);
    assert.equal((await chat({}, undefined, { headers: {} })).status, 401);
    const bare = { model: 'claude-test', messages };
    const versionless = await send(`${sim.baseUrl('anthropic')}/v1/messages`, { headers: { 'x-api-key': 'k' }, body: { ...bare, max_tokens: 9 } });
    assert.match((await versionless.json()).error.message, /anthropic-version/);
    await assert.rejects(anthropic().messages.create(bare), error => error instanceof Anthropic.BadRequestError && /max_tokens/.test(error.message));
    const empty = await send(`${sim.baseUrl('gemini')}/v1beta/models/m:generateContent`, { headers: { 'x-goog-api-key': 'k' }, body: { contents: [] } });
    assert.deepEqual([empty.status, (await empty.json()).error.status], [400, 'INVALID_ARGUMENT']);
  });

  test('stop sequences and output bounds hold', async () => {
    const [short] = (await (await chat({ max_completion_tokens: 2 })).json()).choices;
    assert.deepEqual([short.finish_reason, short.message.content], ['length', 'The capi']);
    const [stopped] = (await (await chat({ stop: ['Paris'] })).json()).choices;
    assert.deepEqual([stopped.finish_reason, stopped.message.content], ['stop', 'The capital of France is ']);
  });

  test('a long prefix seen twice is cached', async () => {
    const long = [{ role: 'system', content: 'rule '.repeat(2000) }, ...messages];
    const cached = async () => (await (await chat({ messages: long })).json()).usage.prompt_tokens_details.cached_tokens;
    assert.equal(await cached(), 0);
    assert.ok((await cached()) >= 1024);
  });
});

describe('faults', () => {
  test('a status comes with the dialect\'s error, headers and queue order', async () => {
    sim.behave('gpt-test', { status: 429, retryAfter: 2, headers: { 'x-a': 'b' } }, 'status-503', {});
    const first = await chat();
    assert.deepEqual([first.status, first.headers['retry-after'], first.headers['x-a']], [429, '2', 'b']);
    assert.equal((await first.json()).error.code, 'rate_limit_exceeded');
    assert.deepEqual([(await chat()).status, (await chat()).status, (await chat()).status], [503, 200, 200]);
  });

  test('own bodies, and a body that is no JSON', async () => {
    sim.behave('gpt-test', { status: 502, headers: { 'content-type': 'text/html' }, body: '<html>bad gateway</html>' });
    const answer = await chat();
    assert.deepEqual([answer.status, answer.headers['content-type'], await answer.text()], [502, 'text/html', '<html>bad gateway</html>']);
  });

  test('by URL prefix', async () => {
    const answer = await chat({}, '/fault/status-503;retry-after=1/openai/v1/chat/completions');
    assert.deepEqual([answer.status, answer.headers['retry-after']], [503, '1']);
    assert.match((await (await chat({}, '/fault/nonsense/openai/v1/chat/completions')).json()).error.message, /unknown fault/);
    assert.throws(() => sim.behave('gpt-test', 'nonsense'), /unknown fault/);
  });

  test('refused, then accepted again on the same port', async () => {
    const { port } = sim;
    await sim.refuse();
    await assert.rejects(chat(), { code: 'ECONNREFUSED' });
    await sim.accept();
    assert.equal(sim.port, port);
    assert.equal((await chat()).status, 200);
  });

  test('reset before headers', async () => {
    sim.behave('gpt-test', 'reset');
    await assert.rejects(chat(), { code: 'ECONNRESET' });
    await seen('reset');
  });

  test('hang: the request arrives and nothing follows until the client leaves', async () => {
    sim.behave('gpt-test', 'hang');
    const leaving = new AbortController();
    const waiting = fetch(`${sim.url}/openai/v1/chat/completions`, { method: 'POST', headers: { authorization: 'Bearer k' }, body: JSON.stringify({ model: 'gpt-test', messages }), signal: leaving.signal });
    await sim.waitFor(attempt => attempt.model === 'gpt-test');
    leaving.abort();
    await assert.rejects(waiting, { name: 'AbortError' });
    const attempt = await seen('client closed');
    assert.equal(attempt.headersAt, undefined);
  });

  test('a late first event: headers first', async () => {
    sim.behave('gpt-test', 'late;ms=80');
    await (await streamed()).rest();
    const { headersAt, firstByteAt } = await seen('finished');
    assert.ok(firstByteAt - headersAt >= 75, `${firstByteAt - headersAt} ms`);
  });

  test('a stall: n events, then silence on an open connection', async () => {
    sim.behave('gpt-test', 'stall;events=2');
    const answer = await streamed();
    await sim.waitFor(attempt => attempt.eventsSent === 2);
    answer.leave();
    assert.equal((await seen('client closed')).eventsSent, 2);
  });

  for (const how of ['abrupt', 'reset']) {
    test(`a cut after n bytes, ${how}`, async () => {
      sim.behave('gpt-test', `cut;bytes=100;how=${how}`);
      const answer = await streamed();
      await assert.rejects(answer.rest(), { code: 'ECONNRESET' });
      assert.equal((await seen(`cut: ${how}`)).bytesSent, 100);
    });
  }

  test('a clean end after n events', async () => {
    sim.behave('gpt-test', 'cut;events=3;how=clean');
    const text = await (await streamed()).text();
    assert.equal(dataOf(text).length, 3);
    assert.doesNotMatch(text, /\[DONE\]/);
  });

  test('a whole answer can be cut, too', async () => {
    sim.behave('gpt-test', 'cut;bytes=40');
    await assert.rejects((await chat()).rest());
  });

  test('a malformed event among sound ones', async () => {
    sim.behave('gpt-test', 'malformed;at=1');
    const events = dataOf(await (await streamed()).text());
    assert.deepEqual(events.slice(0, 3).map(event => typeof event), ['object', 'string', 'object']);
    assert.equal(events.at(-1), '[DONE]');
  });

  test('an error event in a 200, per dialect', async () => {
    sim.behave('*', 'error-event;at=2;status=529');
    const last = async response => dataOf(await (await response).text()).at(-1);
    assert.ok((await last(streamed())).error.type);
    const message = await last(send(`${sim.baseUrl('anthropic')}/v1/messages`, { headers: { 'x-api-key': 'k', 'anthropic-version': '2023-06-01' }, body: { model: 'claude-test', max_tokens: 50, messages, stream: true } }));
    assert.deepEqual([message.type, message.error.type], ['error', 'overloaded_error']);
    const part = await last(send(`${sim.baseUrl('gemini')}/v1beta/models/m:streamGenerateContent?alt=sse`, { headers: { 'x-goog-api-key': 'k' }, body: { contents: [{ parts: [{ text: 'haiku' }] }] } }));
    assert.equal(part.error.code, 529);
  });

  test('a missing end marker', async () => {
    sim.behave('gpt-test', 'no-terminator');
    const events = dataOf(await (await streamed()).text());
    assert.equal(events.at(-1).choices[0].finish_reason, 'stop');
  });
});

describe('delivery', () => {
  const whole = async () => (await streamed()).rest();
  const steady = bytes => bytes.toString().replace(/"id":"[^"]*"|"created":\d+/g, '');

  test('chunk boundaries: per event, per n bytes, at offsets, whole', async () => {
    const events = await whole();
    assert.equal((await seen('finished')).writes.length, dataOf(events.toString()).length);
    for (const [chunks, first] of [[{ bytes: 7 }, [7, 7, 7]], [{ offsets: [3, 5, 100] }, [3, 2, 95, events.length - 100]], ['whole', [events.length]]]) {
      sim.reset();
      sim.behave('gpt-test', { chunks });
      assert.equal(steady(await whole()), steady(events));
      const sizes = (await seen('finished')).writes.map(write => write.bytes);
      assert.deepEqual(sizes.slice(0, first.length), first);
    }
  });

  test('a gate holds an event until it is opened', async () => {
    sim.behave('gpt-test', { holds: [{ at: 2, gate: 'third' }] });
    const answer = await streamed();
    const held = await sim.waitFor(attempt => attempt.waiting === 'third');
    assert.equal(held.eventsSent, 2);
    sim.open('third');
    assert.match(await answer.text(), /\[DONE\]/);
  });

  test('the log names what was sent and hides the key', async () => {
    const answer = await streamed();
    await answer.rest();
    const attempt = await seen('finished');
    const log = await (await fetch(`${sim.url}/__sim/log?model=gpt-test`)).json();
    assert.equal(log.length, 1);
    assert.equal(log[0].headers.authorization, 'Bearer …1234');
    assert.equal(JSON.parse(log[0].body).model, 'gpt-test');
    assert.deepEqual([log[0].eventsSent, log[0].ended, log[0].status], [attempt.eventsSent, 'finished', 200]);
    assert.doesNotMatch(JSON.stringify(log), /sk-simulated/);
  });

  test('behaviours over HTTP', async () => {
    const set = await send(`${sim.url}/__sim/behaviours/gpt-test`, { body: { steps: [{ answer: { text: 'as told 🚦', usage: { input: 11, cached: 5 } } }] } });
    assert.equal(set.status, 200);
    const { choices, usage } = await (await chat()).json();
    assert.deepEqual([choices[0].message.content, usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens], ['as told 🚦', 11, 5]);
    assert.equal((await send(`${sim.url}/__sim/behaviours/gpt-test`, { body: { steps: ['nonsense'] } })).status, 400);
  });
});

describe('recorded answers', { skip: haveFixtures() ? false : 'the folder with recorded provider traffic is not here' }, () => {
  test('come back byte for byte, however they are cut', async () => {
    for (const [id, { folder, meta }] of sim.cases) {
      sim.behave('gpt-test', { fixture: id, chunks: { bytes: 1009 } });
      const answer = await chat();
      const expected = readFileSync(join(folder, meta.response_file));
      assert.equal(answer.status, meta.status, id);
      assert.ok((await answer.rest()).equals(expected), id);
    }
    assert.ok(sim.cases.size > 100);
  });
});
