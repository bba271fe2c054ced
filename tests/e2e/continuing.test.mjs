// Streams that break after text went out, in real workerd: cut at each event's end, one byte to either side, and at offsets that
// a seed chooses. Anthropic's and Gemini's are pumped by the runtime, OpenAI's are passed on event by event.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { capital } from './clients.mjs';
import { startHarness } from './harness.mjs';
import { dataOf, send } from './wire.mjs';

const TEXT = 'one two three four five';
const contents = [{ role: 'user', parts: [{ text: 'Count' }] }];

const DIALECTS = {
  OpenAI: {
    kind: 'openai-chat', provider: 'openai', url: model => [`/v1/chat/completions`, { model, messages: capital, stream: true }], pumped: false,
    textOf: item => item.choices?.[0]?.delta?.content ?? '', ends: item => item === '[DONE]', id: item => item.id,
  },
  Anthropic: {
    kind: 'anthropic-messages', provider: 'anthropic', url: model => [`/v1/messages`, { model, messages: capital, stream: true, max_tokens: 100 }], pumped: true,
    textOf: item => item.delta?.text ?? '', ends: item => item.type === 'message_stop', id: item => item.message?.id,
  },
  Gemini: {
    kind: 'gemini', provider: 'gemini', url: model => [`/v1beta/models/${model}:streamGenerateContent?alt=sse`, { contents }], pumped: true,
    textOf: item => item.candidates?.[0]?.content?.parts?.map(part => part.text ?? '').join('') ?? '', ends: item => Boolean(item.candidates?.[0]?.finishReason), id: item => item.responseId,
  },
};

let gateway;
before(async () => {
  const attempts = { total_ms: 8000, max_attempts: 4, backoff_base_ms: 1, backoff_cap_ms: 2, idle_ms: { normal: 300, reasoning: 300, high_effort: 300 } };
  const providers = sim => Object.fromEntries(Object.entries(DIALECTS).flatMap(([name, { kind, provider }]) =>
    ['first', 'second'].map(which => [`${which}-${name.toLowerCase()}`, { kind, base_url: sim.baseUrl(provider), api_key: 'sim-row' }])));
  gateway = await startHarness({ config: sim => ({ policies: { balanced: { attempts } }, providers: providers(sim) }) });
});
after(() => gateway?.close());
beforeEach(() => gateway.sim.reset());

async function ask(name, headers = {}) {
  const [path, body] = DIALECTS[name].url(`first-${name.toLowerCase()}/m`);
  const answer = await send(`${gateway.url}${path}`, { body, headers: { 'x-signalbox-models': `second-${name.toLowerCase()}/sound`, ...headers } });
  let raw = '';
  let cut;
  try {
    for (let chunk; (chunk = await answer.next()) !== undefined; ) raw += chunk;
  } catch (error) {
    cut = error;
  }
  return { status: answer.status, raw, cut };
}

/** Ends of events and a byte to either side, and some offsets between. */
function offsets(raw) {
  const ends = [...raw.matchAll(/\r?\n\r?\n/g)].flatMap(({ index, 0: end }) => [-1, 0, 1].map(by => index + end.length + by));
  let seed = 7;
  const between = Array.from({ length: 20 }, () => (seed = (seed * 48271) % 2147483647) % raw.length);
  return [...new Set([...ends, ...between])].filter(at => at > 0 && at < Buffer.byteLength(raw));
}

for (const [name, { textOf, ends, id, pumped }] of Object.entries(DIALECTS)) {
  test(`${name}: wherever it is cut, no text comes twice, none is lost, and there is one end`, async () => {
    gateway.sim.behave('m', { answer: { text: TEXT } });
    const whole = await ask(name, { 'x-signalbox-continue': 'off' });
    const counts = { whole: 0, typed: 0, broken: 0 };
    for (const at of offsets(whole.raw)) {
      for (const how of ['reset', 'clean']) {
        gateway.sim.reset();
        gateway.sim.behave('m', { fault: `cut;bytes=${at};how=${how}`, answer: { text: TEXT } }, { answer: { text: TEXT } });
        gateway.sim.behave('sound', { answer: { text: TEXT } });
        const { status, raw, cut } = await ask(name);
        const which = `cut at ${at} of ${whole.raw.length}, ${how}: ${raw}`;
        assert.equal(status, 200, which);
        if (cut) {
          assert.ok(pumped, `whole events are never half out; ${which}`);
          counts.broken += 1;
          continue;
        }
        const items = dataOf(raw);
        const text = items.map(textOf).join('');
        const ended = items.filter(ends).length;
        const failed = items.filter(item => item.error || item.type === 'error').length;
        assert.equal(ended + failed, 1, which);
        assert.ok(TEXT.startsWith(text), which);
        if (ended) assert.equal(text, TEXT, which);
        assert.ok(new Set(items.map(id).filter(Boolean)).size <= 1, which);
        counts[ended ? 'whole' : 'typed'] += 1;
      }
    }
    assert.ok(counts.whole > counts.typed, `most cuts are mended: ${JSON.stringify(counts)}`);
  });
}

test('a stalled stream is left and gone on with by the next, pumped or not', async () => {
  for (const [name, { textOf, ends }] of Object.entries(DIALECTS)) {
    gateway.sim.reset();
    gateway.sim.behave('m', { fault: 'stall;events=4', answer: { text: TEXT } });
    gateway.sim.behave('sound', { answer: { text: TEXT } });
    const { raw, cut } = await ask(name);
    const items = dataOf(raw);
    assert.equal(cut, undefined);
    assert.equal(items.filter(ends).length, 1, `${name}: ${raw}`);
    assert.equal(items.map(textOf).join(''), TEXT, `${name}: ${raw}`);
  }
});
