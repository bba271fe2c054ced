// npm run bench: what the gateway costs, as multiples of a bare JavaScript Worker that only parses and forwards.
// Prints ratios and sets them beside the aims; it judges nothing, because another machine or a busy one gives other numbers.
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from '../scripts/build.mjs';
import { scrubbed } from '../scripts/lib/env.mjs';
import { buildDir } from '../scripts/lib/paths.mjs';
import { onEnd, startNode, stopAll } from '../scripts/lib/proc.mjs';
import { Problem, elapsed, main, note, step } from '../scripts/lib/say.mjs';
import { setup } from '../scripts/setup.mjs';
import { callers, identity } from './identity.mjs';
import { begun } from './load.mjs';
import { check, effort, measure } from './measure.mjs';
import { busySeconds, loadAverage, machine, residentMb } from './procfs.mjs';
import { render, sizeOf, summarize } from './report.mjs';
import { chosen } from './scenarios.mjs';
import { collector, compare, render as renderTelemetry, settings as both } from './telemetry.mjs';
import { firstLine, runtime, startBare, startGateway, workerSettings } from './workerd.mjs';

const USAGE = `usage: npm run bench -- [--quick] [--rounds N] [--only NAME]... [--json FILE] [--build FOLDER] [--telemetry]
  --quick         fewer and shorter rounds, for a first look
  --rounds N      rounds, also of the paced streams
  --only NAME     only this scenario; may be given several times
  --json FILE     also writes the figures there, the single rounds included
  --build FOLDER  measures that build as it is, instead of build/ brought up to date
  --telemetry     what telemetry costs: the gateway with all of it, as a multiple of the gateway with none`;
const EXIT = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };
const ended = new Promise(end => onEnd(end));
let folder;

await main(async () => {
  try {
    return EXIT[await Promise.race([ended, run()])];
  } finally {
    await stopAll(2000);
    if (folder) rmSync(folder, { recursive: true, force: true });
  }
});
process.exit(); // a signal leaves requests under way

async function run() {
  const { plan, scenarios, json, from, telemetry } = options();
  needProcfs();
  await setup();
  if (!from) await build();
  const loadBefore = loadAverage();
  step('starting an upstream, the bare Worker and the gateway');
  folder = freshFolder();
  const settings = await workerSettings();
  const child = startNode(fileURLToPath(new URL('./upstream.mjs', import.meta.url)), [], { env: scrubbed() });
  const origin = `http://127.0.0.1:${await firstLine(child)}`;
  const upstream = `${origin}/v1`;
  const config = { identity: { mode: 'none' }, providers: { openai: { base_url: upstream, api_key: 'bench' } } };
  const gatewayOf = (name, config) => startGateway({ folder: join(folder, name), buildDir: from ?? buildDir, settings, config });
  if (telemetry) return whatTelemetryCosts({ plan, scenarios, json, config, gatewayOf, upstream: child });
  const bare = { name: 'bare Worker', ...(await startBare({ folder: join(folder, 'bare'), settings, upstream })) };
  const gateway = { name: 'gateway', ...(await gatewayOf('gateway', config)) };
  const ours = [process.pid, child.pid, bare.pid, gateway.pid];
  const [plain, known] = [scenarios.filter(({ token }) => !token), scenarios.filter(({ token }) => token)];
  const results = plain.length ? await measure([bare, gateway], plain, plan, ours) : [];
  const verified = known.length ? await withIdentity(gateway, known) : undefined;
  const report = {
    about: {
      date: new Date().toISOString().slice(0, 16).replace('T', ' ') + ' UTC', ...machine(), workerd: runtime().version, node: process.versions.node,
      rounds: plan.rounds, pacedRounds: Math.min(plan.pacedRounds, plan.rounds), connections: plan.connections, pacedConnections: plan.pacedConnections,
      loadBefore, loadAfter: loadAverage(), memoryMb: { bare: residentMb(bare.pid), gateway: residentMb(gateway.pid) },
    },
    books: await books(gateway.port),
    wasm: sizeOf(readFileSync(join(folder, 'gateway', 'build', 'index_bg.wasm'))),
    scenarios: results.map(summarize),
    identity: verified && { keySetFetches: verified.keySetFetches, scenarios: verified.results.map(summarize) },
  };
  console.log(render(report));
  if (json) write(json, { ...report, rounds: results.map(({ scenario, turns: [one, other] }) => ({ name: scenario.name, bare: one, gateway: other })) });
  note(`done (${elapsed()})`);

  /** The same gateway with an issuer, beside the one without; key sets are counted from when it is warm. */
  async function withIdentity(without, scenarios) {
    const { keys, credential } = await callers(scenarios);
    await fetch(`${origin}/jwks`, { method: 'PUT', body: JSON.stringify({ keys }) });
    const gateway = { name: 'gateway with an issuer', credential, ...(await gatewayOf('issuer', { ...config, identity: identity(keys, `${origin}/jwks`) })) };
    for (const scenario of scenarios) await check(gateway, scenario);
    const fetched = async () => (await (await fetch(`${origin}/jwks/fetched`)).json()).fetched;
    const before = await fetched();
    const results = await measure([without, gateway], scenarios, plan, [...ours, gateway.pid]);
    return { results, keySetFetches: await fetched() - before };
  }
}

