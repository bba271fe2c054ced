// The four dialects as a caller of the gateway sees them on the wire: where to ask, what of it is text, and how it ends.

const words = [{ role: 'user', content: 'Count to four' }];

/**
 * path, body: of a request. textOf: of one event. first: index of the provider's first event with text. ends: whether the
 * events are a whole answer's. error: the typed error among them, if any. whole, usageOf: of a whole answer; streamUsage: of
 * events, [prompt, completion]. finishOf: why an answer ended, of a whole one or of events. official: whether an error, a reply's
 * with its status or one among events, is in the dialect's own words.
 */
export const DIALECTS = {
  OpenAI: {
    official: ofOpenAi,
    kind: 'openai-chat', provider: 'openai', first: 1,
    path: () => '/v1/chat/completions',
    body: (model, stream) => ({ model, messages: words, ...(stream ? { stream, stream_options: { include_usage: true } } : {}) }),
    textOf: item => item.choices?.[0]?.delta?.content ?? '',
    ends: items => items.at(-1) === '[DONE]' && items.some(item => item.choices?.[0]?.finish_reason === 'stop'),
    error: items => items.find(item => item.error)?.error,
    whole: body => body.choices[0].message.content,
    usageOf: ({ usage }) => [usage.prompt_tokens, usage.completion_tokens],
    streamUsage: items => items.filter(item => item.usage).map(item => [item.usage.prompt_tokens, item.usage.completion_tokens]).at(-1),
    finishOf: items => items.map(item => item.choices?.[0]?.finish_reason).filter(Boolean).at(-1),
  },
  Responses: {
    official: (error, status) => (status ? ofOpenAi(error, status) : typeof error.code === 'string' && Boolean(error.message)),
    kind: 'openai-responses', provider: 'openai', first: 4,
    path: () => '/v1/responses',
    body: (model, stream) => ({ model, input: 'Count to four', stream }),
    textOf: item => (item.type === 'response.output_text.delta' ? item.delta : ''),
    ends: items => items.at(-1)?.type === 'response.completed',
    error: items => items.find(item => item.type === 'error') ?? items.find(item => item.type === 'response.failed')?.response.error,
    whole: body => body.output.flatMap(item => item.content ?? []).map(part => part.text).join(''),
    usageOf: ({ usage }) => [usage.input_tokens, usage.output_tokens],
    streamUsage: items => (({ usage }) => [usage.input_tokens, usage.output_tokens])(items.at(-1).response),
    finishOf: items => (({ status, incomplete_details }) => incomplete_details?.reason ?? status)(items.at(-1).response ?? items.at(-1)),
  },
  Anthropic: {
    official: ({ type, message }, status) => Boolean(message) && (ANTHROPIC[status] ?? Object.values(ANTHROPIC).flat()).includes(type),
    kind: 'anthropic-messages', provider: 'anthropic', first: 3,
    path: () => '/v1/messages',
    body: (model, stream) => ({ model, max_tokens: 100, messages: words, stream }),
    textOf: item => item.delta?.text ?? '',
    ends: items => items.at(-1)?.type === 'message_stop',
    error: items => items.find(item => item.type === 'error')?.error,
    whole: body => body.content[0].text,
    usageOf: ({ usage }) => [usage.input_tokens, usage.output_tokens],
    streamUsage: items => (({ usage }) => [usage.input_tokens, usage.output_tokens])(items.find(item => item.type === 'message_delta')),
    finishOf: items => items.map(item => item.delta?.stop_reason ?? item.stop_reason).filter(Boolean).at(-1),
  },
  Gemini: {
    official: ({ code, message, status: word }, status = code) => Boolean(message) && code === status && GOOGLE[status].includes(word),
    kind: 'gemini', provider: 'gemini', first: 0,
    path: (model, stream) => `/v1beta/models/${model}:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
    body: () => ({ contents: [{ role: 'user', parts: [{ text: 'Count to four' }] }] }),
    textOf: item => (item.candidates?.[0]?.content?.parts ?? []).map(part => part.text ?? '').join(''),
    ends: items => Boolean(items.at(-1)?.candidates?.[0]?.finishReason),
    error: items => items.find(item => item.error)?.error,
    whole: body => body.candidates[0].content.parts[0].text,
    usageOf: ({ usageMetadata }) => [usageMetadata.promptTokenCount, usageMetadata.candidatesTokenCount],
    streamUsage: items => (({ usageMetadata }) => [usageMetadata.promptTokenCount, usageMetadata.candidatesTokenCount])(items.at(-1)),
    finishOf: items => items.map(item => item.candidates?.[0]?.finishReason).filter(Boolean).at(-1),
  },
};

/** Types of an error by its status: of OpenAI's, whose errors have all their members; of Anthropic's; and google.rpc codes. */
const OPENAI = {
  400: ['invalid_request_error'], 429: ['rate_limit_error', 'insufficient_quota'], 502: ['server_error'], 503: ['service_unavailable_error', 'server_error'], 504: ['server_error'],
};
const ANTHROPIC = {
  400: ['invalid_request_error'], 429: ['rate_limit_error'], 502: ['api_error'], 503: ['overloaded_error', 'api_error'], 504: ['timeout_error'], 529: ['overloaded_error'],
};
const GOOGLE = {
  400: ['INVALID_ARGUMENT', 'FAILED_PRECONDITION'], 429: ['RESOURCE_EXHAUSTED'], 500: ['INTERNAL'], 502: ['UNAVAILABLE'], 503: ['UNAVAILABLE'], 504: ['DEADLINE_EXCEEDED'],
};
function ofOpenAi({ type, message, ...more }, status) {
  return Boolean(message) && 'code' in more && 'param' in more && (OPENAI[status] ?? Object.values(OPENAI).flat()).includes(type);
}

/** What each dialect's providers refuse with, by what it means: [status, body]. */
export const REFUSALS = {
  OpenAI: {
    context: [400, { error: { message: "This model's maximum context length is 8192 tokens.", type: 'invalid_request_error', param: 'messages', code: 'context_length_exceeded' } }],
    filter: [400, { error: { message: 'Your request was rejected by our safety system.', type: 'invalid_request_error', param: null, code: 'content_policy_violation' } }],
    quota: [429, { error: { message: 'You have no credit left.', type: 'insufficient_quota', param: null, code: 'credit_balance_exhausted' } }],
    wrong: [400, { error: { message: 'Invalid temperature.', type: 'invalid_request_error', param: 'temperature', code: 'invalid_value' } }],
    inside: { error: { message: 'The engine is overloaded.', type: 'service_unavailable_error', param: null, code: 'server_is_overloaded' } },
  },
  Anthropic: {
    context: [400, { type: 'error', error: { type: 'invalid_request_error', message: 'prompt is too long: 9000 tokens > 8000 maximum' } }],
    quota: [400, { type: 'error', error: { type: 'invalid_request_error', message: 'You have reached your specified API usage limits.' } }],
    filter: [400, { type: 'error', error: { type: 'invalid_request_error', message: 'Output blocked by content filtering policy' } }],
    wrong: [400, { type: 'error', error: { type: 'invalid_request_error', message: 'max_tokens: must be greater than 0' } }],
    inside: { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } },
  },
  Gemini: {
    context: [400, { error: { code: 400, message: 'The input token count (9000) exceeds the maximum number of tokens allowed (8000).', status: 'INVALID_ARGUMENT' } }],
    quota: [402, { error: { code: 402, message: 'Your prepayment credits are depleted.', status: 'RESOURCE_EXHAUSTED' } }],
    wrong: [400, { error: { code: 400, message: "Invalid value at 'generation_config'", status: 'INVALID_ARGUMENT' } }],
    inside: { error: { code: 503, message: 'The model is overloaded.', status: 'UNAVAILABLE' } },
  },
};
REFUSALS.Responses = REFUSALS.OpenAI;
