// The gateway end to end, as the official clients see it.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { startHarness } from './harness.mjs';
import { send } from './wire.mjs';

const messages = [{ role: 'user', content: 'What is the capital of France?' }];
let gateway;
let openai;
let anthropic;

describe('a configured gateway', () => {
  before(async () => {
    gateway = await startHarness();
    openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
    anthropic = new Anthropic({ baseURL: gateway.url, apiKey: 'none', maxRetries: 0 });
  });
  after(() => gateway?.close());
  beforeEach(() => gateway.sim.reset());

  test('is healthy', async () => {
    const answer = await gateway.call('/healthz');
    assert.equal(answer.status, 200);
    assert.equal((await answer.json()).status, 'ok');
  });

  test('answers an OpenAI client, whole', async () => {
    const answer = await openai.chat.completions.create({ model: 'openai/gpt-5-mini', messages });
    assert.match(answer.choices[0].message.content, /Paris/);
    const [attempt] = gateway.sim.log.all();
    assert.equal(attempt.json.model, 'gpt-5-mini');
    assert.equal(attempt.headers.authorization, 'Bearer …enai');
  });

  test('answers an OpenAI client, streamed, and ends as the dialect ends', async () => {
    let text = '';
    for await (const chunk of await openai.chat.completions.create({ model: 'openai/gpt-5-mini', messages, stream: true })) text += chunk.choices[0]?.delta.content ?? '';
    assert.match(text, /Paris/);
    const raw = await send(`${gateway.url}/v1/chat/completions`, { body: { model: 'openai/gpt-5-mini', messages, stream: true } });
    assert.match(await raw.text(), /data: \[DONE\]\n\n$/);
  });

  test('answers an Anthropic client from Anthropic, whole and streamed', async () => {
    const request = { model: 'anthropic/claude-sonnet-4-6', max_tokens: 200, messages };
    assert.match((await anthropic.messages.create(request)).content[0].text, /Paris/);
    assert.match(await anthropic.messages.stream(request).finalText(), /Paris/);
    assert.ok(gateway.sim.log.all().every(attempt => attempt.dialect === 'anthropic-messages'));
  });

  test('chooses a model and says why', async () => {
    const answer = await gateway.call('/v1/chat/completions', { model: 'auto', messages }, { headers: { 'x-signalbox-explain': 'true' } });
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get('x-signalbox-model'), /^(openai|anthropic|gemini)\//);
    assert.ok((await answer.json()).signalbox);
  });

  test('falls back after a 503 and shows both attempts', async () => {
    const answer = await gateway.call('/v1/chat/completions', { model: 'flaky/gpt-5-mini', models: ['anthropic/claude-sonnet-4-6'], messages });
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get('x-signalbox-attempts'), /^flaky\/gpt-5-mini:503,.*anthropic\/claude-sonnet-4-6:200$/);
    assert.match((await answer.json()).choices[0].message.content, /Paris/);
  });

  test('tells the upstream when the client leaves', async () => {
    gateway.sim.behave('gpt-5-mini', { delays: { between: 50 } });
    const answer = await send(`${gateway.url}/v1/chat/completions`, { body: { model: 'openai/gpt-5-mini', messages, stream: true } });
    await answer.next();
    answer.leave();
    const attempt = await gateway.sim.waitFor(one => one.ended, { what: 'the end of the upstream call' });
    assert.equal(attempt.ended, 'client closed');
  });
});

test('a gateway without configuration is closed', async () => {
  const closed = await startHarness({ config: null });
  try {
    assert.equal((await closed.call('/v1/chat/completions', { model: 'openai/gpt-5-mini', messages })).status, 503);
    assert.equal((await (await closed.call('/healthz')).json()).status, 'unconfigured');
    assert.equal(closed.sim.log.all().length, 0);
  } finally {
    await closed.close();
  }
});