async function whatTelemetryCosts({ plan, scenarios, json, config, gatewayOf, upstream }) {
  const loadBefore = loadAverage();
  const sink = await collector();
  const targets = [];
  for (const [name, told] of Object.entries(both(config, sink.url))) targets.push({ name: `telemetry ${name}`, ...(await gatewayOf(name, told)) });
  const results = await measure(targets, scenarios.filter(({ paced, token }) => !paced && !token), plan, [process.pid, upstream.pid, ...targets.map(({ pid }) => pid)]);
  const stats = await (await fetch(`http://127.0.0.1:${targets[1].port}/v1/stats`)).json();
  sink.close();
  const report = {
    about: { date: new Date().toISOString().slice(0, 16).replace('T', ' ') + ' UTC', ...machine(), rounds: plan.rounds, loadBefore, loadAfter: loadAverage() },
    scenarios: results.map(compare), register: `${stats.total.requests} of ${begun.get(targets[1].port)}`, got: sink.got,
  };
  console.log(renderTelemetry(report));
  if (json) write(json, report);
  note(`done (${elapsed()})`);
}

function options() {
  let values;
  try {
    ({ values } = parseArgs({ options: {
      quick: { type: 'boolean', default: false }, rounds: { type: 'string' }, only: { type: 'string', multiple: true, default: [] },
      json: { type: 'string' }, build: { type: 'string' }, telemetry: { type: 'boolean', default: false },
    } }));
  } catch (error) {
    throw new Problem(`${error.message}\n${USAGE}`);
  }
  const plan = effort(values);
  if (values.rounds !== undefined) {
    const rounds = Number(values.rounds);
    if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100) throw new Problem(`--rounds needs a number between 1 and 100\n${USAGE}`);
    plan.rounds = plan.pacedRounds = rounds;
  }
  // npm runs us in the repository; paths are the caller's.
  const path = value => value && resolve(process.env.INIT_CWD ?? process.cwd(), value);
  return { plan, scenarios: chosen(values.only), json: path(values.json), from: path(values.build), telemetry: values.telemetry };
}

/** A folder for this run; those of runs that died without cleaning up go. */
function freshFolder() {
  const base = fileURLToPath(new URL('./out', import.meta.url));
  mkdirSync(base, { recursive: true });
  for (const entry of readdirSync(base)) {
    const owner = /^run-(\d+)$/.exec(entry)?.[1];
    if (owner && !existsSync(`/proc/${owner}`)) rmSync(join(base, entry), { recursive: true, force: true });
  }
  return join(base, `run-${process.pid}`);
}

/** What the gateway's own ledger says of this run: a cheap gateway that forgot to write would be no news. */
async function books(port) {
  const answer = await fetch(`http://127.0.0.1:${port}/v1/usage`).catch(error => ({ ok: false, status: error.message }));
  if (!answer.ok) return { problem: `GET /v1/usage: ${answer.status}` };
  const { totals } = await answer.json().catch(() => ({}));
  if (!totals) return { problem: 'GET /v1/usage: no totals' };
  return { begun: begun.get(port), requests: totals.requests, open: totals.open, exact: totals.certainty?.exact?.attempts };
}

function needProcfs() {
  try {
    busySeconds();
  } catch {
    throw new Problem('the bench reads the CPU time of processes from /proc, which this system does not have; run it on Linux');
  }
}

function write(file, report) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
  note(`written to ${file}`);
}
