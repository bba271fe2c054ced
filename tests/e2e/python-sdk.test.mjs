// The official OpenAI client from PyPI and LangChain over it. Both are third-party peers: .ci/run installs them.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { scrubbed } from '../../scripts/lib/env.mjs';
import { root, toolsDir } from '../../scripts/lib/paths.mjs';
import { MODELS } from './clients.mjs';
import { missingPeer, startHarness } from './harness.mjs';

const venv = join(toolsDir, 'peers', 'python');
const present = existsSync(join(venv, 'installed'));
const models = { ...MODELS, 'OpenAI by Responses': 'openai/gpt-5.6-sol', DeepSeek: 'deepseek/deepseek-v4-pro' };

describe('openai and langchain-openai from PyPI', present ? {} : missingPeer('openai (PyPI)', 'run .ci/run once, which installs it'), () => {
  let gateway;
  let told;

  before(async () => {
    gateway = await startHarness({ config: sim => ({ providers: { deepseek: { base_url: sim.baseUrl('deepseek'), api_key: 'sim-deepseek' } } }) });
    const script = join(root, 'tests', 'e2e', 'python_sdk.py');
    const { stdout } = await promisify(execFile)(join(venv, 'bin', 'python'), ['-B', script, gateway.url, ...Object.values(models)], { env: { ...scrubbed(), NO_PROXY: '127.0.0.1' } });
    told = stdout.trim().split('\n').map(line => JSON.parse(line));
  });
  after(() => gateway?.close());

  for (const [provider, model] of Object.entries(models)) {
    const way = name => told.find(one => one.model === model && one.way === name)?.told;

    test(`a whole, a streamed and a structured answer of ${provider}`, () => {
      const whole = way('whole');
      assert.match(whole.text ?? whole.error, /Paris/);
      assert.deepEqual([whole.finish, whole.sums], ['stop', true]);
      assert.deepEqual(way('streamed'), { text: whole.text, usages: 1 });
      if (provider !== 'DeepSeek') assert.deepEqual(way('parsed'), { number: 7 }); // it has no JSON Schema
    });

    test(`the same of ${provider} in Responses`, () => {
      const whole = way('responses');
      assert.match(whole.text ?? whole.error, /Paris/);
      assert.deepEqual([whole.status, whole.sums], ['completed', true]);
      assert.deepEqual(way('responses, streamed'), whole);
      if (provider !== 'DeepSeek') assert.deepEqual(way('responses, parsed'), { number: 7 });
    });

    const customs = ['custom', 'responses, custom'].flatMap(name => [name, `${name}, streamed`]);
    if (provider.startsWith('OpenAI')) {
      test(`custom tools of ${provider}: their calls are texts, and so are the answers`, () => {
        for (const name of customs) {
          const { text, inputs, error } = way(name);
          assert.match(text ?? `${name}: ${error}`, /21 degrees in Lisbon/);
          assert.deepEqual(inputs, ['run Weather in Lisbon?\n']);
        }
      });
    } else if (provider !== 'DeepSeek') {
      test(`custom tools, which ${provider} has not, as the client's own error`, () => {
        for (const name of customs) assert.match(way(name).error, /^BadRequestError: .*tools/);
      });
    }

    const loops = ['loop', 'langchain', 'responses, loop', 'responses, langchain'];
    for (const name of loops.flatMap(name => [name, `${name}, streamed`])) {
      test(`a tool loop with a thinking model of ${provider}: ${name}`, () => {
        const { text, turns, error } = way(name);
        assert.match(text ?? error, /21 degrees in Lisbon/);
        assert.equal(turns, 2);
      });
    }
  }

  test('an unknown model, as the client\'s own error', () => {
    assert.deepEqual(told.at(-1).told, Array(2).fill({ status: 404, code: 'model_not_found' }));
  });
});
