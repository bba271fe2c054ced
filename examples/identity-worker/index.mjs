// A thin API gateway in front of Signalbox, in two ways that can be swapped for each other and for any other identity provider:
//
//   /v1/…    with an API key of its own: it says who calls over the service binding (nobody on the internet can use that way)
//   /token   with the same API key: a token of five minutes, for callers that go to Signalbox by themselves
//
// The keys and customers are this Worker's business alone; Signalbox knows its issuer and nothing else. See docs/identity.md.
//
// Secrets: CUSTOMERS, JSON from the SHA-256 of an API key (hex) to what is said of its owner, such as
// {"sub": "ada", "org": "acme", "signalbox": {"limits": {"requests_per_minute": 60}}}; SIGNING_KEY, a private P-256 key (JWK).
// Variables: ISSUER, the address of this Worker.

const AUDIENCE = 'signalbox';
const TOKEN_LIFE_SECONDS = 300;

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname === '/.well-known/jwks.json') return keySet(env);
    const customer = await customerOf(request, env);
    if (!customer) return Response.json({ error: { message: 'Unknown API key.', type: 'authentication_error', param: null, code: 'invalid_api_key' } }, { status: 401 });
    if (pathname === '/token' && request.method === 'POST') return Response.json({ access_token: await mint(customer, env), token_type: 'Bearer', expires_in: TOKEN_LIFE_SECONDS });
    return pass(request, customer, env);
  },
};

/** Hands the request on, without the key and with who calls in its place. */
function pass(request, customer, env) {
  const headers = new Headers(request.headers);
  for (const name of ['authorization', 'x-api-key', 'x-goog-api-key', 'api-key', 'cookie']) headers.delete(name);
  headers.set('x-signalbox-principal', base64url(new TextEncoder().encode(JSON.stringify(customer))));
  return env.SIGNALBOX.fetch(new Request(request, { headers }));
}

/** Keys are looked up by their hash: what is stored lets nobody in. */
async function customerOf(request, env) {
  const key = request.headers.get('authorization')?.replace(/^bearer +/i, '') ?? request.headers.get('x-api-key') ?? request.headers.get('x-goog-api-key');
  if (!key) return undefined;
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(key)));
  const customers = JSON.parse(env.CUSTOMERS);
  const name = [...hash].map(byte => byte.toString(16).padStart(2, '0')).join('');
  return Object.hasOwn(customers, name) ? customers[name] : undefined;
}

async function mint(customer, env) {
  const jwk = JSON.parse(env.SIGNING_KEY);
  const key = await crypto.subtle.importKey('jwk', jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
  const now = Math.floor(Date.now() / 1000);
  const json = value => base64url(new TextEncoder().encode(JSON.stringify(value)));
  const input = `${json({ alg: 'ES256', typ: 'JWT', kid: jwk.kid })}.${json({ ...customer, iss: env.ISSUER, aud: AUDIENCE, iat: now, exp: now + TOKEN_LIFE_SECONDS })}`;
  const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, key, new TextEncoder().encode(input));
  return `${input}.${base64url(new Uint8Array(signature))}`;
}

function keySet(env) {
  const { kty, crv, x, y, kid } = JSON.parse(env.SIGNING_KEY);
  return Response.json({ keys: [{ kty, crv, x, y, kid, alg: 'ES256', use: 'sig' }] }, { headers: { 'cache-control': 'max-age=600' } });
}

const base64url = bytes => btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
