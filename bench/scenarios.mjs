// What is measured, the requests for it, and what a whole answer to each of them looks like.
//
// The upstream learns from a marker in the first message what to answer, because headers do not pass the gateway. The model is
// one of the compiled-in catalogue, so that the gateway prices every answer, as it would in earnest.
import { Problem } from '../scripts/lib/say.mjs';
import { IDENTITY } from './identity.mjs';
import { answerText, deltaText } from './wire.mjs';

export const PATH = '/v1/chat/completions';
const MODEL = 'openai/gpt-5-mini';
const PROMPT_BYTES = 64 * 1024;

/** `aim`: the CPU of the gateway at most, as a multiple of the bare Worker's. What has none is to be seen beside. */
export const SCENARIOS = [
  { name: 'json', title: 'JSON, small', aim: 2 },
  { name: 'json-64k', title: 'JSON, 64 kB prompt', prompt: PROMPT_BYTES, aim: 1.4 },
  { name: 'json-auto', title: 'JSON, model chosen', model: 'auto' },
  { name: 'stream-20', title: 'stream, 20 events', events: 20, aim: 2.6 },
  { name: 'stream-500', title: 'stream, 500 events', events: 500, aim: 1.6 },
  { name: 'stream-20-paced', title: '20 events, paced', events: 20, paced: true },
  { name: 'stream-500-paced', title: '500 events, paced', events: 500, paced: true },
];

export const PACE_MS = 20;
export const WASM_AIM_BYTES = 1_000_000;

export function chosen(names) {
  const all = [...SCENARIOS, ...IDENTITY];
  const unknown = names.filter(name => !all.some(scenario => scenario.name === name));
  if (unknown.length) throw new Problem(`--only ${unknown[0]}: there are ${all.map(scenario => scenario.name).join(', ')}`);
  return all.filter(scenario => !names.length || names.includes(scenario.name));
}

/** The request as it goes out. Streams ask for usage, as callers who watch their spending do. */
export function requestBody({ events, paced, prompt, model = MODEL }) {
  const marker = events ? `bench-${events}${paced ? '-paced' : ''}` : 'bench-json';
  return Buffer.from(JSON.stringify({
    model,
    messages: [
      { role: 'system', content: `${marker}. You are a signaller who answers in one paragraph.` },
      { role: 'user', content: prompt ? longPrompt(prompt) : 'What does a signal box do, and what is its register for?' },
    ],
    max_completion_tokens: 1024,
    ...(events ? { stream: true, stream_options: { include_usage: true } } : {}),
  }));
}

/** Text with the quotes, line ends and letters beyond ASCII that pasted documents have. */
function longPrompt(bytes) {
  const line = 'Train 4711 passed signal "B 12" at 08:15, running 3 min late – see § 7 of the rule book.\n';
  return line.repeat(Math.ceil(bytes / Buffer.byteLength(line)));
}

/** Problems of an answer read to its end: everything that the upstream said has to be there, once and in order. */
export function faults(scenario, { status, type, text }, sent) {
  if (status !== 200) return `status ${status}: ${text.slice(0, 500)}`;
  try {
    return scenario.events ? faultsOfStream(scenario, type, text) : faultsOfAnswer(text, sent);
  } catch (error) {
    return `${error.message} in ${text.slice(-500)}`;
  }
}

function faultsOfAnswer(text, sent) {
  const answer = JSON.parse(text);
  if (answer.choices?.[0]?.message?.content !== answerText()) return `another content: ${text.slice(0, 500)}`;
  // The upstream counts one token for four bytes of the request, so this says whether the whole prompt arrived.
  if (!(answer.usage?.prompt_tokens * 4 > sent * 0.95)) return `only ${answer.usage?.prompt_tokens} prompt tokens of ${sent} bytes`;
}

function faultsOfStream({ events }, type, text) {
  if (!type?.startsWith('text/event-stream')) return `content-type ${type}`;
  const data = text.split('\n\n').filter(block => block.startsWith('data: ')).map(block => block.slice(6));
  if (data.pop() !== '[DONE]') return `no [DONE] at the end: ${text.slice(-300)}`;
  const chunks = data.map(item => JSON.parse(item));
  const deltas = chunks.map(chunk => chunk.choices[0]?.delta?.content).filter(Boolean);
  const wanted = deltaText(events);
  if (deltas.join('\n') !== wanted.join('\n')) return `${deltas.length} of ${wanted.length} pieces of content, or others`;
  if (!chunks.some(chunk => chunk.choices[0]?.finish_reason === 'stop')) return 'no finish_reason';
  if (!chunks.at(-1)?.usage?.completion_tokens) return 'no usage at the end';
}
