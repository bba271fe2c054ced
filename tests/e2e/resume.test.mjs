// Answers that are kept: resumable streams and idempotency keys, with the log where it really lies.
import assert from 'node:assert/strict';
import { createSign, generateKeyPairSync } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect, createServer as createTcp } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, beforeEach, describe, test } from 'node:test';
import { GoogleGenAI } from '@google/genai';
import { resumable } from '../../examples/resume/resumable.mjs';
import { MODELS, capital, clients, collect, slow } from './clients.mjs';
import { startHarness, until } from './harness.mjs';
import { dataOf, send } from './wire.mjs';

const words = Array.from({ length: 30 }, (_, at) => ` word${at}`).join('');
const CALLERS = {
  'openai-chat': { model: MODELS.OpenAI, path: () => '/v1/chat/completions', body: model => ({ model, messages: capital, stream: true, stream_options: { include_usage: true } }), error: item => item.error?.code === 'stream_cut' },
  'openai-responses': { model: MODELS.OpenAI, path: () => '/v1/responses', body: model => ({ model, input: 'hi', stream: true }), error: item => ['error', 'response.failed'].includes(item.type) },
  'anthropic-messages': { model: MODELS.Anthropic, path: () => '/v1/messages', body: model => ({ model, messages: capital, stream: true, max_tokens: 500 }), error: item => item.type === 'error' },
  gemini: { model: MODELS.Gemini, path: model => `/v1beta/models/${model}:streamGenerateContent?alt=sse`, body: () => ({ contents: [{ role: 'user', parts: [{ text: 'hi' }] }] }), error: item => item.error?.code >= 500 },
  'gemini array': { model: MODELS.Gemini, path: model => `/v1beta/models/${model}:streamGenerateContent`, body: () => ({ contents: [{ role: 'user', parts: [{ text: 'hi' }] }] }), array: true },
};
const kept = { 'x-signalbox-resumable': 'true' };

let gateway;
before(async () => (gateway = await startHarness({ config: { streams: { keep_ms: 60_000 } } })));
after(() => gateway?.close());
beforeEach(() => gateway.sim.reset());

const begin = (name, headers = {}) => send(`${gateway.url}${CALLERS[name].path(CALLERS[name].model)}`, { body: CALLERS[name].body(CALLERS[name].model), headers: { ...kept, ...headers } });
const resume = (id, after, headers = {}) => send(`${gateway.url}/v1/streams/${id}${after === undefined ? '' : `?after=${after}`}`, { method: 'GET', headers });
const usage = async () => (await gateway.call('/v1/usage')).json();
const settledGrowth = async (before, attempts) => until(async () => {
  const now = await usage();
  return now.totals.attempts === before.totals.attempts + attempts && now.totals.open === before.totals.open && now;
}, { what: `${attempts} settled attempts` });

/** How many whole events are in a client's bytes: the cursor that it has come to. */
function cursor(bytes, array) {
  const text = bytes.toString('utf8');
  if (array) return elements(text);
  const ids = [...text.matchAll(/(?:^|[\r\n])id: (\d+)(?=(?:\r\n\r\n|\n\n|\r\r))/g)];
  return ids.length === 0 ? 0 : Number(ids.at(-1)[1]);
}
function elements(text) {
  let [depth, count, quoted, escaped] = [0, 0, false, false];
  for (const char of text) {
    if (quoted) {
      if (escaped) escaped = false;
      else if (char === '\\') escaped = true;
      else if (char === '"') quoted = false;
    } else if (char === '"') quoted = true;
    else if (char === '{') depth += 1;
    else if (char === '}' && (depth -= 1) === 0) count += 1;
  }
  return count;
}

