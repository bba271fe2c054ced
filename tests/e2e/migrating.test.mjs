// People who come from Portkey or LiteLLM: what docs/migrate-from-*.md say is so.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { MODELS, capital, clients } from './clients.mjs';
import { startHarness } from './harness.mjs';

const [OPENAI, ANTHROPIC] = [MODELS.OpenAI, MODELS.Anthropic];
const name = model => model.slice(model.indexOf('/') + 1);

let gateway;
// What fails again and again would be left out without being asked.
before(async () => (gateway = await startHarness({ config: { providers: { openai: { breaker: { enabled: false } } } } })));
after(() => gateway?.close());
beforeEach(() => gateway.sim.reset());

describe('from Portkey', () => {
  const ask = (config, path = '/v1/chat/completions', body = {}) => gateway.call(path, { model: OPENAI, messages: capital, ...body }, { headers: { 'x-portkey-config': typeof config === 'string' ? config : JSON.stringify(config), 'x-portkey-trace-id': 'theirs' } });
  const targets = [{ provider: 'openai', override_params: { model: name(OPENAI) } }, { override_params: { model: `@anthropic/${name(ANTHROPIC)}` } }];
  const fallback = { strategy: { mode: 'fallback' }, targets };

  test('targets are tried in their order, in every dialect, and nothing of it reaches a provider', async () => {
    for (const [path, body] of [['/v1/chat/completions'], ['/v1/responses', { messages: undefined, input: 'Hello' }], ['/v1/messages', { max_tokens: 50 }]]) {
      gateway.sim.reset();
      gateway.sim.behave(name(OPENAI), 'status-503');
      const answer = await ask(fallback, path, body);
      assert.equal(answer.status, 200, await answer.clone().text());
      assert.equal(answer.headers.get('x-signalbox-model'), ANTHROPIC, path);
      assert.match(answer.headers.get('x-signalbox-attempts'), new RegExp(`^${OPENAI}:503.*${ANTHROPIC}:200$`));
      for (const { headers } of gateway.sim.log.all()) assert.deepEqual(Object.keys(headers).filter(header => header.includes('portkey')), []);
    }
  });

  test('a target without a strategy, a slug, and the other names of providers mean who they say', async () => {
    for (const [config, model] of [
      [{ provider: 'anthropic', override_params: { model: name(ANTHROPIC) } }, ANTHROPIC],
      [{ strategy: { mode: 'single' }, targets: [targets[1]] }, ANTHROPIC],
      [{ provider: 'google', override_params: { model: name(MODELS.Gemini) } }, MODELS.Gemini],
    ]) {
      const answer = await ask(config);
      assert.equal(answer.headers.get('x-signalbox-model'), model, `${JSON.stringify(config)}: ${await answer.text()}`);
    }
  });

  test('a request that is wrong goes no further', async () => {
    gateway.sim.behave(name(OPENAI), 'status-400');
    const answer = await ask(fallback);
    assert.deepEqual([answer.status, answer.headers.get('x-signalbox-attempts')], [400, `${OPENAI}:400`]);
  });

  test('what does more than route is refused by name, and nobody is called', async () => {
    const [first] = targets;
    const refused = {
      'strategy.mode': { strategy: { mode: 'loadbalance' }, targets }, mode: { strategy: { mode: 'conditional' }, targets },
      weight: { targets: [{ ...first, weight: 1 }] }, retry: { ...first, retry: { attempts: 3 } }, request_timeout: { ...first, request_timeout: 1 },
      cb_config: { ...first, cb_config: {} }, on_status_codes: { strategy: { mode: 'fallback', on_status_codes: [429] }, targets },
      temperature: { provider: 'openai', override_params: { temperature: 0 } }, cache: { ...first, cache: { mode: 'simple' } },
      api_key: { ...first, api_key: 'sk' }, virtual_key: { ...first, virtual_key: 'v' }, custom_host: { ...first, custom_host: 'https://elsewhere.example' },
      forward_headers: { ...first, forward_headers: ['authorization'] }, passthrough: { ...first, passthrough: true }, 'x-portkey-config': 'pc-saved-12345',
    };
    for (const [member, config] of Object.entries(refused)) {
      const answer = await ask(config);
      const { error } = await answer.json();
      assert.equal(answer.status, 400, `${member}: ${JSON.stringify(error)}`);
      assert.ok(`${error.param} ${error.message}`.includes(member), `${member}: ${JSON.stringify(error)}`);
    }
    assert.equal(gateway.sim.log.all().length, 0);
  });
});

describe('from LiteLLM', () => {
  test('OpenAI\'s client sends fallbacks, which are tried in their order and reach no provider', async () => {
    const { openai } = clients(gateway);
    for (const create of [
      () => openai.chat.completions.create({ model: OPENAI, messages: capital, fallbacks: [ANTHROPIC] }),
      () => openai.responses.create({ model: OPENAI, input: 'Hello', fallbacks: [ANTHROPIC] }),
    ]) {
      gateway.sim.reset();
      gateway.sim.behave(name(OPENAI), 'status-503');
      const { response } = await create().withResponse();
      assert.equal(response.headers.get('x-signalbox-model'), ANTHROPIC);
      for (const { body } of gateway.sim.log.all()) assert.ok(!JSON.stringify(body).includes('fallbacks'));
    }
  });

  test('fallbacks in two places, that are requests, or maps are refused', async () => {
    for (const body of [
      { fallbacks: [ANTHROPIC], models: [ANTHROPIC] }, { fallbacks: [{ model: ANTHROPIC, messages: capital }] }, { fallbacks: [{ [OPENAI]: [ANTHROPIC] }] },
    ]) {
      const answer = await gateway.call('/v1/chat/completions', { model: OPENAI, messages: capital, ...body });
      assert.equal(answer.status, 400, JSON.stringify(body));
    }
    const both = await gateway.call('/v1/chat/completions', { model: OPENAI, messages: capital, fallbacks: [ANTHROPIC] }, { headers: { 'x-signalbox-models': ANTHROPIC } });
    assert.equal(both.status, 400);
  });

  test('the cost stands where the page says', async () => {
    const answer = await gateway.call('/v1/chat/completions', { model: OPENAI, messages: capital });
    assert.ok(Number(answer.headers.get('x-signalbox-cost-usd')) > 0);
    assert.equal((await answer.json()).usage.cost, Number(answer.headers.get('x-signalbox-cost-usd')));
  });
});
