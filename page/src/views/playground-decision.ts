// A decision as POST /v1/route and the answer's explanation tell it.

import { count, NONE } from '../format';
import { h } from '../dom';
import { Table } from '../ui/table';
import { decisionTable, largestTerm, type Scored } from './decision';

export interface Decision {
  policy: string;
  task: { used: string; guess: string; confidence: number };
  candidates: { model: string; why: string; score?: number; terms: Scored['terms'] }[];
  excluded: { model: string; reasons: { code: string; detail?: string | null }[] }[];
}

export function decisionOf(decision: Decision, answered: string | undefined): HTMLElement {
  const rows: Scored[] = decision.candidates.slice(0, 8).map(({ model, why, score, terms }, at) => ({ model, why, total: score, terms, chosen: answered ? model === answered : at === 0 }));
  const ranked = decisionTable('Candidates in the order of trying', () => largestTerm(rows));
  ranked.set(rows);
  const excluded = new Table<Decision['excluded'][number]>({
    caption: 'Not candidates', key: row => row.model, empty: 'Nobody was excluded.',
    columns: [
      { head: 'Model', name: true, cell: row => h('span', { class: 'mono' }, row.model) },
      { head: 'Why', cell: row => row.reasons.map(({ code, detail }) => `${code.replaceAll('_', ' ')}${detail ? ` (${detail})` : ''}`).join(', ') || NONE },
    ],
  });
  excluded.set(decision.excluded);
  const { used, guess, confidence } = decision.task;
  const more = decision.candidates.length - rows.length;
  return h('div', {},
    h('p', { class: 'lead' }, `Policy ${decision.policy}. Task ${used}${guess === used ? '' : `, guessed ${guess}`} at ${Math.round(confidence * 100)} % confidence. ${count(decision.candidates.length)} could answer${more > 0 ? `; the first ${rows.length} are shown` : ''}.`),
    ranked.el,
    h('details', {}, h('summary', {}, `${count(decision.excluded.length)} excluded`), excluded.el));
}
