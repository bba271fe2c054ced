// A choice as a table: candidates, and what each term of their scores is worth.

import { h, type Child } from '../dom';
import { NONE } from '../format';
import { Table, type Column } from '../ui/table';

/** A candidate; terms in units of the score. What a caller may not see is missing. */
export interface Scored {
  model: string;
  why: string;
  total?: number | undefined;
  terms: { quality: number; cost: number; latency?: number | undefined; risk?: number | undefined; boost?: number | undefined };
  chosen?: boolean;
}

const WHY: Record<string, string> = {
  score: 'by its score', caller_order: 'the caller’s order', provider_order: 'the caller’s order of providers', sort: 'sorted as the caller asked',
  signed_history: 'its own signed reasoning is in the history', balanced: 'drawn among equals', sticky: 'the conversation stays with it',
  explored: 'drawn to learn of it', last_resort: 'only open circuits were left',
};

export function decisionTable(caption: string, largest: () => number): Table<Scored> {
  const term = (head: string, value: (row: Scored) => number | undefined): Column<Scored> => ({ head, figure: true, cell: row => signed(value(row), largest()) });
  return new Table<Scored>({
    caption, key: row => row.model, empty: 'No candidate was ranked.',
    columns: [
      { head: 'Candidate', name: true, cell: row => h('span', { class: row.chosen ? 'mono chosen' : 'mono' }, row.model) },
      { head: 'Placed', cell: row => WHY[row.why] ?? row.why.replaceAll('_', ' ') },
      term('Quality', row => row.terms.quality), term('Cost', row => row.terms.cost), term('Latency', row => row.terms.latency),
      term('Risk', row => row.terms.risk), term('Rules', row => row.terms.boost),
      { head: 'Score', figure: true, cell: row => h('b', {}, row.total === undefined ? NONE : row.total.toFixed(3)) },
    ],
  });
}

/** The largest term of a list, against which bars are drawn. */
export const largestTerm = (rows: readonly Scored[]): number =>
  Math.max(1e-6, ...rows.flatMap(row => Object.values(row.terms).map(value => Math.abs(value ?? 0))));

/** A term as a figure over a bar that begins in the middle: gains to the right, losses to the left. */
export function signed(value: number | undefined, largest: number): Child {
  if (value === undefined) return NONE;
  const bar = h('span', { class: `term ${value < 0 ? 'minus' : 'plus'}`, 'aria-hidden': 'true' }, h('span', {}));
  (bar.firstChild as HTMLElement).style.width = `${(Math.abs(value) / largest) * 50}%`;
  return h('span', { class: 'with-term' }, value === 0 ? '0' : `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(3)}`, bar);
}
