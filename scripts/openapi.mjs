// npm run docs:openapi: writes docs/openapi.json, which the Worker serves at /openapi.json, from scripts/openapi/endpoints.mjs
// and docs/schemas. tests/e2e/openapi.test.mjs fails while it is old.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from './lib/paths.mjs';
import { ENDPOINTS } from './openapi/endpoints.mjs';

const FILE = join(root, 'docs', 'openapi.json');
const json = (schema, example) => ({ 'application/json': { schema, ...(example ? { example } : {}) } });
const component = name => ({ $ref: `#/components/schemas/${name}` });
const named = file => file.replace('.schema.json', '').split('.').map(word => word[0].toUpperCase() + word.slice(1)).join('');
const text = { type: 'string' };

/** The description as an object. */
export function description() {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const paths = {};
  for (const endpoint of ENDPOINTS) (paths[endpoint.path] ??= {})[endpoint.method] = operation(endpoint);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Signalbox', version, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      description: 'An LLM gateway: OpenAI\'s, Anthropic\'s and Gemini\'s APIs in front of any of their models. Errors come in the caller\'s dialect.',
    },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }, { xApiKey: [] }, { xGoogApiKey: [] }, { apiKey: [] }],
    tags: ['Models', 'Catalogue', 'Choosing', 'Kept answers', 'Accounts', 'Operators'].map(name => ({ name })),
    paths,
    components: { schemas: { ...ours(), ...published() }, parameters: headers(), headers: answerHeaders(), securitySchemes: securitySchemes() },
  };
}

/** As text: a line for each path and each schema, so that differences can be read. */
export function page(document = description()) {
  const lines = object => `{\n${Object.entries(object).map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(',\n')}\n}`;
  const { paths, components: { schemas, ...components }, ...head } = document;
  return `${JSON.stringify(head).slice(0, -1)},\n"paths":${lines(paths)},\n"components":${JSON.stringify(components).slice(0, -1)},\n"schemas":${lines(schemas)}}}\n`;
}

function operation(endpoint) {
  const { tag, summary, external, example, body, generates, routed, streams, only, answers, errors = 'Error', parameters = [], open, operators, unknown, empty, array, scored, lines } = endpoint;
  const shared = generates || routed ? Object.keys(headers()).map(name => ({ $ref: `#/components/parameters/${name}` })) : [];
  const schema = answers ? (answers.length > 1 ? { anyOf: answers.map(name => component(named(name))) } : component(named(answers[0]))) : array ? { type: 'array', items: { type: 'object' } } : { type: 'object' };
  const content = only ? { [only]: { schema: text } } : { ...json(schema), ...(streams ? { 'text/event-stream': { schema: text } } : {}), ...(lines ? { 'application/jsonl': { schema: text } } : {}) };
  const failure = why => ({ description: why, content: json(component(errors)) });
  return {
    operationId: `${endpoint.method}${endpoint.path.replace(/[^A-Za-z0-9]+(.)?/g, (_, next) => (next ?? '').toUpperCase())}`,
    tags: [tag], summary,
    ...(external ? { externalDocs: external } : {}),
    ...(open ? { security: [] } : {}),
    ...(parameters.length + shared.length ? { parameters: [...parameters, ...shared] } : {}),
    ...(example ? { requestBody: { required: true, content: json(component(body ?? 'Body'), example) } } : {}),
    responses: {
      ...(empty ? { 204: { description: 'Done' } } : { 200: { description: 'The answer', ...(generates ? { headers: Object.fromEntries(Object.keys(answerHeaders()).map(name => [name, { $ref: `#/components/headers/${name}` }])) } : {}), content } }),
      ...(open ? {} : { 401: failure('No credential, or one that does not hold') }),
      ...(operators ? { 403: failure('Not an operator') } : {}),
      ...(unknown ? { 404: failure(scored ? 'Answers are not scored here' : 'No such answer of this caller') } : {}),
      ...(scored ? { 400: failure('Another body'), 403: failure('Not this caller\'s answer, or more than a day old'), 409: failure('Scored before'), 429: failure('As many scores as this caller may give today') } : {}),
      ...(generates ? { 400: failure('The request, or no candidate for it'), 429: failure('Rate limits or spend limits'), 502: failure('All providers failed') } : {}),
      503: open && endpoint.path === '/healthz' ? { description: 'Not serving', content: json(component('Healthz')) } : failure('Not configured, or not reachable now'),
    },
  };
}

