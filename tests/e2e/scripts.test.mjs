// The commands that people type: what they print, what they start, and that they leave nothing behind.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { orderByLikeness } from '../../scripts/lib/order.mjs';
import { nodeBin, npmBin } from '../../scripts/lib/paths.mjs';
import { verdict } from '../../scripts/lib/verdict.mjs';
import { startSimulator } from '../../tools/simulator/server.mjs';
import { capital } from './clients.mjs';
import { missingPeer, until } from './harness.mjs';
import { dataOf } from './wire.mjs';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const script = name => join(root, 'scripts', name);
let folder;
before(() => (folder = mkdtempSync(join(tmpdir(), 'signalbox-scripts-'))));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a command to its end: {code, output}. */
const run = (command, args, options = {}) => new Promise(resolve => {
  execFile(command, args, { cwd: root, timeout: 110_000, ...options }, (error, stdout, stderr) => resolve({ code: error ? error.code ?? -1 : 0, stdout, output: stdout + stderr }));
});

/** Starts a script that runs until it is interrupted. */
function start(name, args, env = {}) {
  const child = spawn(nodeBin(), [script(name), ...args], { cwd: root, env: { ...process.env, ...env } });
  const started = { child, stdout: '', output: '', ended: new Promise(resolve => child.once('close', (code, signal) => resolve(code ?? signal))) };
  child.stdout.on('data', bytes => (started.stdout += bytes));
  for (const stream of [child.stdout, child.stderr]) stream.on('data', bytes => (started.output += bytes));
  started.prints = pattern => until(() => {
    if (child.exitCode !== null) throw new Error(`${name} ended (${child.exitCode}):\n${started.output}`);
    return pattern.exec(started.stdout);
  }, { timeout: 100_000, what: `${pattern} from ${name}` });
  return started;
}

async function freePort() {
  const server = createServer();
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise(resolve => server.close(resolve));
  return port;
}

const listens = port => new Promise(resolve => {
  const socket = connect(port, '127.0.0.1');
  socket.once('connect', () => (socket.destroy(), resolve(true))).once('error', () => resolve(false));
});

/** Interrupts as Ctrl-C does, and sees everything end. */
async function interrupt(started, ports) {
  started.child.kill('SIGINT');
  assert.equal(await started.ended, 130);
  for (const port of ports) assert.equal(await listens(port), false, `nothing listens on ${port} any more`);
}

