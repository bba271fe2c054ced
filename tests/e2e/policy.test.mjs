// Policies at work: rules, conversations, a policy beside another, and recorded decisions that are decided again natively.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { MODELS, capital, clients, pixel, user } from './clients.mjs';
import { baseConfig, merge, startHarness, until } from './harness.mjs';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const everybody = Object.values(MODELS);
const rules = [
  { id: 'shut', when: "features.task == 'translate' && request.model == 'house'", deny: 'No translations here.' },
  { id: 'long', when: 'features.input_tokens > 2000', forbid: "model.provider == 'openai' || model.cost_usd > 10.0" },
  { id: 'small', when: "features.input_tokens < 12 && 'local' in [principal.issuer]", alias: 'cheap' },
  { id: 'healthy', boost: { if: 'health.error_rate * 3.0 + 0.1 < 0.35 && model.quality / 3.0 > 0.1', by: 0.0123457 } },
  { id: 'thrift', when: 'features.turns > 1', weights: { cost: 2 } },
  { id: 'known', require: "model.capabilities.exists(c, c == 'tools') && has(model.tier)" },
];

const patch = {
  aliases: { house: { candidates: everybody, policy: 'house' }, cheap: { candidates: [MODELS.Gemini], policy: 'cheapest' } },
  policies: {
    house: { weights: { quality: 1, cost: 0.5, latency: 0.2, risk: 0.2 }, rules, shadow: 'cheapest', stickiness: { margin: 1 } },
    explorer: { weights: { quality: 1 }, exploration: 0.1 },
  },
  telemetry: { decisions: 1 },
};

