// Arize Phoenix (PyPI) takes the gateway's traces over OTLP/HTTP and shows them through its own API. A peer that .ci/run installs.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { scrubbed } from '../../scripts/lib/env.mjs';
import { toolsDir } from '../../scripts/lib/paths.mjs';
import { MODELS, capital } from './clients.mjs';
import { missingPeer, startHarness, until } from './harness.mjs';

const venv = join(toolsDir, 'peers', 'phoenix');
const present = existsSync(join(venv, 'installed'));

async function freePorts(count) {
  const servers = await Promise.all(Array.from({ length: count }, () => new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => resolve(server));
  })));
  const ports = servers.map(server => server.address().port);
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))));
  return ports;
}

describe('Arize Phoenix', present ? { timeout: 300_000 } : missingPeer('arize-phoenix (PyPI)', 'run .ci/run once, which installs it'), () => {
  let gateway;
  let folder;
  let child;
  let base;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'signalbox-phoenix-'));
    const [port, grpc] = await freePorts(2);
    base = `http://127.0.0.1:${port}`;
    const settings = { WORKING_DIR: folder, HOST: '127.0.0.1', PORT: port, GRPC_PORT: grpc, TELEMETRY_ENABLED: 'false', ALLOW_EXTERNAL_RESOURCES: 'false', DISABLE_AGENT_ASSISTANT: 'true' };
    const env = Object.fromEntries(Object.entries(settings).map(([name, value]) => [`PHOENIX_${name}`, String(value)]));
    child = spawn(join(venv, 'bin', 'phoenix'), ['serve'], { env: { ...scrubbed(), ...env, NO_PROXY: '127.0.0.1' }, stdio: 'ignore' });
    gateway = await startHarness({ config: { telemetry: { flush_ms: 20, otlp: [{ endpoint: base, signals: ['traces'], flavour: 'openinference', content: true }] } }, tells: 'prompts' });
    await until(async () => (await fetch(`${base}/healthz`).catch(() => ({ ok: false }))).ok, { timeout: 240_000, every: 200, what: 'Phoenix' });
  }, { timeout: 270_000 }); // it migrates an empty database first: some twenty seconds of CPU time
  after(async () => {
    if (child) {
      const gone = new Promise(resolve => child.once('exit', resolve));
      child.kill();
      await gone;
    }
    await gateway?.close();
    if (folder) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  });

  test('shows a rescued stream as one trace: the request, the call that failed, the call that answered', async () => {
    gateway.sim.behave('gpt-5-mini', 'status-401');
    const answer = await gateway.call('/v1/chat/completions', { model: MODELS.OpenAI, messages: capital, models: [MODELS.Anthropic], stream: true, stream_options: { include_usage: true } });
    await answer.text();
    const [, traceId, spanId] = answer.headers.get('traceparent').split('-');
    const spans = await until(async () => {
      const page = await fetch(`${base}/v1/projects/default/spans?trace_id=${traceId}`);
      const { data = [] } = page.ok ? await page.json() : {};
      return data.length >= 3 && data;
    }, { timeout: 30_000, every: 200, what: 'the trace in Phoenix' });
    assert.equal(spans.length, 3);
    const own = spans.find(span => span.context.span_id === spanId);
    const [failed, answered] = spans.filter(span => span !== own).sort((a, b) => a.attributes['signalbox.attempt.number'] - b.attributes['signalbox.attempt.number']);
    assert.deepEqual([own.span_kind, failed.span_kind, answered.span_kind], ['CHAIN', 'LLM', 'LLM']);
    assert.deepEqual([own.parent_id, failed.parent_id, answered.parent_id], [null, spanId, spanId]);
    assert.deepEqual([failed.status_code, answered.status_code === 'ERROR'], ['ERROR', false]);
    const told = answered.attributes;
    assert.equal(told['llm.model_name'], MODELS.Anthropic.split('/')[1]);
    assert.equal(told['llm.provider'], 'anthropic');
    assert.ok(told['llm.token_count.prompt'] > 0 && told['llm.token_count.completion'] > 0);
    assert.equal(told['llm.token_count.total'], told['llm.token_count.prompt'] + told['llm.token_count.completion']);
    assert.deepEqual(own.events.map(event => event.name).sort(), ['signalbox.commit', 'signalbox.fallback']);
    const words = { 'llm.input_messages.0.message.role': 'user', 'llm.input_messages.0.message.content': /capital of France/, 'llm.output_messages.0.message.content': /./ };
    for (const [key, value] of Object.entries(words)) assert.match(told[key], new RegExp(value), key);
    assert.ok(own.attributes['input.value'].includes('capital of France') && !JSON.stringify(failed).includes('capital of France'));
  });
});
