// Requests that are kept with their payloads: what is stored, what of it is masked, who may see it, and that callers notice
// nothing of it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { after, before, beforeEach, describe, test } from 'node:test';
import { root } from '../../scripts/lib/paths.mjs';
import { MODELS } from './clients.mjs';
import { DIALECTS } from './dialects.mjs';
import { startHarness, until } from './harness.mjs';
import { startIssuer } from './issuer.mjs';

const SECRETS = [
  'sk-proj-4bC9dE0fG1hI2jK3lM4nO5pQ', 'ghp_0123456789abcdefghijABCDEFGHIJ012345', 'ada.lovelace@mail.example', '+49 30 901820-45',
  '4111 1111 1111 1111', 'DE89 3704 0044 0532 0130 00', 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlLXNpZ25hdHVyZQ',
];
const PLANTED = `Keep this: ${SECRETS.join(' ; ')} -- done.`;
const policies = { best: { sample: 1 }, fastest: { errors: true }, late: { sample: 1 } };
const hedged = { late: { hedge: { mode: 'fixed', after_ms: 150, max_share: 1, max_cost_usd: 1 } } };
const key = Buffer.alloc(32, 7).toString('base64');

let gateway;
before(async () => (gateway = await startHarness({ config: { capture: { policies }, policies: hedged }, secrets: { CAPTURE_KEY: key } })));
after(() => gateway?.close());
beforeEach(() => gateway.sim.reset());

/** Sends a request whose prompt and answer are planted, the answer in small pieces. */
async function ask(dialect, model, stream, policy, headers = {}) {
  gateway.sim.behave('*', { answer: { text: PLANTED, pieces: 60 } });
  const body = JSON.parse(JSON.stringify(dialect.body(model, stream)).replaceAll('Count to four', PLANTED));
  const answer = await gateway.call(dialect.path(model, stream), body, { headers: { 'x-signalbox-policy': policy, ...headers } });
  return { status: answer.status, id: answer.headers.get('x-signalbox-request-id'), text: await answer.text() };
}

const list = async (query = '') => (await gateway.call(`/v1/captures${query}`)).json();
const captured = request => until(async () => (await list('?limit=100')).data.find(capture => capture.request_id === request), { what: `the capture of ${request}` });
const read = async id => (await gateway.call(`/v1/captures/${id}`)).json();

/** Everything that lies in the bucket, names and metadata included. */
async function stored() {
  const bucket = await gateway.bucket('CAPTURES');
  const { objects } = await bucket.list({ include: ['customMetadata'], limit: 1000 });
  const texts = await Promise.all(objects.map(async ({ key, customMetadata }) => `${key} ${JSON.stringify(customMetadata)} ${await (await bucket.get(key)).text()}`));
  return { count: objects.length, text: texts.join('\n') };
}

const events = text => text.split('\n').filter(line => line.startsWith('data: ')).map(line => line.slice(6)).map(line => (line === '[DONE]' ? line : JSON.parse(line)));

