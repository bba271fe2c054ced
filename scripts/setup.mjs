// Installs what is missing, and nothing twice: npm packages, the wasm target, worker-build and wasm-bindgen.
// Runs on Node 20 with built-in modules only, because it is what brings the newer Node.
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withLock } from './lib/lock.mjs';
import { isModern, nodeBin, pinnedVersion, root, systemPath, toolsDir } from './lib/paths.mjs';
import { capture, endOnSignal, run } from './lib/proc.mjs';
import { Problem, elapsed, main, note, step } from './lib/say.mjs';
import { installTool } from './lib/tool.mjs';

export const WASM_TARGET = 'wasm32-unknown-unknown';

/**
 * Everything that building and running need. The slow parts wait for different things, so they run side by side, and with them
 * `beside`, which needs nothing but Rust.
 */
export async function setup(beside = () => {}) {
  await withLock(join(toolsDir, 'setup.lock'), async () => {
    await needRust();
    const results = await Promise.allSettled([npmPackages(), rustTools(), beside()]);
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  });
}

async function needRust() {
  const { code } = await capture('cargo', ['--version']);
  if (code !== 0) throw new Problem('cargo was not found. Install Rust\'s stable toolchain (https://rustup.rs) and run this again.');
  const sysroot = (await capture('rustc', ['--print', 'sysroot'])).stdout.trim();
  if (existsSync(join(sysroot, 'lib', 'rustlib', WASM_TARGET))) return;
  step(`adding the Rust target ${WASM_TARGET}`);
  await run('rustup', ['target', 'add', WASM_TARGET], { label: `rustup target add ${WASM_TARGET}` });
}

/** The linters are part of rustup's default profile; the minimal one lacks them. */
export async function needLinters() {
  for (const [command, component] of [['fmt', 'rustfmt'], ['clippy', 'clippy']]) {
    if ((await capture('cargo', [command, '--version'])).code === 0) continue;
    step(`adding the Rust component ${component}`);
    await run('rustup', ['component', 'add', component], { label: `rustup component add ${component}` });
  }
}

async function npmPackages() {
  if (packagesAreCurrent() && (await modernNodeRuns())) return;
  step('installing npm packages (npm ci)');
  // npm must not run under the Node it is about to replace, and needs the development packages whatever NODE_ENV says.
  const env = { ...process.env, PATH: systemPath() };
  await run('npm', ['ci', '--include=dev', '--loglevel=error', '--no-audit', '--no-fund'], { env, label: 'npm ci' });
  if (!(await modernNodeRuns())) {
    await run('npm', ['rebuild', 'node', '--ignore-scripts=false', '--foreground-scripts'], { env, label: 'npm rebuild node' });
  }
  if (!(await modernNodeRuns())) throw new Problem('the npm package `node` did not bring a Node >= 22.12; install one and run this again');
  note(`npm packages are in place (${elapsed()})`);
}

/** npm notes what it installed in node_modules/.package-lock.json, as its last act; compare that with the lockfile. */
function packagesAreCurrent() {
  const installed = lockedVersions(join(root, 'node_modules', '.package-lock.json'));
  if (!installed) return false;
  const wanted = lockedVersions(join(root, 'package-lock.json'));
  if (!wanted) throw new Problem('package-lock.json is missing');
  return Object.entries(wanted).every(([path, entry]) =>
    path === '' || (installed[path] ? installed[path].version === entry.version : entry.optional || entry.peer));
}

function lockedVersions(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch {
    return undefined;
  }
}

async function modernNodeRuns() {
  const { code, stdout } = await capture(nodeBin(), ['--version']);
  return code === 0 && isModern(stdout.trim());
}

/** The two programs must match their crates exactly, so the versions come from Cargo.toml. */
async function rustTools() {
  const target = join(toolsDir, 'target');
  const tools = [
    { crate: 'worker-build', bin: 'worker-build', version: pinnedVersion('worker') },
    { crate: 'wasm-bindgen-cli', bin: 'wasm-bindgen', version: pinnedVersion('wasm-bindgen') },
  ];
  const missing = [];
  for (const tool of tools) if (!(await findTool(tool))) missing.push(tool);
  if (missing.length === 0) return;
  mkdirSync(target, { recursive: true });
  for (const tool of missing) {
    step(`building ${tool.crate} ${tool.version} (once; a few minutes)`);
    await installTool(tool, target);
    if (!(await findTool(tool))) throw new Problem(`${tool.bin} ${tool.version} was installed but does not run`);
    note(`${tool.bin} ${tool.version} is in place (${elapsed()})`);
  }
  rmSync(target, { recursive: true, force: true }); // kept until both are done: they share most of their crates
}

/** A matching program of ours or on PATH, as an absolute path. */
export async function findTool({ bin, version }) {
  const folders = [join(toolsDir, 'bin'), ...systemPath().split(':')];
  for (const folder of folders) {
    const file = join(folder, bin);
    if (!folder || !existsSync(file)) continue;
    const { code, stdout } = await capture(file, ['--version']);
    if (code === 0 && stdout.trim().split(/\s+/).includes(version)) return file;
  }
  return undefined;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  endOnSignal();
  await main(async () => {
    await setup();
    note('set-up is complete');
  });
}
