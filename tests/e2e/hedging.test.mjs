// Two candidates at once where the first is late: who has content first answers, the other is stopped and accounted. In every
// dialect, streamed and whole, across a translation, seen by the caller, by the providers and by the ledger.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { DIALECTS } from './dialects.mjs';
import { startHarness, until } from './harness.mjs';
import { dataOf, send } from './wire.mjs';

const LATE = 150;
const TEXT = 'one two three four';
const SAYS = { answer: { text: TEXT, usage: { input: 11, output: 7 } } };

// Who is asked first, who beside it.
const PAIRS = {
  OpenAI: ['openai/gpt-4o-mini', 'anthropic/claude-haiku-4-5'],
  Responses: ['responses/gpt-4o-mini', 'gemini/gemini-2.5-flash'],
  Anthropic: ['anthropic/claude-haiku-4-5', 'openai/gpt-4o-mini'],
  Gemini: ['gemini/gemini-2.5-flash', 'anthropic/claude-haiku-4-5'],
};

let gateway;
before(async () => {
  gateway = await startHarness({
    config: sim => ({
      providers: { responses: { kind: 'openai-responses', base_url: sim.baseUrl('openai'), api_key: 'sim-responses', prices_of: 'openai' } },
      policies: { late: { hedge: { mode: 'fixed', after_ms: LATE, max_share: 1, max_cost_usd: 1 } }, observed: { hedge: { max_share: 1, max_cost_usd: 1 } } },
    }),
  });
});
after(() => gateway?.close());
beforeEach(() => gateway.sim.reset());

const model = name => name.split('/')[1];
function ask(dialect, stream, { policy = 'late' } = {}) {
  const [first, second] = PAIRS[dialect];
  const headers = { 'x-signalbox-models': second, 'x-signalbox-policy': policy };
  return send(`${gateway.url}${DIALECTS[dialect].path(first, stream)}`, { headers, body: DIALECTS[dialect].body(first, stream) });
}

async function complete(dialect, stream, answer) {
  const wire = DIALECTS[dialect];
  const raw = await answer.text();
  assert.equal(answer.status, 200, raw);
  const items = stream ? dataOf(raw) : undefined;
  assert.deepEqual(stream ? [items.map(wire.textOf).join(''), wire.streamUsage(items)] : [wire.whole(JSON.parse(raw)), wire.usageOf(JSON.parse(raw))], [TEXT, [11, 7]], raw);
  if (stream) assert.ok(wire.ends(items) && !wire.error(items), raw);
}

const totals = async () => (await (await gateway.call('/v1/usage')).json()).totals;

/** How the ledger's outcomes have grown, once so many attempts more are settled. */
async function grown(before, attempts) {
  const now = await until(async () => {
    const now = await totals();
    return now.open === 0 && now.attempts - before.attempts === attempts && now;
  }, { what: `${attempts} settled attempts` });
  const counts = Object.entries(now.outcomes).map(([name, count]) => [name, count - (before.outcomes[name] ?? 0)]);
  return { ...Object.fromEntries(counts.filter(([, count]) => count > 0)), estimated: now.certainty.estimated.attempts - before.certainty.estimated.attempts };
}

for (const [dialect, [first, second]] of Object.entries(PAIRS)) {
  for (const stream of [true, false]) {
    describe(`${dialect}, ${stream ? 'streamed' : 'whole'}`, () => {
      test('the second answers where the first is silent', async () => {
        const before = await totals();
        gateway.sim.behave(model(first), 'hang');
        gateway.sim.behave(model(second), SAYS);
        const answer = await ask(dialect, stream);
        assert.equal(answer.headers['x-signalbox-attempts'], `${first}:hedged,${second}:200`);
        assert.equal(answer.headers['x-signalbox-model'], second);
        await complete(dialect, stream, answer);
        const stopped = await gateway.sim.waitFor(one => one.model === model(first) && one.ended);
        assert.equal(stopped.ended, 'client closed');
        const seen = gateway.sim.log.all();
        assert.deepEqual(seen.map(one => one.model), [model(first), model(second)]);
        assert.ok(seen[1].at - seen[0].at >= LATE - 50, `${seen[1].at - seen[0].at} ms between the calls`);
        assert.deepEqual(await grown(before, 2), { completed: 1, hedged: 1, estimated: 1 });
      });

      test('the first answers where it is only just late', async () => {
        const before = await totals();
        gateway.sim.behave(model(first), { ...SAYS, holds: [{ at: 'headers', gate: 'two are asked' }] });
        gateway.sim.behave(model(second), 'hang');
        const asked = ask(dialect, stream);
        await gateway.sim.waitFor(one => one.model === model(second));
        gateway.sim.open('two are asked');
        const answer = await asked;
        assert.equal(answer.headers['x-signalbox-attempts'], `${first}:200,${second}:hedged`);
        await complete(dialect, stream, answer);
        assert.equal((await gateway.sim.waitFor(one => one.model === model(second) && one.ended)).ended, 'client closed');
        assert.equal(gateway.sim.log.all().length, 2);
        assert.deepEqual(await grown(before, 2), { completed: 1, hedged: 1, estimated: 1 });
      });
    });
  }
}

test('headers are no content: who sends them and then nothing is outrun', async () => {
  gateway.sim.behave('gpt-4o-mini', { ...SAYS, fault: 'stall;events=1' });
  gateway.sim.behave('claude-haiku-4-5', SAYS);
  const answer = await ask('OpenAI', true);
  assert.equal(answer.headers['x-signalbox-attempts'], 'openai/gpt-4o-mini:hedged,anthropic/claude-haiku-4-5:200');
  await complete('OpenAI', true, answer);
});

test('who breaks leaves it to the other', async () => {
  for (const stream of [true, false]) {
    gateway.sim.reset();
    gateway.sim.behave('gpt-4o-mini', { status: 500, delays: { headers: LATE + 150 } });
    gateway.sim.behave('claude-haiku-4-5', { ...SAYS, delays: { headers: 600 } });
    const answer = await ask('OpenAI', stream);
    assert.equal(answer.headers['x-signalbox-attempts'], 'openai/gpt-4o-mini:500,anthropic/claude-haiku-4-5:200');
    await complete('OpenAI', stream, answer);
    assert.equal(gateway.sim.log.all().length, 2);
  }
});

test('what was observed decides when the first is late', async () => {
  gateway.sim.behave('claude-haiku-4-5', SAYS);
  gateway.sim.behave('gpt-4o-mini', { ...SAYS, fault: 'late-headers;ms=80' }, { ...SAYS, fault: 'late-headers;ms=1200' });
  const quick = await ask('OpenAI', true, { policy: 'observed' });
  assert.equal(quick.headers['x-signalbox-attempts'], 'openai/gpt-4o-mini:200');
  await complete('OpenAI', true, quick);
  // The board is told, and answers, beside the requests.
  await until(async () => {
    const answer = await ask('OpenAI', true, { policy: 'observed' });
    await complete('OpenAI', true, answer);
    return answer.headers['x-signalbox-attempts'].startsWith('openai/gpt-4o-mini:hedged');
  }, { timeout: 15_000, what: 'a time that is known' });
});
