// Gemini generateContent and its relatives; streams as server-sent events (alt=sse) or as one JSON array.
import { compose, countTokens, pieces } from '../script.mjs';
import { event, imagesIn, json, stream, textOf, unknownMember, words } from './common.mjs';
import { vectorOf } from './openai-chat.mjs';

const KNOWN = words(`contents model systemInstruction system_instruction tools toolConfig tool_config safetySettings safety_settings cachedContent
  cached_content generationConfig generation_config serviceTier service_tier store continuationToken continuation_token labels`);
const STATUS = { 400: 'INVALID_ARGUMENT', 401: 'UNAUTHENTICATED', 403: 'PERMISSION_DENIED', 404: 'NOT_FOUND', 413: 'INVALID_ARGUMENT', 429: 'RESOURCE_EXHAUSTED', 499: 'CANCELLED', 500: 'INTERNAL', 503: 'UNAVAILABLE', 504: 'DEADLINE_EXCEEDED' };
const FINISH = { stop: 'STOP', length: 'MAX_TOKENS', tool: 'STOP', filter: 'SAFETY' };
const METHODS = words('generateContent streamGenerateContent countTokens embedContent batchEmbedContents');
const UTF8 = { 'content-type': 'application/json; charset=UTF-8' };

export const gemini = {
  name: 'gemini',

  match(method, path) {
    const [, model, action] = /^\/v1(?:beta|alpha)?\/models\/(.+):(\w+)$/.exec(path) ?? [];
    return method === 'POST' && METHODS.has(action) ? { model: decodeURIComponent(model), action } : undefined;
  },

  read: (body, match) => ({ model: match.model, stream: match.action === 'streamGenerateContent' }),

  error(status, { message = 'The simulator was told to fail.', reason, retryDelay } = {}) {
    const details = [];
    if (reason) details.push({ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason, domain: 'googleapis.com' });
    if (retryDelay) details.push({ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay });
    return json(status, { error: { code: status, message, status: STATUS[status] ?? 'UNKNOWN', ...(details.length ? { details } : {}) } }, UTF8);
  },

  errorEvent: status => event('end', { error: { code: status, message: 'The model is overloaded. Please try again later.', status: STATUS[status] ?? 'INTERNAL' } }),

  validate(body, { headers, query, match }) {
    const refuse = message => this.error(400, { message });
    if (!headers['x-goog-api-key'] && !query.get('key') && !/^Bearer \S/.test(headers.authorization ?? '')) {
      return this.error(403, { message: 'Method doesn\'t allow unregistered callers (callers without established identity).' });
    }
    if (/embed/i.test(match.action)) return body.content || body.requests ? undefined : refuse('* EmbedContentRequest.content: contents is not specified\n');
    if (match.action === 'countTokens') return body.contents || body.generateContentRequest ? undefined : refuse('* CountTokensRequest.contents: contents is not specified\n');
    if (!Array.isArray(body.contents) || !body.contents.length) return refuse('* GenerateContentRequest.contents: contents is not specified\n');
    if (body.contents.some(content => content.role && !['user', 'model', 'function'].includes(content.role))) return refuse('Please use a valid role: user, model.');
    const unknown = unknownMember(body, KNOWN);
    return unknown ? refuse(`Invalid JSON payload received. Unknown name "${unknown}": Cannot find field.`) : undefined;
  },

  answer(body, { given, cache, id, match, query }) {
    const other = { countTokens, embedContent: embed, batchEmbedContents: batchEmbed }[match.action];
    if (match.action === 'countTokens') return json(200, { totalTokens: countTokens(JSON.stringify(body.contents ?? body)) }, UTF8);
    if (other) return json(200, other(body), UTF8);
    const answer = compose(asked(body, match.model), given, cache);
    const base = { modelVersion: given.model ?? match.model, responseId: id };
    const parts = partsOf(answer, given.pieces);
    if (match.action === 'generateContent') return json(200, { candidates: [candidate(merged(parts), answer)], usageMetadata: usageOf(answer), ...base }, UTF8);
    const steps = parts.map((part, index) => {
      const last = index === parts.length - 1;
      return { candidates: [candidate([part], last ? answer : undefined)], usageMetadata: last ? usageOf(answer) : runningUsage(answer), ...base };
    });
    if (query.get('alt') === 'sse') return stream(steps.map((value, index) => event(index === steps.length - 1 ? 'end' : 'content', value)), { 'content-type': 'text/event-stream' });
    return { status: 200, headers: UTF8, events: arrayEvents(steps) };
  },
};

