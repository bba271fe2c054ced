// Callers' scores: whose they may be, how often, what they move, and that a decision says which it used.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { MODELS, capital } from './clients.mjs';
import { baseConfig, merge, startHarness, until } from './harness.mjs';

const feedback = { max_correction: 0.05, per_principal_per_day: 4 };
const patch = {
  feedback,
  aliases: { house: { candidates: [MODELS.OpenAI, MODELS.Anthropic], policy: 'house' } },
  policies: { house: { weights: { quality: 1 } }, other: { weights: { quality: 1 } } },
  telemetry: { decisions: 1 },
};

let gateway;
before(async () => (gateway = await startHarness({ vars: { SIGNALBOX_PICKUP_MS: 0 }, secrets: { SIGNALBOX_PRINCIPAL_KEY: 'a key of our own' }, config: patch })));
after(() => gateway?.close());

const ask = async (body = {}) => {
  const { headers } = await gateway.call('/v1/chat/completions', { model: MODELS.OpenAI, messages: capital, ...body }, { headers: { 'x-signalbox-policy': 'house', 'x-signalbox-task': 'code' } });
  return { request_id: headers.get('x-signalbox-request-id'), receipt: headers.get('x-signalbox-feedback') };
};
const score = body => gateway.call('/v1/feedback', body);
const route = async policy => (await gateway.call('/v1/route', { model: 'house', messages: capital }, { headers: { 'x-signalbox-policy': policy, 'x-signalbox-task': 'code' } })).json();
const quality = ({ candidates }) => Number(candidates.find(({ model }) => model === MODELS.OpenAI).quality.value);

describe('a score', () => {
  let untouched;

  test('counts for the model, the task and the policy of one\'s own answer, and once', async () => {
    untouched = quality(await route('house'));
    const answer = await ask();
    const taken = await score({ ...answer, score: 1 });
    assert.deepEqual([taken.status, await taken.json()], [200, { object: 'signalbox.feedback', policy: 'house', task: 'code', model: MODELS.OpenAI }]);
    const again = await score({ ...answer, score: 1 });
    assert.deepEqual([again.status, (await again.json()).error.code], [409, 'already_scored']);
  });

  test('of another request, of nobody\'s request or out of bounds is refused', async () => {
    const [mine, other] = [await ask(), await ask()];
    for (const [body, status] of [
      [{ ...mine, request_id: other.request_id, score: 1 }, 403],
      [{ request_id: 'req_1', receipt: 'nobody.knows', score: 1 }, 403],
      [{ ...mine, receipt: `${mine.receipt}x`, score: 1 }, 403],
      [{ ...mine, score: 1.1 }, 400], [{ ...mine, score: -1 }, 400], [{ ...mine, score: 1, model: MODELS.Gemini }, 400], [{ score: 1 }, 400],
    ]) assert.equal((await score(body)).status, status, JSON.stringify(body));
  });

  test('moves the figure within its bound, under its policy alone, and decisions name the version', async () => {
    for (let i = 0; i < 3; i++) assert.equal((await score({ ...await ask({ stream: i === 1 }), score: 1 })).status, 200);
    const page = await until(async () => {
      const page = await route('house');
      return quality(page) > untouched && page;
    }, { what: 'the correction' });
    // 4 scores of 1 beside 20 of the middle.
    assert.ok(Math.abs(quality(page) - untouched - 0.05 * 4 / 24) < 1e-5, `${untouched} -> ${quality(page)}`);
    assert.match(page.versions.feedback, /^[0-9a-f]{16}$/);
    const other = await route('other');
    assert.deepEqual([quality(other), other.versions.feedback], [untouched, undefined]);
    await ask({ model: 'house' });
    const recorded = await until(() => gateway.logs.map(line => line.message).filter(line => line.includes('"message":"decision"') && line.includes(page.versions.feedback)).at(-1), { what: 'the record' });
    const { input } = JSON.parse(recorded);
    assert.deepEqual(Object.keys(input.corrections.by_model), [MODELS.OpenAI]);
  });

  test('beyond the day\'s number is refused, and says until when', async () => {
    const answer = await score({ ...await ask(), score: 0 });
    assert.deepEqual([answer.status, (await answer.json()).error.code], [429, 'too_many_scores']);
    assert.ok(Number(answer.headers.get('retry-after')) > 0);
  });

  test('is of no use without the configuration, and answers have no receipt then', async () => {
    await gateway.kv.put('config', JSON.stringify(merge(baseConfig(gateway.sim), { ...patch, feedback: null })));
    await until(async () => (await ask()).receipt === null, { what: 'the configuration' });
    assert.equal((await score({ request_id: 'a', receipt: 'b', score: 1 })).status, 404);
    assert.equal(quality(await route('house')), untouched);
  });
});
