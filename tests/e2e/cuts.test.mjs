// Streams cut in workerd: at each event's end, a byte before and a byte behind it, and at seeded offsets, by a reset, by a
// connection that closes, and by an end that looks proper. Whatever came, the caller's stream is complete, ends in the typed
// error, or breaks within an event; it never says anything twice and never ends clean where it was cut.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { DIALECTS } from './dialects.mjs';
import { startHarness } from './harness.mjs';
import { dataOf, send } from './wire.mjs';

const TEXT = 'one two three four five six';
const HOW = ['abrupt', 'reset', 'clean'];
const SEEDED = 25; // offsets per pair of dialects: 200 in all

let gateway;
before(async () => {
  const attempts = { total_ms: 5000, max_attempts: 1 };
  gateway = await startHarness({ config: sim => ({ policies: { balanced: { attempts } }, providers: Object.fromEntries(Object.entries(DIALECTS).map(([name, { kind, provider }]) => [name.toLowerCase(), { kind, base_url: sim.baseUrl(provider), api_key: 'sim-key' }])) }) });
});
after(() => gateway?.close());

// Each dialect from a provider of its own, and from one of another.
const PAIRS = Object.keys(DIALECTS).flatMap((caller, at, all) => [[caller, caller], [caller, all[(at + 2) % all.length]]]);

for (const [caller, provider] of PAIRS) {
  describe(`${caller} from a provider of ${provider}`, () => {
    test('every cut has one honest end', async () => {
      const whole = await ask(caller, provider, {});
      assert.ok(whole.complete && !whole.cut && whole.text === TEXT, 'uncut, it is complete');
      const { writes } = gateway.sim.log.all().at(-1);
      let sum = 0;
      const ends = writes.map(write => (sum += write.bytes));
      const near = ends.flatMap(end => [end - 1, end, end + 1]).filter(at => at > 0 && at < sum);
      const random = seeded(caller.length * 31 + provider.length);
      const offsets = [...near, ...Array.from({ length: SEEDED }, () => 1 + Math.floor(random() * (sum - 1)))];
      let broken = 0;
      for (const [nth, bytes] of offsets.entries()) {
        const how = HOW[nth % HOW.length];
        const seen = await ask(caller, provider, { cut: { bytes, how } });
        const what = `cut ${how} at ${bytes} of ${sum}: ${seen.status} ${seen.raw}`;
        if (seen.status !== 200) {
          assert.ok(seen.status >= 500 && JSON.parse(seen.raw).error.message, what);
          continue;
        }
        assert.ok(TEXT.startsWith(seen.text), what);
        assert.equal([seen.complete, Boolean(seen.error), Boolean(seen.cut)].filter(Boolean).length, 1, what);
        if (seen.complete) assert.equal(seen.text, TEXT, what);
        broken += seen.complete ? 0 : 1;
      }
      assert.ok(broken > 10, `${broken} of ${offsets.length} were cut within the answer`);
    });
  });
}

/** Asks for a stream and reads it to its end, however it comes. */
async function ask(caller, provider, step) {
  const wire = DIALECTS[caller];
  gateway.sim.behave('cut-me', { answer: { text: TEXT }, ...step });
  const name = `${provider.toLowerCase()}/cut-me`;
  const answer = await send(`${gateway.url}${wire.path(name, true)}`, { headers: { 'x-signalbox-continue': 'off' }, body: wire.body(name, true) });
  const chunks = [];
  let cut;
  try {
    for (let chunk; (chunk = await answer.next()) !== undefined; ) chunks.push(chunk);
  } catch (error) {
    cut = error;
  }
  const raw = Buffer.concat(chunks).toString('utf8');
  const items = answer.status === 200 ? dataOf(raw.slice(0, lastEnd(raw))) : [];
  return { status: answer.status, raw, cut, text: items.map(wire.textOf).join(''), complete: items.length > 0 && wire.ends(items), error: wire.error(items) };
}

/** Where the last whole event ends: a client drops what follows. */
function lastEnd(raw) {
  const ends = [...raw.matchAll(/\r?\n\r?\n/g)];
  return ends.length ? ends.at(-1).index + ends.at(-1)[0].length : 0;
}

/** The same numbers every time. */
function seeded(state) {
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
