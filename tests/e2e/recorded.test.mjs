// Recorded provider answers through the gateway to both official clients, compared with the recording by a reader of its own.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { haveFixtures, listCases } from '../../tools/simulator/fixtures.mjs';
import { capital, clients, collect } from './clients.mjs';
import { startHarness } from './harness.mjs';
import { readAnthropic, readAnthropicEvents, readOpenai, readOpenaiChunks, recordedAnswer } from './recordings.mjs';

// Array framing is what Gemini sends without `alt=sse`, which the gateway always asks for.
const answersHere = ({ meta }) => ['chat', 'messages', 'generate'].includes(meta.endpoint) && meta.framing !== 'json-array';
const cases = [...listCases().values()].filter(one => one.dialect !== 'openai-responses' && answersHere(one));
const providers = [...new Set(cases.map(providerOf))];

let gateway;
let sdk;

describe('recorded answers', { skip: haveFixtures() ? false : 'the folder with recorded provider traffic is not here' }, () => {
  before(async () => {
    gateway = await startHarness({ config: sim => ({ providers: Object.fromEntries(providers.map(name => [name, provider(sim, name)])) }) });
    sdk = clients(gateway);
  });
  after(() => gateway?.close());
  beforeEach(() => gateway.sim.reset());

  for (const [client, ask] of Object.entries({ OpenAI: askOpenai, Anthropic: askAnthropic })) {
    for (const one of cases) {
      test(`${client} client, ${one.dialect}/${one.id}`, async () => {
        gateway.sim.behave('recorded', { fixture: one.id, chunks: { bytes: 997 } });
        const expected = recordedAnswer(one);
        const got = await ask(`${providerOf(one)}/recorded`, one.meta.stream).catch(error => error);
        if (!expected || expected.stop === undefined) {
          assert.ok(got instanceof Error, `an answer that failed or never ended is an error, not ${JSON.stringify(got)}`);
          return;
        }
        assert.ok(!(got instanceof Error), got.stack);
        assert.deepEqual({ ...got, usage: undefined }, { ...expected, usage: undefined });
        if (expected.usage) assert.deepEqual(got.usage, expected.usage);
        assert.equal(gateway.sim.log.all().length, 1);
      });
    }
  }
});

async function askOpenai(model, stream) {
  const body = { model, messages: capital, stream };
  if (!stream) return readOpenai(await sdk.openai.chat.completions.create(body));
  return readOpenaiChunks(await collect(await sdk.openai.chat.completions.create({ ...body, stream_options: { include_usage: true } })));
}

async function askAnthropic(model, stream) {
  const body = { model, max_tokens: 100, messages: capital, stream };
  const answer = await sdk.anthropic.messages.create(body);
  return stream ? readAnthropicEvents(await collect(answer)) : readAnthropic(answer);
}

/** Who answered; the three dialects' own names where another host spoke for them. */
function providerOf({ dialect, meta }) {
  if (dialect === 'anthropic-messages') return 'anthropic';
  return dialect === 'gemini' ? 'gemini' : meta.provider;
}

function provider(sim, name) {
  const kind = { anthropic: 'anthropic-messages', gemini: 'gemini' }[name] ?? 'openai-chat';
  return { kind, base_url: sim.baseUrl(name), api_key: `sim-${name}`, prices_of: 'openai' };
}
