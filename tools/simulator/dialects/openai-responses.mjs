// OpenAI Responses: whole answers and the typed event stream.
import { compose, countTokens, pieces } from '../script.mjs';
import { imagesIn, json, namedEvent, stream, textOf, unknownMember, words } from './common.mjs';
import { argumentsText, bearer, isCustom, openaiChat } from './openai-chat.mjs';

const KNOWN = words(`access_programs background background_options context_management conversation image include input instructions
  max_output_tokens max_tool_calls metadata model moderation parallel_tool_calls previous_response_id prompt prompt_cache_key
  prompt_cache_options prompt_cache_retention reasoning safety_identifier service_tier store stream stream_options temperature text
  tool_choice tools top_logprobs top_p truncation user`);

/** Calls by their tool's type: the item, its id, and where the model's words stand in it. */
const CALLS = {
  function: { type: 'function_call', prefix: 'fc', text: 'arguments' },
  custom: { type: 'custom_tool_call', prefix: 'ctc', text: 'input' },
};
const calls = item => Object.values(CALLS).find(({ type }) => type === item.type);

const COUNTED = words('conversation input instructions model parallel_tool_calls personality previous_response_id reasoning text tool_choice tools truncation');

export const openaiResponses = {
  name: 'openai-responses',

  match: (method, path) => (method === 'POST' && /^(\/v\d+)?\/responses(\/input_tokens)?$/.test(path) ? { count: path.endsWith('input_tokens') } : undefined),

  read: body => ({ model: body.model, stream: body.stream === true }),

  error: openaiChat.error,

  errorEvent: status => namedEvent('end', { type: 'error', code: status === 429 ? 'rate_limit_exceeded' : 'server_error', message: 'The server had an error while processing your request.', param: null, sequence_number: 99 }),

  validate(body, { headers, provider, match }) {
    const refuse = (message, param = null) => this.error(400, { message, param });
    if (!bearer(headers)) return this.error(401, { message: "You didn't provide an API key." });
    if (typeof body.model !== 'string' || !body.model) return refuse("Missing required parameter: 'model'.", 'model');
    if (body.input === undefined || body.input === '' || body.input?.length === 0) return refuse("Missing required parameter: 'input'.", 'input');
    const unknown = provider === 'openai' && unknownMember(body, match.count ? COUNTED : KNOWN);
    return unknown ? refuse(`Unknown parameter: '${unknown}'.`, unknown) : undefined;
  },

  answer(body, { given, cache, id, match }) {
    if (match.count) return json(200, { object: 'response.input_tokens', input_tokens: countTokens(asked(body).turns) }, { 'x-request-id': `req_${id}` });
    const answer = compose(asked(body), given, cache);
    const whole = response(body, answer, id, given);
    const headers = { 'x-request-id': `req_${id}`, 'openai-processing-ms': '412', 'openai-version': '2020-10-01' };
    return body.stream ? stream([...events(whole, given.pieces)], headers) : json(200, whole, headers);
  },
};

function asked(body) {
  const items = typeof body.input === 'string' ? [{ role: 'user', content: body.input }] : body.input;
  const user = items.findLast(item => item.role === 'user');
  const last = items.at(-1);
  const format = body.text?.format;
  const choice = body.tool_choice;
  return {
    prompt: textOf(user?.content ?? ''),
    turns: `${body.instructions ?? ''}${JSON.stringify(items)}${JSON.stringify(body.tools ?? '')}`,
    tools: (body.tools ?? []).filter(tool => CALLS[tool.type]).map(tool => ({ name: tool.name, schema: tool.parameters, custom: tool.type === 'custom' })),
    toolMode: choice?.name ? { name: choice.name } : { required: 'any', none: 'none' }[choice] ?? 'auto',
    toolResult: /^(function|custom_tool)_call_output$/.test(last.type) ? textOf(last.output) : undefined,
    format: format?.type === 'json_schema' ? { schema: format.schema } : format?.type === 'json_object' ? 'json' : undefined,
    maxTokens: body.max_output_tokens ?? undefined,
    stop: [],
    images: imagesIn(user?.content),
    reasoning: Boolean(body.reasoning && body.reasoning.effort !== 'none'),
    parallel: body.parallel_tool_calls !== false,
  };
}