describe('a resumable stream', () => {
  for (const [name, caller] of Object.entries(CALLERS)) {
    test(`${name}: whoever was cut at any event gets exactly the rest, while it runs and after`, async () => {
      gateway.sim.behave('*', { answer: { text: words, pieces: 30 }, delays: { between: 15 } });
      const first = await begin(name);
      assert.equal(first.status, 200);
      const id = first.headers['x-signalbox-stream-id'];
      assert.match(id, /^[\w-]{24}$/);
      const live = await Promise.all(Array.from({ length: 5 }, () => resume(id)));
      const followers = live.map(one => one.rest());
      const whole = await first.rest();
      const count = cursor(whole, caller.array);
      assert.ok(count >= 30, `${count} events`);
      for (const follower of followers) assert.deepEqual(await follower, whole, 'several readers at once get the same');
      for (let at = 0; at <= count; at += 1) {
        const [byQuery, byHeader] = await Promise.all([resume(id, at), resume(id, 0, { 'last-event-id': String(at) })]);
        assert.equal(byQuery.status, 200);
        const rest = await byQuery.rest();
        assert.deepEqual(await byHeader.rest(), rest, 'the header counts before the query');
        const had = whole.subarray(0, whole.length - rest.length);
        assert.deepEqual(Buffer.concat([had, rest]), whole);
        assert.equal(cursor(had, caller.array), at);
        if (!caller.array && at > 0) assert.match(had.toString(), /(\r\n\r\n|\n\n|\r\r)$/);
      }
      assert.equal((await resume(id, count + 1)).status, 400);
      assert.equal((await resume(id, 'x')).status, 400);
      assert.equal(gateway.sim.log.all().length, 1, 'one call to the provider for all of them');
    });

    test(`${name}: cut at any event of a running stream, each client goes on from what it has`, async () => {
      gateway.sim.behave('*', { answer: { text: words, pieces: 30 }, delays: { between: 10 } });
      const before = await usage();
      await Promise.all(Array.from({ length: 15 }, async (_, at) => {
        const first = await begin(name);
        let had = Buffer.alloc(0);
        while (cursor(had, caller.array) < at * 2) had = Buffer.concat([had, await first.next()]);
        first.leave();
        const id = first.headers['x-signalbox-stream-id'];
        const known = cursor(had, caller.array);
        const rest = await (await resume(id, known)).rest();
        const whole = await (await resume(id)).rest();
        const before = whole.subarray(0, whole.length - rest.length);
        assert.deepEqual(had.subarray(0, before.length), before, 'what it had is what everybody has');
        assert.equal(cursor(before, caller.array), known);
      }));
      const now = await settledGrowth(before, 15);
      assert.equal(now.totals.outcomes.completed - before.totals.outcomes.completed, 15, 'no call was given up because its client left');
    });
  }

  test('says what it would have said without the header', async () => {
    gateway.sim.behave('*', { answer: { text: words } });
    const plain = await (await send(`${gateway.url}/v1/chat/completions`, { body: CALLERS['openai-chat'].body(MODELS.OpenAI) })).text();
    const resumed = await (await begin('openai-chat')).text();
    assert.doesNotMatch(plain, /^id: /m);
    const texts = stream => dataOf(stream).map(item => item.choices?.[0]?.delta?.content ?? '').join('');
    assert.equal(texts(resumed), texts(plain));
    assert.equal(dataOf(resumed).length, dataOf(plain).length);
  });

  test('is read by the official clients as any other', async () => {
    gateway.sim.behave('*', { answer: { text: words } });
    const { openai, anthropic } = clients(gateway, { defaultHeaders: kept });
    const chat = await collect(await openai.chat.completions.create({ model: MODELS.OpenAI, messages: capital, stream: true }));
    assert.equal(chat.map(chunk => chunk.choices[0]?.delta?.content ?? '').join(''), words);
    const responses = await collect(await openai.responses.create({ model: MODELS.OpenAI, input: 'hi', stream: true }));
    assert.equal(responses.filter(event => event.type === 'response.output_text.delta').map(event => event.delta).join(''), words);
    const message = await anthropic.messages.stream({ model: MODELS.Anthropic, messages: capital, max_tokens: 500 }).finalMessage();
    assert.equal(message.content[0].text, words);
    const google = new GoogleGenAI({ apiKey: 'none', httpOptions: { baseUrl: gateway.url, headers: kept } });
    const chunks = await collect(await google.models.generateContentStream({ model: MODELS.Gemini, contents: 'hi' }));
    assert.equal(chunks.map(chunk => chunk.text ?? '').join(''), words);
  });

  test('an error before any content keeps its status, in the caller\'s dialect', async () => {
    gateway.sim.behave('*', { status: 400, message: 'no' });
    const answer = await begin('anthropic-messages');
    assert.equal(answer.status, 400);
    assert.equal((await answer.json()).type, 'error');
  });

  test('has no effect where no stream is asked for', async () => {
    const answer = await gateway.call('/v1/chat/completions', { model: MODELS.OpenAI, messages: capital }, { headers: kept });
    assert.match((await answer.json()).choices[0].message.content, /Paris/);
    assert.equal(answer.headers.get('x-signalbox-stream-id'), null);
  });

  test('lets a browser of an allowed origin read what comes', async () => {
    const first = await begin('openai-chat', { origin: 'https://one.example' });
    const id = first.headers['x-signalbox-stream-id'];
    assert.equal(first.headers['access-control-allow-origin'], 'https://one.example');
    assert.match(first.headers['access-control-expose-headers'], /x-signalbox-upstream-x-request-id/, 'what the provider told, too');
    await first.rest();
    const other = await resume(id, 0, { origin: 'https://two.example' });
    assert.equal(other.headers['access-control-allow-origin'], 'https://two.example');
    assert.match(other.headers['access-control-expose-headers'], /x-signalbox-stream-id/);
    await other.rest();
    assert.equal((await resume(id, 0)).headers['access-control-allow-origin'], undefined);
  });

  test('is cancelled by DELETE: the provider is stopped, readers are told, and nothing is left', async () => {
    gateway.sim.behave('*', slow);
    const before = await usage();
    const first = await begin('openai-chat');
    await first.next();
    const id = first.headers['x-signalbox-stream-id'];
    assert.equal((await gateway.call(`/v1/streams/${id}`, undefined, { method: 'DELETE' })).status, 204);
    assert.equal((await gateway.sim.waitFor(one => one.ended)).ended, 'client closed');
    assert.ok(dataOf((await first.rest()).toString()).some(CALLERS['openai-chat'].error));
    assert.equal((await resume(id)).status, 404);
    assert.equal((await gateway.call(`/v1/streams/${id}`, undefined, { method: 'DELETE' })).status, 404);
    const now = await settledGrowth(before, 1);
    assert.equal(now.totals.outcomes.client_gone - (before.totals.outcomes.client_gone ?? 0), 1);
  });

  test('is not there where it never was, and the wrong method is told the right ones', async () => {
    for (const id of ['A'.repeat(24), 'short', 'A'.repeat(25)]) {
      const answer = await resume(id);
      assert.equal(answer.status, 404);
      assert.equal((await answer.json()).error.code, 'stream_not_found');
    }
    const anthropic = await resume('A'.repeat(24), undefined, { 'anthropic-version': '2023-06-01' });
    assert.equal((await anthropic.json()).error.type, 'not_found_error');
    const wrong = await gateway.call(`/v1/streams/${'A'.repeat(24)}`, {});
    assert.deepEqual([wrong.status, wrong.headers.get('allow')], [405, 'GET, DELETE']);
  });
});

