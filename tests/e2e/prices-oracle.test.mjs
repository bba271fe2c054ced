// Our costs next to those of genai-prices from PyPI, an independent oracle: .ci/run installs it.
//
// Two things are compared, and they are not the same. *Arithmetic*: the package's own figures are imported, and every cost
// over random usages must be equal. *Figures*: the compiled-in table, where it was imported from somebody else's list, must
// give the same cost as well; where the two lists disagree, prices-oracle.json says why we stay with ours.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { scrubbed } from '../../scripts/lib/env.mjs';
import { root, toolsDir } from '../../scripts/lib/paths.mjs';
import { missingPeer } from './harness.mjs';

const venv = join(toolsDir, 'peers', 'genai-prices');
const present = existsSync(join(venv, 'installed'));
const explained = JSON.parse(readFileSync(join(root, 'tests', 'e2e', 'prices-oracle.json'), 'utf8'));
const fixtures = process.env.SIGNALBOX_FIXTURES ?? join(root, '..', 'shared', 'fixtures');

describe('genai-prices from PyPI', present ? {} : missingPeer('genai-prices (PyPI)', 'run .ci/run once, which installs it'), () => {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-oracle-'));
  const file = name => join(folder, name);
  let imported;

  before(async () => {
    await oracle('list', file('list.json'));
    await cargo('prices_import', ['--from', file('list.json'), '--format', 'genai-prices', '--day', '2026-11-26', '--table', file('none.json'), '--all', '--write', file('imported.json')]);
    imported = Object.keys(JSON.parse(readFileSync(file('imported.json'), 'utf8')).prices);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  test('arithmetic: at its own figures every cost is equal, over 6,000 random usages', async () => {
    const { models, usages, differing } = await compare('random', imported, 6000, ['--prices', file('imported.json')]);
    assert.ok(models > 600 && usages >= 6000, `${models} models, ${usages} usages`);
    assertExplained(differing, explained.arithmetic, models);
  });

  const { prices } = JSON.parse(readFileSync(join(root, 'data', 'prices.json'), 'utf8'));
  for (const [what, ids, least] of [
    ['every model of the compiled-in table', Object.keys(prices), 120],
    ['those of it that were imported from another list', Object.keys(prices).filter(id => !prices[id].source.startsWith('genai-prices')), 60],
  ]) {
    test(`figures: ${what} costs the same, over 6,000 random usages`, async () => {
      const { models, usages, differing } = await compare('figures', ids, 6000, []);
      assert.ok(models > least && usages >= 6000, `${models} models, ${usages} usages`);
      assertExplained(differing, explained.figures, models);
    });
  }

  test('recorded answers: the package reads and charges the same usage', { skip: existsSync(fixtures) ? false : 'the recordings are not at hand' }, async () => {
    const lines = (await oracle('recorded', fixtures)).filter(line => !line.oracle.startsWith('error'));
    const ours = await cost(lines.map(({ model, dialect, answer, at_ms }) => ({ model, dialect, answer, at_ms })), ['--prices', file('imported.json')]);
    const differing = lines.filter((line, i) => !equal(ours[i].cost_usd, line.oracle)).map(({ id }) => id);
    assert.ok(lines.length > 60, `${lines.length} answers`);
    assert.deepEqual(differing.filter(id => !(id in explained.recorded)), []);
  });

  async function compare(kind, ids, count, args) {
    writeFileSync(file('ids.json'), JSON.stringify(ids));
    const lines = (await oracle(kind, String(count), file('ids.json'))).filter(line => !line.oracle.startsWith('error'));
    const ours = await cost(lines, args);
    const differing = new Map();
    lines.forEach((line, i) => {
      if (!equal(ours[i].cost_usd, line.oracle)) differing.set(line.model, { usage: line.usage, ours: ours[i].cost_usd ?? ours[i].error, theirs: line.oracle });
    });
    return { models: new Set(lines.map(line => line.model)).size, usages: lines.length, differing };
  }
});

/** At most one model of a hundred, and each of them with its reason. */
function assertExplained(differing, reasons, models) {
  const unexplained = [...differing].filter(([model]) => !(model in reasons));
  assert.deepEqual(unexplained, [], `${unexplained.length} of ${models} models differ without a reason`);
  assert.ok(differing.size <= models / 100, `${differing.size} of ${models} models differ`);
}

/** Equal but for prices finer than a millionth of a dollar per million tokens, which the import rounds. */
function equal(ours, theirs) {
  return ours !== undefined && ours !== null && Math.abs(Number(ours) - Number(theirs)) <= 1e-5 * Number(theirs) + 1e-12;
}

async function oracle(...args) {
  const script = join(root, 'tests', 'e2e', 'prices_oracle.py');
  const { stdout } = await promisify(execFile)(join(venv, 'bin', 'python'), ['-B', script, ...args], { env: scrubbed(), maxBuffer: 1 << 28 });
  return parsed(stdout);
}

const cost = async (rows, args) => parsed(await cargo('cost', args, rows.map(row => JSON.stringify(row)).join('\n')));
const parsed = text => text.split('\n').filter(Boolean).map(line => JSON.parse(line));

function cargo(example, args, input = '') {
  return new Promise((resolve, reject) => {
    const child = spawn('cargo', ['run', '--quiet', '--locked', '--example', example, '--', ...args], { cwd: root, env: scrubbed(), stdio: ['pipe', 'pipe', 'inherit'] });
    let out = '';
    child.stdout.setEncoding('utf8').on('data', text => (out += text));
    child.on('error', reject);
    child.on('close', code => (code === 0 ? resolve(out) : reject(new Error(`${example} ended with ${code}: ${out}`))));
    child.stdin.end(input);
  });
}
