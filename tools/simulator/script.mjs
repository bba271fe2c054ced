// The simulator's own answers: plausible, dependent on the prompt, and the same every time for the same prompt.
// Dialects turn their request into `ask` and the answer below into their own shapes.
//
//   ask:    {prompt, system, turns, tools: [{name, schema, custom}], toolMode: 'auto'|'none'|'any'|{name}, toolResult, format: undefined
//            | 'json' | {schema}, maxTokens, stop: [], images, reasoning: boolean, parallel: boolean}
//   answer: {text, toolCalls: [{id, name, arguments | input}], reasoning, finish: 'stop'|'length'|'tool'|'filter', usage}
import { createHash } from 'node:crypto';
import { instanceOf } from './schema.mjs';

const TOPICS = [
  [/signal ?box/i, () => 'A signal box holds the levers that set points and signals. It lets one train at a time into each block, and it writes every passage in its register.'],
  [/capital of (\w+)/i, match => capital(match[1])],
  [/(-?\d+)\s*([-+*x×])\s*(-?\d+)/, match => `The result is ${arithmetic(Number(match[1]), match[2], Number(match[3]))}.`],
  [/haiku|poem|verse/i, () => 'Steel rails in the dusk,\na lever falls into place;\nthe night mail goes through.'],
  [/rust|python|javascript|function|code/i, () => 'Here is a small example:\n\n```rust\nfn add(a: u64, b: u64) -> Option<u64> {\n    a.checked_add(b)\n}\n```\n\nIt returns `None` where the sum does not fit.'],
  [/summar/i, (_, ask) => `In short: ${firstWords(ask.prompt.replace(/^.*?summar\w*[:\s]*/is, ''), 18)}.`],
  [/translate/i, () => 'Le train de nuit est à l’heure – bonne soirée à tous ! 🚂'],
  [/weather/i, () => 'It is 21 degrees and partly cloudy, with a light wind from the west.'],
  [/emoji|unicode/i, () => 'Signals: 🔴 stop, 🟡 caution, 🟢 clear. In words: höchste Vorsicht, 列車, поезд.'],
];
const CAPITALS = { france: 'Paris', germany: 'Berlin', japan: 'Tokyo', italy: 'Rome', spain: 'Madrid', portugal: 'Lisbon', norway: 'Oslo' };

/** One token is taken as four characters: near enough for usage that looks real. */
export const countTokens = text => Math.max(1, Math.ceil(text.length / 4));

/** The answer to a request. `given` (from a behaviour) replaces any part of it. */
export function compose(ask, given = {}, cache) {
  const answer = { text: '', toolCalls: [], reasoning: '', finish: 'stop', ...scripted(ask), ...given };
  answer.toolCalls = answer.toolCalls.map((call, index) => ({ id: callId(ask, index), ...('input' in call ? {} : { arguments: {} }), ...call }));
  if (answer.toolCalls.length && !given.finish) answer.finish = 'tool';
  if (!('text' in given)) shorten(ask, answer);
  answer.usage = { ...usageOf(ask, answer, cache), ...given.usage };
  return answer;
}

/** The pieces in which a stream brings the text: about a token each, never cutting a character. */
export function pieces(text, count) {
  const words = text.match(/\s*\S{1,8}|\s+$/gu) ?? [];
  if (!count || count >= words.length) return words;
  const size = Math.ceil(words.length / count);
  return Array.from({ length: Math.ceil(words.length / size) }, (_, i) => words.slice(i * size, (i + 1) * size).join(''));
}

function scripted(ask) {
  const reasoning = ask.reasoning ? `The question is about “${firstWords(ask.prompt, 8)}”. A short, direct answer is best.` : '';
  const called = callsFor(ask);
  if (called.length) return { toolCalls: called, reasoning };
  if (ask.format === 'json') return { text: JSON.stringify({ answer: plain(ask) }), reasoning };
  if (ask.format?.schema) return { text: JSON.stringify(instanceOf(ask.format.schema, ask.prompt)), reasoning };
  return { text: plain(ask), reasoning };
}

