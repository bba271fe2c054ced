// From the turns to medians and ratios, and from those to what is printed.
import { gzipSync } from 'node:zlib';
import { PACE_MS, WASM_AIM_BYTES } from './scenarios.mjs';

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 ? sorted[Math.floor(middle)] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Ratios and differences are taken within a round, where both turns saw nearly the same machine, and their medians are the result. */
export function summarize({ scenario, turns: [bare, gateway], firstByteMs }) {
  const compare = field => {
    const ratios = bare.map((turn, round) => gateway[round][field] / turn[field]);
    return {
      bare: median(bare.map(turn => turn[field])), gateway: median(gateway.map(turn => turn[field])),
      ratio: median(ratios), lowest: Math.min(...ratios), highest: Math.max(...ratios),
      added: median(bare.map((turn, round) => gateway[round][field] - turn[field])),
    };
  };
  const [bareFirst, gatewayFirst] = firstByteMs.map(median);
  const cpu = compare('cpuMs');
  return {
    name: scenario.name,
    title: scenario.title,
    cpuMsPerRequest: cpu,
    requestsPerSecond: compare('perSecond'),
    firstByteMs: { bare: bareFirst, gateway: gatewayFirst, added: gatewayFirst - bareFirst },
    aim: scenario.aim,
    aimMs: scenario.aimMs,
    met: scenario.aimMs === undefined ? scenario.aim === undefined ? undefined : cpu.ratio <= scenario.aim : cpu.added < scenario.aimMs,
    logLinesPerRequest: median(gateway.map(turn => turn.logLines / turn.requests)),
    requests: [...bare, ...gateway].reduce((sum, turn) => sum + turn.requests, 0),
    othersCores: median([...bare, ...gateway].map(turn => turn.othersCores)),
  };
}

export function sizeOf(wasm) {
  const gzip = gzipSync(wasm).length;
  return { rawBytes: wasm.length, gzipBytes: gzip, aimBytes: WASM_AIM_BYTES, met: gzip <= WASM_AIM_BYTES };
}

export function render({ about, books, wasm, scenarios, identity }) {
  const rows = [
    ['', 'CPU ms/request', '', 'gateway ÷ bare', '', '', 'requests/s', '', 'gateway', 'first byte ms', '', ''],
    ['', 'bare', 'gateway', 'ratio', 'lowest–highest', 'aim', 'bare', 'gateway', '÷ bare', 'bare', 'gateway', 'added'],
    ...scenarios.map(one => [
      one.title, fixed(one.cpuMsPerRequest.bare), fixed(one.cpuMsPerRequest.gateway), fixed(one.cpuMsPerRequest.ratio),
      `${fixed(one.cpuMsPerRequest.lowest)}–${fixed(one.cpuMsPerRequest.highest)}`,
      one.aim === undefined ? '' : `≤ ${one.aim} ${word(one.met)}`,
      whole(one.requestsPerSecond.bare), whole(one.requestsPerSecond.gateway), fixed(one.requestsPerSecond.ratio),
      fixed(one.firstByteMs.bare), fixed(one.firstByteMs.gateway), signed(one.firstByteMs.added),
    ]),
  ];
  const all = [...scenarios, ...identity?.scenarios ?? []];
  const others = Math.max(...all.map(one => one.othersCores));
  return [
    `Signalbox bench, ${about.date}: ${about.cores} cores (${about.cpu}), ${about.memoryGb} GB, workerd ${about.workerd}, node ${about.node}`,
    `${about.rounds} rounds in turns (paced: ${about.pacedRounds}), medians; ${about.connections} connections (paced: ${about.pacedConnections}, ${PACE_MS} ms between events); the callers and the upstream run on the same machine`,
    `load average ${about.loadBefore} before, ${about.loadAfter} after; other programs took up to ${fixed(others)} cores while this ran`,
    '',
    ...(scenarios.length ? [...table(rows), ''] : []),
    ...(identity ? [...table(identityRows(identity.scenarios)), `key sets fetched meanwhile: ${identity.keySetFetches}`, ''] : []),
    `index_bg.wasm: ${kb(wasm.rawBytes)} kB, ${kb(wasm.gzipBytes)} kB gzip (aim ≤ ${kb(wasm.aimBytes)} kB gzip: ${word(wasm.met)})`,
    `memory at the end: bare ${about.memoryMb.bare} MB, gateway ${about.memoryMb.gateway} MB`,
    `ledger: ${inBooks(books)}; log lines per request: ${fixed(median(all.map(one => one.logLinesPerRequest)))}`,
  ].join('\n');
}

function identityRows(scenarios) {
  return [
    ['', 'CPU ms/request', '', 'issuer ÷ none', '', 'added', '', 'requests/s', '', 'first byte ms', '', ''],
    ['small JSON, by caller', 'none', 'issuer', 'ratio', 'lowest–highest', 'CPU ms', 'aim', 'none', 'issuer', 'none', 'issuer', 'added'],
    ...scenarios.map(one => [
      one.title, fixed(one.cpuMsPerRequest.bare), fixed(one.cpuMsPerRequest.gateway), fixed(one.cpuMsPerRequest.ratio),
      `${fixed(one.cpuMsPerRequest.lowest)}–${fixed(one.cpuMsPerRequest.highest)}`,
      signed(one.cpuMsPerRequest.added), `< ${one.aimMs} ${word(one.met)}`,
      whole(one.requestsPerSecond.bare), whole(one.requestsPerSecond.gateway),
      fixed(one.firstByteMs.bare), fixed(one.firstByteMs.gateway), signed(one.firstByteMs.added),
    ]),
  ];
}

const fixed = number => (Math.abs(number) >= 100 ? number.toFixed(0) : number.toFixed(2));
const whole = number => (number < 20 ? number.toFixed(1) : number.toFixed(0));
const signed = number => `${number < 0 ? '−' : '+'}${fixed(Math.abs(number))}`;
const kb = bytes => Math.round(bytes / 1000);
const word = met => (met ? 'met' : 'MISSED');

function inBooks({ problem, begun, requests, open, exact }) {
  if (problem) return `NOT READABLE (${problem})`;
  return `${requests} of ${begun} requests entered, ${open} still open, ${exact} with exact cost`;
}

export function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.slice(1).map(row => row[column].length)));
  const cells = rows.slice(1).map(row => row.map((cell, column) => (column ? cell.padStart(widths[column]) : cell.padEnd(widths[column]))).join('  '));
  return [heading(rows[0], widths), ...cells];
}

/** Group names stand above the first of their columns and may run over the next ones. */
function heading(names, widths) {
  let line = '';
  let at = 0;
  names.forEach((name, column) => {
    if (name) line = line.padEnd(Math.max(at, line.length ? line.length + 2 : 0)) + name;
    at += widths[column] + 2;
  });
  return line;
}
