// Who answers, and why: names, aliases, presets, the caller's preferences, and the dry run that explains them.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { MODELS, capital, pixel, user } from './clients.mjs';
import { startHarness } from './harness.mjs';

let gateway;
let catalogue;
before(async () => {
  gateway = await startHarness({ config: sim => ({
    providers: {
      openrouter: { base_url: sim.baseUrl('openrouter'), api_key: 'sim-openrouter' },
      house: { kind: 'openai-chat', base_url: sim.baseUrl('house'), api_key: 'sim-house' },
    },
    aliases: { team: { candidates: [MODELS.Gemini, MODELS.OpenAI], policy: 'balanced' } },
  }) });
  catalogue = (await (await gateway.call('/v1/models')).json()).data;
});
after(() => gateway?.close());
beforeEach(() => gateway.sim.reset());

const ask = (model, more, headers) => gateway.call('/v1/chat/completions', { model, messages: capital, ...more }, { headers });
const answered = async (...args) => (await ask(...args)).headers.get('x-signalbox-model');
const route = async (body, headers) => (await gateway.call('/v1/route', { messages: capital, ...body }, { headers })).json();
const priceOf = id => {
  const { prompt, completion } = catalogue.find(model => model.id === id).pricing;
  return Number(prompt) + Number(completion);
};

describe('model names', () => {
  test('provider/model is that model there, and the rest of a name is opaque', async () => {
    assert.equal(await answered(MODELS.OpenAI), MODELS.OpenAI);
    for (const name of ['house/llama3:8b', 'house/meta/llama:free', 'openrouter/anthropic/x']) {
      assert.equal(await answered(name), name);
      assert.equal(gateway.sim.log.all().at(-1).model, name.slice(name.indexOf('/') + 1));
    }
  });

  test('a bare id is any provider that has it; an alias is its candidates', async () => {
    assert.equal(await answered('claude-sonnet-4-6'), MODELS.Anthropic);
    assert.ok([MODELS.Gemini, MODELS.OpenAI].includes(await answered('team')));
  });

  test(':floor takes the cheapest and :nitro the fastest', async () => {
    const floor = await route({ model: 'auto:floor' });
    const costs = floor.candidates.map(candidate => BigInt(candidate.estimate.cost_picousd));
    assert.ok(costs.every(cost => costs[0] <= cost));
    assert.equal(floor.policy, 'cheapest');
    assert.equal(await answered('auto:floor'), floor.chosen);
    const nitro = await route({ model: 'auto:nitro' });
    assert.equal(nitro.policy, 'fastest');
    assert.ok(nitro.candidates.every(candidate => nitro.candidates[0].latency_ms <= candidate.latency_ms));
  });

  test('models: [] are fallbacks in the caller\'s order', async () => {
    for (const model of ['gpt-5-mini', 'claude-sonnet-4-6']) gateway.sim.behave(model, 'status-401');
    const answer = await ask(MODELS.OpenAI, { models: [MODELS.Anthropic, MODELS.Gemini] });
    assert.equal(answer.headers.get('x-signalbox-attempts'), `${MODELS.OpenAI}:401,${MODELS.Anthropic}:401,${MODELS.Gemini}:200`);
    const order = (await route({ model: MODELS.OpenAI, models: [MODELS.Anthropic, MODELS.Gemini] })).candidates.map(one => one.model);
    assert.deepEqual(order, [MODELS.OpenAI, MODELS.Anthropic, MODELS.Gemini]);
  });
});