describe('a request under a policy that keeps its requests', () => {
  for (const [name, dialect] of Object.entries(DIALECTS)) {
    for (const model of Object.values(MODELS)) {
      for (const stream of [false, true]) {
        test(`${name}, ${stream ? 'streamed' : 'whole'}, from ${model}`, async () => {
          const answer = await ask(dialect, model, stream, 'best');
          assert.equal(answer.status, 200, answer.text);
          const said = stream ? events(answer.text).map(dialect.textOf).join('') : dialect.whole(JSON.parse(answer.text));
          assert.equal(said, PLANTED, 'the caller gets what was said');
          const capture = await read((await captured(answer.id)).id);
          const { payload } = capture.answer;
          const kept = stream ? payload.events.map(({ data }) => (data === '[DONE]' ? data : JSON.parse(data))).map(dialect.textOf).join('') : dialect.whole(JSON.parse(payload.text));
          assert.equal(kept, 'Keep this: [redacted:secret] ; [redacted:secret] ; [redacted:email] ; [redacted:phone] ; [redacted:card] ; [redacted:iban] ; [redacted:secret] -- done.');
          assert.equal(capture.sent.length, 1);
          assert.match(capture.sent[0].body.text, /\[redacted:email\]/);
          assert.ok(stream === (capture.sent[0].response.form === 'events') && !capture.truncated);
          if (stream) assert.ok(payload.events.every(({ at_ms: at }, n) => n === 0 || at >= payload.events[n - 1].at_ms), 'with their times');
        });
      }
    }
  }

  test('nothing that was planted is in any object, log line or register', async () => {
    const { count, text } = await stored();
    assert.ok(count >= 2 * 24, String(count));
    const stats = await (await gateway.call('/v1/stats')).text();
    const metrics = await (await gateway.call('/metrics')).text();
    for (const secret of [...SECRETS, '901820', '4111 1111', '0532 0130', 'lovelace', 'sim-openai', 'sim-anthropic', 'sim-gemini']) {
      for (const [where, said] of Object.entries({ bucket: text, logs: JSON.stringify(gateway.logs), stats, metrics })) assert.ok(!said.includes(secret), `${secret} in ${where}`);
    }
  });

  test('a stream is delivered byte for byte as without', async () => {
    for (const [name, model] of [['Anthropic', MODELS.Anthropic], ['Gemini', MODELS.Gemini], ['OpenAI', MODELS.OpenAI]]) {
      const [kept, free] = [await ask(DIALECTS[name], model, true, 'best'), await ask(DIALECTS[name], model, true, 'balanced')];
      const same = text => text.replace(/"(id|responseId|system_fingerprint)":"[^"]*"/g, '').replace(/"created":\d+/g, '');
      assert.equal(same(kept.text), same(free.text), name);
    }
  });

  test('its name is on its log line', async () => {
    const { id } = await ask(DIALECTS.OpenAI, MODELS.OpenAI, false, 'best');
    const capture = await captured(id);
    assert.ok(JSON.stringify(gateway.logs).includes(capture.id));
  });
});

describe('of a policy that keeps errors', () => {
  test('what failed and what another provider had to answer is kept, and nothing else', async () => {
    const good = await ask(DIALECTS.OpenAI, MODELS.OpenAI, false, 'fastest');
    gateway.sim.behave('*', 'status-503');
    const body = DIALECTS.OpenAI.body(MODELS.OpenAI, false);
    const failed = await gateway.call('/v1/chat/completions', body, { headers: { 'x-signalbox-policy': 'fastest' } });
    const failure = await captured(failed.headers.get('x-signalbox-request-id'));
    assert.deepEqual([failed.status, failure.status, failure.why], [failed.status, failed.status, 'error']);
    gateway.sim.reset();
    const rescued = await gateway.call('/v1/chat/completions', { ...body, model: 'flaky/gpt-5-mini', models: [MODELS.Gemini] }, { headers: { 'x-signalbox-policy': 'fastest' } });
    assert.equal(rescued.status, 200);
    const capture = await read((await captured(rescued.headers.get('x-signalbox-request-id'))).id);
    assert.ok(capture.sent.length >= 2 && capture.sent.at(-1).outcome === '200' && capture.sent[0].outcome === '503');
    assert.ok(!(await list('?limit=100')).data.some(({ request_id: id }) => id === good.id));
  });
});

