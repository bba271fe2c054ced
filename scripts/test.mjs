// npm test: the same set-up as `npm start`, then everything that can be checked. Its last line is the verdict.
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, wasmEnv } from './build.mjs';
import { scrubbed, wranglerEnv } from './lib/env.mjs';
import { nodeBin, npmBin, root } from './lib/paths.mjs';
import { capture, endOnSignal } from './lib/proc.mjs';
import { elapsed, main, step } from './lib/say.mjs';
import { verdict } from './lib/verdict.mjs';
import { WASM_TARGET, needLinters, setup } from './setup.mjs';

const env = scrubbed();
const total = { passed: 0, failed: 0, skipped: 0 };
const skips = [];
const failures = [];

endOnSignal();
await main(async () => {
  await setup();
  await needLinters();
  await check('formatting', 'cargo', ['fmt', '--all', '--check']);
  await check('clippy, native', 'cargo', ['clippy', '--locked', '--all-targets', '--', '-D', 'warnings']);
  await check('clippy, wasm', 'cargo', ['clippy', '--locked', '--lib', '--target', WASM_TARGET, '--', '-D', 'warnings'], wasmEnv);
  await check('types of the page', nodeBin(), [npmBin('tsc'), '-p', join(root, 'page')]);
  await cargoTests();
  if (await buildsHere()) await endToEnd();
  const { lines, code } = verdict({ total, skips, failures, ci: process.env.CI === 'true' });
  console.log(`\nDone after ${elapsed()}.\n${lines.join('\n')}`);
  return code;
});

/** A check without tests of its own counts only where it fails. */
async function check(name, command, args, more = {}) {
  step(name);
  const { code } = await capture(command, args, { env: { ...env, ...more }, echo: true });
  if (code !== 0) fail(name);
}

function fail(name) {
  total.failed += 1;
  failures.push(name);
}

/** cargo prints one summary per test program. */
async function cargoTests() {
  step('native tests');
  const { code, stdout } = await capture('cargo', ['test', '--locked', '--no-fail-fast'], { env, echo: true });
  let failed = 0;
  for (const [, passed, bad, ignored] of stdout.matchAll(/^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/gm)) {
    total.passed += Number(passed);
    total.skipped += Number(ignored);
    failed += Number(bad);
  }
  for (const [, name, reason] of stdout.matchAll(/^test (.+?) \.\.\. ignored(?:, (.*))?$/gm)) skips.push({ name, reason: reason ?? 'ignored' });
  for (const [, name] of stdout.matchAll(/^test (.+?) \.\.\. FAILED$/gm)) failures.push(name);
  total.failed += failed;
  if (code !== 0 && !failed) fail('cargo test (did not compile or crashed)');
}

async function buildsHere() {
  try {
    await build();
    return true;
  } catch (error) {
    console.error(error.message);
    fail('the wasm build');
    return false;
  }
}

async function endToEnd() {
  const files = ['e2e', 'browser'].flatMap(folder => testFiles(join(root, 'tests', folder)));
  step(`end-to-end tests in workerd and a browser (${files.length} files)`);
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-cases-'));
  const cases = join(folder, 'cases');
  const { code } = await capture(nodeBin(), [
    '--test', '--test-concurrency=2', '--test-timeout=120000', '--test-reporter=spec', '--test-reporter-destination=stdout',
    '--test-reporter', join(root, 'scripts', 'lib', 'cases.mjs'), '--test-reporter-destination', cases, ...files,
  ], { env: wranglerEnv(env), echo: true });
  const seen = existsSync(cases) ? readFileSync(cases, 'utf8').split('\n').filter(Boolean).map(line => JSON.parse(line)) : [];
  rmSync(folder, { recursive: true, force: true });
  for (const { name, result, reason } of seen) {
    total[result] += 1;
    if (result === 'failed') failures.push(name);
    if (result === 'skipped') skips.push({ name, reason: reason ?? 'no reason given' });
  }
  if (code !== 0 && !seen.some(one => one.result === 'failed')) fail('node --test (ended badly)');
}

function testFiles(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return testFiles(path);
    return entry.name.endsWith('.test.mjs') ? [path] : [];
  }).sort();
}
