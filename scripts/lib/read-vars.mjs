// Prints the variables of every environment in wrangler.toml as JSON. A program of its own, because wrangler needs a newer Node than npm may run.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { unstable_readConfig as readConfig } from 'wrangler';
import { root } from './paths.mjs';

const config = join(root, 'wrangler.toml');
const names = new Set([...readFileSync(config, 'utf8').matchAll(/^\s*\[+\s*env\.("[^"]+"|[\w-]+)/gm)].map(([, name]) => name.replaceAll('"', '')));
const read = env => ({ where: env ? `wrangler.toml, environment ${env}` : 'wrangler.toml', vars: readConfig({ config, env }, { hideWarnings: true }).vars ?? {} });
console.log(JSON.stringify([read(undefined), ...[...names].map(read)]));
