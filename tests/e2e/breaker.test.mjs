// A provider that is down for a while: callers are served by the next candidate, the provider is left alone but for a probe now
// and then, and it is used again within seconds of its recovery. The same across isolates, which tell each other.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { capital } from './clients.mjs';
import { DIALECTS } from './dialects.mjs';
import { startHarness, until } from './harness.mjs';
import { send } from './wire.mjs';

const PATH = '/v1/chat/completions';
const ROWS = ['hinted', 'alone', 'off', 'refused', 'backup'];
const FORMS = { 'whole answers': false, streams: true };
const account = (caller, form, what) => `${caller}-${form.split(' ')[0]}-${what}`.toLowerCase();

let gateway;
before(async () => {
  const attempts = { total_ms: 5000, max_attempts: 4, backoff_base_ms: 1, backoff_cap_ms: 2 };
  gateway = await startHarness({
    config: sim => ({
      policies: { balanced: { attempts } },
      providers: Object.fromEntries([
        ...ROWS.map(name => [name, DIALECTS.OpenAI]),
        ...Object.entries(DIALECTS).flatMap(([caller, wire]) => Object.keys(FORMS).flatMap(form => ['down', 'sound'].map(what => [account(caller, form, what), wire]))),
      ].map(([name, { kind, provider }]) => [name, {
        kind, base_url: sim.baseUrl(provider), api_key: 'sim-breaker',
        breaker: { ejection_ms: 200, max_ejection_ms: 1000, ...(name === 'off' ? { enabled: false } : {}) },
      }])),
    }),
  });
});
after(() => gateway?.close());
beforeEach(() => gateway.sim.reset());

const ask = (provider, { backup = true, ...more } = {}) => send(`${gateway.url}${PATH}`, {
  headers: backup ? { 'x-signalbox-models': 'backup/sound' } : {}, body: { model: `${provider}/m`, messages: capital, ...more },
});
const callsTo = model => gateway.sim.log.all().filter(call => call.model === model).length;

for (const [caller, wire] of Object.entries(DIALECTS)) {
  for (const [form, stream] of Object.entries(FORMS)) {
    test(`${caller}, ${form}: a primary that is down costs a few tries, then probes, and comes back by itself`, async () => {
      const provider = account(caller, form, 'down');
      const ask = () => send(`${gateway.url}${wire.path(`${provider}/m`, stream)}`, {
        headers: { 'x-signalbox-models': `${account(caller, form, 'sound')}/sound` }, body: wire.body(`${provider}/m`, stream),
      });
      gateway.sim.behave('m', { fault: 'status-503' });
      for (let n = 0; n < 20; n++) {
        const answer = await ask();
        assert.equal(answer.status, 200);
        await answer.text();
      }
      const whileDown = callsTo('m');
      assert.ok(whileDown >= 5 && whileDown <= 12, `${whileDown} calls to a provider that was down, for 20 requests`);
      assert.equal(callsTo('sound'), 20);
      gateway.sim.reset();
      const began = Date.now();
      await until(async () => {
        const answer = await ask();
        await answer.text();
        return answer.headers['x-signalbox-model'] === `${provider}/m`;
      }, { timeout: 5_000, what: 'the primary to answer again' });
      assert.ok(Date.now() - began < 3_000, 'within seconds');
      const again = await ask();
      assert.equal(again.headers['x-signalbox-attempts'], `${provider}/m:200`, 'and from then on always');
      await again.text();
    });
  }
}

test('where rate limits follow each other, the Retry-After is how long nobody asks', async () => {
  gateway.sim.behave('m', { fault: 'status-429;retry-after=30' });
  for (let n = 0; n < 12; n++) assert.equal((await ask('hinted')).status, 200);
  assert.equal(callsTo('m'), 5);
  await new Promise(resolve => setTimeout(resolve, 1100)); // longer than any ejection of this configuration
  assert.equal((await ask('hinted')).headers['x-signalbox-attempts'], 'backup/sound:200');
});

test('where there is nobody else it is asked all the same', async () => {
  gateway.sim.behave('m', { fault: 'status-503' });
  for (let n = 0; n < 6; n++) assert.equal((await ask('alone', { backup: false })).status, 503);
  assert.ok(callsTo('m') >= 6);
  gateway.sim.reset();
  assert.equal((await ask('alone', { backup: false })).status, 200, 'at once when it answers again');
});

test('switched off, every request tries its first choice', async () => {
  gateway.sim.behave('m', { fault: 'status-503' });
  for (let n = 0; n < 8; n++) await ask('off');
  assert.ok(callsTo('m') >= 8);
});

test('requests that are themselves at fault open nothing', async () => {
  gateway.sim.behave('m', { fault: 'status-400' });
  for (let n = 0; n < 8; n++) assert.equal((await ask('refused')).status, 400);
  gateway.sim.reset();
  assert.equal((await ask('refused')).headers['x-signalbox-model'], 'refused/m');
});

test('a new isolate learns from the board what the last one saw', async () => {
  const board = await gateway.durable('HEALTH', 'hinted');
  const sync = body => board.fetch('https://object/sync', { method: 'POST', body: JSON.stringify(body) }).then(answer => answer.json());
  const until_ms = Date.now() + 60_000;
  await sync({ candidates: { 'hinted/other': { opened: [Date.now(), until_ms] } } });
  const seen = await sync({ candidates: {} });
  assert.equal(seen.candidates['hinted/other'].opened[1], until_ms);
  assert.ok(seen.candidates['hinted/m'].opened, 'the Retry-After above stands there too');
  // The first request through that provider brings the board's news here; then the ejected model is passed over.
  gateway.sim.behave('third', { answer: { text: 'hi' } });
  await until(async () => {
    await ask('hinted', { model: 'hinted/third' });
    return (await ask('hinted', { model: 'hinted/other' })).headers['x-signalbox-model'] === 'backup/sound';
  }, { timeout: 15_000, every: 200, what: 'the news from the board' });
});
