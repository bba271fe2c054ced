// npm run bench -- --telemetry: the same build with nothing told to anybody, and with everything told: the register, and every
// span and metric to a collector (sampling 1). Rounds are taken in turns; what is printed is the median of their ratios, and an
// interval in which it lies.
import { createServer } from 'node:http';
import { table } from './report.mjs';

/** The CPU with telemetry at most, as a multiple of that without. */
export const AIM = 1.15;

const QUIET = { register: false };
const TOLD = endpoint => ({ sampling: 1, otlp: [{ endpoint }] });

/** A collector that takes everything and counts it. It runs in this process, whose CPU is not what is measured. */
export async function collector() {
  const got = { traces: 0, metrics: 0, bytes: 0 };
  const server = createServer((req, res) => {
    req.on('data', piece => (got.bytes += piece.length)).on('end', () => {
      got[req.url.split('/').at(-1)] += 1;
      res.writeHead(200).end();
    });
  });
  server.keepAliveTimeout = 0;
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  return { got, url: `http://127.0.0.1:${server.address().port}`, close: () => (server.closeAllConnections(), server.close()) };
}

/** The two configurations, by the name of what runs under it. */
export const settings = (config, endpoint) => ({ off: { ...config, telemetry: QUIET }, on: { ...config, telemetry: TOLD(endpoint) } });

/** Median of the rounds' ratios with an interval for it: order statistics, which hold whatever the distribution is. */
export function ratio(off, on) {
  const sorted = on.map((value, round) => value / off[round]).sort((a, b) => a - b);
  const { drop, confidence } = interval(sorted.length);
  const middle = sorted.length / 2;
  const median = sorted.length % 2 ? sorted[Math.floor(middle)] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, lowest: sorted[drop], highest: sorted[sorted.length - 1 - drop], confidence };
}

/** How many of n values may be left out at either end so that the median is between the rest with 95 %; of few values none. */
function interval(n) {
  let [drop, outside, term] = [0, 0.5 ** n, 0.5 ** n];
  for (let next = 1; next < n / 2; next += 1) {
    term *= (n - next + 1) / next;
    if (2 * (outside + term) > 0.05) break;
    outside += term;
    drop = next;
  }
  return { drop, confidence: 1 - 2 * outside };
}

export function compare({ scenario, turns: [off, on] }) {
  const cpu = [off, on].map(turns => turns.map(turn => turn.cpuMs));
  const middle = numbers => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
  return { title: scenario.title, off: middle(cpu[0]), on: middle(cpu[1]), ratio: ratio(...cpu), requests: on.reduce((sum, turn) => sum + turn.requests, 0) };
}

export function render({ about, scenarios, register, got }) {
  const [one] = scenarios;
  const rows = [
    ['', 'CPU ms/request', '', 'on ÷ off', '', ''],
    ['', 'off', 'on', 'median', `${Math.floor(one.ratio.confidence * 100)} % interval`, 'aim'],
    ...scenarios.map(({ title, off, on, ratio }) => [title, off.toFixed(3), on.toFixed(3), ratio.median.toFixed(3), `${ratio.lowest.toFixed(3)}–${ratio.highest.toFixed(3)}`, `≤ ${AIM} ${ratio.median <= AIM ? 'met' : 'MISSED'}`]),
  ];
  return [
    `Telemetry on and off, ${about.date}: ${about.cores} cores (${about.cpu}), ${about.rounds} rounds in turns, load average ${about.loadBefore} before, ${about.loadAfter} after`,
    ...(about.rounds < 7 ? [`${about.rounds} rounds are few: take 7 or more`] : []),
    '',
    ...table(rows),
    '',
    `the register counted ${register} requests; the collector got ${got.traces} exports of spans and ${got.metrics} of metrics, ${Math.round(got.bytes / 1000)} kB`,
  ].join('\n');
}
