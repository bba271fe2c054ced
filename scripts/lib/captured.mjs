// A capture (docs/schemas/capture.schema.json) as something else: a test fixture of this repository, a line of OpenAI's chat format.
import { Problem } from './say.mjs';

/** Its answering call as a fixture, by file name (tests/fixtures): what was sent to the provider and what came. */
export function fixture(capture) {
  const sent = answering(capture);
  const streamed = sent.response.form === 'events';
  const file = streamed ? 'response.sse' : 'response.json';
  const status = Number(sent.outcome) || capture.status;
  const about = {
    what: `captured ${new Date(capture.captured_ms).toISOString()}, masked`, dialect: sent.dialect, provider: sent.model.split('/')[0],
    endpoint: sent.dialect === 'openai-responses' ? 'responses' : 'chat', stream: capture.stream, status, framing: streamed ? 'sse' : 'json', response_file: file, features: streamed ? ['stream'] : [],
  };
  return {
    'case.json': `${JSON.stringify(about, null, 1)}\n`,
    'request.json': sent.body.text,
    'response.headers.json': `${JSON.stringify({ 'content-type': [streamed ? 'text/event-stream' : 'application/json'] })}\n`,
    [file]: streamed ? sent.response.events.map(wire).join('') : sent.response.text,
  };
}

/** The conversation with its answer as one line of JSON, `{messages, tools}`; only where the provider was spoken to in that format. */
export function chatLine(capture) {
  const sent = answering(capture);
  if (sent.dialect !== 'openai-chat') throw new Problem(`this answer came in the format ${sent.dialect}: replay it with --model and a model that is spoken to in OpenAI's chat format`);
  const { messages, tools } = JSON.parse(sent.body.text);
  const answer = sent.response.form === 'events' ? joined(sent.response.events) : JSON.parse(sent.response.text).choices[0].message;
  return JSON.stringify({ messages: [...messages, answer], ...(tools ? { tools } : {}) });
}

function answering({ sent, truncated }) {
  if (truncated) throw new Problem('this capture was cut: half of an exchange is no example');
  const call = sent.findLast(({ outcome }) => outcome === '200') ?? sent.at(-1);
  if (!call) throw new Problem('nobody was asked in this capture');
  return call;
}

const wire = ({ event, data }) => `${event ? `event: ${event}\n` : ''}${data.split('\n').map(line => `data: ${line}\n`).join('')}\n`;

/** The first choice's deltas as one message. */
function joined(events) {
  const message = { role: 'assistant', content: '' };
  const calls = [];
  for (const { data } of events.filter(({ data }) => data !== '[DONE]')) {
    const delta = JSON.parse(data).choices?.find(({ index }) => (index ?? 0) === 0)?.delta ?? {};
    message.content += delta.content ?? '';
    for (const { index, id, function: { name, arguments: more = '' } = {} } of delta.tool_calls ?? []) {
      const call = (calls[index ?? 0] ??= { id, type: 'function', function: { name, arguments: '' } });
      call.function.arguments += more;
    }
  }
  return { ...message, ...(calls.length ? { content: message.content || null, tool_calls: calls } : {}) };
}
