// What verified callers cost: the gateway with an issuer beside the same gateway without any identity.
//
// Tokens are minted before anything is measured. Those that are to be new each time are more than an isolate remembers, so that
// none of them is known when its turn comes again.
import { SignJWT, exportJWK, generateKeyPair } from 'jose';

const ISSUER = 'https://id.example';
const MANY = 2_048; // twice of what an isolate remembers

/** `token`: the algorithm of tokens that are new each time, or `known` for one that is not. `aimMs`: CPU added at most. */
export const IDENTITY = [
  { name: 'token-known', title: 'a token seen before', token: 'known', aimMs: 1 },
  { name: 'token-rs256', title: 'a new token, RS256', token: 'RS256', aimMs: 1 },
  { name: 'token-es256', title: 'a new token, ES256', token: 'ES256', aimMs: 1 },
  { name: 'token-eddsa', title: 'a new token, EdDSA', token: 'EdDSA', aimMs: 1 },
];

/** Gives {keys: the key set, credential(scenario): the next caller's}. */
export async function callers(scenarios) {
  const algorithms = [...new Set(scenarios.map(({ token }) => (token === 'known' ? 'RS256' : token)))];
  const pairs = await Promise.all(algorithms.map(async alg => [alg, await generateKeyPair(alg)]));
  const keys = await Promise.all(pairs.map(async ([alg, { publicKey }]) => ({ ...await exportJWK(publicKey), kid: alg, alg, use: 'sig' })));
  // One caller throughout, as without identity: what is compared is the door, not how many ledgers are written to.
  const mint = (alg, privateKey, jti) => new SignJWT({ sub: 'someone', groups: ['a', 'b'], signalbox: { limits: { models: ['*'] } } })
    .setProtectedHeader({ alg, kid: alg, typ: 'JWT' }).setIssuer(ISSUER).setAudience('signalbox').setJti(String(jti)).setIssuedAt().setExpirationTime('12h').sign(privateKey);
  const pools = new Map();
  for (const [alg, { privateKey }] of pairs) {
    const pool = [];
    for (let jti = 0; jti < MANY; jti++) pool.push(await mint(alg, privateKey, jti));
    pools.set(alg, pool);
  }
  let at = 0;
  return {
    keys,
    credential: ({ token }) => `Bearer ${token === 'known' ? pools.get('RS256')[0] : pools.get(token)[at++ % MANY]}`,
  };
}

/** The gateway's `identity`, with the key set where the bench's upstream serves it. */
export const identity = (keys, jwksUrl) => ({
  mode: 'jwt', issuers: [{ issuer: ISSUER, jwks_url: jwksUrl, audiences: ['signalbox'], algorithms: keys.map(({ alg }) => alg) }],
});
