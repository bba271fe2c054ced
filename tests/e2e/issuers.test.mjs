// Whose assertions count: several issuers at once, a certified OpenID server among them, and every way for one to arrive.
import assert from 'node:assert/strict';
import { createHmac, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { after, before, beforeEach, describe, test } from 'node:test';
import { SignJWT, exportJWK, generateKeyPair } from 'jose';
import { Provider } from 'oidc-provider';
import OpenAI from 'openai';
import { MODELS, capital } from './clients.mjs';
import { startHarness } from './harness.mjs';

const AUDIENCE = 'https://signalbox.test';
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'ES256', 'ES384', 'EdDSA'];
const SECRET = 'a-secret-of-the-gateway-in-front';
let oidc;
let house;
let gateway;

const seconds = () => Math.floor(Date.now() / 1000);
const listening = server => new Promise(resolve => server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${server.address().port}`)));

/** A certified OpenID server on loopback; `rotate` gives it new keys, `down` takes its answers away. */
async function startOidc() {
  const server = createServer((req, res) => {
    if (state.down) return req.socket.destroy();
    state.asked.push(req.url);
    return state.handle(req, res);
  });
  const state = { server, asked: [], down: false, url: await listening(server) };
  state.rotate = async () => {
    const pair = await generateKeyPair('RS256', { extractable: true });
    const key = { ...await exportJWK(pair.privateKey), kid: randomUUID(), alg: 'RS256', use: 'sig' };
    const provider = new Provider(state.url, {
      clients: [{ client_id: 'app', client_secret: 'app-secret', grant_types: ['client_credentials'], redirect_uris: [], response_types: [] }],
      jwks: { keys: [key] },
      ttl: { ClientCredentials: 300 },
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        resourceIndicators: {
          enabled: true,
          getResourceServerInfo: () => ({ scope: '', audience: AUDIENCE, accessTokenTTL: 300, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } }),
        },
      },
    });
    state.handle = provider.callback();
  };
  await state.rotate();
  /** An access token, as any client gets one: grant client_credentials (RFC 6749 §4.4) with a resource (RFC 8707). */
  state.token = async () => {
    const answer = await fetch(`${state.url}/token`, {
      method: 'POST', headers: { authorization: `Basic ${btoa('app:app-secret')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', resource: AUDIENCE }),
    });
    const { access_token: token } = await answer.json();
    assert.equal(token.split('.').length, 3);
    return token;
  };
  return state;
}

/** An issuer with a key of every algorithm, and Cloudflare Access's place for keys. */
async function startHouse() {
  const pairs = {};
  for (const alg of ALGORITHMS) pairs[alg] = await generateKeyPair(alg, { extractable: true });
  const keys = await Promise.all(ALGORITHMS.map(async alg => ({ ...await exportJWK(pairs[alg].publicKey), kid: alg, alg, use: 'sig' })));
  const server = createServer((req, res) => res.setHeader('content-type', 'application/json').end(JSON.stringify({ keys })));
  const url = await listening(server);
  const sign = (claims = {}, { alg = 'RS256', iss = 'https://house.example', aud = 'signalbox', life = 300 } = {}) =>
    new SignJWT({ sub: 'someone', ...claims }).setProtectedHeader({ alg, kid: alg, typ: 'JWT' }).setIssuer(iss).setAudience(aud)
      .setIssuedAt().setExpirationTime(seconds() + life).sign(pairs[alg].privateKey);
  return { server, url, sign };
}

