// Configuration and prices as they change under a running gateway: new ones take effect, bad ones never replace good ones.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { MODELS, capital } from './clients.mjs';
import { baseConfig, merge, startHarness, until } from './harness.mjs';
import { dataOf } from './wire.mjs';

let gateway;
before(async () => (gateway = await startHarness({ vars: { SIGNALBOX_PICKUP_MS: 0 } })));
after(() => gateway?.close());
beforeEach(() => gateway.sim.reset());

const put = (key, value) => gateway.kv.put(key, typeof value === 'string' ? value : JSON.stringify(value));
const configured = patch => put('config', merge(baseConfig(gateway.sim), patch));
const ask = (model = MODELS.OpenAI, more) => gateway.call('/v1/chat/completions', { model, messages: capital, ...more });
const versions = async () => (await (await gateway.call('/healthz')).json()).versions;
const refused = async () => (await (await gateway.call('/healthz')).json()).refused;
const complaints = () => gateway.logs.filter(line => line.message.includes('configuration refused')).length;
/** Looking is what makes an isolate look again: each request serves with what is in force and may start a refresh. */
const comesAbout = (what, condition) => until(condition, { what, timeout: 20_000 });

describe('a new configuration', () => {
  test('takes effect without a restart, for new requests', async () => {
    const before = await versions();
    await configured({ aliases: { house: { candidates: [MODELS.Gemini], policy: 'balanced' } } });
    const answer = await comesAbout('the new alias', async () => {
      const answer = await ask('house');
      return answer.status === 200 && answer;
    });
    assert.equal(answer.headers.get('x-signalbox-model'), MODELS.Gemini);
    assert.notEqual((await versions()).config, before.config);
  });

  test('a stream that is under way is not disturbed by it', async () => {
    gateway.sim.behave('gpt-5-mini', { holds: [{ at: 3, gate: 'changed' }] });
    const stream = await ask(MODELS.OpenAI, { stream: true });
    const before = await versions();
    await configured({ providers: { openai: { enabled: false } } });
    await comesAbout('the new version', async () => (await versions()).config !== before.config);
    assert.equal((await ask()).status, 400);
    gateway.sim.open('changed');
    const items = dataOf(await stream.text());
    assert.deepEqual([items.map(item => item.choices?.[0]?.delta.content ?? '').join(''), items.at(-1)], ['The capital of France is Paris.', '[DONE]']);
    await configured({});
    await comesAbout('the old configuration', async () => (await ask()).status === 200);
  });

  test('is recorded under its hash and as the last good one', async () => {
    const { config } = await versions();
    const text = await gateway.kv.get('config');
    assert.equal(await comesAbout('the record', () => gateway.kv.get(`config@${config}`)), text);
    assert.equal(await gateway.kv.get('config.last-good'), text);
  });
});

const BAD = {
  'no JSON': '{"providers":',
  'an unknown member': { providers: { openai: { base_uri: 'https://api.example.com' } } },
  'a wrong type': { max_body_bytes: 'large' },
  'a policy that does not exist': { aliases: { auto: { candidates: ['*'], policy: 'none-such' } } },
  'limits for a person': { limits: { principals: { someone: {} } } },
  'a plain http upstream elsewhere': { providers: { openai: { base_url: 'http://llm.example.com/v1' } } },
  'a weak algorithm': { identity: { mode: 'jwt', issuers: [{ issuer: 'https://id.example', jwks_url: 'https://id.example/jwks', audiences: ['a'], algorithms: ['HS256'] }] } },
};

describe('a bad configuration is refused whole, the one in force stays', () => {
  for (const [what, document] of Object.entries(BAD)) {
    test(what, async () => {
      await configured({ aliases: { good: { candidates: [MODELS.Gemini], policy: 'balanced' } } });
      await comesAbout('the good configuration', async () => (await ask('good')).status === 200);
      const before = [await versions(), complaints()];
      const good = JSON.parse(await gateway.kv.get('config'));
      await put('config', typeof document === 'string' ? document : merge(good, { aliases: { good: null }, ...document }));
      await comesAbout('the complaint', async () => (await ask('good')).status === 200 && complaints() > before[1]);
      assert.deepEqual(await versions(), before[0]);
      assert.ok((await refused()).length > 0, 'operators see what is wrong');
      assert.equal((await ask('good')).status, 200);
      assert.equal(complaints(), before[1] + 1, 'the same bad text is complained about once');
    });
  }

  test('also in a new isolate, which starts from the last good one', async () => {
    await configured({ aliases: { kept: { candidates: [MODELS.Gemini], policy: 'balanced' } } });
    await comesAbout('the good configuration', async () => (await ask('kept')).status === 200);
    await comesAbout('its record', async () => (await gateway.kv.get('config.last-good')) === (await gateway.kv.get('config')));
    await put('config', '{"bad":');
    await gateway.restart();
    assert.equal((await ask('kept')).status, 200);
    assert.match((await refused())[0].message, /not a JSON document/);
    await configured({ aliases: { mended: { candidates: [MODELS.Gemini], policy: 'balanced' } } });
    await comesAbout('the mended configuration', async () => (await ask('mended')).status === 200);
    assert.equal((await ask('kept')).status, 404);
    assert.deepEqual(await refused(), []);
  });
});

