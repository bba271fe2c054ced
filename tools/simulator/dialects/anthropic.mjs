// Anthropic Messages, with count_tokens.
import { compose, countTokens, pieces } from '../script.mjs';
import { imagesIn, json, namedEvent, stream, textOf, unknownMember, words } from './common.mjs';

const KNOWN = words(`max_tokens messages model cache_control container diagnostics inference_geo metadata output_config service_tier speed
  stop_sequences stream system temperature thinking tool_choice tools top_k top_p user_profile_id workspace_id
  billing_policy compaction context_management fallback_credit_token fallbacks mcp_servers output_format thread`);
const FINISH = { stop: 'end_turn', length: 'max_tokens', tool: 'tool_use', filter: 'refusal' };
const TYPES = { 400: 'invalid_request_error', 401: 'authentication_error', 402: 'billing_error', 403: 'permission_error', 404: 'not_found_error', 413: 'request_too_large', 429: 'rate_limit_error', 504: 'timeout_error', 529: 'overloaded_error' };

export const anthropic = {
  name: 'anthropic-messages',

  match: (method, path) => (method === 'POST' && /^\/v1\/messages(\/count_tokens)?$/.test(path) ? { count: path.endsWith('count_tokens') } : undefined),

  read: body => ({ model: body.model, stream: body.stream === true }),

  error: (status, { message = 'The simulator was told to fail.', type = TYPES[status] ?? 'api_error', details } = {}) =>
    json(status, { type: 'error', error: { type, message, details }, request_id: 'req_simulated' }, { 'request-id': 'req_simulated' }),

  errorEvent: status => namedEvent('end', { type: 'error', error: { type: TYPES[status] ?? 'overloaded_error', message: 'Overloaded' } }),

  validate(body, { headers, match }) {
    const refuse = message => this.error(400, { message });
    if (!headers['x-api-key'] && !/^Bearer \S/.test(headers.authorization ?? '')) return this.error(401, { message: 'x-api-key header is required' });
    if (!headers['anthropic-version']) return refuse('anthropic-version: header is required');
    if (typeof body.model !== 'string' || !body.model) return refuse('model: Field required');
    if (!Array.isArray(body.messages)) return refuse('messages: Field required');
    if (!body.messages.length) return refuse('messages: at least one message is required');
    if (!match.count && !Number.isInteger(body.max_tokens)) return refuse('max_tokens: Field required');
    const unknown = unknownMember(body, KNOWN);
    if (unknown) return refuse(`${unknown}: Extra inputs are not permitted`);
    // Threads do not go together with thinking: `ThreadUnsupportedFeatureName` of the official SDK.
    if (body.thread && body.thinking) {
      return this.error(400, { message: 'thread: not supported with thinking', details: { error_code: 'thread_unsupported_request', unsupported: ['thinking'] } });
    }
    if (body.messages[0].role !== 'user') return refuse('messages: first message must use the "user" role');
    if (body.messages.some(message => Array.isArray(message.content) && message.content.some(block => block.type === 'text' && !block.text))) {
      return refuse('messages: text content blocks must be non-empty');
    }
    return undefined;
  },

  answer(body, { given, cache, id, match }) {
    const ask = asked(body);
    const headers = { 'request-id': `req_${id}`, 'anthropic-ratelimit-requests-limit': '4000', 'anthropic-ratelimit-requests-remaining': '3999' };
    if (match.count) return json(200, { input_tokens: countTokens(ask.turns) }, headers);
    const answer = compose(ask, given, cache);
    const usage = usageOf(body, answer);
    const message = {
      id: `msg_${id}`, type: 'message', role: 'assistant', model: given.model ?? body.model, content: blocks(answer),
      stop_reason: answer.stoppedBy ? 'stop_sequence' : FINISH[answer.finish] ?? answer.finish, stop_sequence: answer.stoppedBy ?? null, usage,
    };
    return body.stream ? stream([...events(message, given.pieces)], headers) : json(200, message, headers);
  },
};