describe('a killed runtime', () => {
  test('leaves what was stored, a typed end behind it, and every attempt in the ledger once, which the alarm closes', async () => {
    gateway.sim.behave('*', { answer: { text: words, pieces: 30 }, holds: [{ at: 12, gate: 'never' }] });
    const before = await usage();
    const names = Object.keys(CALLERS).filter(name => !CALLERS[name].array);
    const streams = await Promise.all(names.map(name => begin(name)));
    const had = await Promise.all(streams.map(async stream => {
      let text = '';
      while (!text.includes('word5')) text += await stream.next();
      return text;
    }));
    const plain = await send(`${gateway.url}/v1/chat/completions`, { body: CALLERS['openai-chat'].body(MODELS.OpenAI) });
    await plain.next();
    await until(async () => (await usage()).totals.open === before.totals.open + 5, { what: 'five open attempts' });
    await gateway.kill();
    await Promise.all([...streams, plain].map(stream => stream.rest().catch(() => {})));
    for (const [at, name] of names.entries()) {
      const id = streams[at].headers['x-signalbox-stream-id'];
      const left = await (await resume(id)).text();
      assert.ok(left.startsWith(had[at]), left);
      assert.ok(CALLERS[name].error(dataOf(left).at(-1)), left);
      assert.equal(await (await resume(id)).text(), left, 'and so it stays');
      assert.equal(await (await resume(id, cursor(Buffer.from(left)))).text(), '');
    }
    const grown = async () => {
      const { totals } = await usage();
      const of = all => [all.attempts, all.open, all.outcomes.expired, all.certainty.estimated.attempts];
      return of(totals).map((value, at) => value - of(before.totals)[at]);
    };
    assert.deepEqual(await grown(), [5, 5, 0, 0], 'they are open until the alarm closes them');
    await gateway.restart(letDeadlinesPass);
    await until(async () => (await usage()).totals.open === before.totals.open, { what: 'the alarm' });
    assert.deepEqual(await grown(), [5, 0, 5, 5], 'each is settled once, as estimated');
  });
});

