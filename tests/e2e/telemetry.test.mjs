// What leaves the gateway about requests: spans and metrics as an official receiver reads them, the register's pages, and
// that none of it costs a caller anything.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, beforeEach, describe, test } from 'node:test';
import * as semconv from '@opentelemetry/semantic-conventions/incubating';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { ROOT_CONTEXT, defaultTextMapSetter, trace } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { scrubbed } from '../../scripts/lib/env.mjs';
import { root, toolsDir } from '../../scripts/lib/paths.mjs';
import { MODELS } from './clients.mjs';
import { DIALECTS } from './dialects.mjs';
import { missingPeer, startHarness, until } from './harness.mjs';

const SECRET = 'The launch code is swordfish-8841.';
const messages = [{ role: 'user', content: SECRET }];
const telemetry = more => ({ flush_ms: 20, metrics_ms: 20, ...more });
const chat = (gateway, more, headers) => gateway.call('/v1/chat/completions', { model: MODELS.OpenAI, messages, ...more }, { headers });

/** A collector that remembers what it got; `answer` may be changed. */
async function collector() {
  const got = [];
  const server = createServer((req, res) => {
    const pieces = [];
    req.on('data', piece => pieces.push(piece)).on('end', () => {
      got.push({ path: req.url, headers: req.headers, body: Buffer.concat(pieces), at: Date.now() });
      const [status, headers = {}] = self.answer?.(got.at(-1)) ?? [200];
      if (status) res.writeHead(status, headers).end();
    });
  });
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  const self = { got, url: `http://127.0.0.1:${server.address().port}`, close: () => (server.closeAllConnections(), server.close()) };
  return self;
}

const spansOf = export_ => JSON.parse(export_.body).resourceSpans.flatMap(r => r.scopeSpans.flatMap(s => s.spans));
const attributes = span => Object.fromEntries(span.attributes.map(({ key, value }) => [key, Object.values(value)[0]]));

