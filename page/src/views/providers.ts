// Who can be called, how well it goes there, and when circuits were open.

import { fill, h } from '../dom';
import { count, dateTime, duration, moneyColumn, NONE, picousd, share } from '../format';
import type { Group, Health, Stats } from '../types';
import { facts, notice, section, state, type Tone } from '../ui/parts';
import { Table } from '../ui/table';
import { Strips, type Strip } from '../ui/strips';
import { ofStats, type Make } from './view';

const STATES: Record<string, [Tone, string]> = {
  ready: ['good', 'ready'], disabled: ['idle', 'disabled'], no_secret: ['idle', 'no secret'], no_binding: ['idle', 'no binding'],
  no_base_url: ['idle', 'no address'], unsupported_kind: ['bad', 'unsupported kind'],
};
/** Windows of the time line: the shortest that has room for every change of a day. */
const HOURS = [1, 6, 24];

interface Row {
  name: string;
  sums: Group | undefined;
  known: NonNullable<Health['providers']>[number] | undefined;
  open: number;
}

export const providers: Make = app => {
  let cost: (row: Row) => string = () => NONE;
  const table = new Table<Row>({
    caption: 'Providers', quiet: true, key: row => row.name, empty: 'No provider is configured.',
    columns: [
      { head: 'Provider', name: true, cell: row => h('span', { class: 'mono' }, row.name), sort: row => row.name },
      { head: 'State', cell: row => (row.open ? state('bad', `${row.open} ${row.open > 1 ? 'circuits' : 'circuit'} open`) : state(...(STATES[row.known?.state ?? ''] ?? ['idle', NONE]))) },
      { head: 'Answered', figure: true, cell: row => availability(row.sums), sort: row => (row.sums ? 1 - row.sums.failed / row.sums.attempts : -1) },
      { head: 'Calls', figure: true, cell: row => (row.sums ? count(row.sums.attempts) : NONE), sort: row => row.sums?.attempts ?? 0 },
      { head: 'Failed', figure: true, cell: row => (row.sums ? count(row.sums.failed) : NONE), sort: row => row.sums?.failed ?? 0 },
      { head: 'First content, p50', figure: true, cell: row => duration(row.sums?.ttft_ms?.p50), sort: row => row.sums?.ttft_ms?.p50 ?? -1 },
      { head: 'p95', figure: true, cell: row => duration(row.sums?.ttft_ms?.p95), sort: row => row.sums?.ttft_ms?.p95 ?? -1 },
      { head: 'Cost', figure: true, cell: row => cost(row), sort: row => picousd(row.sums?.cost_picousd) },
      { head: 'Region', cell: row => row.known?.region ?? NONE },
      { head: 'Prompts', cell: row => (row.known ? (row.known.trains_on_data ? 'may train on them' : row.known.reseller ? 'reseller' : 'not trained on') : NONE) },
    ],
  });
  const without = h('p', { class: 'lead' });
  const force = h('div', {});
  const strips = new Strips('No circuit has opened in the last 24 hours.');
  const changes = new Table<Stats['breakers'][number]>({
    caption: 'Changes of circuits, newest first', key: change => `${change.at_ms} ${change.candidate} ${change.state}`, empty: '',
    columns: [
      { head: 'Time', name: true, cell: change => dateTime(change.at_ms) },
      { head: 'Candidate', cell: change => h('span', { class: 'mono' }, change.candidate) },
      { head: 'Change', cell: change => state(change.state === 'opened' ? 'bad' : 'good', change.state) },
    ],
  });

  return ofStats(app, stats => {
    const open = openNow(stats);
    const known = app.live.health?.providers ?? [];
    const names = [...new Set([...stats.by.provider.map(row => row.key), ...known.filter(one => one.state !== 'no_secret').map(one => one.name)])];
    const rows = names.map(name => ({ name, sums: stats.by.provider.find(row => row.key === name), known: known.find(one => one.name === name), open: [...open].filter(candidate => candidate.startsWith(`${name}/`)).length }));
    const dollars = moneyColumn(rows, (row: Row) => picousd(row.sums?.cost_picousd));
    cost = row => (row.sums ? dollars(row) : NONE);
    table.set(rows);
    const keyless = known.filter(one => one.state === 'no_secret' && !names.includes(one.name)).map(one => one.name);
    fill(without, keyless.length ? `Without a secret, and so no candidates: ${keyless.join(', ')}.` : undefined);
    const day = stats.now_ms - 24 * 3_600_000;
    const first = Math.min(...stats.breakers.filter(change => change.at_ms > day).map(change => change.at_ms));
    fill(force, ...inForce(app.live.health));
    const begin = stats.now_ms - (HOURS.find(hours => first > stats.now_ms - hours * 3_600_000) ?? 24) * 3_600_000;
    strips.set(intervals(stats, begin), begin, stats.now_ms);
    changes.set([...stats.breakers].reverse());
    changes.el.hidden = stats.breakers.length === 0;
  },
  section('Availability', table.el, without),
  section('Circuits', h('p', { class: 'lead' }, 'A circuit opens where a candidate keeps failing; it is passed over until a trial call succeeds.'), strips.el, changes.el),
  section('In force', force));
};

/** Which documents decide, which of them were refused, and what is switched off. */
function inForce(health: Health | undefined): HTMLElement[] {
  const { versions, refused = [], unbound = [] } = health ?? {};
  return [
    facts([
      ['Configuration', h('span', { class: 'mono' }, versions?.config ?? NONE)],
      ['Catalogue', h('span', { class: 'mono' }, versions?.catalogue ?? NONE)],
      ['Prices', h('span', { class: 'mono' }, versions?.prices ?? NONE)],
      ['Not bound', unbound.length ? unbound.join(', ') : 'nothing'],
    ]),
    ...refused.map(({ path, message }) => notice('error', 'A newer document was refused.', `${path}: ${message}`)),
  ];
}

function availability(sums: Group | undefined): string {
  return sums && sums.attempts ? share(sums.attempts - sums.failed, sums.attempts) : NONE;
}

function openNow(stats: Stats): Set<string> {
  const open = new Set<string>();
  for (const change of stats.breakers) {
    if (change.state === 'opened') open.add(change.candidate);
    else open.delete(change.candidate);
  }
  return open;
}

/** When each candidate's circuit was open. */
function intervals(stats: Stats, begin: number): Strip[] {
  const strips = new Map<string, Strip>();
  const since = new Map<string, number>();
  const close = (candidate: string, to: number): void => {
    const from = since.get(candidate);
    since.delete(candidate);
    if (from === undefined || to < begin) return;
    const strip = strips.get(candidate) ?? { name: candidate, spans: [] };
    strip.spans.push({ from: Math.max(from, begin), to });
    strips.set(candidate, strip);
  };
  for (const change of stats.breakers) {
    if (change.state === 'closed') close(change.candidate, change.at_ms);
    else if (!since.has(change.candidate)) since.set(change.candidate, change.at_ms);
  }
  for (const candidate of [...since.keys()]) close(candidate, stats.now_ms);
  return [...strips.values()];
}
