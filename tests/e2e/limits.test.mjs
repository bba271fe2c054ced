// Limits that signed claims and the configuration set: what reaches the provider, what callers are told, what the account
// says afterwards, also after the object was put out of memory and the runtime was restarted.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, beforeEach, describe, test } from 'node:test';
import { ApiError, GoogleGenAI } from '@google/genai';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { MODELS, capital } from './clients.mjs';
import { startHarness, until } from './harness.mjs';
import { startIssuer } from './issuer.mjs';

let gateway;
let issuer;
before(async () => {
  issuer = await startIssuer();
  gateway = await startHarness({
    config: sim => ({
      identity: issuer.identity,
      providers: { house: { kind: 'openai-chat', base_url: sim.baseUrl('house'), api_key: 'sim-house' } },
      limits: { groups: { frugal: { budget: { usd: '0.000001', period: 'month' } }, slow: { requests_per_minute: 2 } }, policies: { best: { budget: { usd: '0', period: 'day' } } } },
    }),
  });
});
after(async () => {
  await gateway?.close();
  issuer?.close();
});
beforeEach(() => gateway.sim.reset());

let callers = 0;
/** A caller of its own, under limits that its claims state. */
function caller(limits, claims = {}) {
  const subject = `caller-${(callers += 1)}`;
  const key = issuer.token(subject, { ...(limits && { signalbox: { limits } }), ...claims });
  const headers = { authorization: `Bearer ${key}` };
  return {
    key,
    chat: (body = {}, more = {}) => gateway.call('/v1/chat/completions', { model: MODELS.OpenAI, messages: capital, max_completion_tokens: 50, ...body }, { headers: { ...headers, ...more } }),
    usage: async (query = '') => (await gateway.call(`/v1/usage${query}`, undefined, { headers })).json(),
    get: path => gateway.call(path, undefined, { headers }),
  };
}
const budget = (usd, period = 'day', more = {}) => ({ budget: { usd, period, ...more } });
/** An answer that costs 20 × 0.25 + 50 × 2 dollars per million: $0.000105. */
const dear = { answer: { text: 'Yes.', usage: { input: 20, cached: 0, output: 50 } } };
const pico = usd => BigInt(Math.round(usd * 1e12));

test('of a hundred requests at once as many reach the provider as the limit holds, and the account is what they were told', async () => {
  const { chat, usage, key } = caller(budget('0.00105'));
  gateway.sim.behave('*', { ...dear, holds: [{ at: 'headers', gate: 'all are there' }] });
  const answers = Array.from({ length: 100 }, () => chat());
  const refused = [];
  for (const answer of answers) answer.then(a => a.status !== 200 && refused.push(a));
  await until(() => refused.length >= 90, { what: 'the refusals' });
  await until(() => refused.length + gateway.sim.log.all().length === 100, { what: 'everyone to be out or refused' });
  const out = gateway.sim.log.all().length;
  assert.ok(out >= 8 && out <= 10, `${out} reached the provider`);
  gateway.sim.open('all are there');
  const served = (await Promise.all(answers)).filter(a => a.status === 200);
  assert.equal(served.length, out, 'none is lost');
  for (const answer of refused) {
    const { error } = await answer.json();
    assert.deepEqual([answer.status, error.type, error.code], [429, 'insufficient_quota', 'insufficient_quota']);
    assert.match(error.message, /0\.00105 US dollars per day/);
    assert.ok(Number(error.metadata.limit.left_usd) < 0.00105);
    assert.match(error.metadata.limit.resets_at, /T00:00:00Z$/);
    assert.ok(Number(answer.headers.get('retry-after')) > 0);
  }
  const told = await Promise.all(served.map(async a => pico((await a.json()).usage.cost)));
  const total = told.reduce((a, b) => a + b, 0n);
  const { totals } = await until(async () => {
    const now = await usage();
    return now.totals.open === 0 && now;
  }, { what: 'nothing to be under way' });
  assert.equal(BigInt(totals.cost_picousd), total);
  assert.equal(total, BigInt(out) * 105_000_000n);
  assert.ok(total <= 1_050_000_000n);
  // What was reserved and not used serves others until nothing is left; an official client is told not to come again today.
  while ((await chat()).status === 200);
  const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: key, maxRetries: 2 });
  const before = gateway.sim.log.all().length;
  const error = await client.chat.completions.create({ model: MODELS.OpenAI, messages: capital, max_completion_tokens: 50 }).then(() => assert.fail('it was served'), e => e);
  assert.ok(error instanceof OpenAI.RateLimitError && error.code === 'insufficient_quota');
  assert.equal(error.headers.get('x-should-retry'), 'false');
  assert.equal(gateway.sim.log.all().length, before);
  assert.ok(BigInt((await usage()).totals.cost_picousd) <= 1_050_000_000n);
});

