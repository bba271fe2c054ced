// What stands in the API description, endpoint by endpoint. Examples are requests that tests/e2e/openapi.test.mjs sends.
//
// Bodies of the providers' own APIs are theirs: we name the members that are ours and leave the rest open.

const chat = { model: 'openai/gpt-5-mini', messages: [{ role: 'user', content: 'What is the capital of France?' }] };
const anthropic = { model: 'anthropic/claude-sonnet-4-6', max_tokens: 100, messages: chat.messages };
const gemini = { contents: [{ role: 'user', parts: [{ text: 'What is the capital of France?' }] }] };
const docs = (description, url) => ({ description, url });
const OPENAI = docs('OpenAI: create a chat completion', 'https://platform.openai.com/docs/api-reference/chat/create');
const RESPONSES = docs('OpenAI: create a response', 'https://platform.openai.com/docs/api-reference/responses/create');
const EMBEDDINGS = docs('OpenAI: create embeddings', 'https://platform.openai.com/docs/api-reference/embeddings/create');
const MESSAGES = docs('Anthropic: create a message', 'https://docs.anthropic.com/en/api/messages');
const COUNT = docs('Anthropic: count tokens of a message', 'https://docs.anthropic.com/en/api/messages-count-tokens');
const GEMINI = docs('Gemini API: generate content', 'https://ai.google.dev/api/generate-content');
const GEMINI_EMBED = docs('Gemini API: embeddings', 'https://ai.google.dev/api/embeddings');

const model = { name: 'model', in: 'path', required: true, description: 'A model, or an alias such as `auto`. Slashes may stand as they are or as %2F.', schema: { type: 'string' } };
const id = (name, description) => ({ name, in: 'path', required: true, description, schema: { type: 'string' } });
const query = (name, description, schema) => ({ name, in: 'query', required: false, description, schema });

/** Generation: `dialect` for errors, `own` where OpenAI's routing members may stand in the body. */
const generation = (path, summary, external, example, more = {}) => ({ path, method: 'post', tag: 'Models', summary, external, example, generates: true, ...more });

