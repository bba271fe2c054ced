// OpenRouter's official client, whose schemas take no answer that strays from OpenRouter's API. Tool loops: loops.test.mjs.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { OpenRouter } from '@openrouter/sdk';
import { MODELS, capital, collect, dialectOf, invoice, user } from './clients.mjs';
import { startHarness } from './harness.mjs';

let gateway;
let openrouter;

before(async () => {
  gateway = await startHarness();
  openrouter = new OpenRouter({ serverURL: `${gateway.url}/v1`, apiKey: 'none', retryConfig: { strategy: 'none' } });
});
after(() => gateway?.close());
beforeEach(() => gateway.sim.reset());

const sent = () => gateway.sim.log.all().at(-1);
const send = chatRequest => openrouter.chat.send({ chatRequest: { messages: capital, ...chatRequest } });
const textOf = chunks => chunks.map(chunk => chunk.choices[0]?.delta.content ?? '').join('');

for (const [provider, model] of Object.entries(MODELS)) {
  describe(`with a model of ${provider}`, () => {
    test('an answer, whole with what it cost, and streamed', async () => {
      const whole = await send({ model });
      assert.match(whole.choices[0].message.content, /Paris/);
      assert.equal(whole.choices[0].finishReason, 'stop');
      assert.ok(whole.usage.cost > 0);
      assert.equal(sent().dialect, dialectOf(model));
      // OpenAI's chunks keep their bytes, `usage: null` among them, which this client refuses.
      if (provider === 'OpenAI') return;
      const chunks = await collect(await send({ model, stream: true }));
      assert.equal(textOf(chunks), whole.choices[0].message.content);
      assert.equal(chunks.filter(chunk => chunk.choices[0]?.finishReason).length, 1);
    });

    test('effort, in OpenRouter\'s words', async () => {
      const answer = await send({ model, reasoning: { effort: 'high' } });
      assert.match(answer.choices[0].message.content, /Paris/);
      const body = JSON.parse(sent().body);
      const asked = body.reasoning_effort ?? body.output_config?.effort ?? body.generationConfig?.thinkingConfig;
      assert.ok(asked, sent().body);
      assert.equal(body.reasoning, undefined);
    });

    test('a structured answer', async () => {
      const responseFormat = { type: 'json_schema', jsonSchema: { name: 'invoice', strict: true, schema: invoice } };
      const answer = await send({ model, messages: user('Invoice number 7, blue'), responseFormat });
      assert.deepEqual(JSON.parse(answer.choices[0].message.content), { number: 7, colour: 'blue' });
    });
  });
}

test('`models` are tried after `model`, in their order', async () => {
  gateway.sim.behave('gpt-5-mini', { status: 503 });
  const answer = await send({ model: MODELS.OpenAI, models: [MODELS.Anthropic] });
  assert.match(answer.choices[0].message.content, /Paris/);
  assert.equal(sent().dialect, 'anthropic-messages');
});

test('`models` without `model`: the first is preferred', async () => {
  const models = [MODELS.Anthropic, MODELS.OpenAI];
  const answer = await send({ models });
  assert.match(answer.choices[0].message.content, /Paris/);
  assert.deepEqual(gateway.sim.log.all().map(attempt => attempt.dialect), ['anthropic-messages']);
});

test('`reasoning.exclude` shows no thoughts, whoever has them', async () => {
  for (const model of [MODELS.Anthropic, MODELS.Gemini]) {
    const answer = await send({ model, reasoning: { effort: 'high', exclude: true } });
    assert.match(answer.choices[0].message.content, /Paris/);
    assert.equal(answer.choices[0].message.reasoning ?? answer.choices[0].message.reasoningContent ?? null, null);
    assert.ok(!sent().body.includes('exclude'), 'no provider knows the word');
  }
});

test('`provider` keeps a provider out and never reaches one', async () => {
  const answer = await send({ model: MODELS.OpenAI, models: [MODELS.Gemini], provider: { ignore: ['openai'] } });
  assert.match(answer.choices[0].message.content, /Paris/);
  assert.deepEqual(gateway.sim.log.all().map(attempt => attempt.dialect), ['gemini']);
  assert.ok(!sent().body.includes('ignore'));
});
