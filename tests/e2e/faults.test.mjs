// Every fault that the simulator knows, once per dialect, streamed and whole: the caller gets a complete answer or one clean
// typed error, and the provider's log shows that nothing useless was tried.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { FAULTS } from '../../tools/simulator/faults.mjs';
import { capital } from './clients.mjs';
import { startHarness } from './harness.mjs';
import { dataOf, send } from './wire.mjs';

const TEXT = 'one two three four';

// first: index of the first event with text. complete, failed: how a stream of the dialect ends.
const DIALECTS = {
  OpenAI: {
    path: '/v1/chat/completions', provider: 'openai', kind: 'openai-chat', body: {}, first: 1,
    textOf: item => item.choices?.[0]?.delta?.content ?? '', whole: body => body.choices[0].message.content,
    complete: items => items.at(-1) === '[DONE]', failed: items => Boolean(items.at(-1)?.error) && !items.includes('[DONE]'),
  },
  Anthropic: {
    path: '/v1/messages', provider: 'anthropic', kind: 'anthropic-messages', body: { max_tokens: 100 }, first: 3,
    textOf: item => item.delta?.text ?? '', whole: body => body.content[0].text,
    complete: items => items.at(-1)?.type === 'message_stop', failed: items => items.at(-1)?.type === 'error' && !items.some(item => item.type === 'message_stop'),
  },
};

// What the caller sees: `complete`, a status, or `broken` (a typed error after content). And how often the provider was asked.
// A short text that breaks is asked for once more; an error event that the caller has got untouched is the end.
// `at` is the dialect's first event with text; what is held at the event behind it happens after the caller has seen that.
const ROWS = [
  { fault: 'status-400', stream: [400, 1], whole: [400, 1] },
  { fault: 'status-401', stream: [502, 1], whole: [502, 1] },
  { fault: 'status-429', stream: [429, 2], whole: [429, 2] },
  { fault: 'status-429;retry-after=60', stream: [429, 1], whole: [429, 1] },
  { fault: 'status-500', stream: [502, 2], whole: [502, 2] },
  { fault: 'reset', stream: [502, 2], whole: [502, 2] },
  { fault: 'hang', stream: [504, 1], whole: [504, 1] },
  { fault: 'late;ms=30', stream: ['complete', 1], whole: ['complete', 1] },
  { fault: 'late-headers;ms=30', stream: ['complete', 1], whole: ['complete', 1] },
  { fault: 'slow;ms=5', stream: ['complete', 1], whole: ['complete', 1] },
  { fault: at => `stall;events=${at + 1}`, stream: ['broken', 1] },
  { fault: 'stall;events=0', stream: [504, 1], whole: [504, 1] },
  { fault: 'stall;bytes=40', whole: [504, 1] },
  { fault: at => `cut;events=${at + 2}`, stream: ['broken', 2] },
  { fault: at => `cut;events=${at + 2};how=reset`, stream: ['broken', 2] },
  { fault: at => `cut;events=${at + 2};how=clean`, stream: ['broken', 2] },
  { fault: 'cut;events=0', stream: [502, 2] },
  { fault: 'cut;events=0;how=clean', stream: [502, 2] },
  { fault: 'cut;bytes=40', stream: [502, 2], whole: [502, 2] },
  { fault: 'cut;bytes=40;how=reset', stream: [502, 2], whole: [502, 2] },
  { fault: at => `malformed;at=${at + 1}`, stream: ['skipped', 1], whole: ['complete', 1] },
  { fault: at => `error-event;at=${at + 1}`, stream: ['broken', { OpenAI: 2, Anthropic: 1 }], whole: ['complete', 1] },
  { fault: 'error-event;at=0', stream: [503, 2] },
  { fault: 'no-terminator', stream: [{ OpenAI: 'complete', Anthropic: 'broken' }, 1], whole: ['complete', 1] },
  { fault: 'other-form', stream: ['complete', 1], whole: ['complete', 1] },
  { fault: 'chunks;bytes=1', stream: ['complete', 1], whole: ['complete', 1] },
  { fault: 'whole', stream: ['complete', 1], whole: ['complete', 1] },
];

let gateway;
before(async () => {
  const attempts = { total_ms: 1500, max_attempts: 4, backoff_base_ms: 10, backoff_cap_ms: 20 };
  gateway = await startHarness({ config: sim => ({ policies: { balanced: { attempts } }, providers: fresh(sim) }) });
});
after(() => gateway?.close());
beforeEach(() => gateway.sim.reset());

/** A provider per row: a retry budget is a provider's own. `backup` answers soundly. */
const name = (dialect, at) => `${dialect.toLowerCase()}-${at}`;
const fresh = sim => Object.fromEntries(Object.entries(DIALECTS).flatMap(([dialect, { kind, provider }]) =>
  [...ROWS.keys(), 'refused', 'backup'].map(at => [name(dialect, at), { kind, base_url: sim.baseUrl(provider), api_key: 'sim-row' }])));

