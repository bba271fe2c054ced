// Builds the release Worker into build/, unless nothing that goes into it has changed, and the page into it.
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { withLock } from './lib/lock.mjs';
import { orderByLikeness } from './lib/order.mjs';
import { buildDir, npmBin, pinnedVersion, root, toolsDir } from './lib/paths.mjs';
import { capture, endOnSignal, run } from './lib/proc.mjs';
import { Problem, elapsed, main, note, step } from './lib/say.mjs';
import { addPage, withoutPage } from './page.mjs';
import { WASM_TARGET, findTool, setup } from './setup.mjs';

const INPUTS = ['src', 'values', 'data', '.cargo', 'build.rs', 'Cargo.toml', 'Cargo.lock', 'scripts/build.mjs', 'scripts/esbuild.mjs', 'scripts/lib/order.mjs'];
const OUTPUTS = ['index.js', 'index_bg.wasm', 'tasks.bin'];
const STAMP = join(toolsDir, 'build-stamp');

/** Settings of every wasm compilation, so that the linter and the build see the same code. SIMD is for the body scanners. */
export const wasmEnv = {
  WASM_BINDGEN_USE_JS_SYS: '1',
  RUSTFLAGS: '-C target-feature=+simd128',
  CARGO_ENCODED_RUSTFLAGS: undefined,
};

/** The last crates of the Worker keep one core busy for minutes, so they are compiled while the tools are being built. */
export async function setupAndBuild() {
  await setup(compileAhead);
  await build();
}

async function compileAhead() {
  if (isCurrent(await fingerprint())) return;
  step('compiling the Worker (release, wasm32)');
  // As worker-build will call it, which then finds everything done.
  await run('cargo', ['build', '--lib', '--release', '--target', WASM_TARGET], { env: { ...process.env, ...wasmEnv }, label: 'cargo build' });
}

export async function build() {
  await withLock(join(toolsDir, 'build.lock'), async () => {
    await buildWorker();
    await addPage();
  });
}

async function buildWorker() {
  const wanted = await fingerprint();
  if (isCurrent(wanted)) return note('the Worker in build/ is up to date');
  step('building the Worker (release, wasm32)');
  await compile();
  copyFileSync(join(root, 'data', 'classifier', 'tasks.bin'), join(buildDir, 'tasks.bin'));
  for (const file of OUTPUTS) {
    if (!existsSync(join(buildDir, file))) throw new Problem(`worker-build left no build/${file}`);
  }
  mkdirSync(dirname(STAMP), { recursive: true });
  writeFileSync(STAMP, `${wanted} ${outputs()}`);
  const wasm = readFileSync(join(buildDir, 'index_bg.wasm'));
  note(`build/index_bg.wasm: ${kb(wasm.length)}, ${kb(gzipSync(wasm).length)} gzip (${elapsed()})`);
}

async function compile() {
  const worker = await findTool({ bin: 'worker-build', version: pinnedVersion('worker') });
  const bindgen = await findTool({ bin: 'wasm-bindgen', version: pinnedVersion('wasm-bindgen') });
  if (!worker || !bindgen) throw new Problem('the build tools are missing: run `npm run build`, which installs them');
  const env = {
    ...process.env,
    ...wasmEnv,
    // worker-build downloads whatever it is not given.
    WASM_BINDGEN_BIN: bindgen,
    WASM_OPT_BIN: npmBin('wasm-opt'),
    ESBUILD_BIN: join(root, 'scripts', 'esbuild.mjs'),
  };
  for (const file of [npmBin('wasm-opt'), npmBin('esbuild')]) {
    if (!existsSync(file)) throw new Problem(`${file} is missing: run \`npm ci\``);
  }
  await run(worker, ['--release'], { env, label: 'worker-build' });
  await shrink(env.WASM_OPT_BIN);
}

/**
 * What worker-build would do itself, without the names of all functions (a seventh of the gzip; panics say file and line
 * without them). Functions are put in an order in which what is alike stands within gzip's window, which takes a tenth off.
 * A function that is called once stays one: within its caller its locals have other numbers, nothing in it is like anything
 * else any more, and the gzip is a sixth larger.
 */
async function shrink(wasmOpt) {
  const wasm = join(buildDir, 'index_bg.wasm');
  const features = ['simd', 'mutable-globals', 'sign-ext', 'nontrapping-float-to-int', 'bulk-memory', 'multivalue', 'reference-types', 'exception-handling'];
  const opt = (...passes) => run(wasmOpt, [wasm, ...passes, ...features.map(name => `--enable-${name}`), '-o', wasm], { label: 'wasm-opt' });
  await opt('-O2', '--one-caller-inline-max-function-size=0', '--debuginfo');
  writeFileSync(wasm, orderByLikeness(readFileSync(wasm)));
  await opt('--reorder-functions-by-name', '--strip-debug', '--strip-producers');
}

/** A hash over the content of all inputs and the compiler's version: file times say nothing after a checkout. */
async function fingerprint() {
  const hash = createHash('sha256');
  for (const file of INPUTS.flatMap(name => files(join(root, name)))) {
    hash.update(`${relative(root, file)}\0`).update(readFileSync(file)).update('\0');
  }
  hash.update((await capture('rustc', ['--version'])).stdout);
  return hash.digest('hex');
}

function files(path) {
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path).sort().flatMap(name => files(join(path, name)));
}

function isCurrent(wanted) {
  if (!existsSync(STAMP) || !OUTPUTS.every(file => existsSync(join(buildDir, file)))) return false;
  return readFileSync(STAMP, 'utf8') === `${wanted} ${outputs()}`;
}

function outputs() {
  const hash = createHash('sha256');
  hash.update(withoutPage()).update(readFileSync(join(buildDir, 'index_bg.wasm')));
  return hash.digest('hex');
}

const kb = bytes => `${Math.round(bytes / 1024)} KiB`;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  endOnSignal();
  await main(setupAndBuild);
}
