// How long answers take: to their first content, and in whole.

import { h, unique } from '../dom';
import { count, duration, NONE } from '../format';
import type { Group, Stats, Sums, Times } from '../types';
import { Chart } from '../ui/chart';
import { section } from '../ui/parts';
import { Table, type Column } from '../ui/table';
import { ofStats, type Make } from './view';

type Which = 'ttft_ms' | 'duration_ms';

export const latency: Make = app => {
  let stats: Stats | undefined;
  const id = unique('of');
  const of = h('select', { id, change: () => stats && draw(stats) });
  const charts = { ttft_ms: histogram('Time to first content', '--series-1'), duration_ms: histogram('Time to the end', '--series-2') };
  const tables = { ttft_ms: quantiles('Time to first content by model', 'ttft_ms'), duration_ms: quantiles('Time to the end by model', 'duration_ms') };

  const draw = (now: Stats): void => {
    const sums = now.by.model.find(row => row.key === of.value) ?? now.total;
    for (const which of ['ttft_ms', 'duration_ms'] as const) {
      charts[which].set(sums[which]);
      tables[which].set(now.by.model.filter(row => row[which]));
    }
  };

  return ofStats(app, now => {
    stats = now;
    const chosen = of.value;
    const names = now.by.model.filter(row => row.ttft_ms ?? row.duration_ms).map(row => row.key);
    if (names.join() !== [...of.options].slice(1).map(option => option.value).join()) {
      of.replaceChildren(h('option', { value: '' }, 'All requests'), ...names.map(name => h('option', { value: name }, name)));
      of.value = names.includes(chosen) ? chosen : '';
    }
    draw(now);
  },
  h('p', { class: 'field' }, h('label', { for: id }, 'Times of'), of),
  h('div', { class: 'columns even' }, section('Time to first content', charts.ttft_ms.el), section('Time to the end', charts.duration_ms.el)),
  section('Time to first content by model', h('p', { class: 'lead' }, 'Quantiles are the upper edges of their buckets: right to a fifth.'), tables.ttft_ms.el),
  section('Time to the end by model', tables.duration_ms.el));
};

/** The register's buckets: four to each doubling from 8 ms. */
const EDGES = Array.from({ length: 72 }, (_, at) => (2 ** (3 + Math.floor(at / 4)) / 4) * (4 + (at % 4)));

function histogram(title: string, color: string): { el: HTMLElement; set: (times: Times | null) => void } {
  const chart = new Chart({
    title, quiet: true, axis: 'names', unit: 'Up to', series: [{ name: 'answers', color }], empty: 'Nothing measured in this range.',
    format: value => (Number.isInteger(value) ? count(value) : ''), place: at => `≤ ${brief(EDGES[at] ?? 0)}`, tick: at => brief(EDGES[at] ?? 0),
  });
  const set = (times: Times | null): void => {
    const counts = new Map(times?.buckets ?? []);
    const places = EDGES.map((edge, at) => [edge, at] as const).filter(([edge]) => counts.has(edge)).map(([, at]) => at);
    const [first, last] = [Math.max(0, (places[0] ?? 0) - 1), Math.min(71, (places.at(-1) ?? 0) + 1)];
    const shown = Array.from({ length: last - first + 1 }, (_, at) => first + at);
    chart.set(shown, [shown.map(at => counts.get(EDGES[at] ?? 0) ?? 0)],
      times ? `${count(times.count)} answers: half within ${duration(times.p50)}, 95 % within ${duration(times.p95)}, 99 % within ${duration(times.p99)}.` : 'Nothing measured.');
  };
  return { el: chart.el, set };
}

const brief = (ms: number): string => (ms < 1000 ? `${ms} ms` : `${Number((ms / 1000).toPrecision(3))} s`);

function quantiles(caption: string, which: Which): Table<Group> {
  const at = (head: string, value: (times: Times) => number): Column<Sums> => ({ head, figure: true, cell: row => (row[which] ? duration(value(row[which])) : NONE), sort: row => (row[which] ? value(row[which]) : -1) });
  return new Table<Group>({
    caption, quiet: true, key: row => row.key, empty: 'Nothing measured in this range.',
    columns: [
      { head: 'Model', name: true, cell: row => h('span', { class: 'mono' }, row.key), sort: row => row.key },
      { head: 'Answers', figure: true, cell: row => count(row[which]?.count ?? 0), sort: row => row[which]?.count ?? 0 },
      at('p50', times => times.p50), at('p90', times => times.p90), at('p95', times => times.p95), at('p99', times => times.p99),
    ],
  });
}
