// The page at / in a real browser: each view with figures, empty and wrong; a live stream that survives its connection; narrow,
// dark, by keyboard. Whatever it asks of another origin, or the policy forbids it, fails a test when its tab is closed.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { MODELS } from '../e2e/clients.mjs';
import { startHarness, until } from '../e2e/harness.mjs';
import { startIssuer } from '../e2e/issuer.mjs';
import { launch, needsBrowser, open } from './browser.mjs';

const PROMPT = 'The launch code is swordfish-8841.';
const VIEWS = [['overview', 'Overview'], ['cost', 'Cost'], ['latency', 'Latency'], ['providers', 'Providers'], ['routing', 'Routing'], ['captures', 'Captures'], ['prices', 'Prices'], ['playground', 'Playground']];

const MARKUP = '<img src=x onerror=alert(1)>';

/** A capture, the list's line of it, and a replay with another answer, as docs/schemas has them. */
function captured(requestId) {
  const now = Date.now();
  const meta = {
    object: 'capture', id: 'cap_1', captured_ms: now - 60_000, expires_ms: now + 86_400_000, why: 'sample', request_id: requestId, trace_id: 'a'.repeat(32), principal: 'p', dialect: 'openai-chat',
    route: '/v1/chat/completions', stream: true, requested_model: MODELS.OpenAI, model: MODELS.OpenAI, policy: 'balanced', task: 'qa', status: 200, error: null, attempts: `${MODELS.OpenAI}:200`,
    duration_ms: 800, ttft_ms: 200, cost_usd: '0.000123', cost_certainty: 'exact', bytes: 1234, redacted: 2, truncated: false, encrypted: true,
  };
  const outcome = (model, text) => ({ status: 200, model, error: null, text, reasoning: '', tool_calls: [], stop_reason: 'stop', usage: null, cost_usd: '0.000123', cost_certainty: 'exact', ttft_ms: 200, duration_ms: 800, attempts: `${model}:200` });
  return {
    meta,
    capture: {
      ...meta, version: 1, redactions: { email: 2 }, decision: null,
      request: { method: 'POST', path: '/v1/chat/completions', query: '', headers: {}, body: { form: 'text', text: JSON.stringify({ messages: [{ role: 'user', content: `${MARKUP} [email]` }] }), bytes: 90, truncated: false } },
      answer: { status: 200, payload: { form: 'events', events: [{ at_ms: 200, data: '{"choices":[{"delta":{"content":"Lyon"}}]}' }, { at_ms: 800, data: '[DONE]' }], bytes: 60, truncated: false } },
    },
    replay: { object: 'capture.replay', id: meta.id, request_id: 'req_2', redacted: true, truncated: false, same_request: false, original: outcome(MODELS.OpenAI, 'Lyon'), replay: outcome(MODELS.Gemini, 'Paris'), differs: ['model', 'text'] },
  };
}