/** What a gateway in front signs: HS256 with the shared secret, written by hand. */
function assertion(claims = {}, secret = SECRET) {
  const part = value => Buffer.from(JSON.stringify(value)).toString('base64url');
  const input = `${part({ alg: 'HS256' })}.${part({ iss: 'front', sub: 'someone', iat: seconds(), ...claims })}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

const chat = { model: MODELS.OpenAI, messages: capital };
const ask = (headers, body = chat) => gateway.call('/v1/chat/completions', body, { headers });
const bearer = token => ({ authorization: `Bearer ${token}` });
const principal = async headers => (await (await gateway.call('/v1/usage', undefined, { headers })).json()).principal;

before(async () => {
  [oidc, house] = await Promise.all([startOidc(), startHouse()]);
  const issuers = [
    { issuer: oidc.url, mode: 'jwt', audiences: [AUDIENCE], algorithms: ['RS256'], token_type: 'at+jwt', clients: ['app'] },
    {
      issuer: 'https://house.example', mode: 'jwt', jwks_url: `${house.url}/jwks`, audiences: ['signalbox'], algorithms: ALGORITHMS,
      claims: { tenant: '/org/id', models: 'models' }, require: `claims.dept in ['labs', 'research'] && (!has(claims.amr) || 'mfa' in claims.amr)`, grants: ['operator'],
    },
    { issuer: house.url, mode: 'cloudflare-access', audiences: ['tag'] },
    { issuer: 'front', mode: 'signed-header', secret_env: ['OLD_SECRET', 'FRONT_SECRET'] },
    { issuer: 'worker', mode: 'service-binding', grants: ['operator'] },
  ];
  const identity = { mode: ['jwt', 'cloudflare-access', 'signed-header', 'service-binding'], issuers };
  const providers = { openai: { region: 'us' }, anthropic: { region: 'eu' } };
  gateway = await startHarness({ config: { identity, providers }, secrets: { FRONT_SECRET: SECRET } });
});
after(async () => {
  await gateway?.close();
  for (const { server } of [oidc, house]) server.closeAllConnections(), server.close();
});
beforeEach(() => gateway.sim.reset());

const HOUSE = { org: { id: 'acme' }, dept: 'labs' };

describe('a certified OpenID server', () => {
  test('its tokens let its clients in, found by discovery, through an official client', async () => {
    const openai = new OpenAI({ apiKey: await oidc.token(), baseURL: `${gateway.url}/v1`, maxRetries: 0 });
    assert.match((await openai.chat.completions.create(chat)).choices[0].message.content, /Paris/);
    assert.ok(oidc.asked.includes('/.well-known/openid-configuration'));
    const asked = oidc.asked.length;
    for (let at = 0; at < 3; at += 1) assert.equal((await ask(bearer(await oidc.token()))).status, 200);
    assert.deepEqual(oidc.asked.slice(asked), ['/token', '/token', '/token'], 'a warm isolate asks it nothing');
  });

  test('its keys change while requests run, and no request is lost', async () => {
    const old = await oidc.token();
    assert.equal((await ask(bearer(old))).status, 200);
    let running = true;
    const statuses = [];
    const traffic = (async () => {
      while (running) statuses.push((await ask(bearer(await oidc.token()))).status);
    })();
    while (statuses.length < 3) await new Promise(setImmediate);
    await oidc.rotate();
    const before = statuses.length;
    while (statuses.length < before + 3) await new Promise(setImmediate);
    running = false;
    await traffic;
    assert.deepEqual([...new Set(statuses)], [200]);
    assert.equal((await ask(bearer(old))).status, 200, 'verified a moment ago, it is believed for its short life');
  });

  test('while it is down its known keys serve, and what cannot be judged is worth a retry', async () => {
    const token = await oidc.token();
    oidc.down = true;
    try {
      assert.equal((await ask(bearer(token))).status, 200);
      assert.equal((await ask(bearer(await house.sign(HOUSE)))).status, 200, 'others are not concerned');
      await gateway.restart(); // a cold isolate has no keys
      const answer = await ask(bearer(token));
      assert.deepEqual([answer.status, answer.headers.get('x-should-retry'), Number(answer.headers.get('retry-after')) > 0], [503, 'true', true]);
    } finally {
      oidc.down = false;
    }
  });
});

describe('several issuers and ways at once', () => {
  for (const alg of ALGORITHMS) {
    test(`a signature with ${alg} holds, and a changed one does not`, async () => {
      const token = await house.sign(HOUSE, { alg });
      assert.equal((await ask(bearer(token))).status, 200);
      const [head, , signature] = token.split('.');
      const forged = Buffer.from(JSON.stringify({ iss: 'https://house.example', aud: 'signalbox', ...HOUSE, sub: 'root', iat: seconds(), exp: seconds() + 60 })).toString('base64url');
      assert.equal((await ask(bearer(`${head}.${forged}.${signature}`))).status, 401);
    });
  }

  test('every header in which an official client puts its key', async () => {
    const token = await house.sign(HOUSE);
    for (const header of ['x-api-key', 'x-goog-api-key', 'api-key']) assert.equal((await ask({ [header]: token })).status, 200, header);
    const inUrl = await gateway.call(`/v1beta/models/${MODELS.Gemini}:generateContent?key=${token}`, { contents: [] });
    assert.equal(inUrl.status, 400);
    assert.match((await inUrl.json()).error.message, /URL.*header/);
  });

  test('Cloudflare Access: its header, its keys, its application', async () => {
    const access = (claims, options) => house.sign(claims, { iss: house.url, aud: 'tag', ...options });
    const header = 'cf-access-jwt-assertion';
    assert.equal((await ask({ [header]: await access() })).status, 200);
    assert.equal((await ask({ [header]: await access(), authorization: 'Bearer unused' })).status, 200, 'a placeholder is no credential');
    assert.equal((await ask({ [header]: await access({}, { aud: 'other' }) })).status, 401);
    assert.equal((await ask({ [header]: await access({}, { alg: 'ES256' }) })).status, 401, 'Access signs with RS256');
    assert.equal((await ask(bearer(await access()))).status, 401, 'it counts in its own header only');
    assert.equal((await ask({ [header]: await house.sign(HOUSE) })).status, 401, 'and nothing else does there');
  });

  test('an API gateway in front signs with a shared secret, for a minute', async () => {
    const header = 'x-signalbox-assertion';
    assert.equal((await ask({ [header]: assertion() })).status, 200);
    for (const iat of [seconds() - 90, seconds() + 90]) assert.equal((await ask({ [header]: assertion({ iat }) })).status, 401);
    assert.equal((await ask({ [header]: assertion({}, 'guessed') })).status, 401);
    assert.equal((await ask(bearer(assertion()))).status, 401);
    const [attempt] = gateway.sim.log.all();
    assert.ok(!(header in attempt.headers), 'providers do not see it');
  });

  test('what only a service binding may say means nothing from elsewhere', async () => {
    const says = { 'x-signalbox-principal': JSON.stringify({ sub: 'root', signalbox: { roles: ['operator'] } }) };
    assert.equal((await ask(says)).status, 401);
    const token = bearer(await house.sign(HOUSE));
    assert.equal(await principal({ ...token, ...says }), await principal(token));
    assert.deepEqual(await (await gateway.call('/healthz', undefined, { headers: { ...token, ...says } })).json(), { status: 'ok' });
  });
});

describe('claims', () => {
  const status = async (claims, body) => (await ask(bearer(await house.sign({ ...HOUSE, ...claims })), body)).status;

  test('what is required must be there', async () => {
    assert.deepEqual([await status({ dept: 'research' }), await status({ dept: 'sales' })], [200, 401]);
    assert.deepEqual([await status({ amr: ['pwd', 'mfa'] }), await status({ amr: ['pwd'] }), await status({ amr: 7 })], [200, 401, 401]);
  });

  test('tenants are told apart, and a token without one is refused', async () => {
    const of = async org => principal(bearer(await house.sign({ ...HOUSE, org })));
    assert.notEqual(await of({ id: 'acme' }), await of({ id: 'other' }));
    assert.equal(await status({ org: {} }), 401);
  });

  test('models, policies and the data policy narrow what may be asked', async () => {
    const to = (model, claims) => status(claims, { ...chat, model });
    assert.deepEqual([await to(MODELS.OpenAI, { models: ['openai/*'] }), await to(MODELS.Anthropic, { models: ['openai/*'] })], [200, 403]);
    const eu = { signalbox: { data_policy: { regions: ['eu'] } } };
    assert.equal(await to(MODELS.Anthropic, eu), 200);
    assert.ok([400, 403].includes(await to(MODELS.OpenAI, eu)));
    const cheap = { signalbox: { policies: ['cheapest'] } };
    const token = bearer(await house.sign({ ...HOUSE, ...cheap }));
    assert.equal((await ask(token)).status, 403, 'balanced is the standard');
    assert.equal((await ask({ ...token, 'x-signalbox-policy': 'cheapest' })).status, 200);
  });

  test('the role of an operator counts where its issuer may grant it', async () => {
    const roles = { signalbox: { roles: ['operator'] } };
    const details = async headers => 'providers' in await (await gateway.call('/healthz', undefined, { headers })).json();
    assert.equal(await details(bearer(await house.sign({ ...HOUSE, ...roles }))), true);
    assert.equal(await details(bearer(await house.sign(HOUSE))), false);
    assert.equal(await details({ 'x-signalbox-assertion': assertion(roles) }), false);
  });

  test('what cannot be understood allows nothing', async () => {
    for (const signalbox of [{ limits: { requests_per_minute: -1 } }, { roles: ['admin'] }, { policies: 'cheapest' }, []]) {
      assert.equal(await status({ signalbox }), 403, JSON.stringify(signalbox));
    }
  });
});
