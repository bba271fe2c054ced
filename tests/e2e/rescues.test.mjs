// What goes wrong at providers, told from both sides: the caller gets a complete answer, from the right model and with its
// usage, or one clean typed error, in time; the providers see so many calls, in this order, so far apart. Every dialect,
// streamed and whole.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { DIALECTS, REFUSALS } from './dialects.mjs';
import { startHarness } from './harness.mjs';
import { dataOf, send } from './wire.mjs';

const TEXT = 'one two three four';
const SAYS = { answer: { text: TEXT, usage: { input: 11, output: 7 } } };
const BOUNDS = { total_ms: 2500, max_attempts: 4, backoff_base_ms: 20, backoff_cap_ms: 40, max_wait_ms: 300, whole_ms: 400 };
const QUICK = { normal: 400, reasoning: 400, high_effort: 400 };

// Who is called `m`, then `b` where the caller names a fallback. `gaps`: at least so many ms between one call and the next.
// `expect`: complete, a status, or broken after content; by dialect where providers' words differ. `off`: what breaks after
// content is told and not mended. `whole`: what differs there, where three times what an answer may take is more than all the
// time there is.
const ROWS = {
  '429 with a short Retry-After is waited out': { m: [{ status: 429, retryAfter: 0.2 }, SAYS], expect: 'complete', calls: 'mm', gaps: [200] },
  '429 with a long Retry-After leads to the next': { m: [{ status: 429, retryAfter: 30 }], b: [SAYS], expect: 'complete', calls: 'mb' },
  '429 with a long Retry-After and nobody else is told': { m: [{ status: 429, retryAfter: 30 }], expect: 429, calls: 'm', later: true },
  '429 without Retry-After leads to the next': { m: [{ status: 429 }], b: [SAYS], expect: 'complete', calls: 'mb' },
  '429 without Retry-After and nobody else is tried after a pause': { m: [{ status: 429 }, SAYS], expect: 'complete', calls: 'mm', gaps: [20] },
  '500 once': { m: [{ status: 500 }, SAYS], expect: 'complete', calls: 'mm' },
  '503 for ever': { m: [{ status: 503 }], expect: { Anthropic: 502, other: 503 }, calls: 'mm' }, // Anthropic's word for overload is 529
  '503 for ever, and somebody else': { m: [{ status: 503 }], b: [SAYS], expect: 'complete', calls: 'mmb' },
  'a reset': { m: ['reset', SAYS], expect: 'complete', calls: 'mm' },
  'silence is left and not asked again': { m: ['hang'], b: [SAYS], expect: 'complete', calls: 'mb', gaps: [300], whole: { expect: 504, calls: 'm' } },
  'a late first token': { m: [{ ...SAYS, fault: 'late;ms=150' }], b: [SAYS], expect: 'complete', calls: 'm' },
  'an answer that comes slowly is no silence': { m: [{ ...SAYS, fault: 'slow;ms=80' }], b: [SAYS], expect: 'complete', calls: 'm' },
  'an answer that stalls before its first token': { m: [{ ...SAYS, fault: 'stall;bytes=0' }], b: [SAYS], expect: 'complete', calls: 'mb', gaps: [300], whole: { expect: 504, calls: 'm' } },
  'a cut before content': { m: [{ ...SAYS, fault: 'cut;bytes=10' }, SAYS], expect: 'complete', calls: 'mm' },
  'a cut before content by a reset': { m: [{ ...SAYS, fault: 'cut;bytes=10;how=reset' }, SAYS], expect: 'complete', calls: 'mm' },
  'a cut after content': { m: [at => ({ ...SAYS, fault: `cut;events=${at + 2}` })], b: [SAYS], expect: 'broken', calls: 'm', off: true, only: 'stream' },
  'a stall after content': { m: [at => ({ ...SAYS, fault: `stall;events=${at + 2}` })], b: [SAYS], expect: 'broken', calls: 'm', off: true, only: 'stream' },
  'a prompt too long for the model goes to a larger window only': { m: ['context'], b: [SAYS], small: [SAYS], expect: 'complete', calls: 'mb' },
  'a safety verdict is not shopped around': { m: ['filter'], b: [SAYS], expect: 400, calls: 'm' },
  'an empty account is not asked again': { m: ['quota'], b: [SAYS], expect: 'complete', calls: 'mb' },
  'an empty account and nobody else': { m: ['quota'], expect: 502, calls: 'm' },
  'a wrong request is asked once': { m: ['wrong'], b: [SAYS], expect: 400, calls: 'm' },
  'an overload inside a 200': { m: ['inside', SAYS], expect: 'complete', calls: 'mm' },
  'both fail': { m: [{ status: 500 }], b: [{ status: 503 }], expect: 502, calls: 'mmbb' },
};

let gateway;
before(async () => {
  const attempts = { ...BOUNDS, first_content_ms: QUICK, idle_ms: QUICK };
  gateway = await startHarness({ config: sim => ({ policies: { balanced: { attempts } }, ...accounts(sim) }) });
});
after(() => gateway?.close());

/** Providers and models of their own for each row and form: budgets and health are theirs. */
function accounts(sim) {
  const providers = {};
  const models = {};
  for (const [dialect, { kind, provider }] of Object.entries(DIALECTS)) {
    for (const at of Object.keys(ROWS).keys()) {
      for (const form of ['stream', 'whole']) {
        for (const who of ['m', 'b', 'small']) {
          const name = named(dialect, at, form, who);
          providers[name.split('/')[0]] = { kind, base_url: sim.baseUrl(provider), api_key: 'sim-key' };
          models[name] = { context: { m: 8000, b: 128000, small: 4000 }[who] };
        }
      }
    }
  }
  return { providers, models };
}

