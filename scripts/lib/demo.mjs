// What `npm start` shows: its configuration and the lines to try.

/**
 * Identity `none` is for local mode only. The provider `flaky` always answers 503, to show a fallback; `slow` (the alias `slowly`)
 * speaks at a person's pace, to show a stream.
 */
export function demoConfig(simulator, real = false) {
  const simulated = {
    openai: { base_url: simulator.baseUrl('openai'), api_key: 'sim-openai' },
    anthropic: { base_url: simulator.baseUrl('anthropic'), api_key: 'sim-anthropic' },
    gemini: { base_url: simulator.baseUrl('gemini'), api_key: 'sim-gemini' },
  };
  const flaky = { kind: 'openai-chat', base_url: simulator.baseUrl('openai', 'status-503'), api_key: 'sim-flaky', prices_of: 'openai' };
  const slow = { ...flaky, base_url: simulator.baseUrl('openai', 'slow;ms=80'), api_key: 'sim-slow' };
  return { identity: { mode: 'none' }, providers: { ...(real ? {} : simulated), flaky, slow }, aliases: { slowly: { candidates: ['slow/gpt-5-mini'] } } };
}

export function hints(url, real = false) {
  const named = real ? 'auto' : 'openai/gpt-5-mini';
  const post = '-H \'content-type: application/json\'';
  return `
Try these; no key is needed${real ? ' on your side, and the answers are real' : ', and the answers are simulated'}:

1. A streamed answer
curl -N ${url}/v1/chat/completions ${post} -d '{"model":"${named}","stream":true,"messages":[{"role":"user","content":"What does a signal box do?"}]}'

2. A model chosen for you, with the reasons
curl ${url}/v1/chat/completions ${post} -H 'x-signalbox-explain: true' -d '{"model":"auto","messages":[{"role":"user","content":"Write a function that adds two numbers."}]}'

3. A fallback: the first provider answers 503, the second one answers you (see x-signalbox-attempts)
curl -i ${url}/v1/chat/completions ${post} -d '{"model":"flaky/gpt-5-mini","models":["${real ? 'auto' : 'anthropic/claude-sonnet-4-6'}"],"messages":[{"role":"user","content":"What is the capital of France?"}]}'

The page: ${url}/ shows all of it live, and has a playground${real ? '' : ' (the model `slowly` streams at a person\'s pace: drop its connection)'}.
What it cost so far: curl ${url}/v1/usage
Ctrl-C ends everything.
`;
}
