// Columns and words that several views share.

import { h, type Child } from '../dom';
import { count, duration, money, moneyDigits, NONE, picousd, short, time } from '../format';
import { state, type Tone } from '../ui/parts';
import type { Column } from '../ui/table';
import type { RequestRecord } from '../types';

/** How a request ended: a colour, and a word. */
export function outcome(record: RequestRecord): [Tone, string] {
  if (record.status === 499) return ['idle', 'left'];
  if (record.blame === 'caller' || record.blame === 'policy') return ['warn', record.error ?? String(record.status)];
  if (record.error !== undefined || record.status >= 400) return ['bad', record.error ?? String(record.status)];
  return record.attempts.length > 1 ? ['good', `${record.status}, rescued`] : ['good', String(record.status)];
}

/** Prompt tokens of every kind. */
export const promptTokens = ({ usage }: RequestRecord): number =>
  usage ? usage.input_tokens + (usage.cached_input_tokens ?? 0) + (usage.cache_write_5m_tokens ?? 0) + (usage.cache_write_1h_tokens ?? 0) : 0;

export const answerTokens = ({ usage }: RequestRecord): number => (usage ? usage.output_tokens + (usage.reasoning_tokens ?? 0) : 0);

/** A request's cost, marked where it is not exact. */
export function cost({ cost: known }: Pick<RequestRecord, 'cost'>, digits?: number): string {
  if (!known) return NONE;
  if (known.picousd === undefined) return 'unpriced';
  const amount = picousd(known.picousd);
  return `${known.certainty === 'estimated' ? '≈ ' : ''}${money(amount, digits ?? moneyDigits(amount))}`;
}

/** What was asked for, and who answered. */
export function models(record: RequestRecord): Child {
  const asked = record.requested_model || record.route;
  if (!record.model || record.model === asked) return h('span', { class: 'mono' }, asked);
  return h('span', { class: 'mono' }, asked, h('span', { class: 'answered' }, `→ ${record.model}`));
}

const link = (record: RequestRecord): Child => h('a', { href: `#request/${record.request_id}`, title: record.request_id }, time(record.started_ms));

/** The columns of a list of requests. */
export const REQUESTS: Column<RequestRecord>[] = [
  { head: 'Time', name: true, cell: link },
  { head: 'Outcome', cell: record => state(...outcome(record)) },
  { head: 'Model', cell: models },
  { head: 'Caller', cell: ({ principal }) => (principal ? h('span', { class: 'mono', title: principal }, short(principal, 8)) : NONE) },
  { head: 'First content', figure: true, cell: ({ ttft_ms }) => duration(ttft_ms) },
  { head: 'Whole', figure: true, cell: ({ duration_ms }) => duration(duration_ms) },
  { head: 'In', figure: true, cell: record => (record.usage ? count(promptTokens(record)) : NONE) },
  { head: 'Out', figure: true, cell: record => (record.usage ? count(answerTokens(record)) : NONE) },
  { head: 'Cost', figure: true, cell: record => cost(record, 6) },
];
