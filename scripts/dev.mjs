// npm run dev -- --port N [--config FILE]: the gateway alone, in local mode, for people who bring their own upstream.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { setupAndBuild } from './build.mjs';
import { forGateway } from './lib/env.mjs';
import { healthWord, needPort, startGateway } from './lib/gateway.mjs';
import { onEnd, stopAll } from './lib/proc.mjs';
import { Problem, main, note, step, warn } from './lib/say.mjs';

const EXIT = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };
const ended = new Promise(resolve => onEnd(resolve));

await main(async () => {
  try {
    return EXIT[await Promise.race([ended, run()])];
  } finally {
    await stopAll();
  }
});
process.exit(); // the signal may have come in the middle of the set-up

async function run() {
  const { port, configText } = options();
  await needPort(port, '--port');
  await setupAndBuild();
  await needPort(port, '--port'); // building takes a while
  step('starting the gateway (wrangler dev)');
  const secrets = forGateway(process.env, configText);
  const names = Object.keys(secrets);
  if (names.length) note(`passed on from the environment: ${names.join(', ')}`);
  const gateway = await startGateway({ name: `dev-${port}`, port, configText, secrets, onLine: line => line.trim() && console.error(line) });
  const word = healthWord(gateway.health);
  if (word === 'unconfigured') note('the gateway has no usable configuration: it answers 503 until its identity is configured');
  console.log(`signalbox ready on ${gateway.url} (health: ${word})`);
  throw new Problem(`the gateway has ended (${await gateway.exited})`);
}

function options() {
  const { values } = parsed();
  const port = Number(values.port);
  if (values.config === undefined) return { port };
  const file = resolve(process.env.INIT_CWD ?? process.cwd(), values.config); // npm runs us in the repository, the path is the caller's
  let configText;
  try {
    configText = readFileSync(file, 'utf8');
  } catch (error) {
    throw new Problem(`--config: ${error.message}`);
  }
  try {
    const config = JSON.parse(configText);
    if (!config.identity) note(`${values.config} has no \`identity\`; nothing is added, so the gateway stays closed unless its defaults or variables say otherwise`);
  } catch (error) {
    warn(`${values.config} is not JSON (${error.message}); the gateway gets it as it is`);
  }
  return { port, configText };
}

function parsed() {
  try {
    return parseArgs({ options: { port: { type: 'string', default: '8787' }, config: { type: 'string' } } });
  } catch (error) {
    throw new Problem(`${error.message}\nusage: npm run dev -- --port N [--config FILE]`);
  }
}
