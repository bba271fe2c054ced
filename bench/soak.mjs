// npm run soak: many slow streams at once for minutes, a fifth of them with a fault. Prints what became of them, whether the
// ledger knows every attempt that the providers saw, and how the memory of the gateway's process went. With --control the same
// callers go through a Worker that only passes on: what its process grows by is the runtime's.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { build } from '../scripts/build.mjs';
import { buildDir } from '../scripts/lib/paths.mjs';
import { stopAll } from '../scripts/lib/proc.mjs';
import { elapsed, main, note, step } from '../scripts/lib/say.mjs';
import { setup } from '../scripts/setup.mjs';
import { startSimulator } from '../tools/simulator/server.mjs';
import { residentMb } from './procfs.mjs';
import { startBare, startGateway, workerSettings } from './workerd.mjs';

const USAGE = 'usage: npm run soak -- [--minutes N] [--streams N] [--seed N] [--heap-mb N] [--build FOLDER | --control]';
const SAMPLE_MS = 2_000;
// Cloudflare ends an isolate at 128 MB; left alone, workerd lets garbage gather by the size of the machine.
const HEAP_MB = '48';
const STUCK_MS = 60_000; // longer than any request's total time in this configuration
const TEXT = Array.from({ length: 40 }, (_, at) => `word${at}`).join(' ');

// How often, what the upstream does, and what the caller may see of it.
const FAULTS = [
  { fault: 'status-503', sees: ['complete'] },
  { fault: 'status-429;retry-after=30', sees: ['complete'] },
  { fault: 'reset', sees: ['complete'] },
  { fault: 'cut;events=20', sees: ['complete', 'broken'] },
  { fault: 'cut;bytes=700', sees: ['complete', 'broken', 'transport'] },
  { fault: 'error-event;at=12', sees: ['complete', 'broken'] },
  { fault: 'stall;events=15', sees: ['complete', 'broken'] },
  { fault: 'no-terminator', sees: ['complete', 'broken'] },
  { leave: true, sees: ['left'] },
];

const CALLERS = [
  {
    path: '/v1/chat/completions', body: { stream: true, stream_options: { include_usage: true } },
    textOf: item => item.choices?.[0]?.delta?.content ?? '', complete: raw => /data: \[DONE\]\s*$/.test(raw), broken: items => Boolean(items.at(-1)?.error),
  },
  {
    path: '/v1/messages', body: { stream: true, max_tokens: 1000 },
    textOf: item => item.delta?.text ?? '', complete: raw => /"type":\s*"message_stop"/.test(raw), broken: items => items.at(-1)?.type === 'error',
  },
];
const PROVIDERS = { openai: 'openai-chat', anthropic: 'anthropic-messages', gemini: 'gemini' };

await main(async () => {
  const { values } = parseArgs({ options: { minutes: { type: 'string', default: '3' }, streams: { type: 'string', default: '200' }, seed: { type: 'string', default: '1' }, 'heap-mb': { type: 'string', default: HEAP_MB }, build: { type: 'string' }, control: { type: 'boolean' }, help: { type: 'boolean' } } });
  if (values.help) return console.log(USAGE);
  await setup();
  if (!values.build && !values.control) await build();
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-soak-'));
  const sim = await startSimulator();
  try {
    return await soak({ sim, folder, from: values.control ? null : (values.build ?? buildDir), minutes: Number(values.minutes), streams: Number(values.streams), heapMb: Number(values['heap-mb']), random: generator(Number(values.seed)) });
  } finally {
    await stopAll(2000);
    await sim.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  }
});
process.exit();