export const ENDPOINTS = [
  generation('/v1/chat/completions', 'An answer, in OpenAI\'s chat dialect', OPENAI, chat, { body: 'RoutedBody', streams: true }),
  generation('/v1/responses', 'An answer, in OpenAI\'s Responses dialect', RESPONSES, { model: chat.model, input: 'What is the capital of France?' }, { body: 'RoutedBody', streams: true }),
  generation('/v1/messages', 'An answer, in Anthropic\'s dialect', MESSAGES, anthropic, { errors: 'AnthropicError', streams: true }),
  generation('/v1/messages/count_tokens', 'The number of tokens of an Anthropic prompt', COUNT, { model: anthropic.model, messages: anthropic.messages }, { errors: 'AnthropicError' }),
  generation('/v1/embeddings', 'Vectors, in OpenAI\'s form', EMBEDDINGS, { model: 'openai/text-embedding-3-small', input: 'good morning' }, { body: 'RoutedBody' }),
  generation('/v1beta/models/{model}:generateContent', 'An answer, in Gemini\'s dialect', GEMINI, gemini, { parameters: [model], at: 'gemini/gemini-2.5-flash', errors: 'GeminiError' }),
  generation('/v1beta/models/{model}:streamGenerateContent', 'The same as a stream: events with alt=sse, else one array', GEMINI, gemini, { parameters: [model, query('alt', 'sse for events', { type: 'string', enum: ['sse'] })], at: 'gemini/gemini-2.5-flash', errors: 'GeminiError', streams: true, array: true }),
  generation('/v1beta/models/{model}:countTokens', 'The number of tokens of a Gemini prompt', GEMINI, gemini, { parameters: [model], at: 'gemini/gemini-2.5-flash', errors: 'GeminiError' }),
  generation('/v1beta/models/{model}:embedContent', 'A vector, in Gemini\'s form', GEMINI_EMBED, { content: { parts: [{ text: 'good morning' }] } }, { parameters: [model], at: 'gemini/gemini-embedding-001', errors: 'GeminiError' }),
  generation('/v1beta/models/{model}:batchEmbedContents', 'Vectors, in Gemini\'s form', GEMINI_EMBED, { requests: [{ model: 'models/gemini-embedding-001', content: { parts: [{ text: 'good morning' }] } }] }, { parameters: [model], at: 'gemini-embedding-001', errors: 'GeminiError' }),
  { path: '/v1/models', method: 'get', tag: 'Catalogue', summary: 'What can be called, with prices; in Anthropic\'s shape with `anthropic-version`, in Gemini\'s for its clients', answers: ['models', 'models.anthropic'] },
  { path: '/v1/models/{id}', method: 'get', tag: 'Catalogue', summary: 'One model or alias', parameters: [id('id', 'A model or alias')], at: 'openai/gpt-5-mini', answers: ['model', 'model.anthropic'] },
  { path: '/v1beta/models', method: 'get', tag: 'Catalogue', summary: 'The catalogue in Gemini\'s shape', errors: 'GeminiError' },
  { path: '/v1beta/models/{id}', method: 'get', tag: 'Catalogue', summary: 'One model in Gemini\'s shape', parameters: [id('id', 'A model')], at: 'gemini/gemini-2.5-flash', errors: 'GeminiError' },
  { path: '/v1/route', method: 'post', tag: 'Choosing', summary: 'A dry run: every candidate\'s score or reason for exclusion; calls nobody', body: 'RoutedBody', routed: true, example: { ...chat, model: 'auto' }, answers: ['route'],
    parameters: [{ name: 'x-signalbox-dialect', in: 'header', required: false, description: 'The body\'s dialect', schema: { type: 'string', enum: ['openai-chat', 'openai-responses', 'anthropic-messages', 'gemini'], default: 'openai-chat' } }] },
  { path: '/v1/feedback', method: 'post', tag: 'Choosing', summary: 'A score for one\'s own answer, with its receipt (x-signalbox-feedback); off by default', body: 'Score', example: { request_id: 'req_1', receipt: 'from.x-signalbox-feedback', score: 0.9 }, answers: ['feedback'], unknown: true, scored: true },
  { path: '/v1/streams/{id}', method: 'get', tag: 'Kept answers', summary: 'The rest of a kept stream from a cursor', streams: true, only: 'text/event-stream', unknown: true,
    parameters: [id('id', 'From x-signalbox-stream-id'), { name: 'last-event-id', in: 'header', required: false, description: 'The last event that came', schema: { type: 'string' } }, query('after', 'The same in the query', { type: 'string' })] },
  { path: '/v1/streams/{id}', method: 'delete', tag: 'Kept answers', summary: 'Cancels a kept stream and its provider\'s work', parameters: [id('id', 'From x-signalbox-stream-id')], unknown: true, empty: true },
  { path: '/v1/usage', method: 'get', tag: 'Accounts', summary: 'One\'s own counters, exact to the picodollar', answers: ['usage', 'usage.groups'], parameters: ranges() },
  { path: '/v1/usage/{principal}', method: 'get', tag: 'Accounts', summary: 'Anyone\'s counters, for operators', answers: ['usage', 'usage.groups'], parameters: [id('principal', 'Opaque id, as it stands in its own report'), ...ranges()], at: 'nobody', operators: true },
  { path: '/v1/stats', method: 'get', tag: 'Operators', summary: 'What requests have come to', answers: ['stats'], operators: true,
    parameters: [query('days', 'Days back, today included', whole(1, 31, 7)), query('minutes', 'Minutes of the time line', whole(0, 1440, 60)), query('limit', 'Requests listed', whole(0, 500, 100)), query('since_ms', 'Only requests that ended after this instant, Unix ms', { type: 'integer', minimum: 0 })] },
  { path: '/v1/captures', method: 'get', tag: 'Operators', summary: 'Requests that are kept with their payloads, newest first; callers whose credential says capture see their own', answers: ['captures'],
    parameters: [query('limit', 'Captures of a page', whole(1, 100, 20)), query('cursor', 'From next_cursor', { type: 'string' })] },
  { path: '/v1/captures/{id}', method: 'get', tag: 'Operators', summary: 'One of them, whole and masked, or as something else', answers: ['capture', 'capture.fixture'], parameters: [id('id', 'From the list, a span or a log line'), query('format', 'openai-jsonl: the conversation as a line of OpenAI\'s chat format; fixture: the answering call as files', { type: 'string', enum: ['openai-jsonl', 'fixture'] })], unknown: true, lines: true },
  { path: '/v1/captures/{id}', method: 'delete', tag: 'Operators', summary: 'Erases one', parameters: [id('id', 'From the list')], unknown: true, empty: true },
  { path: '/v1/captures/{id}/replay', method: 'post', tag: 'Operators', summary: 'Carries a captured request out again, on one\'s own account, and tells what differs; the body may name a model or a policy', answers: ['replay'], parameters: [id('id', 'From the list')], unknown: true },
  { path: '/metrics', method: 'get', tag: 'Operators', summary: 'Metrics as Prometheus text; also for scrapers with the secret METRICS_TOKEN', operators: true, only: 'text/plain' },
  { path: '/healthz', method: 'get', tag: 'Operators', summary: 'Whether this instance can serve; details for operators', answers: ['healthz'], open: true },
  { path: '/openapi.json', method: 'get', tag: 'Operators', summary: 'This description', open: true },
  { path: '/', method: 'get', tag: 'Operators', summary: 'The page: a shell without data, which asks for everything as its user', open: true, only: 'text/html' },
];

function ranges() {
  const day = { type: 'string', format: 'date' };
  return [query('from', 'First UTC day', day), query('to', 'Last UTC day', day), query('group_by', 'What to add up by', { type: 'string', enum: ['model', 'day', 'task'] }), query('format', 'json or csv', { type: 'string', enum: ['json', 'csv'], default: 'json' })];
}

function whole(minimum, maximum, standard) {
  return { type: 'integer', minimum, maximum, default: standard };
}
