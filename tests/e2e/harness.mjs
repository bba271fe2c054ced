// Runs the built Worker in workerd, with a simulator behind it and its configuration in KV. One harness per test file.
//
// wrangler's createTestHarness would do most of this, but it routes the Worker's outgoing requests through this process's
// fetch: a refused, reset or cut upstream would then look different from what workerd makes of it. Its building block,
// startWorker, leaves them on real sockets.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { unstable_startWorker as startWorker } from 'wrangler';
import { wranglerEnv } from '../../scripts/lib/env.mjs';
import { LeakWatch } from './leaks.mjs';
import { startSimulator } from '../../tools/simulator/server.mjs';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Whether the Worker has been built. */
export const built = existsSync(join(root, 'build', 'index.js'));

/** What tests start from: simulated providers, no identity. A merge patch over the compiled-in defaults. */
export function baseConfig(sim) {
  return {
    identity: { mode: 'none' },
    providers: {
      openai: { base_url: sim.baseUrl('openai'), api_key: 'sim-openai' },
      anthropic: { base_url: sim.baseUrl('anthropic'), api_key: 'sim-anthropic' },
      gemini: { base_url: sim.baseUrl('gemini'), api_key: 'sim-gemini' },
      flaky: { kind: 'openai-chat', base_url: sim.baseUrl('openai', 'status-503'), api_key: 'sim-flaky', prices_of: 'openai' },
    },
  };
}

/**
 * Starts the gateway.
 *   config    merge patch over baseConfig, or a function of the simulator that gives one; null: no configuration at all
 *   vars      plain variables (SIGNALBOX_MODE is `local` unless given otherwise)
 *   secrets   secret variables
 *   prices    what the KV key `prices` holds
 *   services  entrypoints by binding: {NAME: {service, entrypoint}}
 *   bound     other bindings, in wrangler's words: {NAME: {type, …}}
 *   tells     `prompts` where logs or exports are to hold them; else the file fails at its end if they do (leaks.mjs)
 *   entry, wranglerConfig   another Worker than build/index.js, and another wrangler configuration file
 *
 * Gives {url, sim, kv, logs, leaks, call, configure, durable, stored, evict, restart, kill, close}.
 */