const embed = body => ({ embedding: { values: vectorOf(JSON.stringify(body.content), body.outputDimensionality ?? 8) } });
const batchEmbed = body => ({ embeddings: (body.requests ?? []).map(request => embed(request).embedding) });

function asked(body, model) {
  const last = body.contents.at(-1);
  const config = body.generationConfig ?? body.generation_config ?? {};
  const calling = (body.toolConfig ?? body.tool_config)?.functionCallingConfig ?? {};
  const declared = (body.tools ?? []).flatMap(tool => tool.functionDeclarations ?? tool.function_declarations ?? []);
  const allowed = declared.filter(one => !calling.allowedFunctionNames?.length || calling.allowedFunctionNames.includes(one.name));
  const results = (last.parts ?? []).filter(part => part.functionResponse);
  const schema = config.responseJsonSchema ?? config.responseSchema;
  const thinking = config.thinkingConfig;
  return {
    prompt: textOf(body.contents.findLast(content => content.role !== 'model' && textOf(content.parts))?.parts ?? []),
    turns: JSON.stringify(body.systemInstruction ?? '') + JSON.stringify(body.tools ?? '') + JSON.stringify(body.contents),
    tools: allowed.map(one => ({ name: one.name, schema: one.parametersJsonSchema ?? one.parameters })),
    toolMode: { ANY: 'any', NONE: 'none' }[calling.mode] ?? 'auto',
    toolResult: results.length ? results.map(part => JSON.stringify(part.functionResponse.response)).join(' ') : undefined,
    format: schema ? { schema } : config.responseMimeType === 'application/json' ? 'json' : undefined,
    maxTokens: config.maxOutputTokens,
    stop: config.stopSequences ?? [],
    images: imagesIn(last.parts),
    reasoning: Boolean(thinking && thinking.thinkingBudget !== 0) || /thinking/.test(model),
    parallel: true,
  };
}

function partsOf(answer, count) {
  const parts = [];
  if (answer.reasoning) parts.push({ text: answer.reasoning, thought: true });
  for (const text of pieces(answer.text, count)) parts.push({ text });
  for (const [index, call] of answer.toolCalls.entries()) {
    const part = { functionCall: { name: call.name, args: call.arguments } };
    if (index === 0) part.thoughtSignature = Buffer.from(`signed:${call.id}`).toString('base64');
    parts.push(part);
  }
  return parts.length ? parts : [{ text: '' }];
}

/** A whole answer has its text in one part. */
function merged(parts) {
  const text = parts.filter(part => part.text !== undefined && !part.thought).map(part => part.text).join('');
  return [...parts.filter(part => part.thought), ...(text ? [{ text }] : []), ...parts.filter(part => part.functionCall)];
}

function candidate(parts, answer) {
  return { content: { parts, role: 'model' }, ...(answer ? { finishReason: FINISH[answer.finish] ?? answer.finish } : {}), index: 0 };
}

function usageOf({ usage }) {
  const visible = usage.output - usage.reasoning;
  return {
    promptTokenCount: usage.input, candidatesTokenCount: visible, totalTokenCount: usage.input + usage.output,
    ...(usage.cached ? { cachedContentTokenCount: usage.cached } : {}), ...(usage.reasoning ? { thoughtsTokenCount: usage.reasoning } : {}),
    promptTokensDetails: [{ modality: 'TEXT', tokenCount: usage.input }],
  };
}

const runningUsage = ({ usage }) => ({ promptTokenCount: usage.input, totalTokenCount: usage.input, promptTokensDetails: [{ modality: 'TEXT', tokenCount: usage.input }] });

function arrayEvents(steps) {
  return steps.map((value, index) => ({
    kind: index === steps.length - 1 ? 'end' : 'content',
    bytes: Buffer.from(`${index ? ',\r\n' : '['}${JSON.stringify(value, null, 2)}${index === steps.length - 1 ? '\n]\n' : '\n'}`),
  }));
}