describe('a collector that takes JSON', () => {
  let gateway;
  let sink;
  before(async () => {
    sink = await collector();
    // Beside it stands one at which nobody listens: none of this file's tests may notice.
    const dead = { endpoint: 'http://127.0.0.1:9', timeout_ms: 200 };
    gateway = await startHarness({ config: { telemetry: telemetry({ otlp: [dead, { endpoint: sink.url, encoding: 'json', headers: { 'x-key': 'k-42' } }] }) }, secrets: { METRICS_TOKEN: 'scrape-me' }, vars: { SIGNALBOX_ROLL_UP_MS: 1_000 }, bound: { EVENTS: { type: 'analytics_engine', dataset: 'events' } } });
  });
  after(async () => {
    await gateway?.close();
    sink?.close();
  });
  beforeEach(() => {
    gateway.sim.reset();
    sink.got.length = 0;
    sink.answer = undefined;
  });

  const exported = async (path, enough) => until(() => {
    const found = sink.got.filter(one => one.path === path);
    return enough(found) && found;
  }, { what: `${path} at the collector` });
  const spansOfRequest = async id => {
    const exports_ = await exported('/v1/traces', found => found.some(one => one.body.includes(id)));
    return exports_.flatMap(spansOf).filter(span => attributes(span)['signalbox.request.id'] === id);
  };

  test('gets a span for the request and one for each attempt, in the trace that the caller began', async () => {
    const exporter = new InMemorySpanExporter();
    const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
    const span = provider.getTracer('a caller').startSpan('asks');
    const headers = {};
    new W3CTraceContextPropagator().inject(trace.setSpan(ROOT_CONTEXT, span), headers, defaultTextMapSetter);
    gateway.sim.behave('gpt-5-mini', 'status-401');
    const answer = await chat(gateway, { models: [MODELS.Anthropic], stream: true }, headers);
    await answer.text();
    span.end();
    const [own, first, second, ...more] = await spansOfRequest(answer.headers.get('x-signalbox-request-id'));
    assert.deepEqual(more, []);
    const asked = exporter.getFinishedSpans()[0].spanContext();
    assert.deepEqual([own.traceId, own.parentSpanId, own.kind], [asked.traceId, asked.spanId, 2]);
    assert.equal(answer.headers.get('traceparent').split('-')[2], own.spanId);
    assert.deepEqual([first, second].map(s => [s.parentSpanId, s.kind, s.status?.code]), [[own.spanId, 3, 2], [own.spanId, 3, undefined]]);
    assert.deepEqual(second.links.map(link => link.spanId), [first.spanId]);
    assert.equal(attributes(first)['error.type'], 'auth');
    const told = attributes(second);
    assert.deepEqual([told['gen_ai.operation.name'], told['gen_ai.provider.name'], told['signalbox.attempt.role']], ['chat', 'anthropic', 'fallback']);
    assert.ok(told['gen_ai.usage.output_tokens'] > 0 && told['gen_ai.response.time_to_first_chunk'] >= 0);
    assert.deepEqual(own.events.map(event => event.name).sort(), ['signalbox.commit', 'signalbox.fallback']);
    assert.equal(sink.got[0].headers['x-key'], 'k-42');
  });

  test('no prompt, answer or key is in what it gets, and every gen_ai name is one of the conventions', async () => {
    const answer = await chat(gateway);
    const { choices: [{ message }] } = await answer.json();
    await spansOfRequest(answer.headers.get('x-signalbox-request-id'));
    await exported('/v1/metrics', found => found.length);
    const all = sink.got.map(one => one.body.toString()).join('\n');
    for (const text of [SECRET, 'swordfish', message.content, 'sim-openai']) assert.ok(!all.includes(text), text);
    const known = new Set(Object.values(semconv));
    const names = [...all.matchAll(/"key":"((?:gen_ai|http|server|error|url)\.[^"]+)"/g)].map(([, name]) => name);
    assert.ok(names.length > 20);
    assert.deepEqual([...new Set(names)].filter(name => !known.has(name)), []);
    const metrics = [...all.matchAll(/"name":"((?:gen_ai|http)\.[^"]+)"/g)].map(([, name]) => name);
    assert.ok(metrics.length > 3);
    assert.deepEqual([...new Set(metrics)].filter(name => !known.has(name)), []);
  });

  test('is asked again where that can help, and a refused batch is given up once', async () => {
    let first;
    sink.answer = one => (one.path === '/v1/traces' && (first ??= one) === one ? [503, { 'retry-after': '0' }] : [200]);
    const answer = await chat(gateway);
    const id = answer.headers.get('x-signalbox-request-id');
    const sent = await until(() => {
      const found = sink.got.filter(one => first && one.path === '/v1/traces' && one.body.equals(first.body));
      return found.length > 1 && found;
    }, { what: 'the second try' });
    assert.ok(sent.every(one => one.body.includes(id)), 'the same export');
    sink.got.length = 0;
    sink.answer = () => [400];
    const refused = (await chat(gateway)).headers.get('x-signalbox-request-id');
    const given = /"export given up".*"signal":"traces","collector":1/;
    await until(() => gateway.logs.some(({ message }) => given.test(message)), { what: 'the log line' });
    assert.equal(sink.got.filter(one => one.path === '/v1/traces' && one.body.includes(refused)).length, 1);
    const metrics = () => gateway.call('/metrics', undefined, { headers: { authorization: 'Bearer scrape-me' } });
    await until(async () => /^signalbox_export_dropped_total\{signalbox_signal="traces"\} [1-9]/m.test(await (await metrics()).text()), { what: 'the count' });
  });

  test('that is silent, beside one that is dead, changes nothing for callers', async () => {
    sink.answer = () => [0]; // never answers
    const began = Date.now();
    const answers = await Promise.all(Array.from({ length: 20 }, () => chat(gateway)));
    assert.deepEqual(new Set(answers.map(answer => answer.status)), new Set([200]));
    assert.ok(Date.now() - began < 5_000);
    sink.answer = undefined;
  });

  test('Prometheus gets the same counts, with its own token', async () => {
    const metrics = async token => gateway.call('/metrics', undefined, { headers: token ? { authorization: `Bearer ${token}` } : {} });
    const requests = text => text.split('\n').filter(line => line.startsWith('signalbox_requests_total{') && line.includes('/v1/chat/completions')).reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
    const before_ = requests(await (await metrics('scrape-me')).text());
    for (let n = 0; n < 3; n += 1) await (await chat(gateway)).text();
    const text = await until(async () => {
      const answer = await metrics('scrape-me');
      assert.match(answer.headers.get('content-type'), /^text\/plain; version=0\.0\.4/);
      const found = await answer.text();
      return requests(found) >= before_ + 3 && found;
    }, { what: 'the counts' });
    assert.match(text, /^signalbox_tokens_total\{.*signalbox_token_kind="output"\} \d+$/m);
    assert.match(text, /^gen_ai_server_request_duration_seconds_bucket\{.*le="\+Inf"\} \d+$/m);
  });

  test('the register tells of requests, adds them up, and outlives its memory', async () => {
    gateway.sim.behave('gpt-5-mini', 'status-401');
    const answer = await chat(gateway, { models: [MODELS.Anthropic] });
    const id = answer.headers.get('x-signalbox-request-id');
    const stats = async () => (await gateway.call('/v1/stats?minutes=5')).json();
    const seen = await until(async () => {
      const page = await stats();
      return page.recent.some(record => record.request_id === id) && page;
    }, { what: 'the request in the ring' });
    const record = seen.recent.find(one => one.request_id === id);
    assert.deepEqual(record.attempts.map(attempt => attempt.outcome), ['401', '200']);
    assert.ok(seen.total.requests > 0 && seen.total.rescued > 0);
    assert.ok(seen.by.model.some(row => row.key === MODELS.Anthropic && row.attempts > 0 && row.cost_picousd !== '0'));
    assert.equal(seen.by.principal.length, 1);
    const object = await gateway.durable('HEALTH', 'register/0');
    await until(async () => (await (await object.fetch('https://object/register/saved')).text()) === 'true', { every: 200, what: 'the register on disk' });
    await gateway.evict('Health', 'register/0');
    const again = await stats();
    assert.ok(again.recent.some(one => one.request_id === id) && again.total.requests >= seen.total.requests);
    assert.ok(again.by.model.some(row => row.key === MODELS.Anthropic));
  });

  test('the register has the books of principals from their ledgers, also where both were put out of memory', async () => {
    const id = (await chat(gateway)).headers.get('x-signalbox-request-id');
    const usage = await (await gateway.call('/v1/usage')).json();
    await gateway.evict('Ledger', usage.principal);
    const ledgers = async () => (await (await gateway.call('/v1/stats?days=1')).json()).ledgers;
    const told = await until(async () => {
      const [own] = await ledgers();
      return own?.attempts >= usage.totals.attempts && own;
    }, { every: 100, what: `the ledger's push after ${id}` });
    const { totals } = await (await gateway.call('/v1/usage')).json();
    assert.deepEqual([told.key, told.requests, told.attempts, told.cost_picousd, told.tokens.output], [usage.principal, totals.requests, totals.attempts, totals.cost_picousd, totals.output_tokens]);
    assert.deepEqual(told.days.map(day => [day.day, day.attempts]), usage.days.map(({ day }) => [day, totals.attempts]));
    await gateway.evict('Health', 'register/0');
    assert.deepEqual(await ledgers(), [told]);
  });

  test('a data point for Analytics Engine is written where it is bound, and what is not bound is told to operators', async () => {
    const { unbound } = await (await gateway.call('/healthz')).json();
    assert.ok(!unbound.includes('EVENTS') && unbound.includes('AI'), unbound.join());
    assert.equal((await chat(gateway)).status, 200);
    assert.deepEqual(gateway.logs.filter(({ message }) => String(message).includes('data point refused')), []);
  });
});

