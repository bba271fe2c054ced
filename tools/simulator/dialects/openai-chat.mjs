// OpenAI Chat Completions, as OpenAI and (under any other prefix) as OpenAI-compatible providers serve it.
import { compose, digest, pieces } from '../script.mjs';
import { event, imagesIn, json, stream, textOf, unknownMember, words } from './common.mjs';

const KNOWN = words(`messages model audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens
  metadata modalities moderation n parallel_tool_calls prediction presence_penalty prompt_cache_key prompt_cache_options
  prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier stop store stream stream_options
  temperature tool_choice tools top_logprobs top_p user verbosity web_search_options`);
const ROLES = words('system developer user assistant tool function');
const FINISH = { stop: 'stop', length: 'length', tool: 'tool_calls', filter: 'content_filter' };
const TYPES = { 400: 'invalid_request_error', 401: 'authentication_error', 403: 'permission_error', 404: 'invalid_request_error', 429: 'rate_limit_error', 503: 'service_unavailable_error' };
const CODES = { 401: 'invalid_api_key', 404: 'model_not_found', 429: 'rate_limit_exceeded', 503: 'server_is_overloaded' };

export const openaiChat = {
  name: 'openai-chat',

  match: (method, path) => (method === 'POST' && /^(\/v\d+|\/api\/v\d+)?\/chat\/completions$/.test(path) ? {} : undefined),

  read: body => ({ model: body.model, stream: body.stream === true }),

  error: (status, { message = 'The simulator was told to fail.', type = TYPES[status] ?? (status < 500 ? 'invalid_request_error' : 'server_error'), code = CODES[status] ?? null, param = null } = {}) =>
    json(status, { error: { message, type, param, code } }),

  errorEvent: status => event('end', { error: { message: 'The server had an error while processing your request.', type: TYPES[status] ?? 'server_error', param: null, code: CODES[status] ?? 'server_error' } }),

  validate(body, { headers, provider }) {
    const refuse = (message, param = null) => this.error(400, { message, param });
    if (!bearer(headers)) return this.error(401, { message: "You didn't provide an API key." });
    if (typeof body.model !== 'string' || !body.model) return refuse('you must provide a model parameter');
    if (!Array.isArray(body.messages)) return refuse("Missing required parameter: 'messages'.", 'messages');
    if (!body.messages.length) return refuse("Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.", 'messages');
    const stranger = body.messages.findIndex(message => !ROLES.has(message?.role));
    if (stranger >= 0) return refuse(`Invalid value: '${body.messages[stranger]?.role}'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'.`, `messages[${stranger}].role`);
    if (body.stream_options && body.stream !== true) return refuse("The 'stream_options' parameter is only allowed when 'stream' is enabled.", 'stream_options');
    if (provider === 'openai') {
      const unknown = unknownMember(body, KNOWN);
      if (unknown) return refuse(`Unrecognized request argument supplied: ${unknown}`);
      if (body.tools?.some(tool => tool.type === 'function') && /^gpt-5\.6/.test(body.model) && body.reasoning_effort !== 'none') {
        return refuse(`Function tools with reasoning_effort are not supported for ${body.model} in /v1/chat/completions. Please use /v1/responses instead.`, 'reasoning_effort');
      }
      if (body.max_tokens !== undefined && /^(o\d|gpt-5)/.test(body.model)) {
        return this.error(400, { message: "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", param: 'max_tokens', code: 'unsupported_parameter' });
      }
    }
    return undefined;
  },

  answer(body, { given, cache, id, provider }) {
    const ask = asked(body);
    const choices = Array.from({ length: body.n ?? 1 }, (_, index) => ({ index, ...compose(ask, given, index ? undefined : cache) }));
    const shared = { id: `chatcmpl-${id}`, created: Math.floor(Date.now() / 1000), model: given.model ?? body.model };
    const usage = usageOf(choices);
    const headers = { 'x-request-id': `req_${id}`, 'openai-processing-ms': '412', 'openai-version': '2020-10-01', 'x-ratelimit-limit-requests': '500', 'x-ratelimit-remaining-requests': '499', 'x-ratelimit-reset-requests': '120ms' };
    const hidden = provider === 'openai'; // OpenAI counts reasoning but does not show it here
    if (!body.stream) {
      return json(200, {
        ...shared, object: 'chat.completion', choices: choices.map(choice => whole(choice, hidden)), usage,
        service_tier: 'default', system_fingerprint: 'fp_simulated',
      }, headers);
    }
    return stream([...chunks(body, choices, shared, usage, { hidden, provider, count: given.pieces }), event('terminator', '[DONE]')], headers);
  },
};

export const bearer = headers => headers['api-key'] || /^Bearer \S/.test(headers.authorization ?? '');

function asked(body) {
  const last = body.messages.at(-1);
  const user = body.messages.findLast(message => message.role === 'user');
  const choice = body.tool_choice;
  const schema = body.response_format?.json_schema?.schema;
  return {
    prompt: textOf(user?.content ?? last.content),
    turns: JSON.stringify(body.messages) + JSON.stringify(body.tools ?? ''),
    tools: (body.tools ?? []).map(tool => ({ name: tool[tool.type]?.name, schema: tool.function?.parameters, custom: tool.type === 'custom' })),
    toolMode: choice?.[choice.type]?.name ? { name: choice[choice.type].name } : { required: 'any', none: 'none' }[choice] ?? 'auto',
    toolResult: last.role === 'tool' ? textOf(last.content) : undefined,
    format: schema ? { schema } : body.response_format?.type === 'json_object' ? 'json' : undefined,
    maxTokens: body.max_completion_tokens ?? body.max_tokens ?? undefined,
    stop: [body.stop ?? []].flat(),
    images: imagesIn(user?.content),
    reasoning: thinks(body),
    parallel: body.parallel_tool_calls !== false,
  };
}

