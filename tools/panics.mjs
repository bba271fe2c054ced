// What a panic in one request does to the streams beside it (docs/adr/0018). Needs a Worker built with the cargo feature
// `inject-panic`, in the folder that is given: there, and only there, a request to /__panic panics.
//
//   node tools/panics.mjs [FOLDER]
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startHarness } from '../tests/e2e/harness.mjs';
import { send } from '../tests/e2e/wire.mjs';

const folder = resolve(process.argv[2] ?? 'build');
const PATIENCE_MS = 10_000;
const gateway = await startHarness({ entry: join(folder, 'index.js') });
gateway.sim.behave('*', { answer: { text: Array.from({ length: 60 }, (_, at) => ` word${at}`).join(''), pieces: 60 }, delays: { between: 50 } });

const messages = [{ role: 'user', content: 'hi' }];
const chat = (body, headers) => send(`${gateway.url}/v1/chat/completions`, { body: { model: 'openai/gpt-5-mini', messages, stream: true, ...body }, headers });
const streams = {
  'pumped stream': await send(`${gateway.url}/v1/messages`, { body: { model: 'anthropic/claude-sonnet-4-6', max_tokens: 500, messages, stream: true } }),
  'stream of whole events': await chat({}),
  'translated stream': await chat({ model: 'anthropic/claude-sonnet-4-6' }),
  'resumable stream': await chat({}, { 'x-signalbox-resumable': 'true' }),
};
const id = streams['resumable stream'].headers['x-signalbox-stream-id'];
streams['another reader of that one'] = await send(`${gateway.url}/v1/streams/${id}`, { method: 'GET' });
const waiting = chat({ stream: false }).then(answer => answer.text());
for (const stream of Object.values(streams)) await stream.next();

const began = performance.now();
const seconds = () => `${((performance.now() - began) / 1000).toFixed(1)} s`;
const bounded = promise => Promise.race([promise, sleep(PATIENCE_MS).then(() => `nothing within ${PATIENCE_MS / 1000} s`)]);
const told = text => (/word59/.test(text) ? 'complete' : /"error"/.test(text) ? `typed error after ${text.match(/word\d+/g)?.at(-1)}` : `truncated after ${text.match(/word\d+/g)?.at(-1)}`);
const outcome = promise => bounded(promise.then(bytes => `${told(String(bytes))} (${seconds()})`, error => `broken: ${error.message} (${seconds()})`));
const panic = send(`${gateway.url}/__panic`, { method: 'GET' }).then(async answer => `${answer.status} ${(await answer.text()).slice(0, 80)}`);
const rests = Object.entries(streams).map(async ([name, stream]) => [name, await outcome(stream.rest())]);
const lines = [['the request that panics', await bounded(panic)], ...(await Promise.all(rests)), ['whole answer under way', await outcome(waiting)]];
lines.push(['next request', await outcome(chat({ stream: false }).then(answer => answer.text()))]);
lines.push(['the resumable stream, resumed', await outcome(send(`${gateway.url}/v1/streams/${id}`, { method: 'GET' }).then(answer => answer.text()))]);
const usage = await bounded(gateway.call('/v1/usage').then(async answer => JSON.stringify((await answer.json()).totals)));
for (const [what, came] of lines) console.log(`${what.padEnd(32)} ${came}`);
console.log(`ledger: ${usage}`);
process.exit(0);
