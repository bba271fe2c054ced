// The native path: a provider's bytes reach a caller of its own dialect as they came, however they were cut on the way.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { haveFixtures, listCases, recorded } from '../../tools/simulator/fixtures.mjs';
import { capital } from './clients.mjs';
import { startHarness } from './harness.mjs';
import { dataOf, send } from './wire.mjs';

// Odd sizes, so that boundaries fall everywhere: single bytes where that makes some hundred pieces, else more at a time.
const cuts = size => [{ bytes: Math.floor(size / 600) * 2 + 1 }, { bytes: 997 }, 'whole'];

let gateway;
before(async () => (gateway = await startHarness({ config: sim => ({ providers: { host: { kind: 'openai-chat', base_url: sim.baseUrl('host'), api_key: 'sim-host' } } }) })));
after(() => gateway?.close());
beforeEach(() => gateway.sim.reset());

const CALLS = {
  'openai-chat': { path: '/v1/chat/completions', body: { model: 'host/recorded', messages: capital } },
  'anthropic-messages': { path: '/v1/messages', body: { model: 'anthropic/recorded', max_tokens: 100, messages: capital } },
};
const call = (dialect, more) => send(`${gateway.url}${CALLS[dialect].path}`, { body: { ...CALLS[dialect].body, ...more }, headers: { 'anthropic-version': '2023-06-01' } });
/** A stream's text without its end marker, which may be missing, and without costs: OpenRouter sends its own, we ours. */
const endless = text => text.replace(/data: \[DONE\]\s*$/, '').replace(/,"cost":[\d.e-]+/g, '').trimEnd();
const bytesOf = one => {
  const { events, body } = recorded(gateway.sim.cases, one.id);
  return events ? Buffer.concat(events.map(event => event.bytes)) : body;
};

const OPENAI = new Set(['openai-chat', 'openai-compatible', 'mistral', 'deepseek', 'qwen']);
const cases = [...listCases().values()].filter(({ meta }) => meta.status === 200 && ['chat', 'messages'].includes(meta.endpoint));
const whole = one => !one.meta.features.some(feature => ['stream-cut', 'in-stream-error', 'error-body-200'].includes(feature));
const streams = wanted => cases.filter(one => one.meta.framing === 'sse' && wanted(one.dialect) && whole(one));

describe('recorded streams', { skip: haveFixtures() ? false : 'the folder with recorded provider traffic is not here' }, () => {
  for (const one of streams(dialect => dialect === 'anthropic-messages')) {
    test(`Anthropic, ${one.id}: every byte`, async () => {
      const expected = bytesOf(one);
      for (const chunks of cuts(expected.length)) {
        gateway.sim.behave('recorded', { fixture: one.id, chunks });
        const got = await (await call('anthropic-messages', { stream: true })).rest();
        assert.ok(got.equals(expected), `cut ${JSON.stringify(chunks)}: ${got.length} bytes of ${expected.length}`);
      }
    });
  }

  for (const one of streams(dialect => OPENAI.has(dialect))) {
    test(`OpenAI, ${one.dialect}/${one.id}: every byte but the cost on the usage chunk`, async () => {
      const text = bytesOf(one).toString('utf8');
      for (const chunks of cuts(text.length)) {
        gateway.sim.behave('recorded', { fixture: one.id, chunks });
        const got = await (await call('openai-chat', { stream: true, stream_options: { include_usage: true } })).text();
        assert.match(got, /data: \[DONE\]\n\n$/);
        const mine = endless(got);
        // Who asked for usage gets it, estimated where the provider counted nothing.
        const kept = one.meta.features.includes('no-usage') ? mine.slice(0, mine.lastIndexOf('data: ')).trimEnd() : mine;
        assert.equal(kept, endless(text), `cut ${JSON.stringify(chunks)}`);
      }
    });

    test(`OpenAI, ${one.dialect}/${one.id}: without the usage chunk for who did not ask for one`, async () => {
      const text = bytesOf(one).toString('utf8');
      gateway.sim.behave('recorded', { fixture: one.id, chunks: { bytes: 131 } });
      const got = dataOf(await (await call('openai-chat', { stream: true })).text());
      const wanted = dataOf(text).filter(item => !(item.usage && item.choices?.length === 0));
      if (wanted.at(-1) !== '[DONE]') wanted.push('[DONE]');
      assert.deepEqual(got, wanted);
    });
  }
});

describe('recorded whole answers', { skip: haveFixtures() ? false : 'the folder with recorded provider traffic is not here' }, () => {
  for (const one of cases.filter(one => one.meta.framing === 'json' && !one.meta.stream && whole(one))) {
    const dialect = OPENAI.has(one.dialect) ? 'openai-chat' : one.dialect;
    if (!CALLS[dialect]) continue;
    test(`${one.dialect}/${one.id}: every byte but the cost`, async () => {
      gateway.sim.behave('recorded', { fixture: one.id });
      const got = await (await call(dialect)).text();
      // A safety verdict is told in a member of ours as well.
      const ours = one.meta.features.includes('safety-block') ? /,"signalbox":\{.*\}(?=\}\s*$)/s : /^$/;
      assert.equal(got.replace(ours, '').replace(/,"cost":[\d.e-]+/, ''), bytesOf(one).toString('utf8'));
    });
  }
});

describe('requests', () => {
  // Odd spacing, member order, escapes, numbers and unknown members: what a parser would tidy up.
  const odd = '{ "stream" :false,\n  "temperature":1.0e0, "messages":[{"role":"user","content":"caf\\u00e9 \\/ 🚦"}] ,"future_member":{"a":[1,2.50]}, ';

  test('keep every byte but the model\'s, which loses its provider', async () => {
    for (const [path, model, rest] of [
      ['/v1/chat/completions', 'host/any', ''],
      ['/v1/messages', 'anthropic/any', '"max_tokens":5,'],
    ]) {
      const body = `${odd}${rest}"model" : "${model}" }`;
      gateway.sim.behave('any', { body: '{}', status: 400 }); // the simulator's own checks come first, its answer does not matter
      await (await send(`${gateway.url}${path}`, { body, headers: { 'anthropic-version': '2023-06-01' } })).rest();
      const [attempt] = gateway.sim.log.all();
      assert.equal(attempt.body, body.replace(`"${model}"`, '"any"'));
      gateway.sim.reset();
    }
  });

  test('a caller\'s anthropic-version and beta headers go on as they are', async () => {
    const headers = { 'anthropic-version': '2023-06-01', 'anthropic-beta': 'one-2025-01-01,two-2026-01-01' };
    await (await send(`${gateway.url}/v1/messages`, { body: CALLS['anthropic-messages'].body, headers })).rest();
    const [attempt] = gateway.sim.log.all();
    assert.deepEqual([attempt.headers['anthropic-version'], attempt.headers['anthropic-beta']], [headers['anthropic-version'], headers['anthropic-beta']]);
  });
});