/** What docs/telemetry.md says of a collector, as an entry of `otlp`. */
function recipe(name) {
  const row = readFileSync(join(root, 'docs', 'telemetry.md'), 'utf8').split('\n').find(line => line.startsWith(`| ${name} | \`{"endpoint"`));
  return JSON.parse(/`(\{"endpoint".*?\})`/.exec(row)[1]);
}

test('each recipe of the documentation sends what its service wants', async () => {
  const sink = await collector();
  const names = ['any', 'Honeycomb', 'Langfuse', 'Helicone', 'Arize Phoenix'];
  const otlp = names.map(recipe).map(entry => ({ ...entry, endpoint: entry.endpoint.replace(/^https?:\/\/[^/]+/, `${sink.url}/${new URL(entry.endpoint).hostname}`) }));
  const basic = `Basic ${Buffer.from('pk-lf-1:sk-lf-2').toString('base64')}`;
  const gateway = await startHarness({ config: { telemetry: telemetry({ otlp }) }, secrets: { HONEYCOMB_KEY: 'hc-1', LANGFUSE_BASIC: basic, HELICONE_BEARER: 'Bearer hl-3' }, vars: { EVENTS: 'no dataset' } });
  try {
    assert.equal((await chat(gateway)).status, 200);
    const got = await until(() => {
      const paths = new Set(sink.got.map(one => one.path));
      return paths.size >= 7 && sink.got;
    }, { what: 'an export to each' });
    const to = path => got.find(one => one.path === path) ?? assert.fail(`nothing came to ${path}, but to ${got.map(one => one.path)}`);
    for (const signal of ['traces', 'metrics']) {
      assert.equal(to(`/collector.example/v1/${signal}`).headers['content-type'], 'application/x-protobuf');
      const { headers } = to(`/api.honeycomb.io/v1/${signal}`);
      assert.deepEqual([headers['x-honeycomb-team'], headers['x-honeycomb-dataset']], ['hc-1', 'signalbox']);
    }
    const langfuse = to('/cloud.langfuse.com/api/public/otel/v1/traces');
    assert.deepEqual([langfuse.headers.authorization, langfuse.headers['x-langfuse-ingestion-version']], [basic, '4']);
    assert.ok(langfuse.body.includes('langfuse.observation.usage_details'));
    const helicone = to('/api.helicone.ai/v1/trace/log');
    assert.deepEqual([helicone.headers.authorization, helicone.headers['content-type']], ['Bearer hl-3', 'application/json']);
    assert.equal(spansOf(helicone).length, 2);
    assert.ok(to('/phoenix/v1/traces').body.includes('openinference.span.kind'));
    const others = got.filter(one => one !== langfuse && one.path.includes('honeycomb'));
    assert.ok(others.every(one => !one.headers.authorization), 'a secret goes to its own collector alone');
    await until(() => gateway.logs.some(({ message }) => String(message).includes('data point refused')), { what: 'the warning: a failure of Analytics Engine is not the request\'s' });
  } finally {
    await gateway.close();
    sink.close();
  }
});

