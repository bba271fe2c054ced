// examples/identity-worker: an API gateway of its own in front of Signalbox, both in one `wrangler dev`, and the same customers
// by tokens at a Signalbox that knows nothing of that Worker but its keys.
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { wranglerEnv } from '../../scripts/lib/env.mjs';
import { root, wranglerCli } from '../../scripts/lib/paths.mjs';
import { startNode } from '../../scripts/lib/proc.mjs';
import { startSimulator } from '../../tools/simulator/server.mjs';
import { MODELS, capital } from './clients.mjs';
import { baseConfig, startHarness, until } from './harness.mjs';

const ISSUER = 'https://front.example.com';
const KEYS = { ada: 'key-of-ada', bob: 'key-of-bob' };
let sim;
let folder;
let front;
let apart;

async function freePort() {
  const server = createServer();
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise(resolve => server.close(resolve));
  return port;
}

/** The two configurations as they stand, with paths, mode and secrets of this test. */
function write(port) {
  const vars = (file, values) => {
    const text = readFileSync(join(root, file), 'utf8').replace('main = "', `main = "${join(root, file, '..')}/`);
    const lines = Object.entries(values).map(([name, value]) => `${name} = ${JSON.stringify(value)}\n`).join('');
    const to = join(folder, `${file.split('/').at(-2) ?? 'signalbox'}.toml`);
    writeFileSync(to, text.includes('[vars]\n') ? text.replace('[vars]\n', `[vars]\n${lines}`) : `${text}\n[vars]\n${lines}`);
    return to;
  };
  const customers = Object.entries(KEYS).map(([sub, key]) => [createHash('sha256').update(key).digest('hex'), { sub, org: 'acme', ...(sub === 'bob' ? { signalbox: { limits: { models: ['gemini/*'] } } } : {}) }]);
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const secrets = { CUSTOMERS: JSON.stringify(Object.fromEntries(customers)), SIGNING_KEY: JSON.stringify({ ...privateKey.export({ format: 'jwk' }), kid: 'one' }) };
  const config = { ...baseConfig(sim), identity: { mode: 'service-binding', issuers: [{ issuer: ISSUER, claims: { tenant: 'org' } }] } };
  return { port, files: [vars('examples/identity-worker/wrangler.toml', secrets), vars('wrangler.toml', { SIGNALBOX_MODE: 'local', SIGNALBOX_CONFIG: JSON.stringify(config) })] };
}

before(async () => {
  sim = await startSimulator();
  folder = mkdtempSync(join(tmpdir(), 'signalbox-front-'));
  const { port, files } = write(await freePort());
  const lines = [];
  const child = startNode(wranglerCli, ['dev', ...files.flatMap(file => ['--config', file]), '--ip', '127.0.0.1', '--port', String(port), '--persist-to', join(folder, 'state'), '--show-interactive-dev-session=false'], { env: wranglerEnv(), onLine: line => lines.push(line) });
  front = { url: `http://127.0.0.1:${port}`, child, lines };
  await until(() => fetch(`${front.url}/.well-known/jwks.json`).then(answer => answer.ok, () => {
    assert.equal(child.exitCode, null, lines.join('\n'));
    return false;
  }), { timeout: 90_000, every: 200, what: 'the two Workers' });
  const issuer = { issuer: ISSUER, jwks_url: `${front.url}/.well-known/jwks.json`, audiences: ['signalbox'], algorithms: ['ES256'], max_age_s: 300, claims: { tenant: 'org' } };
  apart = await startHarness({ config: { identity: { mode: 'jwt', issuers: [issuer] } } });
});
after(async () => {
  await apart?.close();
  if (front) {
    const ended = new Promise(resolve => front.child.once('close', resolve));
    front.child.kill('SIGINT');
    await ended;
  }
  await sim?.close();
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
});

const openai = (url, apiKey) => new OpenAI({ apiKey, baseURL: `${url}/v1`, maxRetries: 0 });

test('official clients call with the keys of the gateway in front, streams included', async () => {
  const client = openai(front.url, KEYS.ada);
  assert.match((await client.chat.completions.create({ model: MODELS.OpenAI, messages: capital })).choices[0].message.content, /Paris/);
  let text = '';
  for await (const part of await client.chat.completions.create({ model: MODELS.OpenAI, messages: capital, stream: true })) text += part.choices[0]?.delta?.content ?? '';
  assert.match(text, /Paris/);
  const anthropic = new Anthropic({ apiKey: KEYS.ada, baseURL: front.url, maxRetries: 0 });
  assert.match((await anthropic.messages.create({ model: MODELS.Anthropic, max_tokens: 50, messages: capital })).content[0].text, /Paris/);
  for (const { headers } of sim.log.all()) assert.ok(!JSON.stringify(headers).includes('key-of-ada'));
});

test('its keys are its own: an unknown one, and one that says who it is by itself, get nowhere', async () => {
  await assert.rejects(openai(front.url, 'key-of-nobody').models.list(), OpenAI.AuthenticationError);
  const says = { 'x-signalbox-principal': JSON.stringify({ sub: 'root' }) };
  assert.equal((await fetch(`${front.url}/v1/models`, { headers: says })).status, 401);
  const usage = headers => fetch(`${front.url}/v1/usage`, { headers: { authorization: `Bearer ${KEYS.ada}`, ...headers } }).then(answer => answer.json());
  assert.equal((await usage(says)).principal, (await usage()).principal);
});

test('the same customers come by token to a Signalbox that has no binding, with the same account and the same limits', async () => {
  const mint = async key => (await (await fetch(`${front.url}/token`, { method: 'POST', headers: { authorization: `Bearer ${key}` } })).json()).access_token;
  const [ada, bob] = [await mint(KEYS.ada), await mint(KEYS.bob)];
  assert.match((await openai(apart.url, ada).chat.completions.create({ model: MODELS.OpenAI, messages: capital })).choices[0].message.content, /Paris/);
  const principal = async (url, key) => (await (await fetch(`${url}/v1/usage`, { headers: { authorization: `Bearer ${key}` } })).json()).principal;
  assert.equal(await principal(apart.url, ada), await principal(front.url, KEYS.ada));
  for (const [url, key] of [[front.url, KEYS.bob], [apart.url, bob]]) {
    await assert.rejects(openai(url, key).chat.completions.create({ model: MODELS.OpenAI, messages: capital }), OpenAI.PermissionDeniedError);
    assert.match((await openai(url, key).chat.completions.create({ model: MODELS.Gemini, messages: capital })).choices[0].message.content, /Paris/);
  }
});