function response(body, answer, id, given) {
  const cut = { length: 'max_output_tokens', filter: 'content_filter' }[answer.finish];
  const { usage } = answer;
  const output = [];
  if (answer.reasoning) output.push({ id: `rs_${id}`, type: 'reasoning', summary: [{ type: 'summary_text', text: answer.reasoning }], encrypted_content: Buffer.from(`sealed:${answer.reasoning}`).toString('base64') });
  if (answer.text) output.push({ id: `msg_${id}`, type: 'message', status: cut ? 'incomplete' : 'completed', role: 'assistant', content: [{ type: 'output_text', annotations: [], logprobs: [], text: answer.text }] });
  answer.toolCalls.forEach((call, index) => {
    const { type, prefix, text } = CALLS[isCustom(call) ? 'custom' : 'function'];
    output.push({ id: `${prefix}_${id}_${index}`, type, status: 'completed', name: call.name, call_id: call.id, [text]: argumentsText(call) });
  });
  return {
    id: `resp_${id}`, object: 'response', created_at: Math.floor(Date.now() / 1000), status: cut ? 'incomplete' : 'completed', background: false, error: null,
    incomplete_details: cut ? { reason: cut } : null, instructions: body.instructions ?? null, max_output_tokens: body.max_output_tokens ?? null,
    model: given.model ?? body.model, output, parallel_tool_calls: body.parallel_tool_calls ?? true, previous_response_id: body.previous_response_id ?? null,
    reasoning: { effort: body.reasoning?.effort ?? null, summary: body.reasoning?.summary ?? null }, service_tier: 'default', store: body.store ?? true,
    temperature: body.temperature ?? 1, text: body.text ?? { format: { type: 'text' } }, tool_choice: body.tool_choice ?? 'auto', tools: body.tools ?? [],
    top_p: body.top_p ?? 1, truncation: body.truncation ?? 'disabled',
    usage: {
      input_tokens: usage.input, input_tokens_details: { cached_tokens: usage.cached }, output_tokens: usage.output,
      output_tokens_details: { reasoning_tokens: usage.reasoning }, total_tokens: usage.input + usage.output,
    },
    user: null, metadata: body.metadata ?? {},
  };
}

function* events(whole, count) {
  let number = 0;
  const send = (kind, type, rest) => namedEvent(kind, { type, sequence_number: number++, ...rest });
  const unfinished = { ...whole, status: 'in_progress', incomplete_details: null, output: [], usage: null };
  yield send('start', 'response.created', { response: unfinished });
  yield send('start', 'response.in_progress', { response: unfinished });
  for (const [output_index, item] of whole.output.entries()) {
    yield send('start', 'response.output_item.added', { output_index, item: begun(item) });
    yield* inside(item, { output_index, item_id: item.id }, send, count);
    yield send('other', 'response.output_item.done', { output_index, item });
  }
  yield send('terminator', `response.${whole.status}`, { response: whole });
}

function begun(item) {
  if (item.type === 'message') return { ...item, status: 'in_progress', content: [] };
  if (item.type === 'reasoning') return { ...item, summary: [] };
  return { ...item, status: 'in_progress', [calls(item).text]: '' };
}

function* inside(item, at, send, count) {
  const { type, text: what } = calls(item) ?? {};
  if (type) {
    for (const delta of item[what].match(/.{1,12}/gsu) ?? []) yield send('content', `response.${type}_${what}.delta`, { ...at, delta });
    yield send('other', `response.${type}_${what}.done`, { ...at, [what]: item[what] });
    return;
  }
  const [part] = item.content ?? item.summary;
  const [unit, place] = item.type === 'message' ? ['content_part', { content_index: 0 }] : ['reasoning_summary_part', { summary_index: 0 }];
  const text = item.type === 'message' ? 'output_text' : 'reasoning_summary_text';
  yield send('other', `response.${unit}.added`, { ...at, ...place, part: { ...part, text: '' } });
  for (const delta of pieces(part.text, count)) yield send('content', `response.${text}.delta`, { ...at, ...place, delta });
  yield send('other', `response.${text}.done`, { ...at, ...place, text: part.text });
  yield send('other', `response.${unit}.done`, { ...at, ...place, part });
}