describe('auto', () => {
  test('keeps prompts from resellers and from providers that train on them', async () => {
    const { candidates, excluded } = await route({ model: 'auto' });
    for (const { model } of candidates) assert.doesNotMatch(model, /^(openrouter|deepseek)\//);
    assert.ok(!candidates.some(one => excluded.some(other => other.model === one.model)));
  });

  test('presets differ in what they prefer', async () => {
    const chosen = async policy => (await route({ model: 'auto' }, { 'x-signalbox-policy': policy })).candidates[0];
    const [cheapest, best] = [await chosen('cheapest'), await chosen('best')];
    assert.ok(priceOf(cheapest.model) < priceOf(best.model));
    assert.ok(best.quality.value > cheapest.quality.value);
  });

  test('a task can be named, and counts', async () => {
    const { task } = await route({ model: 'auto' }, { 'x-signalbox-task': 'math' });
    assert.deepEqual([task.used, task.source, task.confidence], ['math', 'header', 1]);
    const guessed = (await route({ model: 'auto', messages: user('Write a Rust function that sorts a list, then fix the compile error in `fn main() { let x: i32 = "a"; }`.') })).task;
    assert.deepEqual([guessed.guess, guessed.source], ['code', 'classifier']);
    assert.ok(guessed.confidence > 0 && guessed.confidence <= 1);
  });

  test('a price cap holds, and one that nobody meets is a 400 that says so', async () => {
    const cap = 0.001;
    const { candidates } = await route({ model: 'auto' }, { 'x-signalbox-max-cost-usd': String(cap) });
    assert.ok(candidates.length && candidates.every(one => Number(one.estimate.cost_usd) <= cap));
    const refused = await ask('auto', {}, { 'x-signalbox-max-cost-usd': '0.000000001' });
    assert.equal(refused.status, 400);
    assert.match((await refused.json()).error.message, /price_cap/);
  });

  test('what a model cannot do excludes it, with the reason', async () => {
    const picture = user([{ type: 'text', text: 'What is this?' }, { type: 'image_url', image_url: { url: `data:image/png;base64,${pixel}` } }]);
    const { candidates, excluded } = await route({ model: 'auto', messages: picture });
    assert.ok(candidates.length > 0);
    assert.ok(excluded.some(one => one.reasons.some(reason => reason.code === 'capability' && reason.detail === 'vision')));
  });
});

describe('preferences', () => {
  test('only, ignore, order and sort', async () => {
    const providers = async provider => [...new Set((await route({ model: 'auto', provider })).candidates.map(one => one.model.split('/')[0]))];
    assert.deepEqual(await providers({ only: ['gemini'] }), ['gemini']);
    assert.ok(!(await providers({ ignore: ['openai'] })).includes('openai'));
    assert.equal((await providers({ order: ['gemini', 'openai'] }))[0], 'gemini');
    const sorted = (await route({ model: 'auto', provider: { sort: 'price' } })).candidates.map(one => BigInt(one.estimate.cost_picousd));
    assert.ok(sorted.every((cost, at) => at === 0 || sorted[at - 1] <= cost));
  });

  test('data_collection: deny leaves out who may keep prompts, also when the caller named them', async () => {
    const answer = await ask('openrouter/anthropic/x', { provider: { data_collection: 'deny' } });
    assert.equal(answer.status, 400);
    assert.match((await answer.json()).error.message, /data_policy/);
  });
});

describe('the dry run', () => {
  test('calls nobody, and decides as the call does', async () => {
    const dry = await route({ model: 'team' });
    assert.deepEqual(await route({ model: 'team' }), dry, 'the same again');
    assert.equal(gateway.sim.log.all().length, 0);
    assert.equal(await answered('team'), dry.chosen);
  });

  test('reads each dialect', async () => {
    const anthropic = await route({ model: 'team', max_tokens: 50 }, { 'x-signalbox-dialect': 'anthropic-messages' });
    assert.equal(anthropic.features.max_output_tokens, 50);
    const gemini = await gateway.call('/v1/route', { model: 'team', contents: [{ role: 'user', parts: [{ text: 'Hello' }] }] }, { headers: { 'x-signalbox-dialect': 'gemini' } });
    assert.ok([200, 400].includes(gemini.status), 'Gemini bodies name no model: an answer or a clear refusal');
    assert.equal((await gateway.call('/v1/route', { model: 'team', messages: capital }, { headers: { 'x-signalbox-dialect': 'klingon' } })).status, 400);
  });

  test('a request that nobody can take is an answer with every reason', async () => {
    const { chosen, candidates, excluded } = await route({ model: MODELS.OpenAI, provider: { ignore: ['openai'] } });
    assert.deepEqual([chosen, candidates.length], [null, 0]);
    assert.deepEqual(excluded[0].reasons.map(reason => reason.code), ['provider_preference']);
  });

  test('quality figures say whether they are measured, published or assumed', async () => {
    const { candidates } = await route({ model: 'auto' });
    for (const { quality } of candidates) {
      assert.ok(['measured', 'published', 'assumed'].includes(quality.kind));
      assert.ok(quality.kind === 'assumed' || quality.source, 'a figure that is not assumed has a source');
    }
  });
});
