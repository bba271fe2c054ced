// Child processes. Whatever is started here is ended here, by its own process id, and never by name.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { nodeBin, root } from './paths.mjs';
import { Problem } from './say.mjs';

const running = new Set();
const leash = fileURLToPath(new URL('./leash.mjs', import.meta.url));

/** Runs a command to its end with inherited output; a failure is a Problem. */
export async function run(command, args, { env = process.env, cwd = root, label = command, quiet = false } = {}) {
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', quiet ? 'ignore' : 2, 2], detached: true });
  const code = await finished(child, label);
  if (code !== 0) throw new Problem(`${label} failed (exit code ${code})`);
}

/** Runs a command and gives its output; an absent command gives code -1. `echo` also passes the output through. */
export async function capture(command, args, { env = process.env, cwd = root, echo = false } = {}) {
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', echo ? 2 : 'pipe'], detached: true });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', bytes => {
    stdout += bytes;
    if (echo) process.stderr.write(bytes);
  });
  child.stderr?.on('data', bytes => (stderr += bytes));
  const code = await finished(child, command).catch(() => -1);
  return { code, stdout, stderr };
}

/**
 * Starts a long-running Node program. Its process group can be ended as a whole, and a pipe on fd 3 acts as a leash:
 * if this process dies without a word, the child sees the pipe close and ends itself.
 */
export function startNode(script, args, { env = process.env, cwd = root, onLine } = {}) {
  const child = spawn(nodeBin(), ['--import', leash, script, ...args], {
    cwd,
    env: { ...env, SIGNALBOX_LEASH: '3' },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    detached: true,
  });
  track(child);
  for (const stream of [child.stdout, child.stderr]) splitLines(stream, line => onLine?.(line));
  return child;
}

/** Ends everything that is still running: politely, then by force. */
export async function stopAll(graceMs = 8000) {
  await Promise.all([...running].map(child => stop(child, graceMs)));
}

async function stop(child, graceMs) {
  const gone = new Promise(resolve => child.once('exit', resolve));
  if (child.exitCode !== null || child.signalCode !== null) return;
  signalGroup(child, 'SIGTERM');
  const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), graceMs);
  await gone;
  clearTimeout(timer);
  signalGroup(child, 'SIGKILL'); // grandchildren that outlived their parent
}

/** Calls `end` once on the first signal (a second one forces), or when npm, which started us, has died. */
export function onEnd(end) {
  let asked = false;
  const ask = signal => {
    if (asked) {
      for (const child of running) signalGroup(child, 'SIGKILL');
      process.exit(130);
    }
    asked = true;
    end(signal);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => ask(signal));
  if (process.env.npm_lifecycle_event) {
    const before = ancestors();
    setInterval(() => !asked && ancestors() !== before && ask('SIGHUP'), 1000).unref();
  }
}

/** Our parent and its parent: npm runs scripts through a shell that outlives it. */
function ancestors() {
  try {
    const stat = readFileSync(`/proc/${process.ppid}/stat`, 'utf8');
    return `${process.ppid} ${stat.slice(stat.lastIndexOf(')')).split(' ')[2]}`;
  } catch {
    return String(process.ppid); // no /proc here
  }
}

/** For scripts that only run commands to their end: a signal ends the commands and the script. */
export function endOnSignal() {
  onEnd(async signal => {
    await stopAll(3000);
    process.exit(signal === 'SIGINT' ? 130 : 143);
  });
}

function finished(child, label) {
  track(child);
  return new Promise((resolve, reject) => {
    child.once('error', error => reject(new Problem(`${label} could not be started: ${error.message}`)));
    child.once('close', (code, signal) => resolve(code ?? signal));
  });
}

function track(child) {
  running.add(child);
  const forget = () => running.delete(child);
  child.once('error', forget);
  child.once('close', forget);
}

function signalGroup(child, signal) {
  try {
    if (child.pid) process.kill(-child.pid, signal);
  } catch {
    // the whole group is gone already
  }
}

function splitLines(stream, onLine) {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', text => {
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    lines.forEach(onLine);
  });
  stream.on('end', () => rest && onLine(rest));
}