test('a ledger that is called too often has shards, which keep the limit among them, and the account is whole', async () => {
  const { chat, usage, get } = caller(budget('0.06'));
  const { principal } = await usage();
  gateway.sim.behave('*', { answer: { text: 'Yes.', usage: { input: 20, cached: 0, output: 50 } } });
  const ledger = await gateway.durable('LEDGER', principal);
  // A thousand calls a second are more than a test can make: a ledger is told of them.
  const busy = { claims: {}, ask: null, by: `${principal}~9`, number: 1, calls: 1000 };
  await (await ledger.fetch('https://object/lease', { method: 'POST', body: JSON.stringify(busy) })).text();
  let [served, told, refused] = [0, 0n, 0];
  for (let round = 0; round < 12; round += 1) {
    const answers = await Promise.all(Array.from({ length: 60 }, () => chat()));
    for (const answer of answers) {
      const body = await answer.json();
      if (answer.status === 200) [served, told] = [served + 1, told + pico(body.usage.cost)];
      else {
        assert.equal(answer.status, 429, JSON.stringify(body));
        refused += 1;
      }
    }
  }
  assert.ok(refused > 0 && told <= 60_000_000_000n, `${served} served, ${refused} refused`);
  const now = await until(async () => {
    const now = await usage();
    return now.totals.open === 0 && now.totals.attempts === served && now;
  }, { what: 'everything to be settled' });
  assert.equal(BigInt(now.totals.cost_picousd), told);
  const own = await (await ledger.fetch('https://object/sums')).json();
  const first = own.sums.reduce((sum, [, counters]) => sum + counters.attempts, 0);
  assert.ok(first < served, 'others than the first ledger have some of it');
  assert.equal((await get('/v1/usage?group_by=day')).status, 200);
});

describe('a refusal in the words of each dialect', () => {
  const broke = () => caller(budget('0'));
  test("Anthropic's client raises its rate limit error", async () => {
    const client = new Anthropic({ baseURL: gateway.url, apiKey: broke().key, maxRetries: 2 });
    const error = await client.messages.create({ model: MODELS.Anthropic, max_tokens: 9, messages: capital }).then(() => assert.fail('it was served'), e => e);
    assert.ok(error instanceof Anthropic.RateLimitError);
    assert.equal(error.error.error.type, 'rate_limit_error');
    assert.equal(error.error.error.details.error_code, 'enforced_spend_limit_reached');
    assert.equal(gateway.sim.log.all().length, 0);
  });

  test("Google's client raises 429, with the delay", async () => {
    const client = new GoogleGenAI({ apiKey: broke().key, httpOptions: { baseUrl: gateway.url } });
    const error = await client.models.generateContent({ model: 'gemini/gemini-2.5-flash', contents: 'Hi', config: { maxOutputTokens: 9 } }).then(() => assert.fail('it was served'), e => e);
    assert.ok(error instanceof ApiError && error.status === 429);
    assert.match(error.message, /RESOURCE_EXHAUSTED/);
    assert.match(error.message, /RetryInfo/);
    assert.equal(gateway.sim.log.all().length, 0);
  });

  test('a stream is refused before it begins', async () => {
    const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: broke().key, maxRetries: 0 });
    await assert.rejects(client.chat.completions.create({ model: MODELS.OpenAI, messages: capital, stream: true }), OpenAI.RateLimitError);
  });
});

