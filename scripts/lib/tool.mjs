// Builds a command line tool from the crates registry into .tools/bin.
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { toolsDir } from './paths.mjs';
import { capture, run } from './proc.mjs';
import { Problem, note } from './say.mjs';

// These programs run for seconds: build them for a short build, not for speed. Sharing a target folder saves another third.
const quick = {
  CARGO_PROFILE_RELEASE_OPT_LEVEL: '0',
  CARGO_PROFILE_RELEASE_LTO: 'off',
  CARGO_PROFILE_RELEASE_CODEGEN_UNITS: '16',
  CARGO_PROFILE_RELEASE_DEBUG: '0',
};

/** But for what goes over each instruction of the wasm at every build. */
const busy = ['walrus', 'wasm-bindgen-cli-support', 'wasmparser', 'wasm-encoder'].flatMap(name => ['--config', `profile.release.package.${name}.opt-level=1`]);

export async function installTool({ crate, bin, version }, target) {
  const PATH = `${join(toolsDir, 'bin')}:${process.env.PATH}`; // or cargo advises to put the folder there
  const env = { ...process.env, ...quick, PATH, CARGO_TARGET_DIR: target, RUSTFLAGS: '' };
  if (crate === 'worker-build' && !(await hasOpenSsl())) return withoutTls(version, env);
  // Its default feature is TLS for its test runner, which is not built.
  const features = crate === 'wasm-bindgen-cli' ? ['--no-default-features'] : [];
  await run('cargo', ['install', '--locked', ...busy, ...features, '--root', toolsDir, '--bin', bin, `${crate}@${version}`], { env, label: `cargo install ${crate}` });
}

/** worker-build links the system's OpenSSL to download programs, which it never does here: all of them are handed to it. */
async function hasOpenSsl() {
  if (process.platform !== 'linux' || process.env.OPENSSL_DIR || process.env.OPENSSL_LIB_DIR) return true;
  return (await capture('pkg-config', ['--exists', 'openssl'])).code === 0;
}

/** For machines without OpenSSL's headers: the same source and the same locked crates, without the TLS feature. */
async function withoutTls(version, env) {
  note('no OpenSSL headers here: building worker-build without its downloader');
  const source = await fetchSource('worker-build', version, env);
  const copy = join(toolsDir, 'src', `worker-build-${version}`);
  rmSync(copy, { recursive: true, force: true });
  cpSync(source, copy, { recursive: true });
  const manifest = join(copy, 'Cargo.toml');
  const text = readFileSync(manifest, 'utf8');
  const edited = text.replace(/(\[dependencies\.ureq\][^[]*features = \[[^\]]*?)\s*"native-tls",/, '$1');
  if (edited === text) throw new Problem('worker-build has changed; install OpenSSL\'s headers (libssl-dev and pkg-config) and run this again');
  writeFileSync(manifest, `${edited}\n[workspace]\n`);
  await run('cargo', ['build', '--release', ...busy, '--manifest-path', manifest, '--bin', 'worker-build'], { env, cwd: copy, label: 'cargo build worker-build' });
  mkdirSync(join(toolsDir, 'bin'), { recursive: true });
  cpSync(join(env.CARGO_TARGET_DIR, 'release', 'worker-build'), join(toolsDir, 'bin', 'worker-build'));
  rmSync(join(toolsDir, 'src'), { recursive: true, force: true });
}

/** Lets cargo bring a crate's source into its registry folder, checked against the index, and says where it is. */
async function fetchSource(crate, version, env) {
  const folder = join(toolsDir, 'src', `fetch-${crate}`);
  mkdirSync(join(folder, 'src'), { recursive: true });
  writeFileSync(join(folder, 'src', 'lib.rs'), '');
  writeFileSync(join(folder, 'Cargo.toml'),
    `[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\n${crate} = "=${version}"\n[workspace]\n`);
  await run('cargo', ['fetch'], { env, cwd: folder, label: `cargo fetch ${crate}` });
  // cargo says nothing about packages without a library, so look where it keeps them
  const sources = join(process.env.CARGO_HOME ?? join(homedir(), '.cargo'), 'registry', 'src');
  const found = readdirSync(sources).map(registry => join(sources, registry, `${crate}-${version}`)).find(path => existsSync(path));
  if (!found) throw new Problem(`cargo fetched ${crate} ${version}, but not into ${sources}`);
  return found;
}