test('a policy changes under load, for better and for worse, and no request fails', async () => {
  const policies = [MODELS.Gemini, MODELS.OpenAI, MODELS.Anthropic].map(model => ({ aliases: { busy: { candidates: Object.values(MODELS), policy: 'busy' } }, policies: { busy: { rules: [{ id: 'one', require: `model.name == '${model}'` }] } } }));
  await configured(policies[0]);
  await comesAbout('the first policy', async () => (await ask('busy')).headers.get('x-signalbox-model') === MODELS.Gemini);
  const seen = new Map();
  let over = false;
  const caller = async () => {
    while (!over) {
      const answer = await ask('busy');
      await answer.arrayBuffer();
      const what = `${answer.status} ${answer.headers.get('x-signalbox-model')}`;
      seen.set(what, (seen.get(what) ?? 0) + 1);
    }
  };
  const callers = Array.from({ length: 6 }, caller);
  try {
    await configured(policies[1]);
    await comesAbout('the second policy', () => seen.has(`200 ${MODELS.OpenAI}`));
    const before = complaints();
    await configured({ policies: { busy: { rules: [{ id: 'one', require: 'model.nmae == 1' }] } } });
    await comesAbout('the complaint', () => complaints() > before);
    await configured(policies[2]);
    await comesAbout('the third policy', () => seen.has(`200 ${MODELS.Anthropic}`));
  } finally {
    over = true;
    await Promise.all(callers);
  }
  assert.deepEqual([...seen.keys()].sort(), Object.values(MODELS).map(model => `200 ${model}`).sort());
});

describe('prices', () => {
  const table = (version, input) => ({ version, date: '2026-11-01', currency: 'USD', unit: 'per_million_tokens', prices: { [MODELS.OpenAI]: { input, output: '10', source: 'the operator', date: '2026-11-01' } } });
  const costOf = async () => {
    gateway.sim.behave('gpt-5-mini', { answer: { usage: { input: 1000, cached: 0, output: 0, reasoning: 0 } } });
    return (await ask()).headers.get('x-signalbox-cost-usd');
  };

  test('new ones take effect, bad ones do not, and a new isolate keeps the last good ones', async () => {
    await put('prices', table('mine.1', '7'));
    await comesAbout('the new price', async () => (await costOf()) === '0.007');
    assert.equal((await versions()).prices, 'mine.1');
    const before = complaints();
    await put('prices', table('mine.2', '-7'));
    await comesAbout('the complaint', async () => (await costOf()) === '0.007' && complaints() > before);
    await comesAbout('the record', async () => (await gateway.kv.get('prices.last-good')) === JSON.stringify(table('mine.1', '7')));
    await gateway.restart();
    assert.equal(await costOf(), '0.007');
    await gateway.kv.delete('prices');
    await comesAbout('the compiled-in price', async () => (await costOf()) === '0.00025');
  });
});

test('a cold gateway that finds only a bad configuration is closed, and never falls back to the defaults', async () => {
  const cold = await startHarness({ config: null, vars: { SIGNALBOX_CONFIG: '{"identity":{"mode":"none"},"nonsense":1}' }, secrets: { OPENAI_API_KEY: 'sk-real' } });
  try {
    const answer = await cold.call('/v1/chat/completions', { model: MODELS.OpenAI, messages: capital });
    assert.equal(answer.status, 503);
    assert.match((await answer.json()).error.message, /configuration is not valid.*nonsense/);
    assert.deepEqual(await (await cold.call('/healthz')).json(), { status: 'unconfigured' });
  } finally {
    await cold.close();
  }
});

test('the variable SIGNALBOX_CONFIG overlays what KV holds', async () => {
  const layered = await startHarness({ vars: { SIGNALBOX_CONFIG: JSON.stringify({ aliases: { mine: { candidates: [MODELS.Gemini], policy: 'cheapest' } } }) } });
  try {
    const answer = await layered.call('/v1/chat/completions', { model: 'mine', messages: capital });
    assert.deepEqual([answer.status, answer.headers.get('x-signalbox-policy')], [200, 'cheapest']);
  } finally {
    await layered.close();
  }
});
