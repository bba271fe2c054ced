// Prints the variables and the bindings of every environment in wrangler.toml as JSON. A program of its own, because wrangler needs a newer Node than npm may run.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { unstable_readConfig as readConfig } from 'wrangler';
import { root } from './paths.mjs';

const config = join(root, 'wrangler.toml');
const names = new Set([...readFileSync(config, 'utf8').matchAll(/^\s*\[+\s*env\.("[^"]+"|[\w-]+)/gm)].map(([, name]) => name.replaceAll('"', '')));
const read = env => {
  const settings = readConfig({ config, env }, { hideWarnings: true });
  return { env: env ?? null, where: env ? `wrangler.toml, environment ${env}` : 'wrangler.toml', vars: settings.vars ?? {}, bindings: bindings(settings) };
};

/** Names of bindings. Every kind of resource is listed somewhere under `binding` or, for objects, `name`. */
function bindings({ durable_objects, vars, ...settings }) {
  const listed = Object.values(settings).flatMap(value => (Array.isArray(value) ? value : [value]));
  const names = [...listed.map(entry => entry?.binding), ...(durable_objects?.bindings ?? []).map(object => object.name)];
  return [...new Set(names.filter(name => typeof name === 'string'))].sort();
}

console.log(JSON.stringify([read(undefined), ...[...names].map(read)]));