/** What ledgers wait for lies behind them: the deadlines of open attempts, and the time for which their alarms are set. */
function letDeadlinesPass(storage) {
  const folder = join(storage, 'v3', 'do', 'signalbox-Ledger');
  const now = BigInt(Date.now()) * 1_000_000n; // alarms are kept in nanoseconds, by the runtime and by the object
  for (const file of readdirSync(folder).filter(name => name.endsWith('.sqlite'))) {
    const db = new DatabaseSync(join(folder, file));
    if (file === 'metadata.sqlite') {
      db.prepare('UPDATE _cf_ALARM SET scheduled_time = ?').run(now);
    } else {
      db.prepare('UPDATE _cf_METADATA SET value = ? WHERE key = 1').run(now);
      for (const { id, body } of db.prepare('SELECT id, body FROM sheets').all()) {
        const sheet = JSON.parse(body);
        for (const entry of sheet) entry.opened.deadline_ms = 0;
        db.prepare('UPDATE sheets SET body = ? WHERE id = ?').run(JSON.stringify(sheet), id);
      }
    }
    db.close();
  }
}

describe('an Idempotency-Key', () => {
  const key = () => ({ 'idempotency-key': `key-${Math.random()}` });
  const ask = (headers, body = {}) => gateway.call('/v1/chat/completions', { model: MODELS.OpenAI, messages: capital, ...body }, { headers });

  test('joins the running call and the finished one, whole and streamed', async () => {
    for (const stream of [false, true]) {
      gateway.sim.reset();
      gateway.sim.behave('*', { answer: { text: words }, holds: [{ at: 'headers', gate: `go-${stream}` }] });
      const headers = key();
      const before = await usage();
      const running = [ask(headers, { stream }), ask(headers, { stream })];
      await gateway.sim.waitFor(one => one.waiting === `go-${stream}`);
      gateway.sim.open(`go-${stream}`);
      const [one, two] = await Promise.all(running.map(async answer => (await answer).text()));
      const third = await ask(headers, { stream });
      assert.equal(third.status, 200);
      assert.equal(await third.text(), one);
      assert.equal(two, one);
      assert.equal(gateway.sim.log.all().length, 1);
      await settledGrowth(before, 1);
    }
  });

  test('of another request is a 409 in the caller\'s dialect, which the official clients do not retry', async () => {
    const headers = key();
    await (await ask(headers)).text();
    const other = await ask(headers, { temperature: 0.5 });
    assert.deepEqual([other.status, other.headers.get('x-should-retry')], [409, 'false']);
    assert.equal((await other.json()).error.code, 'idempotency_key_reused');
    const anthropic = await gateway.call('/v1/messages', { model: MODELS.Anthropic, max_tokens: 5, messages: capital }, { headers });
    assert.equal(anthropic.status, 409);
    assert.equal((await anthropic.json()).type, 'error');
    const { openai } = clients(gateway, { maxRetries: 2, defaultHeaders: headers });
    await assert.rejects(openai.chat.completions.create({ model: MODELS.OpenAI, messages: capital, temperature: 1 }), { status: 409 });
    assert.equal(gateway.sim.log.all().length, 1);
  });

  test('does not bind to a failure: the next try is a new one', async () => {
    gateway.sim.behave('*', { status: 400, message: 'no' }, {});
    const headers = key();
    assert.equal((await ask(headers)).status, 400);
    assert.equal((await ask(headers)).status, 200);
    assert.equal((await ask(headers)).status, 200);
    assert.equal(gateway.sim.log.all().length, 2);
  });

  test('outlives the connection: a client that left gets the answer on its next try', async () => {
    gateway.sim.behave('*', { answer: { text: words }, delays: { headers: 150 } });
    const headers = key();
    const gone = new AbortController();
    const first = ask(headers, {}).catch(() => {});
    const left = gateway.call('/v1/chat/completions', { model: MODELS.OpenAI, messages: capital }, { headers, signal: gone.signal }).catch(() => {});
    await gateway.sim.waitFor(() => true);
    gone.abort();
    await left;
    const next = await ask(headers);
    assert.match((await next.json()).choices[0].message.content, /word29/);
    await first;
    assert.equal(gateway.sim.log.all().length, 1);
  });

  test('that is none is refused', async () => {
    for (const bad of ['x'.repeat(256), 'é']) assert.equal((await send(`${gateway.url}/v1/chat/completions`, { body: { model: MODELS.OpenAI, messages: capital }, headers: { 'idempotency-key': bad } })).status, 400);
  });

  test('goes for vectors too', async () => {
    const headers = key();
    const embed = () => gateway.call('/v1/embeddings', { model: 'openai/text-embedding-3-small', input: 'hello' }, { headers });
    const one = await (await embed()).text();
    assert.equal(await (await embed()).text(), one);
    assert.equal(gateway.sim.log.all().length, 1);
  });
});