describe('a replay', () => {
  const replay = async (id, body = {}) => gateway.call(`/v1/captures/${id}/replay`, body);
  const wrong = { answer: { text: 'The capital of France is Lyon.', pieces: 5 } };
  const right = { answer: { text: 'The capital of France is Paris.', pieces: 5 } };

  for (const [name, model] of [['OpenAI', MODELS.OpenAI], ['Responses', MODELS.OpenAI], ['Anthropic', MODELS.Anthropic], ['Gemini', MODELS.Gemini], ['OpenAI', MODELS.Anthropic]]) {
    for (const stream of [false, true]) {
      test(`reproduces a wrong answer from its capture alone: ${name}, ${stream ? 'streamed' : 'whole'}, from ${model}`, async () => {
        const dialect = DIALECTS[name];
        gateway.sim.behave('*', wrong, wrong, right);
        const asked = await gateway.call(dialect.path(model, stream), dialect.body(model, stream), { headers: { 'x-signalbox-policy': 'best' } });
        await asked.text();
        const { id } = await captured(asked.headers.get('x-signalbox-request-id'));
        const again = await (await replay(id)).json();
        assert.deepEqual([again.differs, again.same_request, again.redacted], [[], true, false], JSON.stringify(again));
        assert.equal(again.replay.text, 'The capital of France is Lyon.');
        const [first, second] = gateway.sim.log.all();
        assert.deepEqual(second.body, first.body, 'the provider was sent the same');
        const mended = await (await replay(id)).json();
        assert.deepEqual([mended.differs.includes('text'), mended.original.text, mended.replay.text], [true, 'The capital of France is Lyon.', 'The capital of France is Paris.']);
      });
    }
  }

  test('goes to another model or policy, is accounted, and tells of failures and of masks', async () => {
    const { id: request } = await ask(DIALECTS.Anthropic, MODELS.Anthropic, true, 'best');
    const { id } = await captured(request);
    const spent = async () => BigInt((await (await gateway.call('/v1/usage')).json()).totals.cost_picousd);
    const before = await spent();
    const other = await (await replay(id, { model: MODELS.OpenAI })).json();
    assert.deepEqual([other.replay.model, other.redacted, other.differs.includes('model')], [MODELS.OpenAI, true, true]);
    const routed = await (await replay(id, { policy: 'cheapest' })).json();
    assert.equal(routed.replay.status, 200);
    const costs = [other, routed].map(({ replay: { cost_usd: usd } }) => BigInt(Math.round(Number(usd) * 1e12)));
    assert.ok(costs.every(cost => cost > 0n), 'a replay has a price');
    await until(async () => (await spent()) - before >= costs[0] + costs[1], { what: 'both replays in the books' });
    gateway.sim.behave('*', 'status-503');
    const failed = await (await replay(id)).json();
    assert.ok(failed.replay.status >= 500 && failed.differs.includes('status') && failed.original.status === 200);
    assert.equal((await replay(id, { models: [] })).status, 400);
    assert.equal((await replay(id, { model: 'no-such-model' })).status, 404);
    assert.equal((await replay('nothing')).status, 404);
  });

  test('from the shell shows what differs', async () => {
    const { id: request } = await ask(DIALECTS.OpenAI, MODELS.OpenAI, false, 'best');
    const { id } = await captured(request);
    gateway.sim.behave('*', right);
    const { stdout } = await promisify(execFile)(process.execPath, [join(root, 'scripts', 'replay.mjs'), id, '--url', gateway.url]);
    assert.match(stdout, /! text: Keep this: \[redacted:secret\]/);
    assert.match(stdout, /-> The capital of France is Paris\./);
  });

  for (const [stream, model] of [[false, MODELS.OpenAI], [true, MODELS.OpenAI], [true, MODELS.Gemini]]) {
    test(`is not all: it is exported as a fixture and as a line of chat, ${stream ? 'streamed' : 'whole'}, from ${model}`, async () => {
      const { id: request } = await ask(DIALECTS.Anthropic, model, stream, 'best');
      const { id } = await captured(request);
      const script = (...args) => promisify(execFile)(process.execPath, [join(root, 'scripts', 'replay.mjs'), id, '--url', gateway.url, ...args]);
      const line = await gateway.call(`/v1/captures/${id}?format=openai-jsonl`);
      assert.deepEqual([line.status, line.headers.get('content-type')], [200, 'application/jsonl']);
      const { stdout } = await script('--jsonl');
      assert.equal(await line.text(), stdout, 'the script prints what the endpoint says');
      const { messages } = JSON.parse(stdout);
      assert.deepEqual(messages.map(({ role }) => role), ['user', 'assistant']);
      assert.ok(messages.every(({ content }) => /Keep this: \[redacted:secret\].*-- done\./.test(JSON.stringify(content))), JSON.stringify(messages));
      const folder = mkdtempSync(join(tmpdir(), 'signalbox-fixture-'));
      try {
        await script('--fixture', folder);
        const about = JSON.parse(readFileSync(join(folder, 'case.json'), 'utf8'));
        const spoken = model === MODELS.Gemini ? 'gemini' : 'openai-chat';
        assert.deepEqual([about.dialect, about.framing, about.status], [spoken, stream ? 'sse' : 'json', 200]);
        assert.match(readFileSync(join(folder, about.response_file), 'utf8'), stream ? /^data: \{[^]*\}\n\n/ : /^\{/);
        assert.ok(JSON.parse(readFileSync(join(folder, 'request.json'), 'utf8')));
      } finally {
        rmSync(folder, { recursive: true });
      }
      for (const query of ['?format=har', '?as=fixture', '?format=']) assert.equal((await gateway.call(`/v1/captures/${id}${query}`)).status, 400, query);
    });
  }
});

describe('of a request that took more than one call', () => {
  test('both calls of a hedge are kept: what the late one had said, and the one that answered', async () => {
    for (const stream of [false, true]) {
      gateway.sim.behave('gpt-5-mini', stream ? { answer: { text: 'slow' }, delays: { between: 5_000 } } : { answer: { text: 'slow' }, delays: { headers: 5_000 } });
      gateway.sim.behave(MODELS.Anthropic.split('/')[1], { answer: { text: 'quick' } });
      const answer = await gateway.call('/v1/chat/completions', DIALECTS.OpenAI.body(MODELS.OpenAI, stream), { headers: { 'x-signalbox-policy': 'late', 'x-signalbox-models': MODELS.Anthropic } });
      const text = await answer.text();
      assert.match(text, /quick/);
      const { sent, record, answer: { payload }, model } = await read((await captured(answer.headers.get('x-signalbox-request-id'))).id);
      assert.deepEqual(sent.map(({ model, role }) => [model, role]), [[MODELS.OpenAI, 'first'], [MODELS.Anthropic, 'hedge']]);
      assert.deepEqual([model, record.model, sent[1].outcome, sent[0].outcome === '200'], [MODELS.Anthropic, MODELS.Anthropic, '200', false]);
      const [late, quick] = sent.map(({ response }) => JSON.stringify(response));
      assert.ok(quick.includes('quick') && !late.includes('quick') && JSON.stringify(payload).includes('quick'));
      if (stream) assert.ok(late.includes('chat.completion.chunk'), 'what came of it before it was stopped');
    }
  });

  test('a resumable stream is kept once, as its caller got it, also where nobody reads on', async () => {
    gateway.sim.behave('*', { answer: { text: PLANTED, pieces: 20 } });
    const body = JSON.parse(JSON.stringify(DIALECTS.OpenAI.body(MODELS.OpenAI, true)).replaceAll('Count to four', PLANTED));
    const answer = await gateway.call('/v1/chat/completions', body, { headers: { 'x-signalbox-policy': 'best', 'x-signalbox-resumable': 'true' } });
    const stream = answer.headers.get('x-signalbox-stream-id');
    await answer.body.cancel();
    const { id } = await captured(answer.headers.get('x-signalbox-request-id'));
    const { record, sent, answer: { payload } } = await read(id);
    assert.deepEqual([record.stream_id, sent.length], [stream, 1]);
    const kept = payload.events.map(({ data }) => (data === '[DONE]' ? data : JSON.parse(data)));
    assert.ok(DIALECTS.OpenAI.ends(kept), 'to its end');
    assert.equal(kept.map(DIALECTS.OpenAI.textOf).join('').match(/\[redacted:/g).length, SECRETS.length);
    assert.equal((await list('?limit=100')).data.filter(({ request_id: request }) => request === record.request_id).length, 1);
  });

  test('a call of a tool is kept with its arguments, and a replay asks for the same one', async () => {
    for (const stream of [false, true]) {
      gateway.sim.behave('*', { answer: { toolCalls: [{ name: 'look', arguments: { password: 'hunter2', city: 'Paris' } }] } });
      const tools = [{ type: 'function', function: { name: 'look', parameters: { type: 'object' } } }];
      const answer = await gateway.call('/v1/chat/completions', { ...DIALECTS.OpenAI.body(MODELS.Anthropic, stream), tools }, { headers: { 'x-signalbox-policy': 'best' } });
      assert.match(await answer.text(), /hunter2/);
      const { id } = await captured(answer.headers.get('x-signalbox-request-id'));
      const document = await (await gateway.call(`/v1/captures/${id}`)).text();
      assert.ok(!document.includes('hunter2') && document.includes('Paris'));
      const { differs, replay } = await (await gateway.call(`/v1/captures/${id}/replay`, {})).json();
      assert.deepEqual([differs, replay.tool_calls.map(({ name }) => name)], [[], ['look']]);
      const { messages } = JSON.parse(await (await gateway.call(`/v1/captures/${id}?format=openai-jsonl`)).text());
      assert.deepEqual(JSON.parse(messages.at(-1).tool_calls[0].function.arguments), { password: '[redacted:secret]', city: 'Paris' });
    }
  });
});

test('a store that fails costs the capture and a log line, and leaves no half of it', async () => {
  const broken = await startHarness({
    entry: join(import.meta.dirname, 'stand-in', 'bucket.mjs'), services: { CAPTURES: { service: 'signalbox', entrypoint: 'Bucket' } }, config: { capture: { sample: 1 } },
  });
  try {
    const ask = async () => {
      const answer = await broken.call('/v1/chat/completions', DIALECTS.OpenAI.body(MODELS.OpenAI, true));
      return [answer.status, DIALECTS.OpenAI.ends(events(await answer.text()))];
    };
    const { principal } = await (await broken.call('/v1/usage')).json();
    const lists = async () => (await broken.call('/v1/captures')).json();
    const warned = () => broken.logs.filter(({ message }) => String(message).includes('capture not stored')).length;
    for (const [failing, count] of [['all', 1], ['index', 2]]) {
      await broken.kv.put('bucket', failing);
      assert.deepEqual(await ask(), [200, true], failing);
      await until(() => warned() === count, { what: 'the log line' });
      await broken.kv.put('bucket', 'everything');
      assert.deepEqual((await lists()).data, [], failing);
    }
    await broken.kv.put('bucket', 'nothing');
    assert.deepEqual(await ask(), [200, true]);
    const { data } = await until(async () => {
      const page = await lists();
      return page.data.length > 0 && page;
    });
    assert.deepEqual([data.length, data[0].principal], [1, principal], 'and what failed before did not come back');
  } finally {
    await broken.close();
  }
});

describe('captures', () => {
  test('are listed newest first, page by page, and can be erased', async () => {
    const all = (await list('?limit=100')).data.map(({ id }) => id);
    const paged = [];
    for (let page = await list('?limit=7'); ; page = await list(`?limit=7&cursor=${page.next_cursor}`)) {
      paged.push(...page.data.map(({ id }) => id));
      if (!page.has_more) break;
    }
    assert.deepEqual(paged, all);
    const times = (await list('?limit=100')).data.map(({ captured_ms: at }) => at);
    assert.deepEqual(times, times.toSorted((a, b) => b - a));
    assert.equal((await gateway.call(`/v1/captures/${all[0]}`, undefined, { method: 'DELETE' })).status, 204);
    assert.equal((await gateway.call(`/v1/captures/${all[0]}`)).status, 404);
    assert.equal((await list('?limit=1')).data[0].id, all[1]);
    for (const query of ['?limit=0', '?limit=101', '?cursor=x', '?nonsense=1']) assert.equal((await gateway.call(`/v1/captures${query}`)).status, 400, query);
  });

  test('are sealed where a key is named, and opened only with it', async () => {
    await gateway.configure({ policies: hedged, capture: { policies, encryption_key_env: 'CAPTURE_KEY' } });
    const { id } = await ask(DIALECTS.OpenAI, MODELS.OpenAI, false, 'best');
    const capture = await captured(id);
    assert.equal(capture.encrypted, true);
    const bucket = await gateway.bucket('CAPTURES');
    const { objects: [newest] } = await bucket.list({ prefix: 'captures/', limit: 1 });
    const sealed = await (await bucket.get(newest.key)).text();
    assert.ok(sealed.startsWith('SBX1') && !sealed.includes('"version"') && !sealed.includes('Keep this'));
    assert.match((await read(capture.id)).request.body.text, /redacted:email/);
    await gateway.configure({ policies: hedged, capture: { policies } });
    assert.equal((await gateway.call(`/v1/captures/${capture.id}`)).status, 404);
    await gateway.configure({ policies: hedged, capture: { policies, encryption_key_env: 'NOT_THERE' } });
    const before = (await stored()).count;
    assert.equal((await ask(DIALECTS.OpenAI, MODELS.OpenAI, false, 'best')).status, 200);
    assert.equal((await (await gateway.call('/healthz')).json()).capture, 'no_key');
    assert.equal((await stored()).count, before, 'nothing is kept unsealed that was to be sealed');
  });

  test('are cut at their bounds', async () => {
    await gateway.configure({ policies: hedged, capture: { policies, max_request_bytes: 300, max_response_bytes: 300 } });
    gateway.sim.behave('*', { answer: { text: 'and so on '.repeat(2_000), pieces: 200 } });
    const body = { model: MODELS.OpenAI, messages: [{ role: 'user', content: 'word '.repeat(3_000) }], stream: true };
    const answer = await gateway.call('/v1/chat/completions', body, { headers: { 'x-signalbox-policy': 'best' } });
    await answer.text();
    const capture = await captured(answer.headers.get('x-signalbox-request-id'));
    assert.ok(capture.truncated && capture.bytes < 20_000, String(capture.bytes));
  });

  test('are their principal\'s, who may see them by claim, and the operator\'s', async () => {
    const issuer = await startIssuer();
    try {
      await gateway.configure({ identity: issuer.identity, capture: { claim: true } });
      const call = (path, token, body, method) => gateway.call(path, body, { ...(method ? { method } : {}), headers: { authorization: `Bearer ${token}` } });
      const claim = { signalbox: { capture: true } };
      const [one, two, plain, operator] = [issuer.token('one', claim), issuer.token('two', claim), issuer.token('three'), issuer.token('four', { groups: ['ops'] })];
      const answer = await call('/v1/chat/completions', one, DIALECTS.OpenAI.body(MODELS.OpenAI, false));
      assert.equal(answer.status, 200, await answer.clone().text());
      await call('/v1/chat/completions', plain, DIALECTS.OpenAI.body(MODELS.OpenAI, false));
      const [mine] = await until(async () => {
        const { data } = await (await call('/v1/captures', one)).json();
        return data.length > 0 && data;
      });
      assert.deepEqual([mine.why, mine.request_id], ['claim', answer.headers.get('x-signalbox-request-id')]);
      assert.equal((await call(`/v1/captures/${mine.id}`, one)).status, 200);
      assert.deepEqual((await (await call('/v1/captures', two)).json()).data, []);
      for (const [path, who, method] of [[`/v1/captures/${mine.id}`, two], [`/v1/captures/${mine.id}`, two, 'DELETE'], [`/v1/captures/${mine.id}`, plain], ['/v1/captures', plain], ['/v1/captures/x', one]]) {
        assert.equal((await call(path, who, undefined, method)).status, 404, path);
      }
      assert.deepEqual((await (await call('/v1/captures', operator)).json()).data.map(({ id }) => id).includes(mine.id), true);
      assert.equal((await call(`/v1/captures/${mine.id}`, operator)).status, 200);
    } finally {
      issuer.close();
    }
  });
});
