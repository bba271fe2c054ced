// The attack suite: one test per row of docs/security.md that is about the wire, against the built Worker in workerd. Every
// answer and every log line of it is kept, and searched for keys at the end.
import assert from 'node:assert/strict';
import { createHmac, createSign, generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { after, before, beforeEach, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { MODELS, capital } from './clients.mjs';
import { startHarness, until } from './harness.mjs';
import { dataOf, send } from './wire.mjs';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ISSUER = 'https://id.example';
const SECRETS = { KEY_HOSTILE: 'sk-canary-hostile', KEY_ECHO: 'sk-canary-echo', SIGNALBOX_PRINCIPAL_KEY: 'canary-principal-key', METRICS_TOKEN: 'canary-metrics-token' };
let canary;
let hostile;
let gateway;
const answers = []; // all of them

const seconds = () => Math.floor(Date.now() / 1000);
const base64url = value => Buffer.from(typeof value === 'string' || Buffer.isBuffer(value) ? value : JSON.stringify(value)).toString('base64url');
const claimsOf = (more = {}) => ({ iss: ISSUER, aud: 'signalbox', sub: 'someone', iat: seconds(), exp: seconds() + 600, ...more });
const rsaSign = (input, key = rsa.privateKey) => createSign('SHA256').update(input).sign(key);

/** A token: `claims` and `header` change what a good one says, `sign` how it is signed; a text stands as it is. */
function token({ claims = {}, header = {}, sign = rsaSign } = {}) {
  const body = typeof claims === 'string' ? claims : claimsOf(claims);
  const head = typeof header === 'string' ? header : { alg: 'RS256', typ: 'JWT', kid: 'RS256', ...header };
  const input = `${base64url(head)}.${base64url(body)}`;
  return `${input}.${base64url(sign(input))}`;
}
const good = claims => ({ authorization: `Bearer ${token({ claims })}` });

/** Counts who comes by; a place for servers that nobody should call. */
async function startServer(answer) {
  const server = createServer((req, res) => {
    const chunks = [];
    req.on('data', chunk => chunks.push(chunk)).on('end', () => {
      server.seen.push({ url: req.url, headers: req.headers, body: Buffer.concat(chunks).toString() });
      answer(req, res);
    });
  });
  server.seen = [];
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  server.url = `http://127.0.0.1:${server.address().port}`;
  return server;
}

/** Sends a raw request and keeps the answer for the search at the end: {status, headers, text}. */
async function ask(path, { headers = {}, body, method = body === undefined ? 'GET' : 'POST', at = gateway } = {}) {
  const answer = await send(`${at.url}${path}`, { method, headers, body });
  const text = await answer.text().catch(error => `cut: ${error.message}`);
  answers.push(`${answer.rawHeaders.join(' ')} ${text}`);
  return { status: answer.status, headers: answer.headers, text };
}
const chat = { model: MODELS.OpenAI, messages: capital };
const call = (headers, body = chat, options = {}) => ask('/v1/chat/completions', { headers, body, ...options });
const bearer = value => ({ authorization: `Bearer ${value}` });

/** Refused with the one message that every bad credential gets, before any provider is called. */
async function refused(value, why) {
  const answer = await call(bearer(value));
  assert.equal(answer.status, 401, `${why}: ${answer.text}`);
  assert.equal(JSON.parse(answer.text).error.message, 'The credential is not valid here.', why);
  assert.equal(gateway.sim.log.all().length, 0, why);
}

const stream = pieces => (req, res) => {
  res.writeHead(200, { 'content-type': 'text/event-stream', 'set-cookie': 'hostile=1', 'x-signalbox-principal': 'root' });
  for (const piece of pieces) res.write(piece);
  res.end();
};
const chunk = (delta, finish = null) => `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
const SAID = 'one\r\n\r\ndata: [DONE]\n\nevent: error\ndata: {"error":{}}\n\n\u2028\u0000id: 7\r';

before(async () => {
  canary = await startServer((req, res) => res.end('{}'));
  hostile = await startServer((req, res) => {
    const [, what] = req.url.split('/');
    const said = {
      redirect: () => res.writeHead(302, { location: `${canary.url}/v1/chat/completions` }).end(),
      echo: () => res.writeHead(401, { 'content-type': 'application/json', 'x-request-id': req.headers.authorization }).end(JSON.stringify({ error: { message: `bad key ${req.headers.authorization}`, code: 'invalid_api_key' } })),
      inject: () => stream([chunk({ role: 'assistant', content: '' }), chunk({ content: SAID }), chunk({}, 'stop'), 'data: [DONE]\n\n'])(req, res),
    };
    return said[what]();
  });
  const keys = [['RS256', rsa], ['ES256', ec]].map(([alg, pair]) => ({ ...pair.publicKey.export({ format: 'jwk' }), kid: alg, alg, use: 'sig' }));
  const jwks = await startServer((req, res) => res.setHeader('content-type', 'application/json').end(JSON.stringify({ keys })));
  const issuer = { issuer: ISSUER, jwks_url: `${jwks.url}/jwks`, audiences: ['signalbox'], algorithms: ['RS256', 'ES256'], operator_groups: ['ops'], clients: [] };
  const provider = (what, key) => ({ kind: 'openai-chat', base_url: `${hostile.url}/${what}/v1`, api_key_env: key, prices_of: 'openai' });
  gateway = await startHarness({
    config: {
      identity: { mode: 'jwt', issuers: [issuer] }, max_body_bytes: 2_000_000, streams: { keep_ms: 60_000 },
      cors: { origins: ['https://app.example'] },
      providers: { redirect: provider('redirect', 'KEY_HOSTILE'), echo: provider('echo', 'KEY_ECHO'), inject: provider('inject', 'KEY_HOSTILE') },
    },
    secrets: SECRETS,
  });
  gateway.jwks = jwks;
});
after(async () => {
  await gateway?.close();
  for (const server of [canary, hostile, gateway?.jwks]) server?.close();
});
beforeEach(() => gateway.sim.reset());

describe('tokens', () => {
  test('a good one is let in: what follows fails for its fault alone', async () => {
    assert.equal((await call(good())).status, 200);
    const es = token({ header: { alg: 'ES256', kid: 'ES256' }, sign: input => createSign('SHA256').update(input).sign({ key: ec.privateKey, dsaEncoding: 'ieee-p1363' }) });
    assert.equal((await call(bearer(es))).status, 200);
  });

  test('alg none, in every spelling, and a signature that was cut off', async () => {
    for (const alg of ['none', 'None', 'NONE', 'nOnE', '', null]) await refused(token({ header: { alg }, sign: () => '' }), `alg ${alg}`);
    await refused(token().replace(/\.[^.]*$/, '.'), 'no signature');
    await refused(token().replace(/\.[^.]*$/, ''), 'two parts');
  });

  test('the public key as the secret of an HMAC', async () => {
    const { n } = rsa.publicKey.export({ format: 'jwk' });
    const secrets = [rsa.publicKey.export({ type: 'spki', format: 'pem' }), rsa.publicKey.export({ type: 'pkcs1', format: 'pem' }), rsa.publicKey.export({ type: 'spki', format: 'der' }), Buffer.from(n, 'base64url'), n, JSON.stringify(rsa.publicKey.export({ format: 'jwk' })), ''];
    for (const secret of secrets) {
      for (const alg of ['HS256', 'RS256']) await refused(token({ header: { alg }, sign: input => createHmac('sha256', secret).update(input).digest() }), alg);
    }
  });

  test('jku, x5u, jwk and x5c are not looked at and not fetched', async () => {
    const own = { ...stranger.publicKey.export({ format: 'jwk' }), kid: 'mine', alg: 'RS256' };
    for (const header of [{ jku: `${canary.url}/jku` }, { x5u: `${canary.url}/x5u` }, { jwk: own }, { x5c: ['AAAA'] }]) {
      await refused(token({ header, sign: input => rsaSign(input, stranger.privateKey) }), JSON.stringify(header).slice(0, 20));
    }
    assert.deepEqual(canary.seen, []);
  });

  test('crit, b64 and zip, with a signature that holds', async () => {
    for (const header of [{ crit: ['exp'] }, { crit: ['x'], x: 1 }, { crit: [] }, { b64: false }, { zip: 'DEF' }, { enc: 'A128GCM' }]) await refused(token({ header }), JSON.stringify(header));
  });

  test('a key id as a path, a query, an address, very long, of another type or missing', async () => {
    const asked = gateway.jwks.seen.length;
    for (const kid of ['../../etc/passwd', "' OR 1=1 --", '%', `${canary.url}/key`, 'RS256\u0000', 'rs256', 'k'.repeat(257), 7, null, ['RS256'], undefined]) await refused(token({ header: { kid } }), String(kid).slice(0, 20));
    assert.ok(gateway.jwks.seen.length - asked <= 1, 'unknown ids have the keys fetched once at most');
  });

  test('more or fewer parts, padding, other alphabets, spaces, an encrypted or nested token', async () => {
    const [head, body, signature] = token().split('.');
    for (const value of [`${head}.${body}.${signature}.x.y`, `${head}=.${body}.${signature}`, `${head}.${body}.${signature}=`, `${head}.${body}.+${signature.slice(1)}/`, `${head}.${body}. ${signature}`, `${head}..${signature}`, base64url(token()), `${token()}.${token()}`, 'a.b.c.d.e']) await refused(value, value.slice(-12));
  });

  test('two credentials that differ: nobody guesses whose call it is', async () => {
    const [one, two] = [token(), token({ claims: { sub: 'other' } })];
    for (const headers of [{ ...bearer(one), 'x-api-key': two }, { authorization: `Bearer ${one}, Bearer ${two}` }, { 'x-api-key': one, 'x-goog-api-key': two }]) assert.equal((await call(headers)).status, 400);
  });

  test('a key in the URL is refused, and not repeated', async () => {
    const value = token();
    const answer = await ask(`/v1beta/models/${MODELS.Gemini}:generateContent?key=${value}`, { body: { contents: [] } });
    assert.equal(answer.status, 400);
    assert.ok(!answer.text.includes(value.slice(0, 20)) && /header/.test(answer.text));
  });

  test('bytes, depth and repeated members beyond what a token may have', async () => {
    await refused(token({ claims: { pad: 'x'.repeat(8_192) } }), 'too long');
    await refused(token({ header: { pad: 'x'.repeat(1_024) } }), 'header too long');
    let deep = {};
    for (let at = 0; at < 9; at += 1) deep = { deep };
    await refused(token({ claims: { deep } }), 'too deep');
    const text = JSON.stringify(claimsOf());
    await refused(token({ claims: `${text.slice(0, -1)},"sub":"root"}` }), 'a claim twice');
    await refused(token({ claims: `${text.slice(0, -1)},"\\u0073ub":"root"}` }), 'twice, in other letters');
    await refused(token({ header: '{"alg":"RS256","kid":"RS256","alg":"none"}' }), 'a header member twice');
  });

  test('an ECDSA signature of zeros, in DER, of another length', async () => {
    const es = sign => token({ header: { alg: 'ES256', kid: 'ES256' }, sign });
    await refused(es(() => Buffer.alloc(64)), 'zeros');
    await refused(es(input => createSign('SHA256').update(input).sign(ec.privateKey)), 'DER');
    await refused(es(() => Buffer.alloc(63, 1)), 'short');
    await refused(token({ header: { alg: 'ES256', kid: 'RS256' } }), 'the other key');
  });

  test('a wrong issuer, audience or purpose', async () => {
    for (const iss of [`${ISSUER}/`, 'http://id.example', 'https://ID.example', 'https://id.example.evil.example', 'https://id.еxample', [ISSUER], null]) await refused(token({ claims: { iss } }), `iss ${iss}`);
    for (const aud of ['signalbox2', 'Signalbox', ['other'], [], null, { signalbox: 1 }]) await refused(token({ claims: { aud } }), `aud ${aud}`);
    for (const claims of [{ nonce: 'n' }, { typ: 'Refresh' }, { token_use: 'id' }]) await refused(token({ claims }), JSON.stringify(claims));
    for (const typ of ['dpop+jwt', 'logout+jwt', 'JOSE']) await refused(token({ header: { typ } }), typ);
  });

  test('over, not yet, without an end, too long a life, times of other types', async () => {
    const now = seconds();
    for (const claims of [{ iat: now - 900, exp: now - 300 }, { nbf: now + 300 }, { iat: now + 300, exp: now + 600 }, { exp: undefined }, { exp: now + 10 * 86_400 }, { exp: String(now + 60) }, { exp: now + 60.5 }, { exp: -1 }, { exp: null }, { iat: now + 5, exp: now + 5 }]) await refused(token({ claims }), JSON.stringify(claims));
    await refused(token({ claims: JSON.stringify(claimsOf()).replace(/"exp":\d+/, '"exp":1e400') }), 'for ever');
  });

  test('tokens that begin alike are not one identity', async () => {
    const principal = async sub => JSON.parse((await ask('/v1/usage', { headers: good({ sub }) })).text).principal;
    assert.notEqual(await principal('one'), await principal('two'));
    const [head, , signature] = token({ claims: { sub: 'one' } }).split('.');
    await refused(`${head}.${token({ claims: { sub: 'two' } }).split('.')[1]}.${signature}`, 'another body under a signature');
  });

  test('quotes and wildcards in a credential are a 401 like any other', async () => {
    for (const value of ["' OR '1'='1", '%', 'sk-%', '"; DROP TABLE rows; --']) await refused(value, value);
  });
});

describe('requests', () => {
  test('a compressed body is a 415, however large it would be', async () => {
    const bomb = gzipSync(Buffer.alloc(10_000_000));
    for (const coding of ['gzip', 'br', 'deflate', 'gzip, gzip', 'GZIP']) assert.equal((await call({ ...good(), 'content-encoding': coding }, bomb)).status, 415, coding);
    assert.equal(gateway.sim.log.all().length, 0);
  });

  test('a body over the limit is a 413, with a true, a false and no content-length', async () => {
    const body = JSON.stringify({ ...chat, messages: [{ role: 'user', content: 'a'.repeat(2_000_000) }] });
    assert.equal((await call(good(), body)).status, 413);
    const pieces = new ReadableStream({ start: out => (out.enqueue(Buffer.from(body)), out.close()) });
    assert.equal((await fetch(`${gateway.url}/v1/chat/completions`, { method: 'POST', headers: good(), body: pieces, duplex: 'half' })).status, 413);
  });

  test('nested bombs, and too many messages, tools and images, are a 400 at once', async () => {
    const nested = `${'['.repeat(500_000)}${']'.repeat(500_000)}`;
    const many = (count, item) => `[${Array(count).fill(item).join(',')}]`;
    const message = '{"role":"user","content":"a"}';
    const image = '{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}';
    const began = Date.now();
    for (const [what, members] of [
      ['depth', `"messages":${nested}`],
      ['depth', `"messages":[${message}],"metadata":${'{"a":'.repeat(100)}1${'}'.repeat(100)}`],
      ['depth', `"messages":[${message}],"tools":[{"type":"function","function":{"name":"f","parameters":${nested}}}]`],
      ['messages', `"messages":${many(2_001, message)}`],
      ['tools', `"messages":[${message}],"tools":${many(257, '{"type":"function","function":{"name":"f"}}')}`],
      ['images', `"messages":[{"role":"user","content":${many(1_001, image)}}]`],
    ]) {
      const answer = await call(good(), `{"model":"${MODELS.OpenAI}",${members}}`);
      const { error } = JSON.parse(answer.text);
      assert.equal(answer.status, 400, what);
      assert.ok(what === 'depth' ? /nests deeper than 64/.test(error.message) : error.param === what, error.message);
    }
    assert.ok(Date.now() - began < 20_000);
    assert.equal(gateway.sim.log.all().length, 0);
    assert.equal((await call(good())).status, 200, 'and the gateway is well');
  });

  test('repeated members, lone surrogates, huge numbers and a byte order mark do not confuse two readers', async () => {
    const twice = await call(good(), `{"model":"${MODELS.OpenAI}","model":"${MODELS.Anthropic}","messages":[]}`);
    assert.deepEqual([twice.status, /twice/.test(twice.text)], [400, true]);
    for (const body of ['\ufeff{}', `{"model":"${MODELS.OpenAI}","messages":[{"role":"user","content":"\\ud800"}],"max_tokens":1e999}`, '{"model":"\\ud800","messages":[]}']) {
      const { status } = await call(good(), body);
      assert.ok(status >= 400 && status < 500, `${status} ${body}`);
    }
  });

  test('more headers, or larger ones, than any client sends are a 431', async () => {
    const many = Object.fromEntries(Array.from({ length: 150 }, (_, at) => [`x-pad-${at}`, 'y']));
    const answer = await call({ ...good(), ...many });
    assert.equal(answer.status, 431);
    const large = await call({ ...good(), 'x-pad': 'y'.repeat(70_000) }).catch(error => ({ status: error.code }));
    assert.ok([431, 413, 400, 'ECONNRESET', 'EPIPE'].includes(large.status), String(large.status));
  });

  test('smuggled framing is not two requests', async () => {
    const { host, hostname, port } = new URL(gateway.url);
    const inner = `GET /v1/usage HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${token()}\r\n\r\n`;
    for (const framing of [`Content-Length: 5\r\nTransfer-Encoding: chunked`, `Transfer-Encoding: chunked, identity\r\nContent-Length: 0`, 'Content-Length: 0\r\nContent-Length: 5', 'Transfer-Encoding : chunked', 'Transfer-Encoding: xchunked']) {
      const text = await new Promise(resolve => {
        let got = '';
        const socket = connect(Number(port), hostname, () => socket.write(`POST /v1/chat/completions HTTP/1.1\r\nHost: ${host}\r\n${framing}\r\n\r\n0\r\n\r\n${inner}`));
        socket.setTimeout(1_500, () => socket.destroy());
        socket.on('data', data => (got += data)).on('close', () => resolve(got)).on('error', () => resolve(got));
      });
      answers.push(text);
      assert.ok(!/HTTP\/1\.1 200/.test(text.split('\r\n')[0]), framing);
    }
    assert.equal(gateway.sim.log.all().length, 0);
  });

  test('hop-by-hop headers, cookies and whatever else a client sends stay here', async () => {
    const extra = { te: 'trailers', 'proxy-authorization': 'Basic eDp5', 'x-forwarded-for': '1.1.1.1', cookie: 'a=b', 'x-other': '1', origin: 'https://app.example', 'openai-organization': 'org', 'x-signalbox-explain': 'true', via: '1.1 x', forwarded: 'for=1' };
    assert.equal((await call({ ...good(), ...extra })).status, 200);
    const [{ headers }] = gateway.sim.log.all();
    const known = ['accept', 'accept-encoding', 'authorization', 'connection', 'content-length', 'content-type', 'host', 'traceparent', 'transfer-encoding', 'user-agent', 'cf-worker'];
    assert.deepEqual(Object.keys(headers).filter(name => !known.includes(name)), []);
  });

  test('spoofed headers of the platform, of proxies and of ours change nobody', async () => {
    const principal = async headers => JSON.parse((await ask('/v1/usage', { headers })).text).principal;
    const one = await principal(good());
    const spoofs = { 'cf-connecting-ip': '127.0.0.1', 'x-real-ip': '127.0.0.1', 'x-forwarded-host': 'localhost', 'x-user-id': 'root', 'x-tenant': 'root', 'x-signalbox-principal': '{"sub":"root"}', 'x-signalbox-assertion': 'a.b.c', 'x-signalbox-kept': 'found', 'x-signalbox-mode': 'local', 'cf-access-jwt-assertion': token({ claims: { sub: 'root' } }), 'cf-access-authenticated-user-email': 'root@example.com', 'cf-worker': 'signalbox' };
    for (const [name, value] of Object.entries(spoofs)) {
      assert.equal(await principal({ ...good(), [name]: value }), one, name);
      assert.equal((await call({ [name]: value })).status, 401, `${name} alone`);
    }
    assert.deepEqual(JSON.parse((await ask('/healthz', { headers: { ...good(), ...spoofs } })).text), { status: 'ok' });
  });

  test('odd paths and hosts open nothing without a credential', async () => {
    for (const path of ['//v1/models', '/v1//models', '/v1/./models', '/v1/x/../models', '/%76%31/models', '/V1/models', '/v1/models/', '/v1/models/%2e%2e/usage', '/v1/models;x=1', '/v1/usage/', '/healthz/../v1/usage', '/v1/streams/a', '/metrics', '/v1/stats', '/v1/usage/anyone', '/v1/captures/x', '/.env', '/v1/keys', '/v1/users', '/admin']) {
      for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH']) {
        const { status } = await ask(path, { method });
        assert.ok([401, 404, 405].includes(status), `${method} ${path}: ${status}`);
      }
      const hosted = await ask(path, { headers: { host: 'localhost/v1/models?' } }).catch(() => ({ status: 400 }));
      assert.ok([400, 401, 404, 405].includes(hosted.status), `host: ${path}`);
    }
  });

  test('what is reflected is text: in JSON, not to be sniffed, and in no header', async () => {
    const model = '<script>alert(1)</script>\r\nset-cookie: a=b\u2028';
    for (const headers of [good(), {}]) {
      const answer = await call(headers, { ...chat, model });
      assert.match(answer.headers['content-type'], /^application\/json/);
      assert.equal(answer.headers['x-content-type-options'], 'nosniff');
      assert.match(answer.headers['content-security-policy'], /default-src 'none'/);
      assert.equal(answer.headers['cache-control'], 'no-store');
      assert.equal(answer.headers['set-cookie'], undefined);
    }
    const session = await call({ ...good(), 'x-signalbox-policy': 'a%0d%0aset-cookie: a=b' });
    assert.equal(session.headers['set-cookie'], undefined);
  });

  test('a page of another origin may not call, and gets no header that lets it read', async () => {
    for (const origin of ['https://evil.example', 'https://app.example.evil.example', 'http://app.example', 'null', 'https://APP.example']) {
      for (const [headers, body] of [[good(), chat], [{}, chat], [good(), '{'], [good(), { ...chat, stream: true }]]) {
        const answer = await call({ ...headers, origin }, body);
        assert.equal(answer.headers['access-control-allow-origin'], undefined, origin);
        assert.equal(answer.headers['access-control-allow-credentials'], undefined);
        assert.match(answer.headers.vary, /Origin/);
      }
    }
    assert.equal((await call({ origin: 'https://app.example' }, chat)).headers['access-control-allow-origin'], 'https://app.example', 'on errors too');
  });
});

describe('providers', () => {
  test('a redirect is not followed, with a key or without', async () => {
    const answer = await call(good(), { ...chat, model: 'redirect/m' });
    assert.ok(answer.status >= 500, answer.text);
    assert.deepEqual(canary.seen, []);
    assert.ok(!answer.text.includes(canary.url) && !('location' in answer.headers));
  });

  test('a provider that quotes our key quotes it to us alone', async () => {
    const answer = await call(good(), { ...chat, model: 'echo/m' });
    assert.ok(answer.status >= 500);
    assert.ok(hostile.seen.some(({ headers }) => headers.authorization === `Bearer ${SECRETS.KEY_ECHO}`), 'it had the key');
    assert.ok(!JSON.stringify(answer).includes(SECRETS.KEY_ECHO), answer.text);
  });

  test('what a model writes does not become events, ends or headers', async () => {
    for (const [path, body, textOf] of [
      ['/v1/chat/completions', { ...chat, model: 'inject/m', stream: true }, data => data.choices?.[0]?.delta?.content ?? ''],
      ['/v1/messages', { model: 'inject/m', max_tokens: 50, messages: capital, stream: true }, data => data.delta?.text ?? ''],
    ]) {
      const answer = await ask(path, { headers: good(), body });
      assert.equal(answer.status, 200, answer.text);
      assert.equal(dataOf(answer.text).map(textOf).join(''), SAID, path);
      assert.equal(answer.headers['set-cookie'], undefined);
      assert.equal(answer.headers['x-signalbox-principal'], undefined);
    }
  });

  test('no field or header of a caller names a host that is called', async () => {
    const url = `${canary.url}/v1`;
    const fields = { api_base: url, base_url: url, api_key: 'sk-mine', extra_headers: { 'x-host': url }, vertex_project: 'p', aws_region_name: url, custom_host: url, endpoint: url };
    for (const body of [{ ...chat, ...fields }, { ...chat, metadata: fields }, { ...chat, extra_body: { metadata: fields } }]) {
      for (const headers of [{}, { 'x-portkey-custom-host': url, 'x-base-url': url, 'x-forwarded-host': canary.url.slice(7), 'api-base': url }]) await call({ ...good(), ...headers }, body);
    }
    assert.deepEqual(canary.seen, []);
    for (const { headers } of gateway.sim.log.all()) assert.equal(headers.authorization, 'Bearer …enai', 'our key, to its own host');
  });

  test('an address in a message is the provider\'s to fetch: the gateway calls nobody', async () => {
    for (const url of [`${canary.url}/image.png`, 'http://169.254.169.254/latest/meta-data', 'http://metadata.google.internal/', 'file:///etc/passwd', 'http://[::1]/', 'http://0x7f000001/', 'http://2130706433/']) {
      const content = [{ type: 'text', text: 'what is it?' }, { type: 'image_url', image_url: { url } }];
      for (const model of [MODELS.OpenAI, MODELS.Anthropic, MODELS.Gemini]) await call(good(), { model, max_tokens: 10, messages: [{ role: 'user', content }] });
    }
    assert.deepEqual(canary.seen, []);
  });

  test('a caller brings no key for a provider that has its own', async () => {
    const answer = await call({ ...good(), 'x-signalbox-key-openai': 'sk-canary-callers' });
    assert.equal(answer.status, 400);
    assert.equal(gateway.sim.log.all().length, 0);
  });
});

describe('callers among each other', () => {
  test('a stream is its caller\'s: to anybody else it is one that never was', async () => {
    const began = await send(`${gateway.url}/v1/chat/completions`, { headers: { ...good({ sub: 'owner' }), 'x-signalbox-resumable': 'true' }, body: { ...chat, stream: true } });
    const id = began.headers['x-signalbox-stream-id'];
    assert.match(id, /^[\w-]{24}$/);
    answers.push(await began.text());
    const never = await ask(`/v1/streams/${'A'.repeat(24)}`, { headers: good({ sub: 'thief' }) });
    for (const path of [`/v1/streams/${id}`, `/v1/streams/${id}?after=0`]) {
      const answer = await ask(path, { headers: good({ sub: 'thief' }) });
      assert.deepEqual([answer.status, JSON.parse(answer.text).error.message], [404, JSON.parse(never.text).error.message]);
    }
    assert.equal((await ask(`/v1/streams/${id}`, { method: 'DELETE', headers: good({ sub: 'thief' }) })).status, 404);
    assert.equal((await ask(`/v1/streams/${id}`, {})).status, 401);
    assert.equal((await ask(`/v1/streams/${id}`, { headers: good({ sub: 'owner' }) })).status, 200, 'and it is still there');
  });

  test('an idempotency key is its caller\'s', async () => {
    const kept = sub => call({ ...good({ sub }), 'idempotency-key': 'the same' });
    const [one, two] = [await kept('one'), await kept('two')];
    assert.deepEqual([one.status, two.status], [200, 200]);
    assert.equal(gateway.sim.log.all().length, 2, 'nobody gets another\'s answer');
  });

  test('the operator\'s endpoints are closed to everybody else', async () => {
    for (const path of ['/metrics', '/v1/stats', '/v1/usage/anyone', '/v1/captures/x']) {
      for (const headers of [{}, good(), good({ signalbox: { roles: ['operator'] } }), bearer('canary-metrics-toke')]) {
        const { status } = await ask(path, { headers });
        assert.ok([401, 403, 404].includes(status), `${path}: ${status}`);
      }
    }
    assert.deepEqual(JSON.parse((await ask('/healthz', { headers: good() })).text), { status: 'ok' });
  });
});

describe('with local mode off', () => {
  let closed;
  after(() => closed?.close());

  test('an empty configuration serves nothing but the word that it is none', async () => {
    closed = await startHarness({ vars: { SIGNALBOX_MODE: 'production' }, config: null, secrets: { OPENAI_API_KEY: 'sk-canary-openai' } });
    const health = await ask('/healthz', { at: closed });
    assert.deepEqual([health.status, JSON.parse(health.text)], [503, { status: 'unconfigured' }]);
    for (const [path, body] of [['/v1/models'], ['/v1/usage'], ['/v1/chat/completions', chat], ['/v1/messages', { ...chat, max_tokens: 5 }], ['/v1/route', chat], ['/v1/streams/a']]) {
      const answer = await ask(path, { at: closed, body, headers: good() });
      assert.deepEqual([answer.status, /`identity`/.test(answer.text)], [503, true], path);
    }
  });

  test('entries that name a principal are refused, and with them the whole configuration', async () => {
    const issuer = { issuer: 'https://id.example', audiences: ['a'], algorithms: ['RS256'], require: "claims.dept == 'a' && claims.sub == 'ada'" };
    await closed.kv.put('config', JSON.stringify({ identity: { mode: 'jwt', issuers: [issuer] }, limits: { principals: { ada: { requests_per_minute: 5 } } } }));
    await closed.restart();
    assert.equal((await ask('/v1/models', { at: closed, headers: good() })).status, 503);
    const refused = await until(() => closed.logs.map(line => JSON.stringify(line)).find(line => line.includes('configuration refused')), { what: 'the complaint' });
    for (const place of ['identity.issuers[0].require', 'limits.principals']) assert.ok(refused.includes(place), `${place} in ${refused}`);
  });

  test('addresses inside a network are refused as a whole, and nobody is called', async () => {
    const inside = ['http://127.0.0.1:1/v1', `${canary.url}/v1`, 'https://localhost/v1', 'https://169.254.169.254/v1', 'https://10.0.0.1/v1', 'https://192.168.1.1/v1', 'https://[::1]/v1', 'https://[fd00::1]/v1', 'https://[::ffff:169.254.169.254]/v1', 'https://2130706433/v1', 'https://0x7f.1/v1', 'https://0177.0.0.1/v1', 'https://metadata.google.internal/v1', 'https://router.local/v1', 'https://user@api.example/v1', 'https://api.example./v1', 'ftp://api.example/v1'];
    const issuer = { issuer: 'https://id.example', jwks_url: 'https://id.example/jwks', audiences: ['a'], algorithms: ['RS256'] };
    const providers = Object.fromEntries(inside.map((base_url, at) => [`p${at}`, { kind: 'openai-chat', base_url }]));
    const issuers = [`${canary.url}/jwks`, 'https://169.254.169.254/jwks', 'https://10.0.0.1/'].map((jwks_url, at) => ({ ...issuer, issuer: `https://${at}.example`, jwks_url }));
    const before = closed.logs.length;
    await closed.kv.put('config', JSON.stringify({ identity: { mode: 'jwt', issuers }, providers }));
    await closed.restart();
    assert.equal((await ask('/v1/models', { at: closed, headers: good() })).status, 503);
    const refused = await until(() => closed.logs.slice(before).map(line => JSON.stringify(line)).find(line => line.includes('configuration refused')), { what: 'the complaint' });
    for (const place of [...Object.keys(providers).map(name => `providers.${name}.base_url`), ...issuers.map((_, at) => `identity.issuers[${at}].jwks_url`)]) assert.ok(refused.includes(place), place);
    assert.deepEqual(canary.seen, []);
  });
});

describe('afterwards', () => {
  test('no answer and no log line holds a key, a token, a subject or a prompt', async () => {
    await until(() => gateway.logs.length > 50, { what: 'the log' });
    assert.ok(answers.length > 200, `${answers.length} answers were kept`);
    const secret = /sk-canary|canary-principal|canary-metrics|sim-openai|sim-anthropic|sim-gemini/;
    for (const text of answers) assert.doesNotMatch(text, secret);
    const lines = gateway.logs.map(line => JSON.stringify(line));
    assert.ok(lines.some(line => line.includes('not let in')));
    for (const line of lines) {
      assert.doesNotMatch(line, secret);
      assert.doesNotMatch(line, /eyJ[\w-]{20}|someone|capital of France|root@example/);
    }
  });
});
