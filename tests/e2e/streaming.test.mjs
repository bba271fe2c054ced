// Streams while they are under way. Gates in the provider hold its next event until the test has seen the last one: nothing
// here depends on time.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as pace } from 'node:timers/promises';
import { MODELS, capital, slow, steady } from './clients.mjs';
import { startHarness } from './harness.mjs';
import { dataOf, send } from './wire.mjs';

let gateway;
before(async () => (gateway = await startHarness()));
after(() => gateway?.close());
beforeEach(() => gateway.sim.reset());

const CALLERS = {
  OpenAI: { path: () => '/v1/chat/completions', body: model => ({ model, messages: capital, stream: true }), textOf: item => item.choices?.[0]?.delta?.content ?? '' },
  Anthropic: { path: () => '/v1/messages', body: model => ({ model, messages: capital, stream: true, max_tokens: 100 }), textOf: item => item.delta?.text ?? '' },
  Gemini: { path: model => `/v1beta/models/${model}:streamGenerateContent?alt=sse`, body: () => ({ contents: [{ role: 'user', parts: [{ text: capital[0].content }] }] }), textOf: item => item.candidates?.[0]?.content?.parts?.[0]?.text ?? '' },
};
const stream = (caller, model) => send(`${gateway.url}${CALLERS[caller].path(model)}`, { body: CALLERS[caller].body(model) });

/** Reads until the text so far ends as wanted; fails when the stream ends before that. */
async function readText(answer, textOf, wanted) {
  for (let raw = ''; ; ) {
    const text = dataOf(raw).map(textOf).join('');
    if (text === wanted) return;
    assert.ok(wanted.startsWith(text), `${JSON.stringify(text)} is no beginning of ${JSON.stringify(wanted)}`);
    const chunk = await answer.next();
    assert.ok(chunk, `the stream ended after ${JSON.stringify(text)}`);
    raw += chunk;
  }
}

// The index of the first event with text in what the simulator sends for each dialect.
const FIRST = { OpenAI: 1, Anthropic: 3, Gemini: 0 };
const words = ['one', ' two', ' three', ' four'];

for (const caller of Object.keys(CALLERS)) {
  for (const [provider, model] of Object.entries(MODELS)) {
    test(`${caller} caller, ${provider} provider: each event arrives while the provider is still held before the next`, async () => {
      const holds = words.map((_, at) => ({ at: FIRST[provider] + at + 1, gate: `after-${at}` }));
      gateway.sim.behave('*', { answer: { text: words.join('') }, holds });
      const answer = await stream(caller, model);
      for (const [at, word] of words.entries()) {
        await readText(answer, CALLERS[caller].textOf, word);
        const last = provider === 'Gemini' && at === words.length - 1; // its last text comes with the end
        if (!last) await gateway.sim.waitFor(attempt => attempt.waiting === `after-${at}` && attempt.eventsSent === FIRST[provider] + at + 1, { what: `the provider held after ${word}` });
        gateway.sim.open(`after-${at}`);
      }
      await answer.rest();
      assert.equal((await gateway.sim.waitFor(attempt => attempt.ended)).ended, 'finished');
    });
  }
}

for (const caller of Object.keys(CALLERS)) {
  test(`${caller} caller: a stream that comes in a burst, event by event, and in a burst again loses nothing and holds nothing back`, async () => {
    const said = Array.from({ length: 90 }, (_, at) => ` ${at}`); // a word is an event
    const held = [30, 31, 32, 33, 34, 35];
    gateway.sim.behave('*', { answer: { text: said.join('') }, holds: held.map(at => ({ at: FIRST.Anthropic + at, gate: `before-${at}` })) });
    const answer = await stream(caller, MODELS.Anthropic);
    let text = '';
    for (const at of held) {
      await readText(answer, CALLERS[caller].textOf, said.slice(text.length ? at - 1 : 0, at).join(''));
      text = said.slice(0, at).join('');
      await pace(40); // slower than bursts are gathered
      gateway.sim.open(`before-${at}`);
    }
    assert.equal(text + dataOf(String(await answer.rest())).map(CALLERS[caller].textOf).join(''), said.join(''));
    assert.equal(gateway.sim.log.all().length, 1, 'nothing had to be asked for again');
  });
}

test('an event that comes in two pieces is not sent on by halves where events are rewritten', async () => {
  gateway.sim.behave('*', { answer: { text: words.join('') }, chunks: { bytes: 40 }, holds: [{ at: 4, gate: 'rest' }] });
  const answer = await stream('OpenAI', MODELS.Anthropic);
  gateway.sim.open('rest');
  for (let chunk; (chunk = await answer.next()) !== undefined; ) assert.match(chunk.toString(), /\n\n$/);
});

test('what a client has not asked for is not in its stream: the usage chunk that we ask for', async () => {
  const answer = await (await stream('OpenAI', MODELS.OpenAI)).text();
  assert.equal(gateway.sim.log.all()[0].json.stream_options.include_usage, true);
  assert.doesNotMatch(answer, /"usage":\{/);
});

for (const caller of Object.keys(CALLERS)) {
  for (const [provider, model] of Object.entries(MODELS)) {
    // Google goes on, and charges, when its connection is closed: its answer is read to the usage.
    test(`${caller} caller leaves ${provider} in mid-stream: the provider ${provider === 'Gemini' ? 'is heard out' : 'sees the abort'}`, async () => {
      gateway.sim.behave('*', provider === 'Gemini' ? steady : slow);
      const answer = await stream(caller, model);
      await answer.next();
      answer.leave();
      if (provider === 'Gemini') return assert.equal((await gateway.sim.waitFor(one => one.ended)).ended, 'finished');
      const attempt = await gateway.sim.waitFor(one => one.ended, { what: 'the end of the provider\'s work' });
      assert.equal(attempt.ended, 'client closed');
      assert.ok(attempt.eventsSent < 200, 'long before the answer was over');
    });
  }
}