/** Schemas of docs/schemas under names of their own, with references to each other. */
function published() {
  const folder = join(root, 'docs', 'schemas');
  const rewritten = (value, self) => {
    if (Array.isArray(value)) return value.map(item => rewritten(item, self));
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).filter(([key]) => key !== '$schema').map(([key, inner]) => [key, key === '$ref' ? reference(inner, self) : rewritten(inner, self)]));
  };
  return Object.fromEntries(readdirSync(folder).sort().map(file => [named(file), rewritten(JSON.parse(readFileSync(join(folder, file), 'utf8')), named(file))]));
}

function reference(ref, self) {
  const [file, pointer = ''] = ref.split('#');
  return `#/components/schemas/${file ? named(file) : self}${pointer}`;
}

function ours() {
  const models = { type: 'array', items: text, description: 'Ordered fallbacks' };
  return {
    Body: { type: 'object', description: 'The provider\'s own request: see the operation\'s external documentation. docs/fields.md says what becomes of each field where.' },
    RoutedBody: {
      type: 'object', description: 'The provider\'s own request, and routing members that never reach a provider.',
      properties: { model: { ...text, description: '`provider/model`, a bare name, or an alias such as `auto`; `:floor` and `:nitro` after it ask for the cheapest and the fastest' }, models, provider: { type: 'object', description: 'OpenRouter\'s routing preferences' }, session_id: text },
    },
    Score: { type: 'object', additionalProperties: false, required: ['request_id', 'receipt', 'score'], properties: { request_id: { ...text, description: 'From x-signalbox-request-id' }, receipt: { ...text, description: 'From x-signalbox-feedback of the same answer' }, score: { type: 'number', minimum: 0, maximum: 1 } } },
    AnthropicError: component('ErrorAnthropic'),
    GeminiError: { type: 'object', properties: { error: { type: 'object', properties: { code: { type: 'integer' }, message: text, status: text }, required: ['code', 'message', 'status'] } }, required: ['error'] },
  };
}

function headers() {
  const header = (name, description, schema = text) => [name.replace('x-signalbox-', '').replace(/-(.)/g, (_, next) => next.toUpperCase()), { name, in: 'header', required: false, description, schema }];
  return Object.fromEntries([
    header('x-signalbox-policy', 'A policy by name'),
    header('x-signalbox-models', 'Ordered fallbacks, comma-separated'),
    header('x-signalbox-task', 'The kind of task'),
    header('x-signalbox-latency-budget-ms', 'How long the answer may take before it counts against a candidate', { type: 'integer', minimum: 1 }),
    header('x-signalbox-max-cost-usd', 'No candidate that is expected to cost more'),
    header('x-signalbox-session', 'A conversation'),
    header('x-signalbox-resumable', 'Keep the stream', { type: 'string', enum: ['true', 'false'] }),
    header('x-signalbox-on-unsupported', 'Fields that a candidate cannot express', { type: 'string', enum: ['error', 'route', 'drop'], default: 'route' }),
    header('x-signalbox-continue', 'A stream that breaks', { type: 'string', enum: ['auto', 'off', 'restart', 'prefill'], default: 'auto' }),
    header('x-signalbox-explain', 'The decision and the attempts in the answer', { type: 'string', enum: ['true', 'false'] }),
    header('idempotency-key', 'A repeated request joins the running or finished one'),
    header('traceparent', 'W3C trace context'),
  ]);
}

function answerHeaders() {
  const header = (name, description) => [name, { description, schema: text }];
  return Object.fromEntries([
    header('x-signalbox-request-id', 'Our id of the request'),
    header('x-signalbox-model', '`provider/model` that answers'),
    header('x-signalbox-policy', 'The policy that chose'),
    header('x-signalbox-attempts', '`provider/model:status` of each attempt in order'),
    header('x-signalbox-losses', 'Fields that were not carried exactly; empty when none'),
    header('x-signalbox-cost-usd', 'Cost of the attempts that the answer is made of, where it is known before the body; what failed or was stopped beside them stands in the explanation and in /v1/usage'),
    header('x-signalbox-cost-certainty', 'exact, estimated or unpriced'),
    header('x-signalbox-stream-id', 'Name of a kept stream'),
    header('x-signalbox-feedback', 'Receipt for POST /v1/feedback, where answers are scored'),
    header('traceparent', 'The span of the request'),
  ]);
}

function securitySchemes() {
  const header = name => ({ type: 'apiKey', in: 'header', name, description: 'Where official SDKs put their key: the token of an identity provider' });
  return { bearer: { type: 'http', scheme: 'bearer' }, xApiKey: header('x-api-key'), xGoogApiKey: header('x-goog-api-key'), apiKey: header('api-key') };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(FILE, page());