describe('the page', needsBrowser, () => {
  let gateway;
  let browser;
  let rescued;
  before(async () => {
    gateway = await startHarness({ config: sim => ({ telemetry: { flush_ms: 20 }, providers: { slow: { kind: 'openai-chat', base_url: sim.baseUrl('openai', 'slow;ms=60'), api_key: 'sim-slow', prices_of: 'openai' } }, aliases: { slowly: { candidates: ['slow/gpt-5-mini'] } } }) });
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await gateway?.close();
  });

  const chat = async (body, headers) => {
    const answer = await gateway.call('/v1/chat/completions', { model: MODELS.OpenAI, messages: [{ role: 'user', content: PROMPT }], ...body }, { headers });
    await answer.text();
    return answer.headers.get('x-signalbox-request-id');
  };
  const stats = async () => (await gateway.call('/v1/stats')).json();
  const listed = id => until(async () => (await stats()).recent.find(record => record.request_id === id), { what: 'the request in the register' });

  test('without requests says so, and where to send one', async () => {
    const tab = await open(browser, gateway.url, { allowed: [404] });
    await tab.page.getByText('No requests yet.').waitFor();
    await tab.page.getByText('No requests in the last hour.').waitFor();
    await tab.page.getByRole('main').getByRole('link', { name: 'playground' }).click();
    await tab.page.getByRole('heading', { level: 1, name: 'Playground' }).waitFor();
    for (const [hash, title] of VIEWS) {
      await tab.go(hash, title);
      await tab.accessible(`${title}, empty`);
    }
    await tab.close();
  });

  describe('with requests', () => {
    before(async () => {
      for (const model of [MODELS.OpenAI, MODELS.Anthropic, MODELS.Gemini, 'auto', 'auto']) await chat({ model, stream: model !== 'auto' });
      await chat({ model: 'nothing/at-all' });
      for (let n = 0; n < 8; n += 1) await chat({ model: 'flaky/gpt-5-mini', models: [MODELS.Anthropic] });
      gateway.sim.behave('gpt-5-mini', 'status-503');
      rescued = await chat({ models: [MODELS.Anthropic], stream: true });
      gateway.sim.reset();
      await listed(rescued);
    });

    test('shows live requests, and one that comes while it is looked at', async () => {
      const tab = await open(browser, gateway.url);
      const table = tab.page.getByRole('table', { name: 'The newest requests' });
      await table.getByRole('row').nth(10).waitFor();
      const id = await chat({ model: MODELS.Gemini });
      await table.locator(`a[href="#request/${id}"]`).waitFor();
      await tab.page.getByRole('figure', { name: /Requests per minute/ }).getByRole('img', { name: /1\d requests in the last hour, \d+ of them failed or refused/ }).waitFor();
      await tab.page.getByRole('table', { name: 'Errors by class' }).getByText('model_not_found').waitFor();
      await tab.page.getByRole('table', { name: 'Failed attempts by class' }).getByText('overloaded').waitFor();
      await tab.shot('overview-light');
      await tab.accessible('overview');
      assert.ok(!(await tab.page.content()).includes('swordfish'), 'no prompt is on the page');
      await tab.close();
    });

    test('sums are those of the register', async () => {
      const tab = await open(browser, gateway.url, { path: '/#cost' });
      const { by } = await stats();
      const row = tab.page.getByRole('table', { name: 'Cost by model' }).getByRole('row', { name: new RegExp(MODELS.Anthropic) });
      const model = by.model.find(one => one.key === MODELS.Anthropic);
      await row.getByRole('cell', { name: String(model.requests), exact: true }).first().waitFor();
      const { key } = by.principal[0];
      await tab.page.getByRole('table', { name: 'Cost by caller' }).getByRole('rowheader', { name: key.slice(0, 14) }).waitFor();
      const head = tab.page.getByRole('table', { name: 'Cost by model' }).getByRole('columnheader', { name: 'Requests' });
      await head.getByRole('button').press('Enter');
      assert.equal(await head.getAttribute('aria-sort'), 'descending');
      await tab.page.locator('figure summary').first().press('Enter');
      await tab.page.getByRole('region', { name: 'Cost by day: figures' }).getByRole('row').nth(1).waitFor();
      await tab.accessible('cost');
      await tab.shot('cost-light');

      await tab.go('latency', 'Latency');
      await tab.page.getByLabel('Times of').selectOption(MODELS.Gemini);
      await tab.page.getByRole('img', { name: /Time to first content\. \d+ answers: half within/ }).waitFor();
      await tab.accessible('latency');
      await tab.shot('latency-light');

      await tab.go('providers', 'Providers');
      await tab.page.getByRole('table', { name: 'Providers' }).getByRole('row', { name: /flaky.*circuit open/ }).waitFor();
      await tab.page.getByText(/open (once|\d times)/).waitFor();
      const { versions } = await (await gateway.call('/healthz')).json();
      await tab.page.getByText(versions.prices).waitFor();
      await tab.accessible('providers');
      await tab.shot('providers-light');
      await tab.close();
    });

    test('a decision is told with its score terms, and a request with its attempts on a time axis', async () => {
      const tab = await open(browser, gateway.url, { path: '/#routing' });
      const decisions = tab.page.getByRole('table', { name: 'The newest decisions' });
      const { score } = await listed(rescued);
      const row = decisions.getByRole('row').filter({ has: tab.page.locator(`a[href="#request/${rescued}"]`) });
      await row.getByText((score.total_micro / 1e6).toFixed(3)).waitFor();
      await tab.accessible('routing');
      await tab.shot('routing-light');
      await row.getByRole('link').click();
      await tab.page.getByRole('heading', { level: 1, name: 'Request' }).waitFor();
      assert.equal(await tab.page.evaluate(() => document.activeElement.tagName), 'H1', 'focus follows');
      const attempts = await tab.page.getByRole('table', { name: 'Attempts in order' }).getByRole('rowheader').allTextContents();
      const record = await listed(rescued);
      assert.deepEqual(attempts, record.attempts.map(({ role }, at) => `${at + 1}. ${role}`));
      await tab.page.getByRole('img', { name: /failed \(overloaded\).*fallback at anthropic.*The first content went out after/ }).waitFor();
      const ranked = await tab.page.getByRole('table', { name: 'Candidates in the order of trying' }).getByRole('rowheader').allTextContents();
      assert.deepEqual(ranked, record.ranked.map(({ model }) => model));
      await tab.accessible('request');
      await tab.shot('request-light');
      await tab.go('request/req_gone', 'Request');
      await tab.page.getByText('This request is not among the last 500.').waitFor();
      await tab.close();
    });

    test('prices have a source and an age', async () => {
      const tab = await open(browser, gateway.url, { path: '/#prices' });
      await tab.page.getByLabel('Models with').fill('sonnet-4-6');
      const row = tab.page.getByRole('table', { name: 'US dollars per million tokens' }).getByRole('row', { name: new RegExp(MODELS.Anthropic) });
      const { data } = await (await gateway.call('/v1/models')).json();
      const { pricing } = data.find(({ id }) => id === MODELS.Anthropic);
      assert.equal(await row.getByRole('cell').nth(5).textContent(), pricing.source);
      assert.match(await row.getByRole('cell').last().textContent(), /^\d+ d$/);
      assert.equal(Number(await row.getByRole('cell').first().textContent()), Number((Number(pricing.prompt) * 1e6).toFixed(6)));
      await tab.accessible('prices');
      await tab.shot('prices-light');
      await tab.close();
    });

    test('captures that are not switched on are told of as that', async () => {
      const tab = await open(browser, gateway.url, { path: '/#captures', allowed: [404] });
      await tab.page.getByText('Captures are not switched on.').waitFor();
      await tab.shot('captures-light');
      await tab.go('captures/cap_gone', 'Captures');
      await tab.page.getByText('There is no such capture.').waitFor();
      await tab.close();
    });

    test('a capture shows its payloads as text, and what differs when it is sent again', async () => {
      const tab = await open(browser, gateway.url);
      const { meta, capture, replay } = captured(rescued);
      const asked = [];
      await tab.page.route('**/v1/captures**', route => {
        const { pathname } = new URL(route.request().url());
        if (route.request().method() === 'POST') asked.push([pathname, route.request().postDataJSON()]);
        return route.fulfill({ json: pathname.endsWith('/replay') ? replay : pathname.endsWith(meta.id) ? capture : { object: 'list', data: [meta], has_more: false, next_cursor: null } });
      });
      await tab.go('captures', 'Captures');
      const row = tab.page.getByRole('table', { name: 'Captures, newest first' }).getByRole('row').nth(1);
      await row.getByText('2', { exact: true }).waitFor();
      await tab.accessible('captures');
      await row.getByRole('link').click();
      await tab.page.getByText('email 2').waitFor();
      assert.ok((await tab.page.locator('pre').first().textContent()).includes(MARKUP));
      assert.equal(await tab.page.locator('img').count(), 0, 'what a caller wrote stays text');
      await tab.page.getByLabel('Model', { exact: true }).fill(MODELS.Gemini);
      await tab.page.getByRole('button', { name: 'Send it again' }).click();
      const outcome = tab.page.getByRole('table', { name: 'What came then, and what comes now' });
      await outcome.getByRole('row', { name: /^Text Lyon Paris/ }).waitFor();
      assert.deepEqual(asked, [[`/v1/captures/${meta.id}/replay`, { model: MODELS.Gemini }]]);
      await tab.page.getByText('2 parts differ: model, text.').waitFor();
      await tab.accessible('capture');
      await tab.shot('capture-light');
      await tab.close();
    });

    /** Opens every view in turn, with what it has to show. */
    const inTurn = async (options, look) => {
      const tab = await open(browser, gateway.url, { ...options, allowed: [404] });
      await tab.page.getByRole('table', { name: 'The newest requests' }).waitFor();
      for (const [hash, title] of [...VIEWS, [`request/${rescued}`, 'Request']]) {
        await tab.go(hash, title);
        await tab.page.locator('.notice.loading').waitFor({ state: 'detached' });
        await look(tab, hash.split('/')[0]);
      }
      await tab.close();
    };

    test('fits a phone', () => inTurn({ width: 360, height: 740 }, async (tab, view) => {
      await tab.fits(view);
      if (view === 'overview' || view === 'playground') await tab.accessible(`${view} on a phone`);
      await tab.shot(`${view}-phone`);
    }));

    test('is legible in the dark', () => inTurn({ scheme: 'dark' }, async (tab, view) => {
      await tab.accessible(`${view} in the dark`, ['color-contrast']);
      await tab.shot(`${view}-dark`);
    }));
  });

  test('the playground streams, loses its connection, and goes on where it was', async () => {
    const tab = await open(browser, gateway.url, { path: '/#playground' });
    await tab.page.getByLabel('Model or alias').fill('slowly');
    await tab.page.getByRole('button', { name: 'What does a signal box do?' }).click();
    await tab.page.getByRole('button', { name: 'Send', exact: true }).click();
    const answer = tab.page.getByRole('region', { name: 'Answer', exact: true }).last();
    await until(async () => (await answer.textContent()).length > 20, { what: 'the beginning of the answer' });
    await tab.shot('playground-streaming');
    await tab.page.getByRole('button', { name: 'Drop the connection' }).click();
    await tab.page.getByText('Done.').waitFor();
    assert.equal(await answer.textContent(), 'A signal box holds the levers that set points and signals. It lets one train at a time into each block, and it writes every passage in its register.');
    const log = await tab.page.locator('.log li').allTextContents();
    const dropped = Number(/dropped after event (\d+)/.exec(log.join('\n'))[1]);
    assert.match(log.join('\n'), new RegExp(`connected again, the rest from event ${dropped + 1} on`));
    const fact = async name => tab.page.locator('.facts div', { has: tab.page.locator('dt', { hasText: new RegExp(`^${name}$`) }) }).locator('dd').textContent();
    assert.equal(await fact('Connections'), '2');
    assert.equal(await fact('Answered by'), 'slow/gpt-5-mini');
    assert.match(await fact('Cost'), /^\$0\.0/);
    await tab.page.getByRole('table', { name: 'Candidates in the order of trying' }).getByRole('rowheader', { name: 'slow/gpt-5-mini' }).waitFor();
    assert.equal(gateway.sim.log.all(attempt => attempt.provider === 'openai' && attempt.path.includes('/fault/slow')).length, 1, 'one call to the provider');
    await tab.accessible('playground');
    await tab.shot('playground-light');
    const asked = (await fact('Request')).trim();
    await listed(asked);
    await tab.page.getByRole('link', { name: asked }).click();
    await tab.page.getByRole('table', { name: 'Attempts in order' }).getByRole('rowheader', { name: '1. first' }).waitFor();
    await tab.close();
  });

  test('only deciding calls nobody, and a refused request says why', async () => {
    const tab = await open(browser, gateway.url, { path: '/#playground', allowed: [404] });
    const before_ = gateway.sim.log.all().length;
    await tab.page.getByLabel('Prompt').fill('What is the capital of France?');
    await tab.page.getByRole('button', { name: 'Only decide' }).click();
    await tab.page.getByRole('table', { name: 'Candidates in the order of trying' }).getByRole('row').nth(3).waitFor();
    assert.equal(gateway.sim.log.all().length, before_);
    await tab.page.getByLabel('Model or alias').fill('nothing/at-all');
    await tab.page.getByRole('button', { name: 'Send', exact: true }).click();
    await tab.page.getByRole('alert').getByText('The request was refused (404).').waitFor();
    await tab.close();
  });

  test('can be used by keyboard alone', async () => {
    const tab = await open(browser, gateway.url);
    await tab.page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
    const focused = () => tab.page.evaluate(() => document.activeElement.textContent);
    await tab.page.keyboard.press('Tab');
    assert.equal(await focused(), 'Skip to the content');
    for (const name of ['Signalbox', 'Overview', 'Cost']) {
      await tab.page.keyboard.press('Tab');
      assert.equal(await focused(), name);
    }
    await tab.page.keyboard.press('Enter');
    await tab.page.getByRole('heading', { level: 1, name: 'Cost' }).waitFor();
    assert.equal(await focused(), 'Cost');
    await tab.page.keyboard.press('Tab');
    await tab.page.keyboard.press('ArrowRight');
    assert.equal(await tab.page.getByRole('radio', { name: '31 days' }).isChecked(), true);
    await tab.close();
  });

  test('when the gateway is gone, says that its figures are no longer fresh', async () => {
    const tab = await open(browser, gateway.url, { allowed: [500, 503] });
    await tab.page.getByText(/^live, /).waitFor();
    await tab.page.route('**/v1/stats?*', route => route.fulfill({ status: 503, contentType: 'application/json', body: JSON.stringify({ error: { message: 'The register cannot be reached.' } }) }));
    await tab.page.getByRole('alert').getByText('The register cannot be reached.').waitFor();
    await tab.page.getByText('not reached').waitFor();
    await tab.shot('error-light');
    await tab.close();
  });
});