const model = (dialect, at, form, who) => `${who}-${dialect.toLowerCase()}-${at}-${form}`;
const named = (dialect, at, form, who) => `${model(dialect, at, form, who)}-account/${model(dialect, at, form, who)}`;

for (const [dialect, wire] of Object.entries(DIALECTS)) {
  describe(dialect, () => {
    for (const [at, [title, row]] of Object.entries(ROWS).entries()) {
      const missing = row.m.some(step => typeof step === 'string' && ['filter', 'context'].includes(step) && !REFUSALS[dialect][step]);
      for (const form of ['stream', 'whole']) {
        if (missing || (row.only && row.only !== form)) continue;
        test(`${title}, ${form}`, () => play(dialect, wire, at, row, form));
      }
    }
  });
}

async function play(dialect, wire, at, all, form) {
  const stream = form === 'stream';
  const row = stream || !all.whole ? all : { ...all, gaps: undefined, ...all.whole };
  const expect = row.expect[dialect] ?? row.expect.other ?? row.expect;
  const others = ['small', 'b'].filter(who => row[who]);
  for (const who of ['m', ...others]) gateway.sim.behave(model(dialect, at, form, who), ...row[who].map(step => stepOf(dialect, wire, step, stream)));
  const headers = { ...(others.length ? { 'x-signalbox-models': others.map(who => named(dialect, at, form, who)).join(',') } : {}), ...(row.off ? { 'x-signalbox-continue': 'off' } : {}) };
  const name = named(dialect, at, form, 'm');
  const began = performance.now();
  const answer = await send(`${gateway.url}${wire.path(name, stream)}`, { headers, body: wire.body(name, stream) });
  const raw = await answer.text();
  assert.ok(performance.now() - began < BOUNDS.total_ms + 1000, 'in time');

  const seen = gateway.sim.log.all(one => one.model?.endsWith(`-${dialect.toLowerCase()}-${at}-${form}`));
  assert.equal(seen.map(one => (one.model.startsWith('small') ? 's' : one.model[0])).join(''), row.calls, 'who was called, in order');
  row.gaps?.forEach((least, nth) => {
    const gap = seen[nth + 1].at - seen[nth].at;
    assert.ok(gap >= least - 5, `${gap} ms between the calls, at least ${least}`);
  });
  for (const one of seen.slice(0, -1)) assert.ok(one.ended ?? (await gateway.sim.waitFor(other => other.id === one.id && other.ended)), 'nobody goes on for nothing');

  if (expect === 'complete') {
    assert.equal(answer.status, 200, raw);
    const answeredBy = row.calls.at(-1);
    assert.equal(answer.headers['x-signalbox-model'], named(dialect, at, form, answeredBy));
    assert.equal(answer.headers['x-signalbox-attempts'].split(',').length, row.calls.length);
    const items = stream ? dataOf(raw) : undefined;
    const [text, usage] = stream ? [items.map(wire.textOf).join(''), wire.streamUsage(items)] : [wire.whole(JSON.parse(raw)), wire.usageOf(JSON.parse(raw))];
    assert.equal(text, TEXT);
    assert.deepEqual(usage, [11, 7]);
    if (stream) assert.ok(wire.ends(items) && !wire.error(items), raw);
  } else if (expect === 'broken') {
    assert.equal(answer.status, 200, raw);
    const items = dataOf(raw);
    const text = items.map(wire.textOf).join('');
    assert.ok(text && TEXT.startsWith(text) && text !== TEXT, text);
    assert.ok(wire.error(items)?.message && !wire.ends(items), raw);
  } else {
    assert.equal(answer.status, expect, raw);
    assert.ok(JSON.parse(raw).error.message, raw);
    assert.equal(answer.headers['x-should-retry'], row.later ? 'true' : 'false');
    if (row.later) assert.ok(Number(answer.headers['retry-after']) > 25, answer.headers['retry-after']);
  }
}

function stepOf(dialect, wire, step, stream) {
  if (typeof step === 'function') return step(wire.first);
  if (step === 'inside') return stream ? { ...SAYS, fault: 'error-event;at=0' } : { status: 200, body: REFUSALS[dialect].inside };
  const refusal = REFUSALS[dialect][step];
  return refusal ? { status: refusal[0], body: refusal[1] } : step;
}

describe('official clients that retry by themselves', () => {
  const at = Object.keys(ROWS).indexOf('503 for ever');
  const asks = {
    OpenAI: () => new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none' }).chat.completions.create({ ...DIALECTS.OpenAI.body(named('OpenAI', at, 'whole', 'b'), false) }),
    Responses: () => new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none' }).responses.create(DIALECTS.Responses.body(named('Responses', at, 'whole', 'b'), false)),
    Anthropic: () => new Anthropic({ baseURL: gateway.url, apiKey: 'none' }).messages.create(DIALECTS.Anthropic.body(named('Anthropic', at, 'whole', 'b'), false)),
  };
  for (const [dialect, ask] of Object.entries(asks)) {
    test(`${dialect}: a provider that is down is asked as often as the policy says`, async () => {
      const name = model(dialect, at, 'whole', 'b');
      gateway.sim.behave(name, { status: 503 });
      await assert.rejects(ask, { status: dialect === 'Anthropic' ? 502 : 503 });
      assert.equal(gateway.sim.log.all(one => one.model === name).length, 2);
    });
  }
});
