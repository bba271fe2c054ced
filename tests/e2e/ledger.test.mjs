// The account: what an answer says it cost, what the ledger says, and that both survive what an isolate does not.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, beforeEach, describe, test } from 'node:test';
import { MODELS, capital, collect, clients, slow, steady } from './clients.mjs';
import { startHarness, until } from './harness.mjs';
import { send } from './wire.mjs';

let gateway;
let sdk;
before(async () => {
  gateway = await startHarness({ config: sim => ({ providers: { house: { kind: 'openai-chat', base_url: sim.baseUrl('house'), api_key: 'sim-house' } } }) });
  sdk = clients(gateway);
});
after(() => gateway?.close());
beforeEach(() => gateway.sim.reset());

const usage = async () => (await gateway.call('/v1/usage')).json();
const chat = (model, more = {}, options) => gateway.call('/v1/chat/completions', { model, messages: capital, ...more }, options);
/** An answer whose tokens the test chooses. */
const counting = usage => ({ answer: { text: 'Yes.', usage } });

/** What the ledger has grown by, once nothing is open and `attempts` more are settled. Money in picodollars. */
async function growth(before, attempts) {
  const now = await until(async () => {
    const now = await usage();
    const settled = now.totals.attempts - now.totals.open - (before.totals.attempts - before.totals.open);
    return settled === attempts && now.totals.open === 0 && now;
  }, { what: `${attempts} settled attempts` });
  const of = (report, model) => report.models.find(one => one.model === model)?.cost_picousd ?? '0';
  const difference = (a, b) => BigInt(a) - BigInt(b);
  return {
    now,
    picousd: difference(now.totals.cost_picousd, before.totals.cost_picousd),
    of: model => difference(of(now, model), of(before, model)),
    count: path => at(now.totals, path) - at(before.totals, path),
  };
}
const at = (object, path) => path.split('.').reduce((value, name) => value[name], object);

/** Exact decimal dollars to picodollars. */
function pico(usd) {
  const [whole, part = ''] = String(usd).split('.');
  return BigInt(whole + part.padEnd(12, '0'));
}

const table = JSON.parse(readFileSync(new URL('../../data/prices.json', import.meta.url), 'utf8')).prices;
/** Picodollars per token: the table has dollars per million tokens. */
const price = (model, member) => BigInt(Math.round(Number(table[model][member]) * 1e6));

describe('what an answer cost', () => {
  for (const [provider, model] of Object.entries(MODELS)) {
    test(`${provider}, whole: header, usage.cost and ledger agree with tokens × price`, async () => {
      const before = await usage();
      gateway.sim.behave('*', counting({ input: 1000, cached: 0, output: 50 }));
      const answer = await chat(model);
      const { usage: told } = await answer.json();
      const expected = 1000n * price(model, 'input') + 50n * price(model, 'output');
      assert.deepEqual([told.prompt_tokens, told.completion_tokens], [1000, 50]);
      assert.equal(answer.headers.get('x-signalbox-cost-certainty'), 'exact');
      assert.equal(pico(answer.headers.get('x-signalbox-cost-usd')), expected);
      assert.equal(pico(told.cost.toFixed(12)), expected);
      const grown = await growth(before, 1);
      assert.deepEqual([grown.picousd, grown.of(model)], [expected, expected]);
      assert.deepEqual(['requests', 'outcomes.completed', 'certainty.exact.attempts', 'input_tokens', 'output_tokens'].map(grown.count), [1, 1, 1, 1000, 50]);
    });

    test(`${provider}, streamed: the same, on the usage chunk`, async () => {
      const before = await usage();
      gateway.sim.behave('*', counting({ input: 1000, cached: 0, output: 50 }));
      const chunks = await collect(await sdk.openai.chat.completions.create({ model, messages: capital, stream: true, stream_options: { include_usage: true } }));
      const grown = await growth(before, 1);
      assert.equal(pico(chunks.at(-1).usage.cost.toFixed(12)), grown.picousd);
      assert.equal(grown.picousd, 1000n * price(model, 'input') + 50n * price(model, 'output'));
    });
  }

  test('cached tokens have their own price', async () => {
    const before = await usage();
    gateway.sim.behave('*', counting({ input: 1000, cached: 600, output: 1 }));
    await (await chat(MODELS.OpenAI)).json();
    const { picousd, count } = await growth(before, 1);
    assert.equal(picousd, 400n * price(MODELS.OpenAI, 'input') + 600n * price(MODELS.OpenAI, 'cached_input') + price(MODELS.OpenAI, 'output'));
    assert.equal(count('cached_input_tokens'), 600);
  });

  test('a streamed Anthropic answer is accounted, although nothing in it is touched', async () => {
    const before = await usage();
    gateway.sim.behave('*', counting({ input: 1000, cached: 0, output: 50 }));
    await sdk.anthropic.messages.stream({ model: MODELS.Anthropic, max_tokens: 99, messages: capital }).finalMessage();
    const { picousd, count } = await growth(before, 1);
    assert.equal(picousd, 1000n * price(MODELS.Anthropic, 'input') + 50n * price(MODELS.Anthropic, 'output'));
    assert.equal(count('certainty.exact.attempts'), 1);
  });

  test('the sums of models and of days are the totals', async () => {
    const { totals, models, days } = await usage();
    for (const list of [models, days]) {
      assert.equal(list.reduce((sum, one) => sum + BigInt(one.cost_picousd), 0n), BigInt(totals.cost_picousd));
      assert.equal(list.reduce((sum, one) => sum + one.attempts, 0), totals.attempts);
    }
    assert.equal(pico(totals.cost_usd), BigInt(totals.cost_picousd));
    assert.equal(BigInt(totals.certainty.exact.cost_picousd) + BigInt(totals.certainty.estimated.cost_picousd), BigInt(totals.cost_picousd));
  });
});

