// What verifying a caller costs on a warm isolate: the time of a small page with a token that is new each time, with one that
// is known, and without any identity, one after another on one connection. `node tools/identity-cost.mjs` after a build.
import { createServer } from 'node:http';
import { SignJWT, exportJWK, generateKeyPair } from 'jose';
import { startHarness } from '../tests/e2e/harness.mjs';

const ROUNDS = 5;
const REQUESTS = 200;
const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'];
const median = values => values.toSorted((a, b) => a - b)[values.length >> 1];

const pairs = Object.fromEntries(await Promise.all(ALGORITHMS.map(async alg => [alg, await generateKeyPair(alg)])));
const keys = await Promise.all(ALGORITHMS.map(async alg => ({ ...await exportJWK(pairs[alg].publicKey), kid: alg, alg, use: 'sig' })));
let fetched = 0;
const issuer = createServer((req, res) => (fetched += 1, res.setHeader('content-type', 'application/json').end(JSON.stringify({ keys }))));
await new Promise(resolve => issuer.listen(0, '127.0.0.1', resolve));
const settings = { issuer: 'https://id.example', jwks_url: `http://127.0.0.1:${issuer.address().port}/jwks`, audiences: ['signalbox'], algorithms: ALGORITHMS };
let count = 0;
const mint = alg => new SignJWT({ sub: `someone-${count += 1}`, groups: ['a', 'b'], signalbox: { limits: { models: ['*'] } } })
  .setProtectedHeader({ alg, kid: alg, typ: 'JWT' }).setIssuer(settings.issuer).setAudience('signalbox').setIssuedAt().setExpirationTime('5m').sign(pairs[alg].privateKey);

/** Milliseconds of a request, the median of many. */
async function time(gateway, tokens) {
  const times = [];
  for (let at = 0; at < REQUESTS; at += 1) {
    const began = performance.now();
    await (await gateway.call('/v1/models/openai/gpt-4o-mini', undefined, { headers: { authorization: `Bearer ${tokens[at % tokens.length]}` } })).text();
    times.push(performance.now() - began);
  }
  return median(times);
}

const open = await startHarness();
const closed = await startHarness({ config: { identity: { mode: 'jwt', issuers: [settings] } } });
try {
  for (const alg of ALGORITHMS) {
    const rounds = { none: [], known: [], fresh: [] };
    const known = [await mint(alg)];
    await time(open, ['x']), await time(closed, known);
    const before = fetched;
    for (let round = 0; round < ROUNDS; round += 1) {
      const tokens = [];
      for (let at = 0; at < REQUESTS; at += 1) tokens.push(await mint(alg));
      rounds.none.push(await time(open, ['x']));
      rounds.known.push(await time(closed, known));
      rounds.fresh.push(await time(closed, tokens));
    }
    const cost = name => (median(rounds[name]) - median(rounds.none)).toFixed(3);
    console.log(`${alg}: without identity ${median(rounds.none).toFixed(3)} ms; a known token +${cost('known')} ms; a new one +${cost('fresh')} ms; key sets fetched meanwhile: ${fetched - before}`);
  }
} finally {
  await Promise.all([open.close(), closed.close()]);
  issuer.close();
}