async function soak({ sim, folder, from, minutes, streams, heapMb, random }) {
  step(`${streams} callers for ${minutes} minutes, a fault in every fifth request`);
  mkdirSync(join(folder, 'gateway'), { recursive: true });
  const attempts = { total_ms: 40_000, max_attempts: 4, idle_ms: { normal: 4_000, reasoning: 4_000, high_effort: 4_000 } };
  const providers = Object.fromEntries(Object.entries(PROVIDERS).map(([name, kind]) => [name, { kind, base_url: sim.baseUrl(name), api_key: 'soak', breaker: { enabled: false } }]));
  const config = { identity: { mode: 'none' }, policies: { balanced: { attempts } }, providers };
  const settings = await workerSettings();
  const v8Flags = [`--max-old-space-size=${heapMb}`, '--max-semi-space-size=4'];
  const gateway = from
    ? await startGateway({ folder: join(folder, 'gateway'), buildDir: from, settings, config, v8Flags })
    : await startBare({ folder: join(folder, 'bare'), settings, upstream: sim.baseUrl('openai'), v8Flags });

  const slow = { answer: { text: TEXT, pieces: 40 }, delays: { between: 150 } };
  sim.behave('sound', slow);
  FAULTS.forEach(({ fault }, at) => fault && sim.behave(`faulty${at}`, { fault, ...slow }));

  const seen = new Map();
  const odd = [];
  const memory = [];
  const until = Date.now() + minutes * 60_000;
  const agent = new Agent({ keepAlive: true, maxSockets: Infinity });
  let requests = 0;
  const caller = async at => {
    await sleep((at / streams) * 6_000); // not all on one beat
    while (Date.now() < until) {
      const names = Object.keys(PROVIDERS);
      const provider = names[Math.floor(random() * names.length)];
      const shape = from ? CALLERS[Math.floor(random() * CALLERS.length)] : CALLERS[0];
      const which = random() < 0.2 ? Math.floor(random() * FAULTS.length) : undefined;
      const { leave, sees = ['complete'], fault } = FAULTS[which] ?? {};
      const model = `${from ? `${provider}/` : ''}${fault ? `faulty${which}` : 'sound'}`;
      requests++;
      const outcome = await once({ agent, port: gateway.port, shape, model, leave });
      const key = `${leave ? 'caller leaves' : (fault ?? 'no fault')} → ${outcome.how}`;
      seen.set(key, (seen.get(key) ?? 0) + 1);
      if (from && !sees.includes(outcome.how)) odd.push(`${shape.path} ${model}: ${outcome.how} ${outcome.detail ?? ''}`);
    }
  };
  const sampling = setInterval(() => memory.push(residentMb(gateway.pid)), SAMPLE_MS);
  await Promise.all(Array.from({ length: streams }, (_, at) => caller(at)));
  clearInterval(sampling);
  agent.destroy();

  const upstream = sim.log.all().length;
  const books = from ? await settled(gateway.port, upstream) : { attempts: upstream, open: 0 };
  const third = Math.ceil(memory.length / 3);
  const mean = list => Math.round(list.reduce((sum, one) => sum + one, 0) / Math.max(list.length, 1));
  console.log([...seen].sort().map(([what, times]) => `  ${String(times).padStart(6)}  ${what}`).join('\n'));
  console.log(`requests ${requests}, not as expected ${odd.length}`);
  odd.slice(0, 10).forEach(line => console.log(`  ! ${line}`));
  if (from) console.log(`attempts: ${upstream} seen by the providers, ${books.attempts} in the ledger, ${books.open} of them open`);
  console.log(`memory every ten seconds, MB: ${memory.filter((_, at) => at % (10_000 / SAMPLE_MS) === 0).join(' ')}`);
  console.log(`memory of the gateway's process: ${mean(memory.slice(third, 2 * third))} MB in the second third, ${mean(memory.slice(2 * third))} MB in the last, ${Math.max(...memory)} MB at most`);
  note(`done (${elapsed()})`);
  return odd.length || books.attempts !== upstream || books.open ? 1 : 0;
}

/** One request to its end: complete, broken (typed), transport, left, a status, or stuck. */
function once({ agent, port, shape, model, leave }) {
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'Tell me forty words.' }], ...shape.body });
  // What fails before its first content is made good by another model.
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), 'x-signalbox-models': 'openai/sound', 'anthropic-version': '2023-06-01' };
  return new Promise(resolve => {
    let raw = '';
    const timer = setTimeout(() => end('stuck'), STUCK_MS);
    const end = (how, detail) => {
      clearTimeout(timer);
      resolve({ how, detail });
      if (how === 'left' || how === 'stuck') req.destroy();
    };
    const req = request({ agent, host: '127.0.0.1', port, path: shape.path, method: 'POST', headers }, res => {
      res.setEncoding('utf8');
      res.on('data', piece => {
        raw += piece;
        if (leave && raw.includes('word10')) end('left');
      });
      res.on('error', () => end(TEXT.startsWith(textOf(raw, shape)) ? 'transport' : 'garbled', raw.slice(-200)));
      res.on('end', () => end(...judged(res.statusCode, raw, shape)));
    });
    req.on('error', error => end('transport', error.message));
    req.end(body);
  });
}

function judged(status, raw, shape) {
  if (status !== 200) return [`status ${status}`, raw.slice(0, 200)];
  const text = textOf(raw, shape);
  if (shape.complete(raw)) return text === TEXT ? ['complete'] : ['wrong', `${text.length} of ${TEXT.length} characters: …${text.slice(-60)}`];
  const broken = shape.broken(itemsOf(raw));
  return broken && TEXT.startsWith(text) ? ['broken'] : ['garbled', raw.slice(-300)];
}

function itemsOf(raw) {
  return [...raw.matchAll(/^data: (\{.*\})$/gm)].flatMap(([, json]) => {
    try {
      return [JSON.parse(json)];
    } catch {
      return [];
    }
  });
}

function textOf(raw, shape) {
  return itemsOf(raw).map(shape.textOf).join('');
}

/** The ledger once it knows as many attempts and none is open, or what it says after a while. */
async function settled(port, attempts) {
  let books;
  for (let tries = 0; tries < 60; tries++) {
    books = (await (await fetch(`http://127.0.0.1:${port}/v1/usage`)).json()).totals;
    if (books.attempts === attempts && !books.open) break;
    await sleep(500);
  }
  return books;
}

/** A small seeded generator (mulberry32): the same run again under the same seed, as far as timing lets it. */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
