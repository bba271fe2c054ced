// What goes on: requests as they come, how they end, which tokens they are made of.

import { h } from '../dom';
import { count, duration, money, NONE, picousd, share } from '../format';
import type { Group, RequestRecord, Stats } from '../types';
import { Chart } from '../ui/chart';
import { meter, Mix, section, Tiles } from '../ui/parts';
import { Table } from '../ui/table';
import { REQUESTS } from './columns';
import { ofStats, type Make } from './view';

const SHOWN = 25;

export const overview: Make = app => {
  const tiles = new Tiles(['Requests', 'Failed', 'Cost', 'First content', 'Rescued', 'Prompt cache']);
  const line = new Chart({
    title: 'Requests per minute, last hour', quiet: true, axis: 'time', unit: 'Minute', format: value => (Number.isInteger(value) ? count(value) : ''),
    place: at => new Date(at * 1000).toTimeString().slice(0, 5), empty: 'No requests in the last hour.',
    series: [{ name: 'requests', color: '--series-1' }, { name: 'failed or refused', color: '--bad' }],
  });
  const requests = new Table<RequestRecord>({ caption: 'The newest requests', quiet: true, columns: REQUESTS, key: record => record.request_id, empty: 'No requests yet.' });
  const first = h('p', { class: 'empty' }, 'Send one from the ', h('a', { href: '#playground' }, 'playground'), ', or point a client at this address.');
  const errors = new Table<Group>({
    caption: 'Errors by class', quiet: true, key: row => row.key, empty: 'No errors in this range.',
    columns: [
      { head: 'Error', name: true, cell: row => h('span', { class: 'mono' }, row.key) },
      { head: 'Requests', figure: true, cell: row => meter(row.requests, most(app.live.stats), count(row.requests)) },
    ],
  });
  const classes = new Table<[string, number]>({
    caption: 'Failed attempts by class', key: ([name]) => name, empty: 'No failed attempt among the newest requests.',
    columns: [
      { head: 'Class', name: true, cell: ([name]) => h('span', { class: 'mono' }, name) },
      { head: 'Attempts', figure: true, cell: ([, attempts]) => count(attempts) },
    ],
  });
  const mix = new Mix(count);

  return ofStats(app, stats => {
    const { total } = stats;
    const prompt = total.tokens.input + total.tokens.cache_read + total.tokens.cache_write;
    tiles.set([
      [count(total.requests), `${count(total.attempts)} calls to providers`],
      [share(total.failed, total.requests), `${count(total.failed)} failed, ${count(total.refused)} refused`],
      [money(picousd(total.cost_picousd)), total.unpriced ? `and ${count(total.unpriced)} unpriced calls` : `${count(total.tokens.output + total.tokens.reasoning)} tokens written`],
      [duration(total.ttft_ms?.p50), total.ttft_ms ? `median; p95 ${duration(total.ttft_ms.p95)}` : 'nothing measured'],
      [count(total.rescued), 'by another attempt'],
      [share(total.tokens.cache_read, prompt), prompt ? `of ${count(prompt)} tokens` : NONE],
    ]);
    showMinutes(line, stats);
    requests.set(app.live.recent.slice(0, SHOWN));
    first.hidden = app.live.recent.length > 0;
    errors.set(stats.by.error);
    classes.set(failures(app.live.recent));
    mix.set([['Prompt', total.tokens.input], ['Read from cache', total.tokens.cache_read], ['Written to cache', total.tokens.cache_write], ['Answer', total.tokens.output], ['Reasoning', total.tokens.reasoning]]);
  },
  tiles.el,
  section('Requests per minute, last hour', line.el),
  section('Live requests', requests.el, first),
  h('div', { class: 'columns' }, section('Errors', errors.el, classes.el), section('Tokens', mix.el)));
};

const most = (stats: Stats | undefined): number => Math.max(0, ...(stats?.by.error ?? []).map(row => row.requests));

/** A bar for every minute of the hour, also for those without requests. */
function showMinutes(chart: Chart, stats: Stats): void {
  const last = Math.floor(stats.now_ms / 60_000);
  const known = new Map(stats.minutes.map(minute => [Math.floor(minute.at_ms / 60_000), minute]));
  const minutes = Array.from({ length: 60 }, (_, at) => last - 59 + at);
  const of = (value: (sums: Stats['total']) => number): number[] => minutes.map(minute => (known.has(minute) ? value(known.get(minute)!) : 0));
  const [all, bad] = [of(sums => sums.requests), of(sums => sums.failed + sums.refused)];
  const sum = (list: number[]): number => list.reduce((total, value) => total + value, 0);
  chart.set(minutes.map(minute => minute * 60), [all, bad], `${count(sum(all))} requests in the last hour, ${count(sum(bad))} of them failed or refused; at most ${count(Math.max(...all))} in a minute.`);
}

function failures(records: RequestRecord[]): [string, number][] {
  const classes = new Map<string, number>();
  for (const attempt of records.flatMap(record => record.attempts)) {
    if (attempt.class) classes.set(attempt.class, (classes.get(attempt.class) ?? 0) + 1);
  }
  return [...classes].sort((a, b) => b[1] - a[1]);
}
