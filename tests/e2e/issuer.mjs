// An issuer on loopback: signs what a test wants said of a caller, and serves the key to verify it with.
import { createSign, generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';

const ISSUER = 'https://id.example';
const base64url = value => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** Gives {identity: what the configuration says of it, token(subject, claims), close()}. */
export async function startIssuer() {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const keys = [{ ...publicKey.export({ format: 'jwk' }), kid: 'k', alg: 'RS256', use: 'sig' }];
  const server = createServer((req, res) => res.setHeader('content-type', 'application/json').end(JSON.stringify({ keys })));
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  const issuer = { issuer: ISSUER, jwks_url: `http://127.0.0.1:${server.address().port}/jwks`, audiences: ['signalbox'], algorithms: ['RS256'], operator_groups: ['ops'] };
  return {
    identity: { mode: 'jwt', issuers: [issuer] },
    token(sub, claims = {}) {
      const now = Math.floor(Date.now() / 1000);
      const input = `${base64url({ alg: 'RS256', typ: 'JWT', kid: 'k' })}.${base64url({ iss: ISSUER, aud: 'signalbox', sub, iat: now, exp: now + 600, ...claims })}`;
      return `${input}.${createSign('RSA-SHA256').update(input).sign(privateKey).toString('base64url')}`;
    },
    close: () => server.close(),
  };
}