describe('npm start', async () => {
  const { code } = await run('curl', ['--version']);
  test('prints three curl lines that work as they stand, and Ctrl-C ends all of it', code === 0 ? {} : missingPeer('curl', 'the command was not found'), async () => {
    const port = await freePort();
    const started = start('start.mjs', ['--port', String(port)], { OPENAI_API_KEY: 'sk-must-not-be-used' });
    await started.prints(/Ctrl-C/);
    const [, simulator] = /simulated providers on http:\/\/127\.0\.0\.1:(\d+)/.exec(started.output);
    const lines = started.stdout.split('\n').filter(line => line.startsWith('curl '));
    assert.equal(lines.length, 3);
    const [streamed, chosen, fallback] = await Promise.all(lines.map(line => run('bash', ['-c', line])));
    const items = dataOf(streamed.stdout);
    assert.match(items.map(item => item.choices?.[0]?.delta.content ?? '').join(''), /signal box holds the levers/);
    assert.equal(items.at(-1), '[DONE]');
    const { signalbox } = JSON.parse(chosen.stdout);
    assert.equal(signalbox.decision.requested, 'auto');
    assert.ok(signalbox.decision.candidates.length > 1);
    assert.match(fallback.stdout, /^x-signalbox-attempts: flaky\/gpt-5-mini:503,.*anthropic\/claude-sonnet-4-6:200/im);
    assert.match(fallback.stdout, /Paris/);
    const [, page] = /The page: (\S+)/.exec(started.stdout);
    assert.match(await (await fetch(page)).text(), /<title>Signalbox<\/title>/);
    const [, last] = /(curl \S+\/v1\/usage)/.exec(started.stdout);
    const { totals } = await until(async () => {
      const usage = JSON.parse((await run('bash', ['-c', last])).stdout);
      return usage.totals.requests === 3 && usage.totals.open === 0 && usage;
    }, { what: 'the account of the three calls' });
    assert.ok(Number(totals.cost_usd) > 0);
    assert.doesNotMatch(started.output, /sk-must-not-be-used/);
    await interrupt(started, [port, Number(simulator)]);
  });

  test('a port that is taken gets a clear message, before anything is built', async () => {
    const taken = createServer();
    await new Promise(resolve => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address();
    for (const name of ['start.mjs', 'dev.mjs']) {
      const { code, output } = await run(nodeBin(), [script(name), '--port', String(port)]);
      assert.equal(code, 1);
      assert.match(output, new RegExp(`port ${port} is in use`));
      assert.doesNotMatch(output, /building/);
    }
    taken.close();
  });

  test('an option that is none gets the usage', async () => {
    const { code, output } = await run(nodeBin(), [script('dev.mjs'), '--prot', '1']);
    assert.equal(code, 1);
    assert.match(output, /usage: npm run dev -- --port N/);
  });
});

describe('npm run dev', () => {
  test('takes a configuration of any size, with a provider under any name', async () => {
    const sim = await startSimulator();
    const port = await freePort();
    const aliases = Object.fromEntries(Array.from({ length: 200 }, (_, at) => [`alias-${at}`, { candidates: ['mine/some-model'], policy: 'balanced' }]));
    const config = { identity: { mode: 'none' }, providers: { mine: { kind: 'openai-chat', base_url: sim.baseUrl('mine'), api_key: 'sim-mine' } }, aliases };
    const file = join(folder, 'large.json');
    writeFileSync(file, JSON.stringify(config));
    assert.ok(JSON.stringify(config).length > 5_000);
    const started = start('dev.mjs', ['--port', String(port), '--config', file]);
    try {
      const [, url] = await started.prints(/signalbox ready on (\S+) \(health: ok\)/);
      const answer = await fetch(`${url}/v1/chat/completions`, { method: 'POST', body: JSON.stringify({ model: 'alias-199', messages: capital }) });
      assert.equal(answer.headers.get('x-signalbox-model'), 'mine/some-model');
      assert.match((await answer.json()).choices[0].message.content, /Paris/);
      assert.equal(sim.log.all()[0].headers.authorization, 'Bearer …mine');
      await interrupt(started, [port]);
    } finally {
      started.child.kill('SIGKILL');
      await sim.close();
    }
  });
});

describe('npm run config:check', () => {
  const check = async document => {
    const file = join(folder, 'checked.json');
    writeFileSync(file, typeof document === 'string' ? document : JSON.stringify(document));
    return run('cargo', ['run', '--quiet', '--locked', '--example', 'config_check', '--', file]);
  };

  test('accepts what the gateway accepts, and names every problem by its path', async () => {
    assert.equal((await check({ aliases: { mine: { candidates: ['openai/*'], policy: 'cheapest' } } })).code, 0);
    const { code, output } = await check({ providers: { openai: { base_uri: 'x' } }, max_body_bytes: 'large' });
    assert.equal(code, 1);
    assert.match(output, /providers\.openai/);
    assert.match(output, /max_body_bytes/);
    assert.equal((await check('{"providers":')).code, 1);
  });
});

describe('npm run deploy:check', () => {
  test('puts the deployment together without sending it', async () => {
    const { code, output } = await run(nodeBin(), [script('deploy-check.mjs')]);
    assert.equal(code, 0, output);
    assert.match(output, /--dry-run: exiting now/);
    assert.match(output, /env\.LEDGER/);
  });

  test('refuses what only a local gateway may have', async () => {
    const file = join(folder, 'local.json');
    writeFileSync(file, JSON.stringify({ identity: { mode: 'none' }, providers: { a: { api_key: 'sk-1', base_url: 'http://127.0.0.1:1/v1' } } }));
    const { code, output } = await run(nodeBin(), [script('deploy-check.mjs'), '--config', file]);
    assert.equal(code, 1);
    for (const word of ['identity.mode', 'providers.a.api_key', 'providers.a.base_url']) assert.match(output, new RegExp(word.replaceAll('.', '\\.')));
    assert.doesNotMatch(output, /sk-1/);
  });
});

describe('the closing summary of npm test', () => {
  const skips = [{ name: 'collector', reason: 'missing peer otelcol: not installed' }, { name: 'recordings', reason: 'the folder is not here' }];
  const total = { passed: 10, failed: 0, skipped: 2 };

  test('names what was skipped; a missing peer fails where CI=true', () => {
    const here = verdict({ total, skips, failures: [], ci: false });
    assert.deepEqual([here.code, here.lines.at(-1)], [0, '10 passed, 0 failed, 2 skipped']);
    assert.ok(here.lines.includes('SKIPPED collector: missing peer otelcol: not installed'));
    const ci = verdict({ total, skips, failures: [], ci: true });
    assert.deepEqual([ci.code, ci.lines.at(-1)], [1, '10 passed, 1 failed, 1 skipped']);
  });

  test('is fed by the reporter with every test, skipped suites included', async () => {
    const file = join(folder, 'some.test.mjs');
    const cases = join(folder, 'cases');
    writeFileSync(file, `import { describe, test } from 'node:test';
      test('one', () => {}); test('two', { skip: 'missing peer x: y' }, () => {});
      describe('three', { skip: 'not here' }, () => test('inner', () => {}));
      describe('four', () => test('five', () => { throw new Error('no'); }));`);
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => name !== 'NODE_TEST_CONTEXT'));
    await run(nodeBin(), ['--test', '--test-reporter', join(root, 'scripts', 'lib', 'cases.mjs'), '--test-reporter-destination', cases, file], { env });
    const seen = readFileSync(cases, 'utf8').trim().split('\n').map(line => JSON.parse(line)).map(({ name, result, reason }) => [name, result, reason].filter(Boolean).join(' '));
    assert.deepEqual(seen.sort(), ['five failed', 'one passed', 'three skipped not here', 'two skipped missing peer x: y']);
  });
});

