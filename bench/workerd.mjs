// Starts a Worker on raw workerd, the very runtime that wrangler would start, without anything in front of it.
import { createRequire } from 'node:module';
import { cpSync, existsSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { wranglerEnv } from '../scripts/lib/env.mjs';
import { nodeBin, root } from '../scripts/lib/paths.mjs';
import { capture, startNode } from '../scripts/lib/proc.mjs';
import { Problem } from '../scripts/lib/say.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const START_LIMIT_MS = 60_000;

/** The binary itself: the package's own command is a script in front of it, and another process. */
export function runtime() {
  const from = createRequire(join(root, 'node_modules', 'workerd', 'package.json'));
  const version = JSON.parse(readFileSync(join(root, 'node_modules', 'workerd', 'package.json'), 'utf8')).version;
  const name = `@cloudflare/workerd-${process.platform}-${process.arch === 'x64' ? '64' : process.arch}`;
  try {
    return { path: from.resolve(`${name}/bin/workerd`), version };
  } catch {
    throw new Problem(`${name} is not installed: run \`npm ci\``);
  }
}

/** What wrangler.toml says, read by wrangler itself, in a process of its own. */
export async function workerSettings() {
  const script = `import { unstable_readConfig } from 'wrangler';
    const { compatibility_date, compatibility_flags, kv_namespaces, durable_objects, vars } = unstable_readConfig({ config: 'wrangler.toml' });
    console.log('\\n' + JSON.stringify({ compatibility_date, compatibility_flags, kv_namespaces, durable_objects, vars }));`;
  const { code, stdout, stderr } = await capture(nodeBin(), ['--input-type=module', '-e', script], { env: wranglerEnv() });
  if (code !== 0) throw new Problem(`wrangler.toml could not be read:\n${stderr}`);
  return JSON.parse(stdout.trim().split('\n').pop());
}

/** The gateway as it was built, with the bindings of wrangler.toml. */
export function startGateway({ folder, buildDir, settings, config, v8Flags }) {
  mkdirSync(join(folder, 'objects'), { recursive: true });
  const modules = copyModules(buildDir, join(folder, 'build'));
  const classes = settings.durable_objects.bindings.map(binding => binding.class_name);
  const vars = { ...settings.vars, SIGNALBOX_MODE: 'local' };
  cpSync(join(here, 'kv.worker.js'), join(folder, 'kv.worker.js'));
  return start(folder, [
    worker('main', settings, modules.map(name => moduleOf(name, `build/${name}`)), [
      ...settings.kv_namespaces.map(({ binding }) => `(name = ${text(binding)}, kvNamespace = "kv")`),
      ...settings.durable_objects.bindings.map(({ name, class_name }) => `(name = ${text(name)}, durableObjectNamespace = ${text(class_name)})`),
      ...Object.entries(vars).map(([name, value]) => `(name = ${text(name)}, text = ${text(value)})`),
    ], `
    durableObjectNamespaces = [${classes.map(name => `(className = ${text(name)}, uniqueKey = ${text(`bench-${name}`)}, enableSql = true)`).join(', ')}],
    durableObjectStorage = (localDisk = "objects"),`),
    worker('kv', settings, [moduleOf('kv.worker.js', 'kv.worker.js')], [`(name = "CONFIG", text = ${text(JSON.stringify(config))})`]),
    `(name = "objects", disk = (path = ${text(join(folder, 'objects'))}, writable = true))`,
  ], v8Flags);
}

export function startBare({ folder, settings, upstream, v8Flags }) {
  mkdirSync(folder, { recursive: true });
  cpSync(join(here, 'bare.worker.js'), join(folder, 'bare.worker.js'));
  return start(folder, [
    worker('main', settings, [moduleOf('bare.worker.js', 'bare.worker.js')], [`(name = "UPSTREAM", text = ${text(upstream)})`]),
  ], v8Flags);
}

/** The Worker's own files into our folder: a build that ends while we measure must not change what is measured. */
function copyModules(from, to) {
  const found = new Set();
  const visit = name => {
    if (found.has(name)) return;
    if (!existsSync(join(from, name))) throw new Problem(`${join(from, name)} is missing: run \`npm run build\``);
    found.add(name);
    mkdirSync(dirname(join(to, name)), { recursive: true });
    cpSync(join(from, name), join(to, name));
    if (kindOf(name) !== 'esModule') return;
    const source = readFileSync(join(from, name), 'utf8');
    for (const [, target] of source.matchAll(/\b(?:from|import)\s*\(?\s*["'](\.{1,2}\/[^"']+)["']/g)) visit(posix.join(posix.dirname(name), target));
  };
  visit('index.js');
  return [...found];
}

const text = value => JSON.stringify(String(value));
const kindOf = name => ({ wasm: 'wasm', bin: 'data' })[name.split('.').pop()] ?? 'esModule';
const moduleOf = (name, file) => `(name = ${text(name)}, ${kindOf(name)} = embed ${text(file)})`;

function worker(name, settings, modules, bindings, more = '') {
  return `(name = ${text(name)}, worker = (
    compatibilityDate = ${text(settings.compatibility_date)},
    compatibilityFlags = [${settings.compatibility_flags.map(text).join(', ')}],
    modules = [${modules.join(', ')}],
    bindings = [${bindings.join(', ')}],${more}
  ))`;
}

/** Gives {pid, port, log()}. The network service lets nothing out of this machine. */
async function start(folder, services, v8Flags = []) {
  const config = join(folder, 'config.capnp');
  const logFile = join(folder, 'log');
  writeFileSync(config, `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    ${[...services, '(name = "internet", network = (allow = ["local"], deny = []))'].join(',\n    ')}
  ],
  v8Flags = [${v8Flags.map(text).join(', ')}],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
`);
  writeFileSync(logFile, '');
  const log = { text: () => readFileSync(logFile, 'utf8'), clear: () => truncateSync(logFile) };
  const { pid, port, error } = await firstLine(startNode(join(here, 'keeper.mjs'), [runtime().path, config, logFile], { onLine: () => {} }), log);
  if (error) throw new Problem(`workerd could not be started: ${error}`);
  return { pid, port, log };
}

/** The JSON object that a child tells first, or what it said before it ended. */
export function firstLine(child, log) {
  return new Promise((resolve, reject) => {
    const fail = how => reject(new Problem(`a process of the bench ${how}:\n${log?.text() ?? ''}`));
    const timer = setTimeout(() => fail('did not get ready'), START_LIMIT_MS);
    child.stdout.on('data', piece => {
      clearTimeout(timer);
      resolve(JSON.parse(piece));
    });
    child.once('close', () => fail('ended early'));
  });
}