function plain(ask) {
  if (ask.toolResult !== undefined) return `According to the tool: ${firstWords(ask.toolResult, 30)}`;
  if (ask.images) return `The picture${ask.images > 1 ? 's show' : ' shows'} a signal box beside a double-track line.`;
  for (const [pattern, reply] of TOPICS) {
    const match = pattern.exec(ask.prompt);
    if (match) return reply(match, ask);
  }
  return `You asked: “${firstWords(ask.prompt, 12)}”. This is a simulated answer: the gateway is real, the model is not. It has a few sentences, so that a stream takes more than one step. Ask about signal boxes, a capital, a sum, code or a haiku for something else.`;
}

function callsFor(ask) {
  if (!ask.tools.length || ask.toolMode === 'none') return [];
  if (typeof ask.toolMode === 'object') return ask.tools.filter(tool => tool.name === ask.toolMode.name).map(tool => call(tool, ask.prompt));
  if (ask.toolResult !== undefined && ask.toolMode !== 'any') return [];
  const places = ask.parallel ? ask.prompt.match(/\b[A-Z][a-z]{3,}\b(?= and \b[A-Z])|(?<= and )[A-Z][a-z]{3,}\b/g) : null;
  if (places?.length > 1) return places.slice(0, 4).map(place => call(ask.tools[0], place));
  return [call(ask.tools[0], ask.prompt)];
}

/** OpenAI's custom tools take any text. */
const call = (tool, prompt) => ({ name: tool.name, ...(tool.custom ? { input: `run ${prompt}\n` } : { arguments: instanceOf(tool.schema ?? {}, prompt) }) });
const callId = (ask, index) => `call_${digest(`${ask.prompt}${index}`).slice(0, 24)}`;

/** Applies the caller's stop sequences and output bound. */
function shorten(ask, answer) {
  for (const stop of ask.stop ?? []) {
    const at = answer.text.indexOf(stop);
    if (at >= 0) Object.assign(answer, { text: answer.text.slice(0, at), stoppedBy: stop });
  }
  const room = ask.maxTokens === undefined ? Infinity : ask.maxTokens;
  if (answer.finish === 'stop' && countTokens(answer.text) > room) {
    Object.assign(answer, { text: [...answer.text].slice(0, room * 4).join(''), finish: 'length', stoppedBy: undefined });
  }
}

/** Token counts; a prefix of at least 1,024 tokens that was seen before counts as cached, as with providers' implicit caches. */
function usageOf(ask, answer, cache) {
  const input = countTokens(ask.turns);
  const written = answer.text + answer.toolCalls.map(entry => entry.name + (entry.input ?? JSON.stringify(entry.arguments))).join('');
  const reasoning = answer.reasoning ? countTokens(answer.reasoning) + 24 : 0;
  return { input, cached: cache?.lookup(ask) ?? 0, cacheWrite: 0, reasoning, output: (written ? countTokens(written) : 1) + reasoning };
}

/** Remembers prompt prefixes in blocks of 128 tokens. */
export class PromptCache {
  #seen = new Set();

  lookup(ask) {
    const block = 128 * 4;
    let hit = 0;
    for (let end = 8 * block; end <= ask.turns.length; end += block) {
      const key = digest(ask.turns.slice(0, end));
      if (this.#seen.has(key)) hit = end / 4;
      this.#seen.add(key);
    }
    return hit;
  }
}

export const digest = text => createHash('sha256').update(text).digest('hex');

function firstWords(text, count) {
  const words = text.trim().split(/\s+/);
  return words.slice(0, count).join(' ') + (words.length > count ? ' …' : '');
}

function capital(country) {
  const found = CAPITALS[country.toLowerCase()];
  return found ? `The capital of ${country} is ${found}.` : `I don't know the capital of ${country}.`;
}

function arithmetic(a, sign, b) {
  if (sign === '+') return a + b;
  return sign === '-' ? a - b : a * b;
}
