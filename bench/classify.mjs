// node bench/classify.mjs: CPU time of telling the task of a 32 kB prompt, in workerd. The same bytes go in twice: as the user's
// turn, which is read as words, and as a system prompt, which is only counted. The difference is what reading costs.
import { readdirSync, readFileSync } from 'node:fs';
import { startHarness } from '../tests/e2e/harness.mjs';
import { cpuSeconds } from './procfs.mjs';

const ROUNDS = 6;
const REQUESTS = 150;
const text = 'Please explain how the council decided about the bridge and what happens to the 14 shops next. '.repeat(400).slice(0, 32 * 1024);
const short = { role: 'user', content: 'hi' };
const bodies = {
  'as the user turn': { model: 'openai/gpt-5-mini', messages: [{ role: 'user', content: text }] },
  'as a system prompt': { model: 'openai/gpt-5-mini', messages: [{ role: 'system', content: text }, short] },
};

const gateway = await startHarness();
const runtimes = readdirSync('/proc').filter(pid => /^\d+$/.test(pid)).filter(isOurs).map(Number);
const busy = () => runtimes.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
const best = {};
for (let round = 0; round < ROUNDS; round += 1) {
  for (const [name, body] of Object.entries(bodies)) {
    const before = busy();
    for (let at = 0; at < REQUESTS; at += 1) await (await gateway.call('/v1/route', body)).arrayBuffer();
    const ms = ((busy() - before) * 1000) / REQUESTS;
    if (round > 0) best[name] = Math.min(best[name] ?? Infinity, ms); // the first round warms up
  }
}
await gateway.close();
for (const [name, ms] of Object.entries(best)) console.log(`32 kB ${name}: ${ms.toFixed(2)} ms CPU per POST /v1/route`);
console.log(`reading it as words: ${(best['as the user turn'] - best['as a system prompt']).toFixed(2)} ms`);
process.exit();

function isOurs(pid) {
  try {
    const [, command, parent] = /^\d+ \((.*)\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    return command === 'workerd' && Number(parent) === process.pid;
  } catch {
    return false; // it has ended meanwhile
  }
}
