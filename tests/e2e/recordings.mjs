// A small reader of answers in three dialects that shares nothing with the gateway: what was said, which functions were called,
// why it ended, what it used. It reads recorded provider bytes and what the official clients made of ours alike.
//
//   {text, calls: [{name, arguments}], stop: 'stop' | 'length' | 'tool' | 'filter' | undefined, usage: {input, cached, output}}
//
// Undefined `stop` is an answer that never ended. Input counts every prompt token, cached ones included.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { dataOf } from './wire.mjs';

/** The answer of a recorded case, or undefined where it recorded an error. */
export function recordedAnswer({ folder, meta, dialect }) {
  const text = readFileSync(join(folder, meta.response_file), 'utf8');
  const data = meta.framing === 'sse' ? dataOf(text) : [JSON.parse(text)];
  const items = data.filter(item => typeof item === 'object');
  if (meta.status !== 200 || items.some(item => item.error || item.type === 'error')) return undefined;
  if (dialect === 'anthropic-messages') return meta.framing === 'sse' ? readAnthropicEvents(items) : readAnthropic(items[0]);
  if (dialect === 'gemini') return readGemini(items);
  return meta.framing === 'sse' ? readOpenaiChunks(items, data.includes('[DONE]')) : readOpenai(items[0]);
}

export function readOpenai({ choices: [{ message = {}, finish_reason }], usage }) {
  const calls = (message.tool_calls ?? []).map(call => ({ name: call.function.name, arguments: parsed(call.function.arguments) }));
  const { refusal } = message;
  return { text: refusal ?? plain(message.content), calls, stop: refusal ? 'filter' : OPENAI[finish_reason], usage: openaiUsage(usage) };
}

/** `ended` says that the end marker was there, which some hosts send in place of a finish reason. */
export function readOpenaiChunks(chunks, ended = true) {
  const first = chunks.flatMap(chunk => chunk.choices ?? []).filter(choice => choice.index === 0);
  const calls = [];
  for (const piece of first.flatMap(choice => choice.delta?.tool_calls ?? [])) {
    const call = (calls[piece.index ?? 0] ??= { name: '', arguments: '' });
    call.name ||= piece.function?.name ?? '';
    call.arguments += piece.function?.arguments ?? '';
  }
  return {
    text: first.map(choice => plain(choice.delta?.content)).join(''),
    calls: calls.filter(Boolean).map(call => ({ ...call, arguments: parsed(call.arguments) })),
    stop: OPENAI[first.findLast(choice => choice.finish_reason)?.finish_reason ?? (ended ? 'stop' : undefined)],
    usage: openaiUsage(chunks.map(chunk => chunk.usage ?? chunk.x_groq?.usage).findLast(Boolean)),
  };
}

export function readAnthropic({ content, stop_reason, usage }) {
  return {
    text: content.filter(block => block.type === 'text').map(block => block.text).join(''),
    calls: content.filter(block => block.type === 'tool_use').map(block => ({ name: block.name, arguments: block.input })),
    stop: ANTHROPIC[stop_reason],
    usage: anthropicUsage(usage),
  };
}

export function readAnthropicEvents(events) {
  const blocks = [];
  const message = { usage: {} };
  for (const event of events) {
    if (event.type === 'message_start') Object.assign(message.usage, event.message.usage);
    if (event.type === 'content_block_start') blocks[event.index] = { ...event.content_block, json: '' };
    if (event.delta?.type === 'text_delta') blocks[event.index].text += event.delta.text;
    if (event.delta?.type === 'input_json_delta') blocks[event.index].json += event.delta.partial_json;
    if (event.type === 'message_delta') {
      message.stop_reason = event.delta.stop_reason;
      Object.assign(message.usage, event.usage); // counts are cumulative
    }
  }
  const ended = events.at(-1)?.type === 'message_stop';
  const content = blocks.map(({ json, ...block }) => (json ? { ...block, input: parsed(json) } : block));
  return readAnthropic({ ...message, content, stop_reason: ended ? message.stop_reason : undefined });
}