describe('what was said goes to the collector that asks for it', () => {
  const secrets = ['sk-proj-4bC9dE0fG1hI2jK3lM4nO5pQ', 'ada.lovelace@mail.example', '+49 30 901820-45', '4111 1111 1111 1111', 'sim-openai', 'sim-anthropic', 'sim-gemini'];
  const planted = `Keep this: ${secrets.slice(0, 4).join(' ; ')} -- done.`;
  const masked = 'Keep this: [redacted:secret] ; [redacted:email] ; [redacted:phone] ; [redacted:card] -- done.';
  let gateway;
  let asking;
  let other;
  before(async () => {
    [asking, other] = [await collector(), await collector()];
    const otlp = [{ endpoint: other.url, encoding: 'json' }, { endpoint: asking.url, encoding: 'json', content: true }];
    gateway = await startHarness({ config: { telemetry: telemetry({ otlp }) }, tells: 'prompts' });
  });
  after(async () => {
    await gateway?.close();
    asking?.close();
    other?.close();
  });

  for (const [name, dialect] of Object.entries(DIALECTS)) {
    for (const [model, stream] of [[MODELS.OpenAI, false], [MODELS.Anthropic, true], [MODELS.Gemini, true]]) {
      test(`${name}, ${stream ? 'streamed' : 'whole'}, from ${model}: masked there, and not at all at the other one`, async () => {
        gateway.sim.behave('*', { answer: { text: planted, pieces: 60 } });
        const body = JSON.parse(JSON.stringify(dialect.body(model, stream)).replaceAll('Count to four', planted));
        const answer = await gateway.call(dialect.path(model, stream), body);
        const text = await answer.text();
        assert.equal(answer.status, 200, text);
        const id = answer.headers.get('x-signalbox-request-id');
        const at = async sink => {
          const found = await until(() => sink.got.find(one => one.path === '/v1/traces' && one.body.includes(id)), { what: `the spans of ${id}` });
          return spansOf(found).map(attributes).filter(told => told['signalbox.request.id'] === id);
        };
        const [[own, call], theirs] = [await at(asking), await at(other)];
        const parts = list => JSON.parse(list).flatMap(message => message.parts);
        assert.deepEqual(parts(call['gen_ai.input.messages']), [{ type: 'text', content: masked }]);
        assert.deepEqual(JSON.parse(call['gen_ai.output.messages']), [{ role: 'assistant', parts: [{ type: 'text', content: masked }], finish_reason: 'stop' }]);
        assert.ok(!('gen_ai.output.messages' in own));
        assert.ok(theirs.every(told => Object.keys(told).every(key => !/messages|instructions|definitions/.test(key))));
      });
    }
  }

  test('a tool call, its result and what is declared are told', async () => {
    gateway.sim.reset();
    const tools = [{ type: 'function', function: { name: 'look', parameters: { type: 'object', properties: { password: { type: 'string' } } } } }];
    const call = { id: 'call_1', type: 'function', function: { name: 'look', arguments: '{"password":"hunter2","q":"x"}' } };
    const history = [{ role: 'user', content: 'Look.' }, { role: 'assistant', content: null, tool_calls: [call] }, { role: 'tool', tool_call_id: 'call_1', content: 'found by ada.lovelace@mail.example' }];
    const answer = await gateway.call('/v1/chat/completions', { model: MODELS.OpenAI, messages: history, tools });
    assert.equal(answer.status, 200, await answer.text());
    const id = answer.headers.get('x-signalbox-request-id');
    const told = await until(() => {
      const found = asking.got.find(one => one.path === '/v1/traces' && one.body.includes(id));
      return found && spansOf(found).map(attributes).find(one => one['signalbox.request.id'] === id && one['gen_ai.input.messages']);
    }, { what: 'the spans' });
    const [, called, result] = JSON.parse(told['gen_ai.input.messages']);
    assert.deepEqual(called.parts, [{ type: 'tool_call', id: 'call_1', name: 'look', arguments: { password: '[redacted:secret]', q: 'x' } }]);
    assert.deepEqual([result.role, result.parts], ['tool', [{ type: 'tool_call_response', id: 'call_1', response: 'found by [redacted:email]' }]]);
    assert.deepEqual(JSON.parse(told['gen_ai.tool.definitions']), [{ type: 'function', name: 'look', parameters: tools[0].function.parameters }]);
  });

  test('nothing that was planted, and no word of a prompt at the other one, came to any of them', async () => {
    const text = sink => sink.got.map(one => one.body.toString()).join('\n');
    assert.ok(text(asking).includes('Keep this:'));
    for (const secret of [...secrets, 'lovelace', '901820', 'hunter2']) assert.ok(!text(asking).includes(secret), secret);
    for (const word of ['Keep this', '-- done', 'redacted', 'Look.']) assert.ok(!text(other).includes(word), word);
    assert.ok(!JSON.stringify(gateway.logs).includes('Keep this'));
    assert.ok(!(await (await gateway.call('/v1/stats')).text()).includes('Keep this'));
  });
});

