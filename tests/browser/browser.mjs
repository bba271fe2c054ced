// A browser for the tests of the page: an installed Chromium, driven by Playwright. Pages are watched: whatever they ask of
// another origin, whatever the policy forbids them and whatever they complain of is a failure.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { root } from '../../scripts/lib/paths.mjs';
import { missingPeer } from '../e2e/harness.mjs';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Where screenshots are left to be looked at; git does not see it. */
export const SHOTS = join(root, 'out', 'page');

/** The path of a Chromium: one on PATH, else the one that Playwright has installed. */
function installed() {
  const folders = (process.env.PATH ?? '').split(':').filter(Boolean);
  const found = NAMES.flatMap(name => folders.map(folder => join(folder, name))).find(file => existsSync(file));
  if (found) return found;
  const own = chromium.executablePath();
  return own && existsSync(own) ? own : undefined;
}

const executablePath = installed();

/** For `describe`: nothing, or why its tests are skipped. */
export const needsBrowser = executablePath ? {} : missingPeer('chromium', `none of ${NAMES.join(', ')} is on PATH, and Playwright has installed none; .ci/run installs Debian's where it may`);

export async function launch() {
  mkdirSync(SHOTS, { recursive: true });
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--force-color-profile=srgb'] });
}

/** A tab at the gateway's page. `allowed`: statuses that the page may be answered with (the console tells of each). */
export async function open(browser, url, { path = '/', width = 1280, height = 900, scheme = 'light', headers, allowed = [] } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, reducedMotion: 'reduce', locale: 'en-GB', timezoneId: 'UTC', ...(headers ? { extraHTTPHeaders: headers } : {}) });
  const page = await context.newPage();
  const complaints = [];
  page.on('request', request => new URL(request.url()).origin === url || complaints.push(`asked ${request.url()}`));
  page.on('pageerror', error => complaints.push(`threw ${error.stack}`));
  page.on('console', message => {
    if (!['error', 'warning'].includes(message.type())) return;
    if (allowed.some(status => message.text().includes(`status of ${status}`))) return;
    complaints.push(`said ${message.text()}`);
  });
  await page.goto(`${url}${path}`);
  return {
    page,
    /** Goes to a view and waits for its heading. */
    async go(hash, title) {
      await page.evaluate(to => (location.hash = to), hash);
      await page.getByRole('heading', { level: 1, name: title, exact: true }).waitFor();
    },
    shot: name => page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true, animations: 'disabled' }),
    /** Nothing serious for users of assistive technology: by all rules, or by some. */
    async accessible(what, rules) {
      if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(AXE);
      const { violations } = await page.evaluate(runOnly => globalThis.axe.run(document, { resultTypes: ['violations'], ...(runOnly ? { runOnly } : {}) }), rules);
      const bad = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
      assert.deepEqual(bad.map(({ id, nodes }) => `${what}: ${id} at ${nodes.slice(0, 3).map(node => `${node.target} ${node.failureSummary}`).join(' | ')}`), []);
    },
    /** Nothing is wider than the page. */
    async fits(what) {
      const [inner, outer] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
      assert.ok(inner <= outer, `${what} is ${inner} px wide on a screen of ${outer} px`);
    },
    async close() {
      await context.close();
      assert.deepEqual(complaints, []);
    },
  };
}
