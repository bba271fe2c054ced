// Who was chosen, and why: decisions of the newest requests with the terms of their scores.

import { h } from '../dom';
import { count, money, moneyDigits, NONE, picousd, time } from '../format';
import type { Group, RequestRecord, ScoreTerms, Sums } from '../types';
import { section, Tiles } from '../ui/parts';
import { Table, type Column } from '../ui/table';
import { models } from './columns';
import { signed } from './decision';
import { ofStats, type Make } from './view';

const SHOWN = 50;
const TERMS: [head: string, term: keyof ScoreTerms][] = [['Quality', 'quality_micro'], ['Cost', 'cost_micro'], ['Latency', 'latency_micro'], ['Risk', 'risk_micro'], ['Rules', 'boost_micro']];

export const routing: Make = app => {
  let largest = 1;
  const tiles = new Tiles(['Choices', 'Expected cost', 'Always the best', 'Candidates, mean']);
  const term = ([head, name]: (typeof TERMS)[number]): Column<RequestRecord> => ({ head, figure: true, cell: ({ score }) => (score ? signed(score[name] / 1e6, largest) : NONE) });
  const decisions = new Table<RequestRecord>({
    caption: 'The newest decisions', quiet: true, key: record => record.request_id, empty: 'No model was chosen yet.',
    columns: [
      { head: 'Time', name: true, cell: record => h('a', { href: `#request/${record.request_id}` }, time(record.started_ms)) },
      { head: 'Asked for, chosen', cell: models },
      { head: 'Of', figure: true, cell: record => count(record.candidates) },
      { head: 'Policy', cell: record => record.policy },
      { head: 'Task', cell: record => record.task },
      ...TERMS.map(term),
      { head: 'Score', figure: true, cell: ({ score }) => h('b', {}, score ? (score.total_micro / 1e6).toFixed(3) : NONE) },
      { head: 'Ahead by', figure: true, cell: margin },
    ],
  });
  const groups = (caption: string, head: string): { el: HTMLElement; set: (rows: Group[]) => void } => {
    let digits = 2;
    const dollars = (title: string, of: (row: Sums) => string): Column<Group> => ({ head: title, figure: true, cell: row => money(picousd(of(row)), digits), sort: row => picousd(of(row)) });
    const table = new Table<Group>({
      caption, quiet: true, key: row => row.key, empty: 'Nothing in this range.',
      columns: [
        { head, name: true, cell: row => row.key, sort: row => row.key },
        { head: 'Requests', figure: true, cell: row => count(row.requests), sort: row => row.requests },
        dollars('Cost', row => row.cost_picousd), dollars('Expected', row => row.expected_picousd), dollars('Always the best', row => row.best_picousd),
      ],
    });
    return {
      el: table.el,
      set: rows => {
        const all = rows.flatMap(row => [row.cost_picousd, row.expected_picousd, row.best_picousd].map(picousd));
        digits = moneyDigits(all.reduce((most, amount) => (amount > most ? amount : most), 0n));
        table.set(rows);
      },
    };
  };
  const [policies, tasks] = [groups('By policy', 'Policy'), groups('By kind of task', 'Task')];

  return ofStats(app, stats => {
    const chosen = app.live.recent.filter(record => record.score && record.operation).slice(0, SHOWN);
    largest = Math.max(1e-6, ...chosen.flatMap(({ score }) => (score ? TERMS.map(([, name]) => Math.abs(score[name] / 1e6)) : [])));
    const [expected, best] = [picousd(stats.total.expected_picousd), picousd(stats.total.best_picousd)];
    tiles.set([
      [count(stats.by.policy.reduce((sum, row) => sum + row.requests, 0)), 'in this range'],
      [money(expected), 'of the candidates that were chosen'],
      [money(best), 'had quality alone counted'],
      [chosen.length ? (chosen.reduce((sum, record) => sum + record.candidates, 0) / chosen.length).toFixed(1) : NONE, 'could have answered'],
    ]);
    decisions.set(chosen);
    policies.set(stats.by.policy);
    tasks.set(stats.by.task);
  },
  tiles.el,
  section('Decisions', h('p', { class: 'lead' }, 'Quality speaks for a candidate; cost, latency and risk against it. The terms add up to the score. Open one for those who were not chosen.'), decisions.el),
  h('div', { class: 'columns even' }, section('By policy', policies.el), section('By kind of task', tasks.el)));
};

/** How far the first candidate is before the second by score. */
function margin({ ranked }: RequestRecord): string {
  const [first, second] = ranked ?? [];
  if (!first || !second || first.why !== 'score') return NONE;
  return ((first.score.total_micro - second.score.total_micro) / 1e6).toFixed(3);
}
