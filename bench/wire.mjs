// What the upstream of the bench says, in the shapes of OpenAI's chat completions. Shared with the check of the answers.

const WORDS = 'the signaller sets the points and clears the signal once the block ahead is free then enters the passage in the register'.split(' ');
const HEAD = '"id":"chatcmpl-BenchAAAAAAAAAAAAAAAAAAAAAAAA","object":"chat.completion';
const TAIL = '"created":1795348800,"model":"gpt-5-mini-2025-08-07","service_tier":"default"';

/** One answer of about 100 tokens. */
export const answerText = () => Array.from({ length: 100 }, (_, at) => WORDS[at % WORDS.length]).join(' ');

/** The texts of a stream's content events. Of its `events` data events one carries the role and one the finish reason. */
export const deltaText = events => Array.from({ length: events - 2 }, (_, at) => ` ${WORDS[at % WORDS.length]}`);

export function answer(promptTokens) {
  return `{${HEAD}",${TAIL},"choices":[{"index":0,"message":{"role":"assistant","content":${JSON.stringify(answerText())},"refusal":null,"annotations":[]},`
    + `"logprobs":null,"finish_reason":"stop"}],"usage":${usage(promptTokens, 100)},"system_fingerprint":null}`;
}

/** The events before the usage chunk, each as it goes onto the wire. */
export function events(count) {
  return [
    event('"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}]'),
    ...deltaText(count).map(text => event(`"choices":[{"index":0,"delta":{"content":${JSON.stringify(text)}},"logprobs":null,"finish_reason":null}]`)),
    event('"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]'),
  ];
}

export const usageEvent = (promptTokens, count) => event(`"choices":[],"usage":${usage(promptTokens, count)}`);
export const doneEvent = Buffer.from('data: [DONE]\n\n');

function event(rest) {
  return Buffer.from(`data: {${HEAD}.chunk",${TAIL},"system_fingerprint":null,${rest}}\n\n`);
}

function usage(prompt, completion) {
  return `{"prompt_tokens":${prompt},"completion_tokens":${completion},"total_tokens":${prompt + completion},`
    + '"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},'
    + '"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}';
}