function thinks(body) {
  if (body.reasoning_effort) return body.reasoning_effort !== 'none';
  return body.thinking?.type === 'enabled' || body.enable_thinking === true || /^o\d|reasoner|thinking/.test(body.model);
}

/** What of a call its type is the name of, with `text` for what the model wrote; a custom tool's is no JSON. */
const called = (call, text) => (isCustom(call) ? { custom: { name: call.name, input: text } } : { function: { name: call.name, arguments: text } });
const toolCall = (call, index, text = argumentsText(call)) => ({ index, id: call.id, type: isCustom(call) ? 'custom' : 'function', ...called(call, text) });
export const isCustom = call => 'input' in call;
export const argumentsText = call => call.input ?? (typeof call.arguments === 'string' ? call.arguments : JSON.stringify(call.arguments));

function whole(choice, hidden) {
  const message = { role: 'assistant', content: choice.toolCalls.length && !choice.text ? null : choice.text, refusal: null, annotations: [] };
  if (choice.reasoning && !hidden) message.reasoning_content = choice.reasoning;
  if (choice.toolCalls.length) message.tool_calls = choice.toolCalls.map((call, index) => ({ ...toolCall(call, index), index: undefined }));
  return { index: choice.index, message, logprobs: null, finish_reason: FINISH[choice.finish] ?? choice.finish };
}

function* chunks(body, choices, shared, usage, { hidden, provider, count }) {
  const asks = body.stream_options?.include_usage === true;
  const always = provider === 'mistral'; // sends usage on the last chunk unasked
  const chunk = (kind, choice, delta, finish = null, more = {}) => event(kind, {
    ...shared, object: 'chat.completion.chunk', service_tier: 'default', system_fingerprint: 'fp_simulated',
    choices: [{ index: choice.index, delta, logprobs: null, finish_reason: finish }], ...(asks ? { usage: null } : {}), ...more,
  });
  for (const choice of choices) {
    yield chunk('start', choice, { role: 'assistant', content: '', refusal: null });
    if (choice.reasoning && !hidden) for (const piece of pieces(choice.reasoning)) yield chunk('content', choice, { reasoning_content: piece });
    for (const piece of pieces(choice.text, count)) yield chunk('content', choice, { content: piece });
    for (const [index, call] of choice.toolCalls.entries()) {
      yield chunk('content', choice, { tool_calls: [toolCall(call, index, '')] });
      for (const part of argumentsText(call).match(/.{1,12}/gsu) ?? []) yield chunk('content', choice, { tool_calls: [{ index, ...called({ ...call, name: undefined }, part) }] });
    }
    yield chunk('end', choice, {}, FINISH[choice.finish] ?? choice.finish, always ? { usage } : {});
  }
  if (asks && !always) yield event('end', { ...shared, object: 'chat.completion.chunk', service_tier: 'default', system_fingerprint: 'fp_simulated', choices: [], usage });
}

function usageOf(choices) {
  const [first] = choices;
  const sum = name => choices.reduce((total, choice) => total + choice.usage[name], 0);
  const output = sum('output');
  return {
    prompt_tokens: first.usage.input, completion_tokens: output, total_tokens: first.usage.input + output,
    prompt_tokens_details: { cached_tokens: first.usage.cached, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: sum('reasoning'), audio_tokens: 0, accepted_prediction_tokens: 0, rejected_prediction_tokens: 0 },
  };
}

/** Embeddings of the OpenAI kind: numbers that depend on the text and nothing else. */
export const openaiEmbeddings = {
  ...openaiChat,
  name: 'openai-embeddings',
  match: (method, path) => (method === 'POST' && /^(\/v\d+|\/api\/v\d+)?\/embeddings$/.test(path) ? {} : undefined),
  read: body => ({ model: body.model, stream: false }),

  validate(body, { headers }) {
    if (!bearer(headers)) return this.error(401, { message: "You didn't provide an API key." });
    if (typeof body.model !== 'string' || !body.model) return this.error(400, { message: 'you must provide a model parameter' });
    if (body.input === undefined || body.input === '' || body.input?.length === 0) return this.error(400, { message: "'$.input' is invalid. Please check the API reference.", param: 'input' });
    return undefined;
  },

  answer(body, { id }) {
    const inputs = typeof body.input === 'string' || typeof body.input[0] === 'number' ? [body.input] : body.input;
    const tokens = inputs.reduce((sum, input) => sum + Math.ceil(input.length / (typeof input === 'string' ? 4 : 1)), 0);
    const data = inputs.map((input, index) => {
      const vector = vectorOf(JSON.stringify(input), body.dimensions ?? 8);
      return { object: 'embedding', index, embedding: body.encoding_format === 'base64' ? Buffer.from(Float32Array.from(vector).buffer).toString('base64') : vector };
    });
    return json(200, { object: 'list', data, model: body.model, usage: { prompt_tokens: tokens, total_tokens: tokens } }, { 'x-request-id': `req_${id}` });
  },
};

export const vectorOf = (text, size) => Array.from({ length: size }, (_, i) => (parseInt(digest(`${i}:${text}`).slice(0, 6), 16) / 0xffffff) * 2 - 1);
