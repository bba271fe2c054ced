// What the platform gives the gateway beside its own objects: keys in a Secrets Store, a rate limit, and an object's memory for
// assertions that let in once.
import assert from 'node:assert/strict';
import { createHmac, randomUUID } from 'node:crypto';
import { after, before, beforeEach, describe, test } from 'node:test';
import { MODELS, capital } from './clients.mjs';
import { startHarness, until } from './harness.mjs';

const SECRET = 'a-secret-of-the-gateway-in-front';
const LIMIT = 8;
let gateway;
let stored;

const part = value => Buffer.from(JSON.stringify(value)).toString('base64url');

/** What a gateway in front signs, a new one each time unless told otherwise. */
function assertion(claims = {}) {
  const input = `${part({ alg: 'HS256' })}.${part({ iss: 'front', sub: 'someone', iat: Math.floor(Date.now() / 1000), jti: randomUUID(), ...claims })}`;
  return `${input}.${createHmac('sha256', SECRET).update(input).digest('base64url')}`;
}
const ask = (token, model = MODELS.OpenAI) => gateway.call('/v1/chat/completions', { model, messages: capital }, { headers: { 'x-signalbox-assertion': token } });
const own = async model => (await ask(assertion({ sub: randomUUID() }), model)).status;

before(async () => {
  gateway = await startHarness({
    config: {
      identity: { mode: 'signed-header', issuers: [{ issuer: 'front', secret_env: 'FRONT_SECRET', single_use: true }] },
      providers: { openai: { api_key: null, api_key_env: ['STORED_KEY', 'ORDINARY_KEY'] }, anthropic: { api_key: null, api_key_env: 'CATALOGUE' } },
    },
    vars: { SIGNALBOX_PICKUP_MS: 50 },
    secrets: { FRONT_SECRET: SECRET },
    bound: {
      STORED_KEY: { type: 'secrets_store_secret', store_id: 'a-store', secret_name: 'openai' },
      RATE_LIMIT: { type: 'ratelimit', namespace_id: '1001', simple: { limit: LIMIT, period: 60 } },
    },
  });
  stored = await gateway.stored('STORED_KEY');
});
after(() => gateway?.close());
beforeEach(() => gateway.sim.reset());

describe('a key in a Secrets Store', () => {
  let id;

  test('is no key while the store does not have it', async () => {
    assert.ok(await own() >= 400);
    assert.equal(gateway.sim.log.all().length, 0);
  });

  test('goes to its provider when it is there, without a deployment', async () => {
    gateway.leaks.guard(['sk-stored-canary-1', 'sk-stored-canary-2']);
    id = await stored.create('sk-stored-canary-1');
    await until(async () => await own() === 200, { what: 'the key' });
    assert.equal(gateway.sim.log.all().at(-1).headers.authorization, 'Bearer …ry-1');
  });

  test('is followed when it changes', async () => {
    await stored.update('sk-stored-canary-2', id);
    await until(async () => await own() === 200 && gateway.sim.log.all().at(-1).headers.authorization === 'Bearer …ry-2', { what: 'the new key' });
  });

  test('a binding of another kind is nobody\'s key', async () => {
    assert.ok(await own(MODELS.Anthropic) >= 400);
    assert.equal(gateway.sim.log.all().length, 0);
  });
});

describe('an assertion for single use', () => {
  test('lets in once, however many come with it at the same time, and in a new isolate too', async () => {
    const token = assertion({ sub: 'once' });
    const statuses = await Promise.all(Array.from({ length: 5 }, async () => (await ask(token)).status));
    assert.deepEqual(statuses.sort(), [200, 401, 401, 401, 401]);
    await gateway.restart();
    const again = await ask(token);
    assert.deepEqual([again.status, (await again.json()).error.message], [401, 'The credential is not valid here.']);
    assert.equal((await ask(assertion({ sub: 'once' }))).status, 200);
  });
});

describe('the platform\'s rate limit', () => {
  test('lets so many of one caller through and tells the others when to come back', async () => {
    const statuses = [];
    let refused;
    for (let at = 0; at < LIMIT + 3; at += 1) {
      const answer = await ask(assertion({ sub: 'eager' }));
      statuses.push(answer.status);
      if (answer.status === 429) refused = answer;
    }
    assert.deepEqual(statuses, [...Array(LIMIT).fill(200), 429, 429, 429]);
    assert.deepEqual([refused.headers.get('retry-after'), refused.headers.get('x-should-retry')], ['1', 'true']);
    assert.equal(gateway.sim.log.all().length, LIMIT, 'nobody was called for those');
    assert.equal((await ask(assertion({ sub: 'patient' }))).status, 200, 'others are not concerned');
  });
});