describe('the page where callers are asked who they are', needsBrowser, () => {
  let issuer;
  let gateway;
  let browser;
  before(async () => {
    issuer = await startIssuer();
    gateway = await startHarness({ config: { identity: issuer.identity, telemetry: { flush_ms: 20 } } });
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    await gateway?.close();
    issuer?.close();
  });
  const signIn = async (page, token) => {
    await page.getByLabel('Token', { exact: true }).fill(token);
    await page.getByRole('button', { name: 'Sign in' }).press('Enter');
  };

  test('takes a token into memory and nowhere else', async () => {
    const tab = await open(browser, gateway.url, { allowed: [401] });
    await tab.page.getByText('This gateway asks who you are.').waitFor();
    await tab.accessible('signed out');
    await tab.shot('signed-out-light');
    const token = issuer.token('ada', { groups: ['ops'] });
    await signIn(tab.page, token);
    await tab.page.getByText(/^live, /).waitFor();
    await tab.page.getByRole('button', { name: 'Forget the token' }).waitFor();
    const kept = await tab.page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href, history.state, document.documentElement.outerHTML]));
    assert.ok(!kept.includes(token.slice(0, 20)));
    await tab.page.reload();
    await tab.page.getByText('This gateway asks who you are.').waitFor();
    await signIn(tab.page, `${token.slice(0, -4)}AAAA`);
    await tab.page.getByText('This token does not hold.').waitFor();
    await signIn(tab.page, token);
    await tab.page.getByText(/^live, /).waitFor();
    await tab.close();
  });

  test('a caller who is no operator sees prices and the playground, and is told why not more', async () => {
    const tab = await open(browser, gateway.url, { allowed: [401, 403] });
    await signIn(tab.page, issuer.token('bob'));
    await tab.page.getByText('These figures are for operators.').waitFor();
    await tab.go('prices', 'Prices');
    await tab.page.getByRole('table', { name: 'US dollars per million tokens' }).waitFor();
    await tab.go('playground', 'Playground');
    await tab.page.getByLabel('Prompt').fill('What is the capital of France?');
    await tab.page.getByRole('button', { name: 'Send', exact: true }).click();
    await tab.page.getByText('Done.').waitFor();
    await tab.page.getByText('The capital of France is Paris.').waitFor();
    await tab.close();
  });

  test('is withheld while identity is not configured', async () => {
    await gateway.kv.put('config', '{}');
    await gateway.restart();
    for (const path of ['/', '/page/app.js']) {
      const answer = await gateway.call(path);
      assert.equal(answer.status, 503);
      assert.match((await answer.json()).error.message, /identity/);
    }
  });
});
