// Who may call: assertions of an issuer on loopback, verified by workerd's own cryptography.
import assert from 'node:assert/strict';
import { createHmac, createSign, generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { after, before, beforeEach, describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { MODELS, capital, clients } from './clients.mjs';
import { startHarness } from './harness.mjs';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ISSUER = 'https://id.example';
let issuer;
let gateway;

const base64url = value => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const seconds = () => Math.floor(Date.now() / 1000);

/** A token; `claims` and `header` change what a good one says. */
function token({ alg = 'RS256', key = alg === 'ES256' ? ec.privateKey : rsa.privateKey, claims = {}, header = {} } = {}) {
  const body = { iss: ISSUER, aud: 'signalbox', sub: 'someone', iat: seconds(), exp: seconds() + 600, ...claims };
  const input = `${base64url({ alg, typ: 'JWT', kid: alg, ...header })}.${base64url(body)}`;
  if (alg === 'none') return `${input}.`;
  if (alg === 'HS256') return `${input}.${createHmac('sha256', rsa.publicKey.export({ type: 'spki', format: 'pem' })).update(input).digest('base64url')}`;
  const signature = createSign('SHA256').update(input).sign(alg === 'ES256' ? { key, dsaEncoding: 'ieee-p1363' } : key);
  return `${input}.${signature.toString('base64url')}`;
}

const ask = (key, options) => gateway.call('/v1/chat/completions', { model: MODELS.OpenAI, messages: capital }, { headers: key === undefined ? {} : { authorization: `Bearer ${key}` }, ...options });
const usage = async key => (await gateway.call('/v1/usage', undefined, { headers: { authorization: `Bearer ${key}` } })).json();

before(async () => {
  const keys = [['RS256', rsa], ['ES256', ec]].map(([alg, pair]) => ({ ...pair.publicKey.export({ format: 'jwk' }), kid: alg, alg, use: 'sig' }));
  issuer = createServer((req, res) => {
    issuer.asked += 1;
    res.setHeader('content-type', 'application/json').end(JSON.stringify({ keys }));
  });
  issuer.asked = 0;
  await new Promise(resolve => issuer.listen(0, '127.0.0.1', resolve));
  const settings = { issuer: ISSUER, jwks_url: `http://127.0.0.1:${issuer.address().port}/jwks`, audiences: ['signalbox'], algorithms: ['RS256', 'ES256'], operator_groups: ['ops'] };
  gateway = await startHarness({ config: { identity: { mode: 'jwt', issuers: [settings] } }, secrets: { SIGNALBOX_PRINCIPAL_KEY: 'a-secret-of-the-tests' } });
});
after(async () => {
  await gateway?.close();
  issuer?.close();
});
beforeEach(() => gateway.sim.reset());

describe('a token that holds', () => {
  for (const alg of ['RS256', 'ES256']) {
    test(`signed with ${alg} lets in, and is not shown to the provider`, async () => {
      const key = token({ alg });
      assert.equal((await ask(key)).status, 200);
      const [attempt] = gateway.sim.log.all();
      assert.equal(attempt.headers.authorization, 'Bearer …enai');
      assert.ok(!JSON.stringify(attempt).includes(key.split('.')[2]));
    });
  }

  test('is what the official clients send as their key', async () => {
    const { openai, anthropic } = clients(gateway, { apiKey: token() });
    assert.match((await openai.chat.completions.create({ model: MODELS.OpenAI, messages: capital })).choices[0].message.content, /Paris/);
    assert.match((await anthropic.messages.create({ model: MODELS.Anthropic, max_tokens: 50, messages: capital })).content[0].text, /Paris/);
  });

  test('keys are fetched once, not per request', async () => {
    const asked = issuer.asked;
    for (const sub of ['a', 'b', 'c']) assert.equal((await ask(token({ claims: { sub } }))).status, 200);
    assert.equal(issuer.asked, asked);
  });

  test('each principal has an account of its own, under an id that says nothing', async () => {
    const [one, two] = [token({ claims: { sub: 'one@example.com' } }), token({ claims: { sub: 'two@example.com' } })];
    await (await ask(one)).json();
    const [first, second] = [await usage(one), await usage(two)];
    assert.deepEqual([first.totals.attempts, second.totals.attempts], [1, 0]);
    assert.notEqual(first.principal, second.principal);
    assert.doesNotMatch(JSON.stringify([first, second]), /example\.com/);
    assert.equal((await usage(token({ alg: 'ES256', claims: { sub: 'one@example.com' } }))).principal, first.principal);
  });
});

describe('a token that does not hold is a 401 that does not say why', () => {
  const REFUSED = {
    'of a stranger\'s key': () => token({ key: stranger.privateKey }),
    'with an unknown key id': () => token({ header: { kid: 'other' } }),
    'without a signature': () => token({ alg: 'none' }),
    'signed with the public key as a secret': () => token({ alg: 'HS256', header: { kid: 'RS256' } }),
    'under the other key\'s algorithm': () => token({ alg: 'RS256', header: { kid: 'ES256' } }),
    'with a changed claim': () => token().replace(/\.[^.]+\./, `.${base64url({ iss: ISSUER, aud: 'signalbox', sub: 'admin', iat: seconds(), exp: seconds() + 600 })}.`),
    'that is over': () => token({ claims: { iat: seconds() - 900, exp: seconds() - 300 } }),
    'that is not valid yet': () => token({ claims: { nbf: seconds() + 300 } }),
    'that lives too long': () => token({ claims: { exp: seconds() + 10 * 86_400 } }),
    'without an end': () => token({ claims: { exp: undefined } }),
    'for somebody else': () => token({ claims: { aud: 'other' } }),
    'of an unknown issuer': () => token({ claims: { iss: 'https://other.example' } }),
    'without a subject': () => token({ claims: { sub: undefined } }),
    'that is none': () => 'sk-a-key-of-a-provider',
  };

  for (const [what, make] of Object.entries(REFUSED)) {
    test(what, async () => {
      const answer = await ask(make());
      assert.equal(answer.status, 401);
      const { error } = await answer.json();
      assert.deepEqual([error.type, error.code, error.message], ['authentication_error', 'invalid_api_key', 'The credential is not valid here.']);
      assert.equal(gateway.sim.log.all().length, 0);
    });
  }

  test('the right class in both clients', async () => {
    const { openai, anthropic } = clients(gateway, { apiKey: token({ key: stranger.privateKey }) });
    await assert.rejects(openai.models.list(), OpenAI.AuthenticationError);
    await assert.rejects(anthropic.messages.create({ model: MODELS.Anthropic, max_tokens: 5, messages: capital }), Anthropic.AuthenticationError);
  });

  test('an unknown key id does not make the issuer be asked again and again', async () => {
    const asked = issuer.asked;
    for (let at = 0; at < 5; at += 1) await ask(token({ header: { kid: `made-up-${at}` } }));
    assert.ok(issuer.asked - asked <= 1, `${issuer.asked - asked} calls`);
  });
});

describe('other doors', () => {
  test('no credential: 401 that says where to put one', async () => {
    for (const path of ['/v1/models', '/v1/usage', '/v1/models/auto']) assert.equal((await gateway.call(path)).status, 401, path);
    const answer = await ask(undefined);
    assert.equal(answer.status, 401);
    assert.match((await answer.json()).error.message, /Authorization: Bearer/);
  });

  test('two credentials that differ: 400', async () => {
    const answer = await ask(token(), { headers: { authorization: `Bearer ${token()}`, 'x-api-key': token({ claims: { sub: 'other' } }) } });
    assert.equal(answer.status, 400);
  });

  test('a claim that limits models refuses others with 403, in both clients', async () => {
    const { openai, anthropic } = clients(gateway, { apiKey: token({ claims: { signalbox: { limits: { models: ['gemini/*'] } } } }) });
    await assert.rejects(openai.chat.completions.create({ model: MODELS.OpenAI, messages: capital }), OpenAI.PermissionDeniedError);
    await assert.rejects(anthropic.messages.create({ model: MODELS.Anthropic, max_tokens: 5, messages: capital }), Anthropic.PermissionDeniedError);
    assert.match((await openai.chat.completions.create({ model: MODELS.Gemini, messages: capital })).choices[0].message.content, /Paris/);
  });

  test('health is for everybody, its details are for operators', async () => {
    const health = async key => (await gateway.call('/healthz', undefined, { headers: key ? { authorization: `Bearer ${key}` } : {} })).json();
    for (const key of [undefined, 'nonsense', token()]) assert.deepEqual(await health(key), { status: 'ok' });
    const told = await health(token({ claims: { groups: ['ops'] } }));
    assert.equal(told.providers.find(provider => provider.name === 'openai').state, 'ready');
    assert.equal(told.providers.find(provider => provider.name === 'groq').state, 'no_secret');
    assert.ok(told.auto.includes(MODELS.Anthropic));
    assert.ok(!told.auto.some(name => name.startsWith('groq/')));
  });

  test('what operators see of a decision, callers do not', async () => {
    const route = async claims => (await gateway.call('/v1/route', { model: 'auto', messages: capital }, { headers: { authorization: `Bearer ${token({ claims })}` } })).json();
    const [caller, operator] = [await route({}), await route({ groups: ['ops'] })];
    assert.ok(operator.candidates[0].health && !caller.candidates[0].health);
    assert.match(JSON.stringify(operator.excluded), /GROQ_API_KEY/);
    assert.doesNotMatch(JSON.stringify(caller), /API_KEY|missing_secret/);
  });

  test('a preflight needs no credential', async () => {
    assert.equal((await gateway.call('/v1/chat/completions', undefined, { method: 'OPTIONS', headers: { origin: 'https://a.example', 'access-control-request-method': 'POST' } })).status, 204);
  });

  test('no token, subject or key is in any log', async () => {
    const lines = JSON.stringify(gateway.logs);
    assert.match(lines, /not let in/);
    assert.doesNotMatch(lines, /example\.com|eyJ|sk-a-key|a-secret-of-the-tests|sim-openai/);
  });
});

describe('without an identity', () => {
  for (const [what, options] of [
    ['nothing configured', { config: null }],
    ['mode none outside local mode', { vars: { SIGNALBOX_MODE: 'production' }, config: () => ({ providers: null }) }],
  ]) {
    test(`${what}: everything is closed with a 503`, async () => {
      const closed = await startHarness(options);
      try {
        const answer = await closed.call('/v1/chat/completions', { model: MODELS.OpenAI, messages: capital });
        assert.equal(answer.status, 503);
        assert.equal(answer.headers.get('x-should-retry'), 'false');
        const { error } = await answer.json();
        assert.match(error.message, /identity/);
        assert.equal((await closed.call('/healthz')).status, 503);
        assert.equal((await closed.call('/v1/models')).status, 503);
        assert.equal(closed.sim.log.all().length, 0);
      } finally {
        await closed.close();
      }
    });
  }
});
