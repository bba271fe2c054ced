// A real Prometheus scrapes the gateway with the files of deploy/prometheus, and answers the queries of the Grafana dashboard.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { scrubbed } from '../../scripts/lib/env.mjs';
import { root } from '../../scripts/lib/paths.mjs';
import { MODELS, capital } from './clients.mjs';
import { missingPeer, startHarness, until } from './harness.mjs';

const DEPLOYED = join(root, 'deploy', 'prometheus');
const TOKEN = 'scrape-me';
const env = { ...scrubbed(), NO_PROXY: '127.0.0.1' };

/** Runs promtool: its exit code and what it said. */
const promtool = (args, { input, cwd } = {}) => new Promise(resolve => {
  const child = execFile('promtool', args, { env, cwd }, (error, stdout, stderr) => resolve({ code: error ? error.code : 0, said: stdout + stderr }));
  child.stdin.end(input ?? '');
});
const present = await Promise.all([promtool(['--version']), new Promise(resolve => execFile('prometheus', ['--version'], { env }, error => resolve({ code: error?.code ?? 0 })))]);
const absent = present.some(({ code }) => code !== 0) && missingPeer('prometheus (Debian)', 'install the package, or run .ci/run as root, which does');

async function freePort() {
  const server = createServer();
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise(resolve => server.close(resolve));
  return port;
}

describe('alert rules', absent || {}, () => {
  test('are valid, fire when they should, and leave a healthy gateway alone', async () => {
    for (const args of [['check', 'rules', 'alerts.yml'], ['test', 'rules', 'alerts.test.yml']]) {
      const { code, said } = await promtool(args, { cwd: DEPLOYED });
      assert.equal(code, 0, said);
      assert.match(said, /SUCCESS/);
    }
  });
});