describe('whose streams', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const base64url = value => Buffer.from(JSON.stringify(value)).toString('base64url');
  const token = sub => {
    const now = Math.floor(Date.now() / 1000);
    const input = `${base64url({ alg: 'RS256', typ: 'JWT', kid: 'k' })}.${base64url({ iss: 'https://id.example', aud: 'signalbox', sub, iat: now, exp: now + 600 })}`;
    return { authorization: `Bearer ${input}.${createSign('SHA256').update(input).sign(rsa.privateKey).toString('base64url')}` };
  };
  let issuer;
  let closed;
  before(async () => {
    issuer = createServer((_, res) => res.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [{ ...rsa.publicKey.export({ format: 'jwk' }), kid: 'k', alg: 'RS256', use: 'sig' }] })));
    await new Promise(resolve => issuer.listen(0, '127.0.0.1', resolve));
    const settings = { issuer: 'https://id.example', jwks_url: `http://127.0.0.1:${issuer.address().port}/jwks`, audiences: ['signalbox'], algorithms: ['RS256'] };
    closed = await startHarness({ config: { identity: { mode: 'jwt', issuers: [settings] }, streams: { keep_ms: 1_500 } }, secrets: { SIGNALBOX_PRINCIPAL_KEY: 'a-secret-of-the-tests' } });
  });
  after(async () => {
    await closed?.close();
    issuer?.close();
  });
  const start = headers => send(`${closed.url}/v1/chat/completions`, { body: CALLERS['openai-chat'].body(MODELS.OpenAI), headers: { ...kept, ...headers } });
  const at = (id, headers, method = 'GET') => send(`${closed.url}/v1/streams/${id}`, { method, headers });

  test('only the same principal reads or cancels: for others it is as if it never was', async () => {
    const answer = await start(token('ann'));
    const whole = await answer.rest();
    const id = answer.headers['x-signalbox-stream-id'];
    const told = async answer => ({ ...(await answer.json()).error, metadata: undefined }); // that is the request's own id
    const never = await told(await at('A'.repeat(24), token('bob')));
    for (const method of ['GET', 'DELETE']) {
      const other = await at(id, token('bob'), method);
      assert.equal(other.status, 404);
      assert.deepEqual(await told(other), never);
    }
    assert.equal((await at(id, {})).status, 401);
    assert.deepEqual(await (await at(id, token('ann'))).rest(), whole);
  });

  test('the same key of two principals is two keys', async () => {
    closed.sim.reset();
    for (const sub of ['ann', 'bob', 'ann']) {
      const answer = await closed.call('/v1/chat/completions', { model: MODELS.OpenAI, messages: capital }, { headers: { 'idempotency-key': 'same', ...token(sub) } });
      assert.equal(answer.status, 200);
      await answer.text();
    }
    assert.equal(closed.sim.log.all().length, 2);
  });

  test('it is erased when its time is over', async () => {
    const answer = await start(token('ann'));
    await answer.rest();
    const id = answer.headers['x-signalbox-stream-id'];
    assert.equal((await at(id, token('ann'))).status, 200);
    await until(async () => (await at(id, token('ann'))).status === 404, { what: 'the end of its time' });
  });
});

