#!/usr/bin/env node
// What worker-build runs in esbuild's place: ours puts another entry into the script that is about to be bundled, and lets
// esbuild do the rest.
//
// worker-build's entry is a class that is made anew for each request, behind a Proxy that makes it anew once more after a panic:
// 3 % of a small request's CPU (ADR 0037). An object without state needs neither. What follows a panic stays worker-build's.
// The entry also imports what the classifier of tasks has learned, which stays a file beside the script (ADR 0039).
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { npmBin } from './lib/paths.mjs';

const SCRIPT = 'shim.js'; // in the folder in which worker-build starts esbuild
const THEIRS = 'export default new Proxy(Entrypoint, classProxyHooks);\n';
const EVENTS = ['fetch', 'scheduled'];
const WEIGHTS = './tasks.bin'; // scripts/build.mjs puts it there
const OURS = `import weights from '${WEIGHTS}';
globalThis[Symbol.for('signalbox.weights')] = weights;
const entry = handler => (event, env, ctx) => {
  checkReinitialize();
  try {
    return handler(event, env, ctx);
  } catch (error) {
    handleMaybeCritical(error);
    throw error;
  }
};
export default { ${EVENTS.map(name => `${name}: entry(exports.${name})`).join(', ')} };
`;

const script = readFileSync(SCRIPT, 'utf8');
const handled = [...script.matchAll(/^Entrypoint\.prototype\.(\w+) = function/gm)].map(([, name]) => name);
if (script.split(THEIRS).length !== 2 || handled.sort().join() !== EVENTS.join()) {
  console.error(`scripts/esbuild.mjs does not know this worker-build's ${SCRIPT}, or the Worker handles other events than ${EVENTS.join(' and ')}`);
  process.exit(1);
}
writeFileSync(SCRIPT, script.replace(THEIRS, () => OURS));
// wasm-bindgen names a file of ours in its import object once for each binding: the same key with the same value.
const quiet = '--log-override:duplicate-object-key=silent';
process.exit(spawnSync(npmBin('esbuild'), [...process.argv.slice(2), `--external:${WEIGHTS}`, quiet], { stdio: 'inherit' }).status ?? 1);
