// What goes wrong at providers, told from both sides: the caller gets a complete answer, from the right model and with its
// usage, or one clean typed error, in time; the providers see so many calls, in this order, so far apart. Every dialect,
// streamed and whole, from a provider that speaks it and from one of another.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createOpenAI } from '@ai-sdk/openai';
import Anthropic from '@anthropic-ai/sdk';
import { GoogleGenAI } from '@google/genai';
import { Mistral } from '@mistralai/mistralai';
import { OpenRouter } from '@openrouter/sdk';
import { generateText } from 'ai';
import OpenAI from 'openai';
import { DIALECTS, REFUSALS } from './dialects.mjs';
import { startHarness } from './harness.mjs';
import { dataOf, send } from './wire.mjs';

const TEXT = 'one two three four';
const SAYS = { answer: { text: TEXT, usage: { input: 11, output: 7 } } };
const BOUNDS = { total_ms: 2500, max_attempts: 4, backoff_base_ms: 20, backoff_cap_ms: 40, max_wait_ms: 300, whole_ms: 400 };
const QUICK = { normal: 400, reasoning: 400, high_effort: 400 };

const FILTERED = { OpenAI: 'content_filter', Responses: 'content_filter', Anthropic: 'refusal', Gemini: 'SAFETY' };

// Who is called `m`, then `b` where the caller names a fallback. `gaps`: at least so many ms between one call and the next.
// `expect`: complete, a status, filtered, or broken after content; by the caller's dialect where its words differ. `off`: what breaks after
// content is told and not mended. `whole`: what differs there, where three times what an answer may take is more than all the
// time there is.
const ROWS = {
  '429 with a short Retry-After is waited out': { m: [{ status: 429, retryAfter: 0.2 }, SAYS], expect: 'complete', calls: 'mm', gaps: [200] },
  '429 with a long Retry-After leads to the next': { m: [{ status: 429, retryAfter: 30 }], b: [SAYS], expect: 'complete', calls: 'mb' },
  '429 with a long Retry-After and nobody else is told': { m: [{ status: 429, retryAfter: 30 }], expect: 429, calls: 'm', later: true },
  '429 without Retry-After leads to the next': { m: [{ status: 429 }], b: [SAYS], expect: 'complete', calls: 'mb' },
  '429 without Retry-After and nobody else is tried after a pause': { m: [{ status: 429 }, SAYS], expect: 'complete', calls: 'mm', gaps: [20] },
  '500 once': { m: [{ status: 500 }, SAYS], expect: 'complete', calls: 'mm' },
  '503 for ever': { m: [{ status: 503 }], expect: { Anthropic: 502, other: 503 }, by: 'upstream', calls: 'mm' }, // Anthropic's word for overload is 529
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
  'a late first token is left where it is too late': { m: [{ ...SAYS, fault: 'late;ms=900' }], b: [SAYS], expect: 'complete', calls: 'mb', gaps: [300], whole: { expect: 'complete', calls: 'm' } },
  'an answer that its provider cuts short for safety is the answer': { m: [{ answer: { text: '', finish: 'filter' } }], b: [SAYS], expect: 'filtered', calls: 'm' },
  'a malformed event is skipped': { m: [at => ({ ...SAYS, fault: `malformed;at=${at + 1}` })], expect: 'skipped', calls: 'm', only: 'stream' },
  'an answer without its terminator': { m: [{ ...SAYS, fault: 'no-terminator' }], expect: { OpenAI: 'complete', other: 'broken' }, by: 'upstream', calls: 'm', off: true, only: 'stream' },
  'a safety verdict is not shopped around': { m: ['filter'], b: [SAYS], expect: 400, calls: 'm' },
  'an empty account is not asked again': { m: ['quota'], b: [SAYS], expect: 'complete', calls: 'mb' },
  'an empty account and nobody else': { m: ['quota'], expect: 502, calls: 'm' },
  'a wrong request is asked once': { m: ['wrong'], b: [SAYS], expect: 400, calls: 'm' },
  'an overload inside a 200': { m: ['inside', SAYS], expect: 'complete', calls: 'mm' },
  'both fail': { m: [{ status: 500 }], b: [{ status: 503 }], expect: 502, calls: 'mmbb' },
};

