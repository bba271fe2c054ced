// Measures: checks first, then warms up, then rounds in which the bare Worker and the gateway take turns.
import { setTimeout as sleep } from 'node:timers/promises';
import { Problem, note } from '../scripts/lib/say.mjs';
import { firstBytes, load, whole } from './load.mjs';
import { busySeconds, cpuSeconds } from './procfs.mjs';
import { PACE_MS, faults, requestBody } from './scenarios.mjs';

const LATE_WORK_MS = 300; // rows that wait to be sent together, and what else follows an answer, belong to its price
const SLACK_BYTES = 64; // answers of one kind differ in length by numbers and identifiers only

/** How long things take. A paced stream is measured by whole streams, so its rounds are bounded by number. */
export function effort({ quick }) {
  return {
    rounds: quick ? 3 : 7,
    seconds: quick ? 1 : 3,
    warmUpSeconds: quick ? 1 : 3,
    connections: 16,
    pacedConnections: 64,
    pacedEach: events => Math.max(1, Math.round((quick ? 80 : 160) / events)),
    pacedRounds: quick ? 1 : 3,
    firstBytes: ({ events = 1, paced }) => Math.round((paced ? 40 : 300 / (1 + events / 100)) / (quick ? 2 : 1)),
  };
}

/** One whole answer from each target. Gives the number of bytes that every later answer must have at least. */
export async function check(target, scenario) {
  const body = requestBody(scenario);
  const answer = await whole({ ...reach(target, scenario), body }).catch(error => {
    throw new Problem(`${target.name}, ${scenario.title}: ${error.message}\n${target.log.text().slice(-2000)}`);
  });
  const fault = faults(scenario, answer, body.length);
  if (fault) throw new Problem(`${target.name}, ${scenario.title}: the answer is wrong, so there is nothing to measure: ${fault}\n${target.log.text().slice(-2000)}`);
  return { leastBytes: answer.bytes - SLACK_BYTES, headers: answer.headers };
}

/** One turn of one target under load. */
async function turn(target, scenario, plan, { least, ours, seconds = plan.seconds, each = plan.pacedEach(scenario.events) }) {
  const bounds = scenario.paced
    ? { connections: plan.pacedConnections, each, overMs: scenario.events * PACE_MS / 4 }
    : { connections: plan.connections, seconds };
  target.log.clear();
  const before = { cpu: cpuSeconds(target.pid), ours: total(ours), busy: busySeconds(), at: performance.now() };
  const done = await load({ ...reach(target, scenario), body: requestBody(scenario), ...bounds, leastBytes: least, ending: scenario.events ? 'data: [DONE]' : '}' });
  await sleep(LATE_WORK_MS);
  const machineSeconds = (performance.now() - before.at) / 1000;
  const others = busySeconds() - before.busy - (total(ours) - before.ours);
  return {
    cpuMs: (cpuSeconds(target.pid) - before.cpu) * 1000 / done.requests,
    perSecond: done.requests / done.seconds,
    requests: done.requests,
    logLines: target.log.text().split('\n').length - 1,
    othersCores: Math.max(0, others / machineSeconds),
  };
}

/** Where a target is and, where callers of it have to prove who they are, as whom each of them comes. */
const reach = ({ port, credential }, scenario) => ({ port, credential: credential && (() => credential(scenario)) });

const total = pids => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);

/** `targets`: the bare Worker and the gateway, or the gateway without and with what is measured, in this order; `ours`: all processes of the bench. Gives one result per scenario. */
export async function measure(targets, scenarios, plan, ours) {
  const results = [];
  for (const scenario of scenarios) {
    const least = new Map();
    for (const target of targets) least.set(target, (await check(target, scenario)).leastBytes);
    results.push({ scenario, least, turns: targets.map(() => []), firstByteMs: targets.map(() => []) });
  }
  note('answers checked; warming up');
  for (const { scenario, least } of results) {
    if (scenario.paced && results.length > 1) continue; // the same code as in the other streams, and long
    for (const target of targets) await turn(target, scenario, plan, { least: least.get(target), ours, seconds: plan.warmUpSeconds, each: 1 });
  }
  for (let round = 0; round < plan.rounds; round++) {
    note(`round ${round + 1} of ${plan.rounds}`);
    // Every second round the other way round: whoever comes second finds another machine than who comes first.
    const order = [...targets.entries()].sort(([a], [b]) => (round % 2 ? b - a : a - b));
    for (const { scenario, least, turns } of results) {
      if (scenario.paced && round >= plan.pacedRounds) continue;
      for (const [at, target] of order) turns[at].push(await turn(target, scenario, plan, { least: least.get(target), ours }));
    }
  }
  note('times to the first byte, one connection');
  for (const result of results) {
    const { scenario } = result;
    // Of a paced stream only the start is waited for.
    const ask = { body: requestBody(scenario), count: plan.firstBytes(scenario), leave: Boolean(scenario.paced) };
    result.firstByteMs = await firstBytes(targets.map(target => reach(target, scenario)), ask);
  }
  return results;
}