describe('what is not known is never 0', () => {
  test('a model without a price is called all the same, and counted unpriced', async () => {
    const before = await usage();
    const answer = await chat('house/llama3:8b');
    assert.equal(answer.headers.get('x-signalbox-cost-certainty'), 'unpriced');
    assert.equal(answer.headers.get('x-signalbox-cost-usd'), null);
    const told = (await answer.json()).usage;
    assert.ok(told.total_tokens > 0);
    assert.equal('cost' in told, false);
    const { picousd, count } = await growth(before, 1);
    assert.deepEqual([picousd, count('certainty.unpriced'), count('certainty.exact.attempts')], [0n, 1, 0]);
  });

  test('under a price cap such a model is refused', async () => {
    const answer = await chat('house/llama3:8b', {}, { headers: { 'x-signalbox-max-cost-usd': '1' } });
    assert.equal(answer.status, 400);
    assert.match((await answer.json()).error.message, /unpriced/);
    assert.equal(gateway.sim.log.all().length, 0);
  });

  test('an answer without usage is estimated', async () => {
    const before = await usage();
    gateway.sim.behave('*', { body: { id: 'c', object: 'chat.completion', created: 1, model: 'm', choices: [{ index: 0, message: { role: 'assistant', content: 'word '.repeat(40) }, finish_reason: 'stop' }] } });
    const answer = await chat(MODELS.OpenAI);
    assert.equal(answer.headers.get('x-signalbox-cost-certainty'), 'estimated');
    const { picousd, count } = await growth(before, 1);
    assert.ok(picousd > 0n);
    assert.equal(count('certainty.estimated.attempts'), 1);
  });
});

describe('every attempt counts once', () => {
  test('a fallback is two attempts of one request; a refused one costs nothing', async () => {
    const before = await usage();
    gateway.sim.behave('gpt-5-mini', 'status-401');
    await (await chat(MODELS.OpenAI, { models: [MODELS.Gemini] })).json();
    const { count, of } = await growth(before, 2);
    assert.deepEqual(['requests', 'outcomes.failed', 'outcomes.completed'].map(count), [1, 1, 1]);
    assert.equal(of(MODELS.OpenAI), 0n);
    assert.ok(of(MODELS.Gemini) > 0n);
  });

  for (const [caller, path, body] of [['an OpenAI', '/v1/chat/completions', {}], ['an Anthropic', '/v1/messages', { max_tokens: 500 }]]) {
    for (const [provider, model] of Object.entries(MODELS)) {
      // Google charges on, so its answer is read to the usage.
      const drained = provider === 'Gemini';
      test(`${caller} caller that leaves ${provider} in mid-stream: the attempt is there, ${drained ? 'exact' : 'estimated'}`, async () => {
        const before = await usage();
        gateway.sim.behave('*', drained ? steady : slow);
        const answer = await send(`${gateway.url}${path}`, { body: { model, messages: capital, stream: true, ...body } });
        await answer.next();
        answer.leave();
        await gateway.sim.waitFor(attempt => attempt.ended === (drained ? 'finished' : 'client closed'));
        const { count, picousd } = await growth(before, 1);
        assert.deepEqual(['outcomes.client_gone', 'certainty.estimated.attempts', 'certainty.exact.attempts'].map(count), drained ? [1, 0, 1] : [1, 1, 0]);
        assert.ok(picousd > 0n);
      });
    }
  }

  test('a stream that the provider cuts is there, estimated', async () => {
    const before = await usage();
    gateway.sim.behave('*', { cut: { events: 4 }, holds: [{ at: 3, gate: 'seen' }] });
    const headers = { 'x-signalbox-continue': 'off' };
    const answer = await send(`${gateway.url}/v1/chat/completions`, { headers, body: { model: MODELS.OpenAI, messages: capital, stream: true } });
    await answer.next();
    gateway.sim.open('seen');
    await answer.rest();
    const { count, picousd } = await growth(before, 1);
    assert.deepEqual(['outcomes.cut', 'certainty.estimated.attempts'].map(count), [1, 1]);
    assert.ok(picousd > 0n);
  });

  test('many requests at once are all there', async () => {
    const before = await usage();
    gateway.sim.behave('*', counting({ input: 10, cached: 0, output: 1 }));
    await Promise.all(Array.from({ length: 40 }, async () => (await chat(MODELS.Gemini)).json()));
    const { count } = await growth(before, 40);
    assert.deepEqual(['requests', 'input_tokens', 'output_tokens'].map(count), [40, 400, 40]);
  });
});

test('the ledger survives the eviction of its object and a restart of the runtime', async () => {
  const before = await usage();
  await gateway.evict('Ledger', before.principal);
  assert.deepEqual(await usage(), before);
  await gateway.restart();
  assert.deepEqual(await usage(), before);
  await (await chat(MODELS.OpenAI)).json();
  assert.equal((await growth(before, 1)).count('attempts'), 1);
});