describe('whose limits hold', () => {
  test("the operator's for a group, where they are stricter than the claim's", async () => {
    const { chat } = caller(budget('5'), { groups: ['frugal'] });
    assert.equal((await chat()).status, 429);
    assert.equal((await caller(budget('5')).chat()).status, 200);
  });

  test("the operator's for a policy", async () => {
    assert.equal((await caller().chat({}, { 'x-signalbox-policy': 'best' })).status, 429);
    assert.equal((await caller().chat()).status, 200);
  });

  test('a budget for a group of models leaves the others', async () => {
    const { chat } = caller(budget('0', 'month', { models: ['openai/*'] }));
    assert.equal((await chat()).status, 429);
    const answer = await chat({ models: [MODELS.Gemini] });
    assert.equal(answer.headers.get('x-signalbox-model'), MODELS.Gemini);
    assert.deepEqual(gateway.sim.log.all().map(a => a.provider), ['gemini']);
  });

  test('a model without a price is refused under a limit on money', async () => {
    const answer = await caller(budget('5')).chat({ model: 'house/llama3:8b' });
    assert.equal(answer.status, 400);
    assert.match((await answer.json()).error.message, /unpriced/);
  });

  test('an answer may not be longer than the limit says', async () => {
    const { chat } = caller({ max_output_tokens: 40 });
    const answer = await chat();
    assert.deepEqual([answer.status, (await answer.json()).error.param], [400, 'max_completion_tokens']);
    assert.equal((await chat({ max_completion_tokens: 40 })).status, 200);
  });
});

describe('rates', () => {
  test('requests per minute, with the time at which there is room', async () => {
    const { chat } = caller(undefined, { groups: ['slow'] });
    assert.deepEqual([(await chat()).status, (await chat()).status], [200, 200]);
    const answer = await chat();
    assert.deepEqual([answer.status, (await answer.json()).error.code], [429, 'rate_limit_exceeded']);
    const wait = Number(answer.headers.get('retry-after'));
    assert.ok(wait > 30 && wait <= 61, `${wait}`);
  });

  test('requests at a time: the next is let out when one is over', async () => {
    const { chat, usage } = caller({ concurrent_requests: 1 });
    gateway.sim.behave('*', { ...dear, holds: [{ at: 'headers', gate: 'go' }] });
    const first = chat();
    await gateway.sim.waitFor(attempt => attempt.waiting);
    assert.equal((await chat()).status, 429);
    gateway.sim.open('go');
    assert.equal((await first).status, 200);
    await until(async () => (await usage()).totals.open === 0, { what: 'the first to be settled' });
    assert.equal((await chat()).status, 200);
  });
});

test('an account under a limit outlives the eviction of its object and a restart of the runtime, between any two steps', async () => {
  const { chat, usage } = caller(budget('0.00023'));
  const { principal } = await usage();
  gateway.sim.behave('*', { ...dear, holds: [{ at: 'headers', gate: 'go' }] });
  const first = chat();
  await gateway.sim.waitFor(attempt => attempt.waiting);
  await gateway.evict('Ledger', principal); // granted, not settled
  assert.equal((await usage()).totals.open, 1);
  const second = chat();
  await gateway.sim.waitFor(() => gateway.sim.log.all().length === 2);
  assert.equal((await chat()).status, 429, 'what the first two may cost is still reserved');
  gateway.sim.open('go');
  assert.deepEqual([(await first).status, (await second).status], [200, 200]);
  await until(async () => (await usage()).totals.open === 0, { what: 'both to be settled' });
  await gateway.evict('Ledger', principal); // settled
  const before = await usage();
  await gateway.restart();
  assert.deepEqual(await usage(), before);
  assert.equal(before.totals.cost_usd, '0.00021');
  assert.equal((await chat()).status, 429);
});