// Every row for every caller's dialect, streamed and whole.
const CASES = Object.keys(DIALECTS).flatMap(caller => [false, true].flatMap(foreign => Object.keys(Object.values(ROWS)).flatMap(at => ['stream', 'whole'].map(form => [caller, Number(at), foreign, form]))));

let gateway;
before(async () => {
  const attempts = { ...BOUNDS, first_content_ms: QUICK, idle_ms: QUICK };
  gateway = await startHarness({ config: sim => ({ policies: { balanced: { attempts } }, ...accounts(sim) }) });
});
after(() => gateway?.close());

/** The dialect that the providers of a row speak: the caller's, or another one, in turn. */
function upstreamOf(caller, at, foreign) {
  const all = Object.keys(DIALECTS);
  return foreign ? all[(all.indexOf(caller) + 1 + (at % (all.length - 1))) % all.length] : caller;
}

/** Providers and models of their own for each row and form: budgets and health are theirs. */
function accounts(sim) {
  const providers = {};
  const models = {};
  for (const [caller, at, foreign, form] of CASES) {
    const { kind, provider } = DIALECTS[upstreamOf(caller, at, foreign)];
    for (const who of ['m', 'b', 'small']) {
      const name = named(caller, at, foreign, form, who);
      providers[name.split('/')[0]] = { kind, base_url: sim.baseUrl(provider), api_key: 'sim-key' };
      models[name] = { context: { m: 8000, b: 128000, small: 4000 }[who] };
    }
  }
  for (const [client, [dialect]] of Object.entries(CLIENTS)) {
    const { kind, provider } = DIALECTS[dialect];
    for (const nth of Object.keys(CALLS).keys()) providers[clientAccount(client, nth)] = { kind, base_url: sim.baseUrl(provider), api_key: 'sim-key' };
  }
  return { providers, models };
}

const suffix = (caller, at, foreign, form) => `-${caller.toLowerCase()}-${at}-${foreign ? 'foreign' : 'own'}-${form}`;
const model = (caller, at, foreign, form, who) => `${who}${suffix(caller, at, foreign, form)}`;
const named = (...which) => `${model(...which)}-account/${model(...which)}`;

for (const caller of Object.keys(DIALECTS)) {
  for (const foreign of [false, true]) {
    describe(`${caller} from ${foreign ? 'others' : 'its own'}`, () => {
      for (const [, at, , form] of CASES.filter(one => one[0] === caller && one[2] === foreign)) {
        const [title, row] = Object.entries(ROWS)[at];
        const upstream = upstreamOf(caller, at, foreign);
        const missing = row.m.some(step => typeof step === 'string' && ['filter', 'context'].includes(step) && !REFUSALS[upstream][step]);
        if (missing || (row.only && row.only !== form)) continue;
        test(`${title}, ${form}${foreign ? `, ${upstream}` : ''}`, () => play(caller, upstream, at, foreign, row, form));
      }
    });
  }
}

