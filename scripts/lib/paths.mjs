// Where things are. Everything that the scripts make lies in git-ignored folders of the repository.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const toolsDir = join(root, '.tools');
export const stateDir = join(root, '.wrangler');
export const buildDir = join(root, 'build');
export const wranglerCli = join(root, 'node_modules', 'wrangler', 'wrangler-dist', 'cli.js');

/** The oldest Node that wrangler runs on. */
const NEEDED = [22, 12];

export function isModern(version) {
  const [major, minor] = version.replace(/^v/, '').split('.').map(Number);
  return major > NEEDED[0] || (major === NEEDED[0] && minor >= NEEDED[1]);
}

/** The Node that runs wrangler and the tests: this one if it is new enough, else the one installed from npm. */
export function nodeBin() {
  if (isModern(process.versions.node)) return process.execPath;
  return join(root, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
}

/** A command that an npm package brings, as an absolute path. */
export const npmBin = name => join(root, 'node_modules', '.bin', name);

/** PATH without node_modules/.bin: npm puts it first, but npm itself must not run under a Node that it is about to replace. */
export function systemPath() {
  const inside = join(root, 'node_modules');
  return (process.env.PATH ?? '').split(':').filter(part => !part.startsWith(inside)).join(':');
}

/** Exact versions, read from the manifest so that they are written down once. */
export function pinnedVersion(crate) {
  const manifest = readFileSync(join(root, 'Cargo.toml'), 'utf8');
  const found = new RegExp(`^${crate} = (?:"=([\\d.]+)"|\\{[^}]*version = "=([\\d.]+)")`, 'm').exec(manifest);
  if (!found) throw new Error(`Cargo.toml must pin ${crate} exactly, as "=x.y.z": the command line tools have to match it`);
  return found[1] ?? found[2];
}

export const exists = existsSync;