export async function startHarness({ config = {}, vars = {}, secrets = {}, services = {}, bound = {}, tells, prices, entry = join(root, 'build', 'index.js'), wranglerConfig = join(root, 'wrangler.toml') } = {}) {
  Object.assign(process.env, quiet);
  const sim = await startSimulator();
  const storage = mkdtempSync(join(tmpdir(), 'signalbox-test-'));
  const logs = [];
  const leaks = new LeakWatch();
  leaks.guard(Object.values(secrets));
  watchPrompts(sim, leaks);
  let worker;

  const start = async () => {
    worker = await startWorker({
      config: wranglerConfig,
      entrypoint: entry,
      envFiles: [join(storage, 'none.env')], // instead of a developer's .dev.vars
      bindings: { ...bindings({ SIGNALBOX_MODE: 'local', ...vars }, secrets, services), ...bound },
      dev: {
        server: { hostname: '127.0.0.1', port: 0 },
        persist: storage,
        inspector: false,
        watch: false,
        registry: undefined,
        logLevel: 'none',
        structuredLogsHandler: line => logs.push(line),
      },
    });
    const url = (await worker.url).href.replace(/\/$/, '');
    if (!runtime()) await once(worker.raw, 'reloadComplete'); // the proxy in front of workerd can be ready before it
    leaks.owns(url);
    return url;
  };

  const harness = {
    sim,
    logs,
    leaks,
    /** KV CATALOGUE, as the Worker sees it. */
    kv: undefined,
    url: undefined,

    /** A JSON request to the gateway. */
    call(path, body, { method = body === undefined ? 'GET' : 'POST', headers = {}, ...rest } = {}) {
      return fetch(`${harness.url}${path}`, {
        method, headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        body: body === undefined || typeof body === 'string' ? body : JSON.stringify(body), ...rest,
      });
    },

    /** Replaces the configuration (a merge patch over baseConfig), with a new isolate so that it counts at once. */
    async configure(patch) {
      await put(merge(baseConfig(sim), patch));
      await harness.restart();
    },

    /** A Durable Object's stub: `(await harness.durable('LEDGER', 'name')).fetch(url)`. */
    async durable(binding, name) {
      const namespace = await runtime().getDurableObjectNamespace(binding);
      return namespace.get(namespace.idFromName(name));
    },

    /** What a Secrets Store holds under a binding: `(await harness.stored('NAME')).create(value)`. */
    async stored(binding) {
      return (await runtime().getSecretsStoreSecretAPI(binding))();
    },

    /** An R2 bucket, as the Worker sees it. */
    bucket: binding => runtime().getR2Bucket(binding),

    /** Puts a Durable Object out of memory; its storage stays. */
    async evict(className, name) {
      await runtime().unsafeEvictDurableObject('signalbox', className, { name });
    },

    /**
     * Ends workerd and starts it again on the same storage: what an isolate loses, and what it must not lose. `between` is
     * given the storage's folder while nothing runs over it.
     */
    async restart(between) {
      await worker.dispose();
      await between?.(storage);
      harness.url = await start();
      harness.kv = await runtime().getKVNamespace('CATALOGUE');
    },

    /** The same with no chance for workerd to finish anything: SIGKILL to those that this process has started. */
    async kill() {
      for (const pid of children('workerd')) process.kill(pid, 'SIGKILL');
      await harness.restart();
    },

    async close() {
      await worker?.dispose();
      await sim.close();
      const found = leaks.end(logs);
      rmSync(storage, { recursive: true, force: true, maxRetries: 3 });
      assert.deepEqual(found.filter(finding => tells !== 'prompts' || !finding.startsWith('a prompt')), [], 'what must not get out has');
    },
  };
  const runtime = () => worker.raw.runtimes[0].mf;
  const put = config => {
    leaks.guard(config);
    return harness.kv.put('config', JSON.stringify(config));
  };

  try {
    harness.url = await start();
    harness.kv = await runtime().getKVNamespace('CATALOGUE');
    const patch = typeof config === 'function' ? config(sim) : config;
    if (patch !== null) await put(merge(baseConfig(sim), patch));
    if (prices !== undefined) await harness.kv.put('prices', JSON.stringify(prices));
  } catch (error) {
    await harness.close();
    throw error;
  }
  return harness;
}

/** Tells the watch what providers are asked, before anything forgets it. */
function watchPrompts(sim, leaks) {
  const { log } = sim;
  const open = log.open.bind(log);
  log.open = request => {
    leaks.said(request.body);
    return open(request);
  };
}

/** Processes of a name that this one has started. */
function children(name) {
  return readdirSync('/proc').filter(pid => /^\d+$/.test(pid)).filter(pid => {
    try {
      const [, command, parent] = /^\d+ \((.*)\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'));
      return command === name && Number(parent) === process.pid;
    } catch {
      return false; // it has ended meanwhile
    }
  }).map(Number);
}

/** RFC 7396, as the gateway overlays configurations; null stays, because the result is itself a patch. */
export function merge(target, patch) {
  if (patch === null || typeof patch !== 'object' || Array.isArray(patch)) return patch;
  const base = target !== null && typeof target === 'object' && !Array.isArray(target) ? target : {};
  return { ...base, ...Object.fromEntries(Object.entries(patch).map(([key, value]) => [key, merge(base[key], value)])) };
}

/** For a test that needs a third-party peer: a skip that counts as a failure where CI=true. */
export const missingPeer = (name, why) => ({ skip: `missing peer ${name}: ${why}` });

/** Waits for a condition of the world outside: polls, because there is nothing to listen to. */
export async function until(condition, { timeout = 10_000, every = 25, what = 'the condition' } = {}) {
  const limit = Date.now() + timeout;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > limit) throw new Error(`${what} did not come about within ${timeout} ms`);
    await new Promise(resolve => setTimeout(resolve, every));
  }
}

function bindings(vars, secrets, services) {
  const plain = Object.entries(vars).map(([name, value]) => [name, { type: 'plain_text', value: String(value) }]);
  const hidden = Object.entries(secrets).map(([name, value]) => [name, { type: 'secret_text', value }]);
  const entrypoints = Object.entries(services).map(([name, service]) => [name, { type: 'service', ...service }]);
  return Object.fromEntries([...plain, ...hidden, ...entrypoints]);
}

/** wrangler reads these when it starts something. */
const quiet = wranglerEnv({});
