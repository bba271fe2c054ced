// What a capture holds (docs/schemas has its shape), and how its parts are shown. Payloads are text and stay text.

import { h } from '../dom';
import { count, duration, NONE } from '../format';
import { notice, state } from '../ui/parts';
import { Table } from '../ui/table';

export interface Meta {
  id: string;
  captured_ms: number;
  expires_ms: number;
  why: string;
  request_id: string;
  requested_model: string;
  model: string | null;
  policy: string;
  status: number;
  error: string | null;
  attempts: string;
  duration_ms: number;
  cost_usd: string | null;
  bytes: number;
  redacted: number;
  truncated: boolean;
  encrypted: boolean;
}

export type Payload =
  | { form: 'text'; text: string; bytes: number; truncated: boolean }
  | { form: 'events'; events: { at_ms: number; event?: string; data: string }[]; bytes: number; truncated: boolean };

export interface Capture extends Meta {
  request: { method: string; path: string; body: Payload };
  answer: { status: number; payload: Payload };
  redactions?: Record<string, number>;
}

interface Outcome {
  status: number;
  model: string | null;
  error: string | null;
  text: string;
  reasoning: string;
  tool_calls: { name: string; arguments: string }[];
  stop_reason: string | null;
  cost_usd: string | null;
  ttft_ms: number | null;
  duration_ms: number;
  attempts: string;
}

export interface Replay {
  redacted: boolean;
  truncated: boolean;
  original: Outcome;
  replay: Outcome;
  differs: string[];
}

export function payload(kept: Payload): HTMLElement {
  const cut = kept.truncated ? h('p', { class: 'lead' }, 'More came than is kept.') : undefined;
  if (kept.form === 'text') return h('div', {}, code(pretty(kept.text)), cut);
  const table = new Table<(typeof kept.events)[number]>({
    caption: 'Events', quiet: true, key: event => String(kept.events.indexOf(event)), empty: 'No event came.',
    columns: [
      { head: 'After', name: true, cell: event => duration(event.at_ms) },
      { head: 'Event', cell: event => event.event ?? NONE },
      { head: 'Data', cell: event => h('code', { class: 'wrap' }, event.data) },
    ],
  });
  table.set(kept.events);
  return h('div', {}, table.el, cut);
}

const ROWS: [name: string, member: string, value: (outcome: Outcome) => string][] = [
  ['Status', 'status', outcome => String(outcome.status)],
  ['Model', 'model', outcome => outcome.model ?? NONE],
  ['Error', 'error', outcome => outcome.error ?? NONE],
  ['Text', 'text', outcome => outcome.text || NONE],
  ['Reasoning', 'reasoning', outcome => outcome.reasoning || NONE],
  ['Tool calls', 'tool_calls', outcome => outcome.tool_calls.map(call => `${call.name}(${call.arguments})`).join('\n') || NONE],
  ['Stopped', 'stop_reason', outcome => outcome.stop_reason ?? NONE],
  ['Cost', 'cost_usd', outcome => (outcome.cost_usd === null ? NONE : `$${outcome.cost_usd}`)],
  ['First content', 'ttft_ms', outcome => duration(outcome.ttft_ms)],
  ['Whole', 'duration_ms', outcome => duration(outcome.duration_ms)],
  ['Attempts', 'attempts', outcome => outcome.attempts || NONE],
];

/** Two outcomes beside each other. */
export function replayed(replay: Replay): HTMLElement {
  const table = new Table<(typeof ROWS)[number]>({
    caption: 'What came then, and what comes now', key: ([name]) => name, empty: '',
    columns: [
      { head: '', name: true, cell: ([name, member]) => (replay.differs.includes(member) ? h('span', {}, state('warn', name)) : name) },
      { head: 'Then', cell: row => h('span', { class: 'wrap' }, row[2](replay.original)) },
      { head: 'Now', cell: row => h('span', { class: 'wrap' }, row[2](replay.replay)) },
    ],
  });
  table.set(ROWS);
  const differing = replay.differs.length;
  const masked = replay.redacted || replay.truncated ? 'What was masked or cut could not be sent as it was.' : '';
  return h('div', {}, notice('empty', differing ? `${count(differing)} ${differing === 1 ? 'part differs' : 'parts differ'}: ${replay.differs.join(', ')}.` : 'Nothing differs.', masked), table.el);
}

const code = (text: string): HTMLElement => h('pre', { tabindex: 0 }, h('code', {}, text));

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
