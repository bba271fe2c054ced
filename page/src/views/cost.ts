// What was spent: by day, by caller, by model.

import { h } from '../dom';
import { count, money, moneyColumn, moneyDigits, NONE, picousd, share, short } from '../format';
import type { Group, Stats, Sums } from '../types';
import { Chart } from '../ui/chart';
import { meter, section, Tiles } from '../ui/parts';
import { Table, type Column } from '../ui/table';
import { ofStats, type Make } from './view';

const spent = (sums: Sums): bigint => picousd(sums.cost_picousd);
const MICRO = 1_000_000n; // picodollars of a micro-dollar: bars are drawn from whole ones

export const cost: Make = app => {
  let shown = (sums: Sums): string => money(spent(sums));
  let all = 0n;
  const money_: Column<Sums> = { head: 'Cost', figure: true, cell: row => meter(Number(spent(row) / MICRO), Number(all / MICRO), shown(row)), sort: spent };
  const columns: Column<Sums>[] = [
    { head: 'Requests', figure: true, cell: row => count(row.requests), sort: row => row.requests },
    { head: 'Tokens in', figure: true, cell: row => count(prompt(row)), sort: prompt },
    { head: 'From cache', figure: true, cell: row => share(row.tokens.cache_read, prompt(row)), sort: row => row.tokens.cache_read },
    { head: 'Tokens out', figure: true, cell: row => count(row.tokens.output + row.tokens.reasoning), sort: row => row.tokens.output + row.tokens.reasoning },
    { head: 'Unpriced calls', figure: true, cell: row => count(row.unpriced), sort: row => row.unpriced },
    money_,
  ];
  const tiles = new Tiles(['Cost', 'Estimated', 'Per request', 'Against always-best']);
  const days = new Chart({
    title: 'Cost by day', quiet: true, axis: 'names', unit: 'Day', empty: 'Nothing was spent in this range.', series: [{ name: 'US dollars', color: '--series-1' }],
    format: value => (value === 0 ? '$0' : money(BigInt(Math.round(value)) * MICRO, moneyDigits(BigInt(dearest) * MICRO))), place: at => names[at] ?? '',
  });
  let names: string[] = [];
  let dearest = 0;
  const group = (caption: string, head: string, name: (key: string) => string, more: Column<Group>[] = []): Table<Group> =>
    new Table<Group>({ caption, quiet: true, key: row => row.key, empty: 'Nothing in this range.', columns: [{ head, name: true, cell: row => h('span', { class: 'mono', title: row.key }, name(row.key)), sort: row => row.key }, ...columns, ...more] });
  let books = new Map<string, bigint>();
  const users = group('Cost by caller', 'Caller', key => short(key, 14), [
    { head: 'In the books', figure: true, cell: ({ key }) => (books.has(key) ? booked(books.get(key) ?? 0n) : NONE), sort: ({ key }) => books.get(key) ?? -1n },
  ]);
  let booked = (amount: bigint): string => money(amount);
  const models = group('Cost by model', 'Model', key => key);
  const byDay = new Table<Sums & { day: string }>({ caption: 'Cost by day', quiet: true, key: row => row.day, empty: 'Nothing in this range.', columns: [{ head: 'Day (UTC)', name: true, cell: row => row.day, sort: row => row.day }, ...columns] });

  return ofStats(app, stats => {
    const { total } = stats;
    all = spent(total);
    const [expected, best] = [picousd(total.expected_picousd), picousd(total.best_picousd)];
    tiles.set([
      [money(all), total.unpriced ? `without ${count(total.unpriced)} unpriced calls` : 'every call is priced'],
      [money(picousd(total.estimated_picousd)), 'where counts or prices are partly ours'],
      [total.requests ? money(all / BigInt(total.requests)) : '–', `${count(total.requests)} requests`],
      [best > 0n ? `${best >= expected ? '−' : '+'}${money(best >= expected ? best - expected : expected - best)}` : '–', best > 0n ? `expected ${money(expected)}; the best model each time ${money(best)}` : 'no choice with known prices'],
    ]);
    names = range(stats.from, stats.to);
    const known = new Map(stats.days.map(day => [day.day, day]));
    const figures = names.map(day => Number(((known.has(day) ? spent(known.get(day)!) : 0n) + MICRO / 2n) / MICRO));
    dearest = Math.max(0, ...figures);
    days.set(names.map((_, at) => at), [figures], `${money(all)} from ${stats.from} to ${stats.to}.`);
    books = new Map(stats.ledgers.map(row => [row.key, picousd(row.cost_picousd)]));
    const digits = moneyDigits([...books.values()].reduce((most, amount) => (amount > most ? amount : most), 0n));
    booked = amount => money(amount, digits);
    for (const [table, rows] of [[users, callers(stats)], [models, stats.by.model]] as const) {
      shown = moneyColumn<Sums>(rows, spent);
      table.set(rows);
    }
    shown = moneyColumn<Sums>(stats.days, spent);
    byDay.set([...stats.days].reverse());
  },
  tiles.el,
  section('Cost by day', days.el, byDay.el),
  section('Cost by caller', h('p', { class: 'lead' }, 'Callers are keyed hashes; no name is kept here. The books are the ledgers’ own sums, told about a minute later: bills are made from them.'), users.el),
  section('Cost by model', h('p', { class: 'lead' }, 'Each call to a provider counts where it was made, failed ones included.'), models.el));
};

/** Those whose requests were told, and those whom only the books know: the isolate that would have told of them has died. */
function callers(stats: Stats): Group[] {
  const told = new Set(stats.by.principal.map(row => row.key));
  const untold = stats.ledgers.filter(row => !told.has(row.key));
  return [...stats.by.principal, ...untold.map(row => ({ ...row, failed: 0, refused: 0, left: 0, rescued: 0, expected_picousd: '0', best_picousd: '0', ttft_ms: null, duration_ms: null }))];
}

const prompt = ({ tokens }: Sums): number => tokens.input + tokens.cache_read + tokens.cache_write;

/** Every day from one to another. */
function range(from: string, to: string): string[] {
  const days = [];
  for (let at = Date.parse(from); at <= Date.parse(to); at += 86_400_000) days.push(new Date(at).toISOString().slice(0, 10));
  return days;
}