let gateway;
let folder;
before(async () => {
  gateway = await startHarness({ config: patch });
  folder = mkdtempSync(join(tmpdir(), 'signalbox-policy-'));
});
after(async () => {
  await gateway?.close();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

const ask = (body, headers) => gateway.call('/v1/chat/completions', { model: 'house', messages: capital, ...body }, { headers });
const route = async (body, headers) => (await gateway.call('/v1/route', { model: 'house', messages: capital, ...body }, { headers })).json();
const lines = message => gateway.logs.filter(line => line.message.includes(`"message":"${message}"`)).map(line => line.message);

/** Runs the native example: {code, output}. */
const backtest = (...args) => new Promise(resolve => {
  execFile('cargo', ['run', '--quiet', '--locked', '--example', 'backtest', '--', ...args], { cwd: root, timeout: 600_000 }, (error, stdout, stderr) => resolve({ code: error ? error.code ?? -1 : 0, output: stdout + stderr }));
});

describe('rules', () => {
  test('deny with their message, in the caller\'s dialect', async () => {
    const { openai, anthropic } = clients(gateway);
    const headers = { 'x-signalbox-task': 'translate' };
    await assert.rejects(openai.chat.completions.create({ model: 'house', messages: capital }, { headers }), { status: 403, message: /No translations here/ });
    await assert.rejects(anthropic.messages.create({ model: 'house', max_tokens: 10, messages: capital }, { headers }), { status: 403, message: /No translations here/ });
    assert.equal(gateway.sim.log.all().length, 0);
  });

  test('choose, and the dry run names them', async () => {
    const short = await route({ messages: user('Hi') });
    assert.deepEqual([short.chosen, short.alias], [MODELS.Gemini, 'cheap']);
    assert.ok(short.rules.some(rule => rule.id === 'small' && rule.effect === 'alias' && rule.conditions.length === 1));
    const long = await route({ messages: user('word '.repeat(3000)) });
    const out = long.excluded.find(one => one.model === MODELS.OpenAI);
    assert.deepEqual(out.reasons, [{ code: 'rule', detail: 'long' }]);
    assert.deepEqual(long.rules.find(rule => rule.id === 'long').models, [MODELS.OpenAI]);
    assert.equal(long.candidates[0].terms.boost, 0.012346);
  });
});

describe('a conversation', () => {
  test('stays where it was, and its prompt is taken to be in the cache there', async () => {
    const text = user('Tell me about signal boxes and levers. '.repeat(200));
    const first = await route({ messages: text });
    const other = first.candidates.at(-1).model;
    // It is begun where it would not go by itself.
    const begun = await ask({ model: other, messages: text, session_id: 'talk' });
    assert.equal(begun.headers.get('x-signalbox-model'), other);
    await begun.arrayBuffer();
    const next = await until(async () => {
      const next = await route({ messages: text, session_id: 'talk' });
      return next.session.last && next;
    }, { what: 'the remembered conversation' });
    assert.deepEqual([next.session.last, next.chosen, next.candidates[0].why], [other, other, 'sticky']);
    const same = await route({ messages: text }, { 'x-signalbox-session': 'talk' });
    assert.equal(same.chosen, other, 'the header says the same');
    assert.equal((await route({ messages: text, session_id: 'another' })).chosen, first.chosen);
    assert.deepEqual((await route({ messages: text, session_id: 'another' })).session, { last: null, age_ms: 0, cached_tokens: 0 });
  });
});

describe('recorded decisions', () => {
  const config = () => merge(baseConfig(gateway.sim), patch);
  let records;

  before(async () => {
    const texts = ['Hi', 'What is 17 * 23?', 'Write a Rust function that sorts a list.', 'Translate to French: good morning', 'word '.repeat(2500), 'Summarise: ' + 'the box stands by the line. '.repeat(60), '将这句话翻译成英文'];
    const headers = [{}, { 'x-signalbox-policy': 'best' }, { 'x-signalbox-policy': 'explorer' }, { 'x-signalbox-session': 'a' }, { 'x-signalbox-max-cost-usd': '0.01' }, { 'x-signalbox-latency-budget-ms': '900' }];
    const models = ['house', 'auto', 'auto:floor', 'auto:nitro', 'claude-sonnet-4-6'];
    const sent = [];
    for (const [at, text] of texts.entries()) {
      for (const [by, header] of headers.entries()) {
        const model = models[(at + by) % models.length];
        const body = { model, messages: user(text), ...(by === 1 ? { models: everybody } : {}), ...(at === 1 ? { provider: { sort: 'price' } } : {}), ...(by === 5 ? { tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object' } } }] } : {}) };
        sent.push(ask(body, header));
        if (by < 2) sent.push(gateway.call('/v1/messages', { model: 'house', max_tokens: 20 + at, messages: user(text), stream: by === 1 }, { headers: header }));
        if (by === 0) sent.push(gateway.call('/v1beta/models/house:generateContent', { contents: [{ role: 'user', parts: [{ text }, { inlineData: { mimeType: 'image/png', data: pixel } }] }] }));
      }
    }
    const answers = await Promise.all(sent);
    await Promise.all(answers.map(answer => answer.arrayBuffer()));
    const served = answers.filter(answer => answer.headers.get('x-signalbox-attempts')).length;
    assert.ok(served > 50, `${served}`);
    await until(() => lines('decision').length >= served, { what: 'the records' });
    records = lines('decision');
    writeFileSync(join(folder, 'records.jsonl'), `${records.join('\n')}\nnot a record\n`);
    writeFileSync(join(folder, 'same.json'), JSON.stringify(config()));
    writeFileSync(join(folder, 'other.json'), JSON.stringify(merge(config(), { policies: { house: { rules: [], constraints: { deny: ['anthropic/*'] }, weights: { quality: 0, cost: 1 } } } })));
  });

  test('hold no text of a prompt, no session\'s name and no principal', () => {
    for (const text of ['17 * 23', 'sorts a list', 'good morning', 'stands by the line', '翻译', pixel]) assert.ok(!records.some(line => line.includes(text)), text);
    for (const record of records.map(line => JSON.parse(line))) {
      assert.equal(record.input.request.routing.session, undefined);
      assert.equal(record.principal ?? record.input.principal.id, undefined);
    }
  });

  test('are the same to the last bit when native code decides them again', async () => {
    const { code, output } = await backtest('--policy', join(folder, 'same.json'), '--exact', join(folder, 'records.jsonl'));
    assert.equal(code, 0, output);
    assert.match(output, new RegExp(`^all +${records.length} +0 +`, 'm'));
    assert.match(output, /1 other lines/);
  });

  test('show what another policy would have done, in figures and a picture', async () => {
    const page = join(folder, 'report.html');
    const { code, output } = await backtest('--policy', join(folder, 'other.json'), '--html', page, join(folder, 'records.jsonl'));
    assert.equal(code, 0, output);
    assert.match(output, / × .+ → gemini\/gemini-2.5-flash/);
    assert.match(output, /the model that answered would be out: policy deny/);
    assert.match(output, /differed from their shadow policy's choice/);
    assert.match(readFileSync(page, 'utf8'), /<svg .*<rect .*gemini\/gemini-2.5-flash/s);
    const strict = await backtest('--policy', join(folder, 'other.json'), '--exact', join(folder, 'records.jsonl'));
    assert.equal(strict.code, 1);
  });

  test('the shadow\'s choice stands in the log line, and nobody is called for it', () => {
    const shadows = lines('request').map(line => JSON.parse(line).shadow).filter(Boolean);
    assert.ok(shadows.length > 5);
    assert.ok(shadows.every(shadow => shadow.policy === 'cheapest' && typeof shadow.same === 'boolean'));
    assert.ok(shadows.some(shadow => !shadow.same) && shadows.some(shadow => shadow.same));
  });

  test('the differences are counted', async () => {
    const shadows = lines('request').map(line => JSON.parse(line)).filter(({ policy, shadow }) => policy === 'house' && shadow);
    const counted = async same => {
      const page = await (await gateway.call('/metrics')).text();
      const line = page.split('\n').find(line => ['signalbox_shadow_decisions_total{', 'policy="house"', 'shadow_policy="cheapest"', `result="${same}"`].every(part => line.includes(part)));
      return Number(line?.split(' ').at(-1));
    };
    for (const [word, same] of [['same', true], ['different', false]]) {
      const expected = shadows.filter(({ shadow }) => shadow.same === same).length;
      assert.ok(expected > 0);
      await until(async () => (await counted(word)) === expected, { what: `${expected} ${word}` });
    }
  });
});