function asked(body) {
  const last = body.messages.at(-1);
  const results = Array.isArray(last.content) ? last.content.filter(block => block.type === 'tool_result') : [];
  const schema = body.output_config?.format?.schema ?? body.output_format?.schema;
  const choice = body.tool_choice;
  return {
    prompt: textOf(body.messages.findLast(message => message.role === 'user' && textOf(message.content))?.content ?? last.content),
    turns: JSON.stringify(body.system ?? '') + JSON.stringify(body.tools ?? '') + JSON.stringify(body.messages),
    tools: (body.tools ?? []).filter(tool => tool.input_schema).map(tool => ({ name: tool.name, schema: tool.input_schema })),
    toolMode: choice?.type === 'tool' ? { name: choice.name } : choice?.type ?? 'auto',
    toolResult: results.length ? results.map(block => textOf(block.content)).join(' ') : undefined,
    format: schema ? { schema } : undefined,
    maxTokens: body.max_tokens,
    stop: body.stop_sequences ?? [],
    images: imagesIn(last.content),
    reasoning: body.thinking?.type === 'enabled' || body.thinking?.type === 'adaptive',
    parallel: choice?.disable_parallel_tool_use !== true,
  };
}

function blocks(answer) {
  const content = [];
  if (answer.reasoning) content.push({ type: 'thinking', thinking: answer.reasoning, signature: Buffer.from(`signed:${answer.reasoning}`).toString('base64') });
  if (answer.text) content.push({ type: 'text', text: answer.text });
  for (const call of answer.toolCalls) content.push({ type: 'tool_use', id: call.id.replace('call_', 'toolu_'), name: call.name, input: call.arguments });
  return content;
}

/** Anthropic counts cached tokens beside the input, and caches only where the request marks a breakpoint. */
function usageOf(body, { usage }) {
  const marked = JSON.stringify(body).includes('"cache_control"');
  const read = marked ? usage.cached : 0;
  const written = marked && !read && usage.input >= 1024 ? Math.floor(usage.input / 128) * 128 : usage.cacheWrite;
  return {
    input_tokens: Math.max(usage.input - read - written, 1), cache_creation_input_tokens: written, cache_read_input_tokens: read,
    cache_creation: { ephemeral_5m_input_tokens: written, ephemeral_1h_input_tokens: 0 }, output_tokens: usage.output, service_tier: 'standard',
  };
}

function* events(message, count) {
  yield namedEvent('start', { type: 'message_start', message: { ...message, content: [], stop_reason: null, stop_sequence: null, usage: { ...message.usage, output_tokens: 1 } } });
  for (const [index, block] of message.content.entries()) {
    yield namedEvent('start', { type: 'content_block_start', index, content_block: emptied(block) });
    if (index === 0) yield namedEvent('other', { type: 'ping' });
    for (const delta of deltas(block, count)) yield namedEvent('content', { type: 'content_block_delta', index, delta });
    yield namedEvent('other', { type: 'content_block_stop', index });
  }
  const { stop_reason, stop_sequence, usage } = message;
  yield namedEvent('end', { type: 'message_delta', delta: { stop_reason, stop_sequence }, usage });
  yield namedEvent('terminator', { type: 'message_stop' });
}

function emptied(block) {
  if (block.type === 'text') return { ...block, text: '' };
  return block.type === 'thinking' ? { ...block, thinking: '', signature: '' } : { ...block, input: {} };
}

function* deltas(block, count) {
  if (block.type === 'text') for (const text of pieces(block.text, count)) yield { type: 'text_delta', text };
  if (block.type === 'thinking') {
    for (const thinking of pieces(block.thinking)) yield { type: 'thinking_delta', thinking };
    yield { type: 'signature_delta', signature: block.signature };
  }
  if (block.type === 'tool_use') {
    yield { type: 'input_json_delta', partial_json: '' };
    const text = typeof block.input === 'string' ? block.input : JSON.stringify(block.input);
    for (const partial_json of text.match(/.{1,12}/gsu) ?? []) yield { type: 'input_json_delta', partial_json };
  }
}