describe('Prometheus', absent || {}, () => {
  let gateway;
  let folder;
  let child;
  let base;
  const ask = async (path, query) => {
    const answer = await (await fetch(`${base}/api/v1/${path}?${new URLSearchParams(query)}`)).json();
    assert.equal(answer.status, 'success', `${JSON.stringify(query)}: ${answer.error}`);
    return answer.data;
  };
  const value = async query => Number((await ask('query', { query })).result[0]?.value[1] ?? NaN);
  const chat = async more => {
    const answer = await gateway.call('/v1/chat/completions', { model: MODELS.OpenAI, messages: capital, ...more });
    await answer.text();
    return answer.status;
  };

  before(async () => {
    gateway = await startHarness({
      config: sim => ({ telemetry: { flush_ms: 20 }, providers: { house: { kind: 'openai-chat', base_url: sim.baseUrl('house'), api_key: 'sim-house' } } }),
      secrets: { METRICS_TOKEN: TOKEN },
    });
    folder = mkdtempSync(join(tmpdir(), 'signalbox-prometheus-'));
    cpSync(DEPLOYED, folder, { recursive: true });
    const port = await freePort();
    const deployed = readFileSync(join(DEPLOYED, 'prometheus.yml'), 'utf8');
    // As it is deployed, but for the address, TLS and the pace.
    const here = deployed.replace('signalbox.example.com]', `'${new URL(gateway.url).host}']`).replace('scheme: https', 'scheme: http').replaceAll('interval: 30s', 'interval: 1s');
    writeFileSync(join(folder, 'prometheus.yml'), here);
    writeFileSync(join(folder, 'metrics_token'), TOKEN);
    child = spawn('prometheus', [`--config.file=${join(folder, 'prometheus.yml')}`, `--storage.tsdb.path=${join(folder, 'data')}`, `--web.listen-address=127.0.0.1:${port}`, '--log.level=error'], { env, stdio: ['ignore', 'inherit', 'inherit'] });
    base = `http://127.0.0.1:${port}`;
    await until(async () => (await fetch(`${base}/-/ready`).catch(() => ({ ok: false }))).ok, { timeout: 30_000, every: 100, what: 'Prometheus' });
  });
  after(async () => {
    if (child) {
      const gone = new Promise(resolve => child.once('exit', resolve));
      child.kill();
      await gone;
    }
    await gateway?.close();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  test('scrapes with the token of its own, and finds what the traffic was', async () => {
    await until(async () => (await ask('targets', { state: 'active' })).activeTargets.every(target => target.health === 'up'), { every: 200, what: 'the first scrape' });
    assert.equal(await chat(), 200);
    await until(async () => (await value('sum(signalbox_requests_total{http_route="/v1/chat/completions"})')) === 1, { every: 200, what: 'the first request' });
    // Of every kind: streamed, cached, rescued, refused, failed, lossy, unpriced.
    gateway.sim.behave('gpt-5-mini', { answer: { usage: { input: 1000, cached: 600, output: 20, reasoning: 0 } } });
    assert.equal(await chat({ stream: true }), 200);
    gateway.sim.behave('gpt-5-mini', 'status-401');
    assert.equal(await chat({ models: [MODELS.Anthropic], stream: true }), 200);
    gateway.sim.reset();
    assert.equal(await chat({ model: MODELS.Anthropic, user: 'u', prompt_cache_key: 'k' }), 200);
    assert.equal(await chat({ model: 'house/of-ones-own' }), 200);
    assert.equal(await chat({ model: 5 }), 400);
    gateway.sim.behave('gpt-5-mini', 'status-400');
    assert.equal(await chat(), 400);
    gateway.sim.reset();
    assert.ok((await chat({ model: 'flaky/down' })) >= 500);
    await until(async () => (await value('sum(signalbox_requests_total{http_route="/v1/chat/completions"})')) === 8, { every: 200, what: 'all requests' });
    assert.equal(await value('sum(signalbox_requests_total{http_route="/v1/chat/completions",signalbox_outcome="ok"})'), 5);
    assert.equal(await value('sum(signalbox_attempts_total{signalbox_provider="anthropic",signalbox_attempt_role="fallback",signalbox_outcome="ok"})'), 1);
    assert.equal(await value('sum(signalbox_errors_total{error_type="invalid_request"})') >= 1, true);
    assert.equal(await value('sum(signalbox_unpriced_total{signalbox_provider="house",signalbox_model="other"})'), 1, 'a name that only a caller gave is no label');
    assert.ok((await value('sum(signalbox_losses_total)')) > 0);
    assert.ok((await value('sum(signalbox_cost_usd_total{signalbox_cost_certainty="exact"})')) > 0);
    assert.equal(await value('sum(gen_ai_server_request_duration_seconds_bucket{le="+Inf"}) == sum(gen_ai_server_request_duration_seconds_count)'), await value('sum(gen_ai_server_request_duration_seconds_count)'));
    await until(async () => {
      await chat({ model: 'flaky/down' });
      return (await value('max(signalbox_breaker_open{signalbox_provider="flaky"})')) === 1;
    }, { every: 100, timeout: 20_000, what: 'the open circuit' });
    assert.equal(await value('sum(signalbox_export_dropped_total)'), 0, 'there before anything is dropped, so that the first drop is an increase');
  });

  test('has nothing to say against the text, as promtool reads it', async () => {
    const text = await (await gateway.call('/metrics', undefined, { headers: { authorization: `Bearer ${TOKEN}` } })).text();
    const { code, said } = await promtool(['check', 'metrics'], { input: text });
    assert.equal(code, 0, said);
    assert.equal(said, '');
    const types = Object.fromEntries((await ask('targets/metadata', {})).map(({ metric, type }) => [metric, type]));
    for (const [, name, type] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) assert.equal(types[name], type, name);
  });

  test('answers every query of the Grafana dashboard, and finds series for all that the traffic had', async () => {
    const dashboard = JSON.parse(readFileSync(join(root, 'deploy', 'grafana', 'signalbox.json'), 'utf8'));
    const queries = dashboard.panels.flatMap(panel => (panel.targets ?? []).map(({ expr }) => ({ title: panel.title, expr })));
    assert.ok(queries.length > 30);
    const filled = expr => expr.replaceAll(/\$(provider|model)\b/g, '.*').replaceAll(/\$__(range|rate_interval)/g, '1h');
    // Without a limit, a break and a shadow there is nothing to see of them.
    const without = ['Refused by a limit', 'Answers gone on with', 'Another policy would have chosen otherwise'];
    let empty;
    await until(async () => {
      const found = await Promise.all(queries.map(async ({ title, expr }) => ((await ask('query', { query: filled(expr) })).result.length ? undefined : title)));
      empty = found.filter(title => title && !without.includes(title));
      return empty.length === 0; // a rate takes two scrapes
    }, { every: 500 }).catch(() => assert.deepEqual(empty, []));
    for (const variable of dashboard.templating.list.filter(({ type }) => type === 'query')) {
      const [, metric, label] = /^label_values\((\w+), (\w+)\)$/.exec(variable.definition);
      assert.ok((await ask(`label/${label}/values`, { 'match[]': metric })).length > 0, variable.name);
    }
    const rules = (await ask('rules', {})).groups.flatMap(group => group.rules);
    assert.deepEqual(rules.filter(rule => rule.health === 'err').map(rule => `${rule.name}: ${rule.lastError}`), []);
  });
});