async function play(caller, upstream, at, foreign, all, form) {
  const wire = DIALECTS[caller];
  const stream = form === 'stream';
  const row = stream || !all.whole ? all : { ...all, gaps: undefined, ...all.whole };
  const expect = row.expect[row.by === 'upstream' ? upstream : caller] ?? row.expect.other ?? row.expect;
  const others = ['small', 'b'].filter(who => row[who]);
  for (const who of ['m', ...others]) gateway.sim.behave(model(caller, at, foreign, form, who), ...row[who].map(step => stepOf(upstream, step, stream)));
  const headers = { ...(others.length ? { 'x-signalbox-models': others.map(who => named(caller, at, foreign, form, who)).join(',') } : {}), ...(row.off ? { 'x-signalbox-continue': 'off' } : {}) };
  const name = named(caller, at, foreign, form, 'm');
  const began = performance.now();
  const answer = await send(`${gateway.url}${wire.path(name, stream)}`, { headers, body: wire.body(name, stream) });
  const raw = await answer.text();
  assert.ok(performance.now() - began < BOUNDS.total_ms + 1000, 'in time');

  const seen = gateway.sim.log.all(one => one.model?.endsWith(suffix(caller, at, foreign, form)));
  assert.equal(seen.map(one => (one.model.startsWith('small') ? 's' : one.model[0])).join(''), row.calls, 'who was called, in order');
  row.gaps?.forEach((least, nth) => {
    const gap = seen[nth + 1].at - seen[nth].at;
    assert.ok(gap >= least - 5, `${gap} ms between the calls, at least ${least}`);
  });
  for (const one of seen.slice(0, -1)) assert.ok(one.ended ?? (await gateway.sim.waitFor(other => other.id === one.id && other.ended)), 'nobody goes on for nothing');

  if (typeof expect === 'number') {
    assert.equal(answer.status, expect, raw);
    assert.ok(wire.official(JSON.parse(raw).error, answer.status), raw);
    assert.equal(answer.headers['x-should-retry'], row.later ? 'true' : 'false');
    if (row.later) assert.ok(Number(answer.headers['retry-after']) > 25, answer.headers['retry-after']);
    return;
  }
  assert.equal(answer.status, 200, raw);
  assert.equal(answer.headers['x-signalbox-model'], named(caller, at, foreign, form, row.calls.at(-1)));
  const items = stream ? dataOf(raw) : [JSON.parse(raw)];
  const text = stream ? items.map(wire.textOf).join('') : expect === 'filtered' ? '' : wire.whole(items[0]);
  if (expect === 'complete') {
    assert.equal(answer.headers['x-signalbox-attempts'].split(',').length, row.calls.length);
    assert.equal(text, TEXT);
    assert.deepEqual(stream ? wire.streamUsage(items) : wire.usageOf(items[0]), [11, 7]);
    if (stream) assert.ok(wire.ends(items) && !wire.error(items), raw);
  } else if (expect === 'skipped') {
    assert.equal(text, TEXT.replace(' two', ''));
    assert.ok(wire.ends(items) && !wire.error(items), raw);
  } else if (expect === 'filtered') {
    assert.equal(wire.finishOf(items), FILTERED[caller], raw);
    assert.ok(!wire.error(items), raw);
  } else {
    assert.ok(text && TEXT.startsWith(text), text);
    assert.ok(wire.official(wire.error(items)) && !wire.ends(items), raw);
  }
}

function stepOf(dialect, step, stream) {
  if (typeof step === 'function') return step(DIALECTS[dialect].first);
  if (step === 'inside') return stream ? { ...SAYS, fault: 'error-event;at=0' } : { status: 200, body: REFUSALS[dialect].inside };
  const refusal = REFUSALS[dialect][step];
  return refusal ? { status: refusal[0], body: refusal[1] } : step;
}

describe('an answer that is cut, and a fallback that rejects a prefill', () => {
  const refusal = { status: 400, body: { type: 'error', error: { type: 'invalid_request_error', message: 'This model does not support assistant message prefill.' } } };
  const at = Object.keys(ROWS).indexOf('a cut after content');
  const CLAUDE = 'anthropic/claude-haiku-4-5';
  const GEMINI = 'gemini/gemini-2.5-flash';
  for (const [caller, wire] of Object.entries(DIALECTS)) {
    const ask = (name, models) => send(`${gateway.url}${wire.path(name, true)}`, { headers: { 'x-signalbox-models': models.join(','), 'x-signalbox-continue': 'prefill' }, body: wire.body(name, true) });

    test(`${caller}: the first break is what is told`, async () => {
      const name = named(caller, at, false, 'whole', 'm');
      gateway.sim.reset();
      gateway.sim.behave(model(caller, at, false, 'whole', 'm'), { ...SAYS, fault: `cut;events=${wire.first + 2}` });
      gateway.sim.behave('claude-haiku-4-5', refusal);
      const raw = await (await ask(name, [CLAUDE])).text();
      const items = dataOf(raw);
      const text = items.map(wire.textOf).join('');
      assert.ok(text && TEXT.startsWith(text) && text !== TEXT, text);
      assert.ok(wire.error(items)?.message && !wire.ends(items), raw);
      assert.doesNotMatch(raw, /prefill/);
      assert.deepEqual(gateway.sim.log.all().map(one => one.model), [model(caller, at, false, 'whole', 'm'), 'claude-haiku-4-5']);
    });

    test(`${caller}: the next one goes on`, async () => {
      const name = named(caller, at, false, 'whole', 'm');
      gateway.sim.reset();
      gateway.sim.behave(model(caller, at, false, 'whole', 'm'), { ...SAYS, fault: `cut;events=${wire.first + 2}` });
      gateway.sim.behave('claude-haiku-4-5', refusal);
      gateway.sim.behave('gemini-2.5-flash', { ...SAYS, answer: { ...SAYS.answer, text: TEXT.slice('one two'.length) } }); // it goes on where it is told to
      const raw = await (await ask(name, [CLAUDE, GEMINI])).text();
      const items = dataOf(raw);
      assert.equal(items.map(wire.textOf).join(''), TEXT, raw);
      assert.ok(wire.ends(items) && !wire.error(items), raw);
      assert.equal(gateway.sim.log.all().length, 3);
    });
  }
});

