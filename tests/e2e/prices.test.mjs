// The price table under a running gateway: fetched by the Cron Trigger, held where it jumps, rolled back, and what is not in it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { act } from '../../scripts/prices-kv.mjs';
import { MODELS, capital } from './clients.mjs';
import { startHarness, until } from './harness.mjs';

const MODEL = MODELS.OpenAI;
const [, NAME] = MODEL.split('/');

let gateway, server, served, asked;
before(async () => {
  server = createServer((request, response) => {
    asked++;
    response.writeHead(served.status ?? 200, { 'content-type': 'application/json' }).end(served.body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const refresh_url = `http://127.0.0.1:${server.address().port}/api.json`;
  gateway = await startHarness({ vars: { SIGNALBOX_PICKUP_MS: 0 }, config: { prices: { refresh_url, format: 'models.dev' } } });
});
after(async () => {
  await gateway?.close();
  server?.close();
});

const list = cost => ({ body: JSON.stringify({ openai: { models: { [NAME]: { cost } } } }) });
const health = async () => (await (await gateway.call('/healthz')).json()).prices;
const ask = model => gateway.call('/v1/chat/completions', { model, messages: capital });
/** Dollars per million prompt tokens. */
const prompt = async () => Math.round(Number((await (await gateway.call(`/v1/models/${MODEL}`)).json()).pricing.prompt) * 1e12) / 1e6;

/** Lets the clock strike, and waits until the gateway tells of what came of it. */
async function strike(what) {
  served = what;
  asked = 0;
  const { at_ms: before = 0 } = (await health()).last_refresh ?? {};
  const answer = await gateway.call('/cdn-cgi/local/scheduled?cron=17+*/6+*+*+*');
  assert.equal(answer.status, 200, await answer.text());
  return until(async () => {
    const prices = await health();
    return prices.last_refresh?.at_ms > before && prices.version === prices.last_refresh.version && prices.last_refresh;
  }, { what: 'the report', timeout: 20_000 });
}

describe('prices', () => {
  let shipped, first;

  test('are fetched by the clock, take effect, and their versions are kept', async () => {
    const before = await health();
    shipped = { version: before.version, prompt: await prompt() };
    const report = await strike(list({ input: shipped.prompt * 2, output: 10 }));
    assert.deepEqual([report.outcome, report.held, asked], ['updated', [], 1]);
    assert.ok(report.kept.includes(MODELS.Anthropic), 'what the list does not have stays');
    first = report.version;
    assert.notEqual(first, shipped.version);
    assert.equal(await prompt(), shipped.prompt * 2);
    const { usage } = await (await ask(MODEL)).json();
    assert.ok(Math.abs(usage.cost - (usage.prompt_tokens * shipped.prompt * 2e-6 + usage.completion_tokens * 1e-5)) < 1e-12, JSON.stringify(usage));
    const versions = (await act('versions', undefined, gateway.kv)).split('\n');
    for (const version of [shipped.version, first]) assert.ok(versions.includes(version), `${version} among ${versions}`);
    assert.equal(await gateway.kv.get(`prices@${first}`), await gateway.kv.get('prices'));
  });

  test('a list that is bad or does not come leaves them as they are', async () => {
    for (const [bad, outcome] of [[{ body: '<html>' }, 'refused'], [{ status: 500, body: '' }, 'unreachable'], [list({ input: -1, output: 1 }), 'refused']]) {
      const report = await strike(bad);
      assert.deepEqual([report.outcome, report.version], [outcome, first]);
    }
    assert.equal(await prompt(), shipped.prompt * 2);
  });

  test('a tenfold jump is held until the operator confirms it', async () => {
    const jump = list({ input: shipped.prompt * 50, output: 10 });
    const report = await strike(jump);
    assert.deepEqual(report.held.map(({ model, figure }) => [model, figure]), [[MODEL, 'input']]);
    assert.deepEqual([report.outcome, await prompt()], ['unchanged', shipped.prompt * 2]);
    assert.match(await act('confirm', undefined, gateway.kv), /input/);
    assert.deepEqual([(await strike(jump)).outcome, await prompt()], ['updated', shipped.prompt * 50]);
  });

  test('going back to a version is for good until it is released', async () => {
    await act('rollback', first, gateway.kv);
    await until(async () => (await prompt()) === shipped.prompt * 2, { what: 'the old price', timeout: 20_000 });
    const other = list({ input: shipped.prompt * 3, output: 10 });
    assert.deepEqual([(await strike(other)).outcome, await prompt()], ['pinned', shipped.prompt * 2]);
    await act('release', undefined, gateway.kv);
    assert.deepEqual([(await strike(other)).outcome, await prompt()], ['updated', shipped.prompt * 3]);
    await assert.rejects(act('rollback', 'never-was', gateway.kv), /there is no version/);
  });

  test('a model that they do not have is called, listed and told of once', async () => {
    const unheard = 'openai/gpt-5-mini-unheard-of';
    for (let i = 0; i < 2; i++) assert.equal((await ask(unheard)).headers.get('x-signalbox-cost-certainty'), 'unpriced');
    assert.deepEqual((await health()).unpriced, [{ model: unheard, attempts: 2 }]);
    assert.equal(gateway.logs.filter(line => line.message.includes('unpriced model')).length, 1);
    await until(async () => {
      const { models } = await (await gateway.call('/v1/usage')).json();
      return models.find(({ model, certainty }) => model === unheard && certainty.unpriced === 2);
    }, { what: 'the ledger' });
  });
});
