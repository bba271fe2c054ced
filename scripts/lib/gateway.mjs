// Runs the built gateway in wrangler dev: its own storage, its configuration in KV, its secrets in a private file.
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { createServer } from 'node:net';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { envFile, wranglerEnv } from './env.mjs';
import { nodeBin, root, stateDir, wranglerCli } from './paths.mjs';
import { capture, startNode } from './proc.mjs';
import { Problem } from './say.mjs';

const START_LIMIT_MS = 120_000;

/**
 * Starts the gateway on 127.0.0.1:port in local mode and resolves when it answers.
 * Gives {url, health: {status, body}, exited: a promise of how it ended}.
 */
export async function startGateway({ name, port, configText, secrets = {}, onLine }) {
  const folder = freshFolder(name);
  const vars = join(folder, 'vars.env');
  writeFileSync(vars, envFile(secrets), { mode: 0o600 }); // given instead of .dev.vars, so that only these are used
  if (configText !== undefined) await seed(folder, configText);
  const lines = [];
  const child = startNode(wranglerCli, [
    'dev', '--config', join(root, 'wrangler.toml'), '--ip', '127.0.0.1', '--port', String(port), '--persist-to', folder,
    '--env-file', vars, '--var', 'SIGNALBOX_MODE:local', '--show-interactive-dev-session=false', '--log-level', 'log',
  ], {
    env: wranglerEnv(),
    onLine: line => {
      lines.push(line);
      if (lines.length > 60) lines.shift();
      onLine?.(line);
    },
  });
  const exited = new Promise(resolve => child.once('close', (code, signal) => resolve(code ?? signal)));
  void exited.then(() => rmSync(folder, { recursive: true, force: true }));
  const url = `http://127.0.0.1:${port}`;
  const health = await Promise.race([answering(url), exited.then(how => {
    throw new Problem(`wrangler dev ended (${how}) before the gateway answered:\n${lines.join('\n')}`);
  })]);
  return { url, health, exited };
}

const BASE = join(stateDir, 'local');

/** The storage folder of the gateway that runs here. */
export function runningFolder() {
  const running = (existsSync(BASE) ? readdirSync(BASE) : []).filter(isAlive);
  if (running.length === 1) return join(BASE, running[0]);
  throw new Problem(running.length ? `several gateways run here: name one of ${running.map(entry => join(BASE, entry)).join(', ')} with --persist-to` : 'no gateway runs here: start one with `npm start`, or name its storage with --persist-to DIR');
}

/** A new storage folder, named after us; those of runs that died without cleaning up go. */
function freshFolder(name) {
  mkdirSync(BASE, { recursive: true });
  for (const entry of readdirSync(BASE)) {
    if (!isAlive(entry)) rmSync(join(BASE, entry), { recursive: true, force: true });
  }
  const folder = join(BASE, `${basename(name)}-${process.pid}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { mode: 0o700 });
  return folder;
}

function isAlive(folder) {
  try {
    process.kill(Number(folder.split('-').pop()), 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

async function seed(folder, configText) {
  const file = join(folder, 'config.json');
  writeFileSync(file, configText, { mode: 0o600 }); // it may hold inline keys
  const { code, stdout, stderr } = await capture(nodeBin(), [
    wranglerCli, 'kv', 'key', 'put', 'config', '--path', file, '--binding', 'CATALOGUE', '--local', '--persist-to', folder,
    '--config', join(root, 'wrangler.toml'), '--env-file', join(folder, 'vars.env'),
  ], { env: wranglerEnv() });
  rmSync(file, { force: true });
  if (code !== 0) throw new Problem(`the configuration could not be put into local KV:\n${stdout}${stderr}`);
}

/** Resolves with the first answer of /healthz, whatever its status: a gateway without configuration answers 503. */
async function answering(url) {
  const limit = Date.now() + START_LIMIT_MS;
  while (Date.now() < limit) {
    const answer = await fetchText(`${url}/healthz`).catch(() => undefined);
    if (answer) return answer;
    await sleep(100);
  }
  throw new Problem(`the gateway did not answer on ${url} within ${START_LIMIT_MS / 1000} s`);
}

function fetchText(url) {
  return new Promise((resolve, reject) => {
    const req = get(url, { agent: false, timeout: 30_000 }, res => {
      let body = '';
      res.setEncoding('utf8').on('data', text => (body += text)).on('end', () => resolve({ status: res.statusCode, body })).on('error', reject);
    });
    req.on('timeout', () => req.destroy(new Error('timeout'))).on('error', reject);
  });
}

/** What the health answer says about itself: `ok`, `degraded`, `unconfigured` or whatever else it is. */
export function healthWord({ status, body }) {
  try {
    return JSON.parse(body).status ?? String(status);
  } catch {
    return body.trim().slice(0, 40) || String(status);
  }
}

/** Whether something already listens there. */
export function portIsFree(port) {
  return new Promise(resolve => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

export async function needPort(port, flag) {
  if (!Number.isInteger(port) || port < 1 || port > 65535) throw new Problem(`${flag} needs a port number between 1 and 65535`);
  if (!(await portIsFree(port))) throw new Problem(`port ${port} is in use. End what listens there, or choose another port with ${flag} N.`);
}

export const wasBuilt = () => existsSync(join(root, 'build', 'index.js'));