test('pages of the register are for operators', async () => {
  const gateway = await startHarness({ config: { identity: { mode: 'jwt', issuers: [{ issuer: 'https://id.example', jwks_url: 'http://127.0.0.1:9/jwks', audiences: ['x'], algorithms: ['RS256'] }] } }, secrets: { METRICS_TOKEN: 'scrape-me' } });
  try {
    for (const path of ['/metrics', '/v1/stats']) assert.equal((await gateway.call(path)).status, 401, path);
    const scraped = await gateway.call('/metrics', undefined, { headers: { authorization: 'Bearer scrape-me' } });
    assert.equal(scraped.status, 200);
    assert.equal((await gateway.call('/v1/stats', undefined, { headers: { authorization: 'Bearer scrape-me' } })).status, 401, 'a scraper reads metrics and nothing else');
    assert.equal((await gateway.call('/metrics', undefined, { headers: { authorization: 'Bearer scrape-m' } })).status, 401);
  } finally {
    await gateway.close();
  }
});

const venv = join(toolsDir, 'peers', 'python');
const present = existsSync(join(venv, 'installed')) && existsSync(join(venv, 'bin', 'python'));

describe('the official protobuf definitions', present ? {} : missingPeer('opentelemetry-proto (PyPI)', 'run .ci/run once, which installs it'), () => {
  test('read every export, in both encodings and profiles', async () => {
    const child = spawn(join(venv, 'bin', 'python'), ['-B', join(root, 'tests', 'e2e', 'otlp_receiver.py')], { env: { ...scrubbed(), NO_PROXY: '127.0.0.1' }, stdio: ['ignore', 'pipe', 'inherit'] });
    const told = [];
    let gateway;
    try {
      const lines = createInterface({ input: child.stdout });
      const port = await new Promise(resolve => lines.once('line', resolve));
      lines.on('line', line => told.push(JSON.parse(line)));
      const endpoint = `http://127.0.0.1:${port}`;
      const otlp = [{ endpoint }, { endpoint, encoding: 'json', profile: 'latest', content: true }, { endpoint, flavour: 'langfuse', signals: ['traces'], content: true }, { endpoint, flavour: 'openinference', signals: ['traces'], content: true }];
      gateway = await startHarness({ config: { telemetry: telemetry({ otlp, environment: 'test' }) }, tells: 'prompts' });
      gateway.sim.behave('gpt-5-mini', 'status-503');
      const answer = await chat(gateway, { models: [MODELS.Gemini], stream: true });
      await answer.text();
      const model = one => JSON.stringify(one.message ?? {}).includes(MODELS.Gemini.split('/')[1]);
      await until(() => told.filter(one => one.signal === 'traces' && model(one)).length >= 4 && told.filter(one => one.signal === 'metrics' && model(one)).length >= 2, { what: 'all exports' });
      assert.deepEqual(told.filter(one => one.error), []);
      const spans = told.filter(model).filter(one => one.signal === 'traces').flatMap(one => one.message.resourceSpans[0].scopeSpans[0].spans);
      assert.ok(spans.every(span => Buffer.from(span.traceId, 'base64').length === 16 && Buffer.from(span.spanId, 'base64').length === 8));
      assert.equal(new Set(spans.map(span => span.spanId)).size * 4, spans.length, 'the same spans in all of them');
    } finally {
      child.kill();
      await gateway?.close();
    }
  });
});
