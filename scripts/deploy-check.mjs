// npm run deploy:check [-- --config FILE]: builds, looks for settings that only a local gateway may have, and lets wrangler
// put the deployment together without sending it. FILE is a document meant for the KV key `config`.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from './build.mjs';
import { wranglerEnv } from './lib/env.mjs';
import { localOnly } from './lib/local-only.mjs';
import { unlimited } from './lib/unlimited.mjs';
import { nodeBin, root, wranglerCli } from './lib/paths.mjs';
import { capture, endOnSignal, run } from './lib/proc.mjs';
import { Problem, main, note, step } from './lib/say.mjs';
import { setup } from './setup.mjs';

/** The environment that is deployed. */
const PRODUCTION = 'production';

/** Bindings that a deployment may do without: what needs them is then switched off. */
const OPTIONAL = ['CAPTURES'];

endOnSignal();
await main(async () => {
  const { values } = parseArgs({ options: { config: { type: 'string' } } });
  await setup();
  const environments = await deployed();
  const findings = [...environments.flatMap(checkVars), ...checkBindings(environments), ...(values.config ? checkDocument(values.config, readFileSync(values.config, 'utf8')) : [])];
  if (findings.length) throw new Problem(`not fit for deployment:\n${findings.map(finding => `  - ${finding}`).join('\n')}`);
  note('no local-only setting in wrangler.toml or the configuration');
  if (values.config) for (const warning of unlimited(JSON.parse(readFileSync(values.config, 'utf8')))) note(`warning: ${values.config}: ${warning}`);
  await build();
  step('wrangler deploy --dry-run');
  await run(nodeBin(), [wranglerCli, 'deploy', '--dry-run', '--config', join(root, 'wrangler.toml'), '--env', PRODUCTION, '--outdir', join(root, 'out')], { env: wranglerEnv(), label: 'wrangler deploy --dry-run' });
  note('the deployment is in order');
});

/** The variables and bindings of wrangler.toml, per environment, as wrangler itself reads them. */
async function deployed() {
  const { code, stdout, stderr } = await capture(nodeBin(), [join(root, 'scripts', 'lib', 'read-vars.mjs')], { env: wranglerEnv() });
  if (code !== 0) throw new Problem(`wrangler.toml cannot be read: ${stderr.trim()}`);
  return JSON.parse(stdout);
}

/** What is deployed has every other binding of the Worker that runs locally, and Workers AI, which nothing local may have. */
function checkBindings(environments) {
  const [local, production] = [null, PRODUCTION].map(env => environments.find(environment => environment.env === env)?.bindings ?? []);
  const wanted = [...local, 'AI'].filter(name => !production.includes(name) && !OPTIONAL.includes(name));
  return [
    ...wanted.map(name => `wrangler.toml, environment ${PRODUCTION}: the binding ${name} is missing`),
    ...(local.includes('AI') ? ['wrangler.toml binds AI at its top: local commands would need a Cloudflare account'] : []),
  ];
}

function checkVars({ where, vars }) {
  const findings = [];
  if ('SIGNALBOX_MODE' in vars) findings.push(`${where} sets SIGNALBOX_MODE: local mode is for the npm scripts only`);
  for (const [name, value] of Object.entries(vars)) {
    if (/_API_KEY$|_TOKEN$|_SECRET$/.test(name)) findings.push(`${where} holds ${name} in plain text: use \`wrangler secret put ${name}\``);
    if (/_(BASE_URL|ENDPOINT)$/.test(name)) findings.push(...localOnly({ base_url: value }).map(finding => `${where}, ${name}: ${finding}`));
    if (name === 'SIGNALBOX_CONFIG') findings.push(...checkDocument(`${where}, SIGNALBOX_CONFIG`, typeof value === 'string' ? value : JSON.stringify(value)));
  }
  return findings;
}

function checkDocument(where, text) {
  try {
    return localOnly(JSON.parse(text)).map(finding => `${where}: ${finding}`);
  } catch (error) {
    return [`${where}: is not JSON (${error.message})`];
  }
}