const ask = (dialect, at, more, headers) => send(`${gateway.url}${DIALECTS[dialect].path}`, { headers, body: { model: `${name(dialect, at)}/m`, messages: capital, ...DIALECTS[dialect].body, ...more } });

/** Reads a stream to its end, however it comes; opens the gate at the first text. */
async function readStream(answer, textOf) {
  let raw = '';
  let cut;
  try {
    for (let chunk; (chunk = await answer.next()) !== undefined; ) {
      raw += chunk;
      if (dataOf(raw).some(textOf)) gateway.sim.open('seen');
    }
  } catch (error) {
    cut = error;
  }
  const items = dataOf(raw);
  return { items, cut, text: items.map(textOf).join('') };
}

function check(dialect, expected, { items, cut, text }) {
  const { complete, failed } = DIALECTS[dialect];
  if (expected === 'complete') {
    assert.deepEqual([cut, text, complete(items)], [undefined, TEXT, true]);
  } else if (expected === 'skipped') {
    assert.deepEqual([cut, complete(items)], [undefined, true]);
    assert.equal(text, TEXT.replace(' two', ''));
  } else {
    assert.ok(failed(items), `ends in a typed error, not ${JSON.stringify(items.at(-1))}`);
    assert.ok(TEXT.startsWith(text) && text, `${JSON.stringify(text)} is a beginning of the answer`);
    assert.equal(items.filter(item => item.error).length, 1);
  }
}

for (const [dialect, { first, textOf, whole }] of Object.entries(DIALECTS)) {
  for (const [at, row] of ROWS.entries()) {
    const fault = typeof row.fault === 'function' ? row.fault(first) : row.fault;
    describe(`${dialect}, ${fault}`, () => {
      const behave = (more = {}) => gateway.sim.behave('m', { fault, answer: { text: TEXT }, ...more });

      if (row.stream) {
        test('streamed', async () => {
          const [outcome, asked] = row.stream;
          const calls = asked[dialect] ?? asked;
          const expected = outcome[dialect] ?? outcome;
          behave({ holds: [{ at: first + 1, gate: 'seen' }] });
          const answer = await ask(dialect, at, { stream: true });
          if (typeof expected === 'number') {
            assert.equal(answer.status, expected);
            assert.ok((await answer.json()).error.message);
          } else {
            assert.equal(answer.status, 200);
            check(dialect, expected, await readStream(answer, textOf));
          }
          assert.equal(gateway.sim.log.all().length, calls);
        });
      }

      if (row.whole) {
        test('whole', async () => {
          const [expected, calls] = row.whole;
          behave();
          const answer = await ask(dialect, at);
          const body = await answer.json();
          if (typeof expected === 'number') assert.deepEqual([answer.status, typeof body.error.message], [expected, 'string']);
          else assert.deepEqual([answer.status, whole(body)], [200, TEXT]);
          assert.equal(gateway.sim.log.all().length, calls);
        });
      }

      // What fails before content and may pass elsewhere is made good by the next candidate, unseen.
      const passes = [row.stream, row.whole].some(one => typeof one?.[0] === 'number') && fault !== 'status-400' && !/hang|stall/.test(fault);
      if (passes) {
        test('with somebody to fall back on', async () => {
          gateway.sim.behave('m', { fault });
          gateway.sim.behave('sound', { answer: { text: TEXT } });
          const headers = { 'x-signalbox-models': `${name(dialect, 'backup')}/sound` };
          if (row.stream) check(dialect, 'complete', await readStream(await ask(dialect, at, { stream: true }, headers), textOf));
          if (row.whole) assert.equal(whole(await (await ask(dialect, at, {}, headers)).json()), TEXT);
        });
      }
    });
  }

  test(`${dialect}, refused: the error says so, and the next candidate answers`, async () => {
    const { port } = gateway.sim;
    await gateway.sim.refuse();
    const answers = [await ask(dialect, 'refused'), await ask(dialect, 'refused', { stream: true })];
    for (const answer of answers) {
      assert.equal(answer.status, 502);
      assert.match(answer.headers['x-signalbox-attempts'], /:connect(,.*:connect)?$/);
    }
    await gateway.sim.accept(port);
    assert.equal((await ask(dialect, 'refused')).status, 200);
  });
}

test('every fault of the simulator stands in the table', () => {
  const named = ROWS.map(row => (typeof row.fault === 'function' ? row.fault(1) : row.fault).split(';')[0]);
  for (const fault of Object.keys(FAULTS)) assert.ok(named.includes(fault), fault);
});