// Official clients as they come, with the retries that they make by default. Vercel's and OpenRouter's repeat a 5xx whatever they
// are told (the latter for an hour): for them each try is a request of its own, so they are asked to make one.
const CLIENTS = {
  'openai, chat': ['OpenAI', model => new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none' }).chat.completions.create(DIALECTS.OpenAI.body(model, false))],
  'openai, chat streamed': ['OpenAI', model => new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none' }).chat.completions.create(DIALECTS.OpenAI.body(model, true))],
  'openai, responses': ['Responses', model => new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none' }).responses.create(DIALECTS.Responses.body(model, false))],
  anthropic: ['Anthropic', model => new Anthropic({ baseURL: gateway.url, apiKey: 'none' }).messages.create(DIALECTS.Anthropic.body(model, false))],
  'anthropic, streamed': ['Anthropic', model => new Anthropic({ baseURL: gateway.url, apiKey: 'none' }).messages.create(DIALECTS.Anthropic.body(model, true))],
  google: ['Gemini', model => new GoogleGenAI({ apiKey: 'none', httpOptions: { baseUrl: gateway.url } }).models.generateContent({ model, ...DIALECTS.Gemini.body() })],
  mistral: ['OpenAI', model => new Mistral({ serverURL: gateway.url, apiKey: 'none' }).chat.complete({ model, messages: DIALECTS.OpenAI.body().messages })],
  'openrouter, told to try once': ['OpenAI', model => new OpenRouter({ serverURL: `${gateway.url}/v1`, apiKey: 'none', retryConfig: { strategy: 'none' } }).chat.send({ chatRequest: { model, messages: DIALECTS.OpenAI.body().messages } })],
  'vercel, told to try once': ['OpenAI', model => generateText({ model: createOpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none' }).chat(model), maxRetries: 0, prompt: 'Count to four' })],
};
// What a provider does, and how often it is asked.
const CALLS = {
  wrong: 1, quota: 1, context: 1, filter: 1, 'status-401': 1, 'status-403': 1, 'status-404': 1, 'status-413': 1, 'status-429': 2, 'status-429;retry-after=120': 1,
  'status-500': 2, 'status-502': 2, 'status-503': 2, 'status-529': 2, reset: 2, 'cut;bytes=10': 2, hang: 1,
};
const clientAccount = (client, nth) => `client-${Object.keys(CLIENTS).indexOf(client)}-${nth}`;

for (const [client, [dialect, ask]] of Object.entries(CLIENTS)) {
  describe(`official client ${client}: a provider is asked as often as the policy says`, { concurrency: true }, () => {
    for (const [nth, [what, calls]] of Object.entries(CALLS).entries()) {
      if (what === 'filter' && !REFUSALS[dialect].filter) continue;
      test(what, async () => {
        const name = clientAccount(client, nth);
        gateway.sim.behave(name, stepOf(dialect, what, false));
        await assert.rejects(async () => {
          for await (const piece of await ask(`${name}/${name}`)) void piece; // of a stream; anything else is no success either
        });
        assert.equal(gateway.sim.log.all(one => one.model === name).length, calls);
      });
    }
  });
}