describe('the helper of the documentation', () => {
  /** Lets so many bytes of each answer through, then breaks the connection. */
  async function cutting(bytes) {
    const proxy = createTcp(client => {
      const { hostname, port } = new URL(gateway.url);
      const upstream = connect(Number(port), hostname);
      let left = bytes;
      client.pipe(upstream);
      upstream.on('data', chunk => {
        client.write(chunk.subarray(0, left));
        left -= chunk.length;
        if (left <= 0) client.resetAndDestroy();
      });
      upstream.on('end', () => client.end());
      for (const [one, other] of [[client, upstream], [upstream, client]]) one.on('error', () => other.destroy()).on('close', () => other.destroy());
    });
    await new Promise(resolve => proxy.listen(0, '127.0.0.1', resolve));
    return { url: `http://127.0.0.1:${proxy.address().port}`, close: () => proxy.close() };
  }

  for (const name of ['openai-chat', 'anthropic-messages', 'gemini']) {
    test(`${name}: gives out each event once and in order, however often the connection breaks`, async () => {
      gateway.sim.behave('*', { answer: { text: words, pieces: 30 }, delays: { between: 5 } });
      const { path, body, model } = CALLERS[name];
      const proxy = await cutting(1_500);
      let connections = 0;
      const counting = (...request) => {
        connections += 1;
        return fetch(...request);
      };
      const got = [];
      const init = { method: 'POST', headers: { 'content-type': 'application/json', connection: 'close' }, body: JSON.stringify(body(model)) };
      for await (const { data } of resumable(`${proxy.url}${path(model)}`, init, { fetch: counting, wait: () => 1 })) got.push(data);
      proxy.close();
      assert.ok(connections > 3, `${connections} connections`);
      assert.equal(gateway.sim.log.all().length, 1);
      const whole = got.filter(data => data !== '[DONE]').map(data => JSON.parse(data));
      const said = whole.map(item => item.choices?.[0]?.delta?.content ?? item.delta?.text ?? item.candidates?.[0]?.content?.parts?.[0]?.text ?? '').join('');
      assert.equal(said, words);
    });
  }

  test('throws what is no accident', async () => {
    gateway.sim.behave('*', { status: 400, message: 'no' });
    const { path, body, model } = CALLERS['openai-chat'];
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body(model)) };
    await assert.rejects(resumable(`${gateway.url}${path()}`, init).next(), error => error.response.status === 400);
  });
});