describe('reports', () => {
  test('by model, day and task, as JSON and CSV, and for operators of others', async () => {
    const { chat, usage, get } = caller();
    await (await chat({}, { 'x-signalbox-task': 'code' })).json();
    await (await chat({ model: MODELS.Gemini }, { 'x-signalbox-task': 'chat' })).json();
    const { principal } = await until(async () => {
      const now = await usage();
      return now.totals.attempts === 2 && now.totals.open === 0 && now;
    }, { what: 'two settled attempts' });
    const today = new Date().toISOString().slice(0, 10);
    const groups = async by => (await usage(`?group_by=${by}&from=${today}&to=${today}`)).groups.map(group => group.group);
    assert.deepEqual(await groups('task'), ['chat', 'code']);
    assert.deepEqual(await groups('model'), [MODELS.Gemini, MODELS.OpenAI]);
    assert.deepEqual(await groups('day'), [today]);
    assert.deepEqual((await usage('?to=2020-01-01')).totals.attempts, 0);
    const csv = await get('/v1/usage?format=csv&group_by=model');
    assert.equal(csv.headers.get('content-type'), 'text/csv; charset=utf-8');
    const [head, ...lines] = (await csv.text()).trimEnd().split('\r\n').map(line => line.split(','));
    assert.deepEqual(lines.map(line => line[head.indexOf('attempts')]), ['1', '1']);
    assert.equal((await get('/v1/usage?group_by=week')).status, 400);
    assert.equal((await get('/v1/usage/someone-else')).status, 403);
    const operator = caller(undefined, { groups: ['ops'] });
    const seen = await (await operator.get(`/v1/usage/${principal}`)).json();
    assert.deepEqual([seen.principal, seen.totals.attempts], [principal, 2]);
  });
});

test('an object with the tables of the first version takes its account along', async () => {
  const { chat, usage } = caller();
  await (await chat()).json();
  const { principal } = await until(async () => {
    const now = await usage();
    return now.totals.attempts === 1 && now.totals.open === 0 && now;
  }, { what: 'a settled attempt' });
  const before = await usage();
  await gateway.restart(async storage => {
    const [file, db] = await ofPrincipal(storage, principal);
    assert.ok(file, 'the object has a file');
    back(db);
    db.close();
  });
  const after = await usage();
  const sums = ({ totals }) => ({ ...totals, requests: 0, attempts: 0, open: 0, outcomes: { ...totals.outcomes, expired: 0 } });
  assert.deepEqual(sums(after), sums(before));
  assert.deepEqual([after.totals.attempts, after.totals.open, after.totals.requests], [2, 1, 2], 'one was open');
  await (await chat()).json();
  await until(async () => (await usage()).totals.attempts === 3, { what: 'the new attempt' });
});

/** The SQLite file of the object that holds sums, of the one principal whose attempt was the last. */
async function ofPrincipal(storage, principal) {
  const files = readdirSync(storage, { recursive: true }).filter(file => file.includes('Ledger') && file.endsWith('.sqlite'));
  let found = [];
  for (const file of files) {
    const db = new DatabaseSync(join(storage, file));
    const has = db.prepare("SELECT count(*) AS n FROM sqlite_master WHERE name = 'sums'").get().n && db.prepare('SELECT max(made_ms) AS at FROM senders').get().at;
    if (has && (!found.length || has > found[2])) found = [file, db, has];
    else db.close();
  }
  return found;
}

/** Turns today's tables into what the first version would have held, with one attempt more that is open. */
function back(db) {
  const body = JSON.parse(db.prepare('SELECT body FROM sums').get().body);
  const now = Date.now();
  const opened = { id: 'old', attempt: 1, ts_ms: now, deadline_ms: now + 600_000, provider: 'openai', model: 'gpt-5-mini', estimate: { usage: { input_tokens: 7, output_tokens: 9 }, cost: { certainty: 'unpriced' } } };
  db.exec(`
    CREATE TABLE attempts (id TEXT NOT NULL, attempt INTEGER NOT NULL, due_ms INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (id, attempt)) WITHOUT ROWID;
    CREATE INDEX attempts_due ON attempts (due_ms);
    CREATE TABLE counters (day TEXT NOT NULL, model TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (day, model)) WITHOUT ROWID;
    INSERT INTO counters SELECT day, model, body FROM sums;
    DROP TABLE sums; DROP TABLE sheets; DROP TABLE meta;`);
  db.prepare('UPDATE counters SET body = ?').run(JSON.stringify({ ...body, requests: body.requests + 1, attempts: body.attempts + 1, open: 1 }));
  const insert = db.prepare('INSERT INTO attempts VALUES (?, 1, ?, ?)');
  insert.run('old', now + 660_000, JSON.stringify({ opened, ended_ms: 0 }));
  insert.run('older', now + 86_400_000, JSON.stringify({ opened: { ...opened, id: 'older' }, end: { settled: {} }, ended_ms: now }));
}