describe('the order of functions in the wasm', () => {
  // Two functions that are alike, a long way of another kind between them.
  const alike = by => `(i32.add ${'(i32.mul (i32.xor (local.get 0) (i32.const 77)) '.repeat(30)}(i32.const ${by})${')'.repeat(30)} (i32.const 5))`;
  const other = `(i32.sub ${'(i32.rotl (i32.clz (local.get 0)) '.repeat(30)}(i32.const 3)${')'.repeat(30)} (i32.const 9))`;
  const text = `(module (import "host" "f" (func $imported))
    ${[['a', alike(1)], ['b', other], ['c', alike(2)]].map(([name, body]) => `(func $${name} (export "${name}") (param i32) (result i32) ${body})`).join('\n')})`;

  test('puts beside each other what is alike, and changes no function', async () => {
    const file = name => join(folder, name);
    writeFileSync(file('m.wat'), text);
    const tool = async (name, args) => assert.equal((await run(npmBin(name), args)).code, 0, name);
    await tool('wasm-as', [file('m.wat'), '-g', '-o', file('m.wasm')]);
    writeFileSync(file('named.wasm'), orderByLikeness(readFileSync(file('m.wasm'))));
    await tool('wasm-opt', [file('named.wasm'), '--reorder-functions-by-name', '-g', '-o', file('ordered.wasm')]);
    const exports = async name => (await WebAssembly.instantiate(readFileSync(file(name)), { host: { f() {} } })).instance.exports;
    const [before, after] = [await exports('m.wasm'), await exports('ordered.wasm')];
    for (const name of ['a', 'b', 'c']) assert.equal(after[name](1234), before[name](1234), name);
    // An exported function's own name is its index.
    const at = name => Number(after[name].name);
    assert.equal(Math.abs(at('a') - at('c')), 1);
    assert.equal(Math.abs(Number(before.a.name) - Number(before.c.name)), 2);
  });

  test('is not guessed where the names are lost', () => {
    assert.throws(() => orderByLikeness(Buffer.from('0061736d01000000', 'hex')), /no names/);
  });
});
