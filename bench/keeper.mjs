// Runs workerd on behalf of the bench, tells its process id and port, and ends it when the bench is gone, however that died.
// usage: keeper.mjs WORKERD CONFIG LOGFILE
import { spawn } from 'node:child_process';
import { openSync } from 'node:fs';

const [workerd, config, logFile] = process.argv.slice(2);
const log = openSync(logFile, 'a'); // appended to, so that the bench may truncate it
const child = spawn(workerd, ['serve', '--control-fd=3', config], { stdio: ['ignore', log, log, 'pipe'] });

let told = '';
child.stdio[3].setEncoding('utf8').on('data', text => {
  told += text;
  const line = told.split('\n').find(entry => entry.includes('"listen"'));
  if (line) {
    console.log(JSON.stringify({ pid: child.pid, port: JSON.parse(line).port }));
    told = '';
  }
});
child.on('error', error => {
  console.log(JSON.stringify({ error: error.message }));
  process.exit(1);
});
child.on('exit', (code, signal) => process.exit(signal ? 1 : code));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill('SIGKILL'));
