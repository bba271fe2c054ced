// The gateway with something that stands in for Workers AI: `env.AI` is this module's own entrypoint.
import { WorkerEntrypoint } from 'cloudflare:workers';

export * from '../../../build/index.js';
export { default } from '../../../build/index.js';

const FACT = 'The capital of France is Paris.';
const usage = { prompt_tokens: 9, completion_tokens: 7, total_tokens: 16 };

export class Ai extends WorkerEntrypoint {
  /** As the binding does: what `returnRawResponse` asks for, a stream, or an object; failures with their code in the text. */
  async run(model, inputs, options) {
    if (inputs.model) throw new Error('5004: the model is named beside its inputs');
    if (!inputs.max_tokens) throw new Error('5004: without a bound answers end at 256 tokens');
    const asked = inputs.messages.at(-1).content;
    if (asked === 'no neurons') return raw({ internalCode: 3036, name: 'InferenceUpstreamError', description: 'neurons' }, 429);
    if (asked === 'no capacity') throw new Error('3040: no capacity');
    if (asked === 'call') return { response: null, tool_calls: [{ name: 'look', arguments: { at: 'x' } }], usage };
    if (inputs.stream) return model.includes('gpt-oss') ? events(spoken()) : events(plain());
    const answer = { response: FACT, usage };
    return options?.returnRawResponse && asked === 'raw' ? raw({ result: answer, success: true, errors: [], messages: [] }) : answer;
  }
}

const raw = (body, status = 200) => Response.json(body, { status });

function* plain() {
  for (const response of FACT.split(/(?<= )/)) yield { response, p: 'abc' };
  yield { response: '', usage };
}

function* spoken() {
  const chunk = (delta, finish_reason = null) => ({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta, finish_reason }] });
  for (const content of FACT.split(/(?<= )/)) yield chunk({ content });
  yield { ...chunk({}, 'stop'), usage };
}

function events(chunks) {
  const encoder = new TextEncoder();
  return new ReadableStream({
    type: 'bytes',
    pull(controller) {
      const { value, done } = chunks.next();
      controller.enqueue(encoder.encode(done ? 'data: [DONE]\n\n' : `data: ${JSON.stringify(value)}\n\n`));
      if (done) controller.close();
    },
  });
}
