// npm start: the whole gateway on this machine, with simulated providers; `-- --real` takes the real ones whose keys are at hand.
import { parseArgs } from 'node:util';
import { startSimulator } from '../tools/simulator/server.mjs';
import { setupAndBuild } from './build.mjs';
import { demoConfig, hints } from './lib/demo.mjs';
import { devVars, forGateway } from './lib/env.mjs';
import { healthWord, needPort, portIsFree, startGateway } from './lib/gateway.mjs';
import { onEnd, stopAll } from './lib/proc.mjs';
import { Problem, elapsed, main, note, step } from './lib/say.mjs';

const SIMULATOR_PORT = 8788;
const EXIT = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };
const ended = new Promise(resolve => onEnd(resolve));

await main(async () => {
  try {
    return EXIT[await Promise.race([ended, run()])];
  } finally {
    await stopAll();
  }
});
process.exit(); // the simulator lives in this process

async function run() {
  const { port, real } = options();
  await needPort(port, '--port');
  const secrets = real ? realSecrets() : {};
  await setupAndBuild();
  step('starting the provider simulator and the gateway');
  const simulator = await startSimulator({ port: (await portIsFree(SIMULATOR_PORT)) ? SIMULATOR_PORT : 0 });
  await needPort(port, '--port'); // building takes a while
  const configText = JSON.stringify(demoConfig(simulator, real));
  const gateway = await startGateway({ name: 'start', port, configText, secrets, onLine: forProblems });
  const word = healthWord(gateway.health);
  if (gateway.health.status !== 200) throw new Problem(`the gateway runs, but says that it is not well (${gateway.health.status}, ${word}): ${gateway.health.body}`);
  note(`ready after ${elapsed()}: gateway on ${gateway.url} (health: ${word}), simulated providers on ${simulator.url}`);
  console.log(hints(gateway.url, real));
  throw new Problem(`the gateway has ended (${await gateway.exited})`);
}

function options() {
  try {
    const { values } = parseArgs({ options: { real: { type: 'boolean', default: false }, port: { type: 'string', default: '8787' } } });
    return { ...values, port: Number(values.port) };
  } catch (error) {
    throw new Problem(`${error.message}\nusage: npm start [-- --real] [-- --port N]`);
  }
}

/** Keys from .dev.vars and the environment, which wins. */
function realSecrets() {
  const secrets = forGateway({ ...devVars(), ...process.env });
  const keys = Object.keys(secrets).filter(name => name.endsWith('_API_KEY'));
  if (!keys.length) throw new Problem('--real needs at least one provider\'s key in the environment or in .dev.vars, for example OPENAI_API_KEY');
  note(`real providers, by the keys at hand: ${keys.join(', ')}. Their use costs money.`);
  return secrets;
}

/** Of wrangler's lines only those that matter once it runs; all of the last ones are shown if it fails. */
function forProblems(line) {
  if (/\b(error|panicked|uncaught|exception)\b/i.test(line)) console.error(line);
}
