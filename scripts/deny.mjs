// npm run deny: licences, bans and sources of what the crate is built from, by cargo deny where it is installed, else by the
// same rules of deny.toml over what cargo itself says. Advisories need a database from the network: told where not checked.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from './lib/paths.mjs';
import { capture, endOnSignal } from './lib/proc.mjs';
import { Problem, main, note, step } from './lib/say.mjs';

async function check() {
  if ((await capture('cargo', ['deny', '--version'])).code === 0) return byCargoDeny();
  note('cargo deny is not installed: the same rules, without it');
  const problems = findings(await dependencies(), rules(readFileSync(join(root, 'deny.toml'), 'utf8')));
  if (problems.length) throw new Problem(`deny.toml is not kept:\n${problems.map(problem => `  - ${problem}`).join('\n')}`);
  note('licences, bans and sources are as deny.toml wants them');
  note('advisories: not checked (their database is read by cargo deny)');
}

async function byCargoDeny() {
  step('cargo deny');
  const { code } = await capture('cargo', ['deny', '--all-features', 'check', 'licenses', 'bans', 'sources'], { echo: true });
  if (code !== 0) throw new Problem('cargo deny has objections');
  const advisories = await capture('cargo', ['deny', 'check', 'advisories'], { echo: false });
  note(advisories.code === 0 ? 'advisories: none' : /fetch|clone|network|resolve/i.test(advisories.stderr) ? 'advisories: not checked (their database cannot be reached)' : advisories.stderr);
}

/** The packages that the crate is built from, as cargo resolves them. */
async function dependencies() {
  const { code, stdout, stderr } = await capture('cargo', ['metadata', '--format-version', '1', '--locked', '--offline']);
  if (code !== 0) throw new Problem(`cargo metadata: ${stderr}`);
  return JSON.parse(stdout).packages.filter(({ source }) => source !== null);
}

/** The lists of deny.toml that are checked here. */
export function rules(text) {
  const list = name => [...(new RegExp(`^${name} = \\[([^\\]]*)\\]`, 'm').exec(text)?.[1] ?? '').matchAll(/"([^"]+)"/g)].map(([, word]) => word);
  return { licences: list('allow'), registries: list('allow-registry'), banned: [...text.matchAll(/\{ crate = "([^"]+)" \}/g)].map(([, name]) => name) };
}

/** What speaks against the packages, as lines. */
export function findings(packages, { licences, registries, banned }) {
  return packages.flatMap(({ name, version, license, source }) => [
    ...(fits(license, licences) ? [] : [`${name} ${version}: the licence ${license ?? '(none)'} is not allowed`]),
    ...(registries.some(registry => source === `registry+${registry}`) ? [] : [`${name} ${version}: comes from ${source}`]),
    ...(banned.includes(name) ? [`${name} ${version} is banned`] : []),
  ]);
}

/** Whether an SPDX expression can be kept with the allowed licences. */
export function fits(expression, allowed) {
  const tokens = (expression ?? '').replaceAll('/', ' OR ').match(/\(|\)|[^\s()]+( WITH [^\s()]+)?/g) ?? [];
  let at = 0;
  const one = () => {
    if (tokens[at] !== '(') return allowed.includes(tokens[at++]);
    at += 1;
    const inside = either();
    at += 1;
    return inside;
  };
  const both = () => {
    let all = one();
    while (tokens[at] === 'AND') all = (at += 1, one()) && all;
    return all;
  };
  const either = () => {
    let any = both();
    while (tokens[at] === 'OR') any = (at += 1, both()) || any;
    return any;
  };
  return tokens.length > 0 && either() && at === tokens.length;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  endOnSignal();
  await main(check);
}