function readGemini(items) {
  const parts = items.flatMap(item => item.candidates?.[0]?.content?.parts ?? []);
  const calls = geminiCalls(parts.map(part => part.functionCall).filter(Boolean));
  const reason = items.map(item => item.candidates?.[0]?.finishReason).findLast(Boolean);
  const blocked = items.some(item => item.promptFeedback?.blockReason);
  const stop = blocked ? 'filter' : GEMINI[reason];
  return {
    text: parts.filter(part => part.text && !part.thought).map(part => part.text).join(''),
    calls,
    stop: stop === 'stop' && calls.length ? 'tool' : stop,
    usage: geminiUsage(items.findLast(item => item.usageMetadata)?.usageMetadata),
  };
}

/** Arguments come whole, or member by member at JSON paths until `willContinue` is no more. */
function geminiCalls(pieces) {
  const calls = [];
  let open;
  for (const { name, args, partialArgs = [], willContinue } of pieces) {
    if (open) for (const piece of partialArgs) place(open.arguments, piece);
    else {
      open = { name, arguments: args ?? {} };
      for (const piece of partialArgs) place(open.arguments, piece);
      calls.push(open);
    }
    if (!willContinue) open = undefined;
  }
  return calls;
}

function place(target, { jsonPath, stringValue, ...other }) {
  const steps = jsonPath.replace(/^\$\.?/, '').split(/[.[\]]+/).filter(Boolean);
  const last = steps.pop();
  const at = steps.reduce((object, step) => (object[step] ??= {}), target);
  const value = stringValue ?? other.numberValue ?? other.boolValue ?? null;
  at[last] = stringValue !== undefined && typeof at[last] === 'string' ? at[last] + stringValue : value;
}

const OPENAI = { stop: 'stop', length: 'length', tool_calls: 'tool', function_call: 'tool', content_filter: 'filter', model_length: 'length' };
const ANTHROPIC = { end_turn: 'stop', stop_sequence: 'stop', max_tokens: 'length', model_context_window_exceeded: 'length', tool_use: 'tool', refusal: 'filter' };
const GEMINI = { STOP: 'stop', MAX_TOKENS: 'length', SAFETY: 'filter', RECITATION: 'filter', BLOCKLIST: 'filter', PROHIBITED_CONTENT: 'filter', SPII: 'filter' };

function openaiUsage(usage) {
  if (!usage) return undefined;
  const cached = usage.prompt_tokens_details?.cached_tokens ?? usage.prompt_cache_hit_tokens ?? usage.num_cached_tokens ?? 0;
  return { input: usage.prompt_tokens, cached, output: usage.completion_tokens };
}

/** Where steps are listed, the totals leave out the compactions among them. */
function anthropicUsage({ iterations, ...usage }) {
  if (iterations?.length) return iterations.map(step => anthropicUsage(step)).reduce((a, b) => ({ input: a.input + b.input, cached: a.cached + b.cached, output: a.output + b.output }));
  const cached = usage.cache_read_input_tokens ?? 0;
  return { input: usage.input_tokens + cached + (usage.cache_creation_input_tokens ?? 0), cached, output: usage.output_tokens };
}

function geminiUsage(usage) {
  if (usage?.promptTokenCount === undefined) return undefined;
  const input = (usage.promptTokenCount ?? 0) + (usage.toolUsePromptTokenCount ?? 0);
  return { input, cached: usage.cachedContentTokenCount ?? 0, output: (usage.candidatesTokenCount ?? 0) + (usage.thoughtsTokenCount ?? 0) };
}

/** A list of parts (Mistral) or a text; thinking is no text. */
function plain(content) {
  return Array.isArray(content) ? content.filter(part => part.type === 'text').map(part => part.text).join('') : content ?? '';
}

/** Arguments as a value; what is no JSON stays text. */
function parsed(text) {
  if (text === '' || text === undefined) return {};
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
