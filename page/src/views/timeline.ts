// A request's attempts on a time axis. It is a picture of the table below it, which says the same in figures.

import { h } from '../dom';
import { duration } from '../format';
import type { Attempt, RequestRecord } from '../types';

const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 60_000, 120_000, 300_000];

export function timeline(record: RequestRecord): HTMLElement {
  const whole = Math.max(1, record.duration_ms, ...record.attempts.map(attempt => attempt.started_ms + attempt.duration_ms - record.started_ms));
  const at = (ms: number): string => `${(Math.min(ms, whole) / whole) * 100}%`;
  const step = STEPS.find(ms => whole / ms <= 6) ?? whole;
  const ticks = Array.from({ length: Math.floor(whole / step) + 1 }, (_, tick) => tick * step).filter(ms => ms <= whole * 0.94);
  const rows = record.attempts.map((attempt, index) => h('div', { class: 'lane' },
    h('span', { class: 'lane-name' }, `${attempt.role} `, h('span', { class: 'mono' }, `${attempt.provider}/${attempt.model}`)),
    h('span', { class: 'lane-bars' }, ...bars(record, attempt, index).map(({ from, to, kind }) => place(h('span', { class: `span ${kind}` }), at(from), at(to - from))))));
  const marks = h('div', { class: 'lane-bars marks' },
    ...(record.ttft_ms === undefined ? [] : [place(h('span', { class: record.ttft_ms > whole * 0.7 ? 'commit late' : 'commit' }, h('span', {}, 'first content')), at(record.ttft_ms))]));
  return h('figure', { class: 'timeline', role: 'img', 'aria-label': said(record) },
    h('div', { class: 'lane ruler' }, h('span', { class: 'lane-name' }), h('span', { class: 'lane-bars' }, ...ticks.map(ms => place(h('span', { class: 'tick' }, duration(ms)), at(ms))))),
    ...rows,
    h('div', { class: 'lane' }, h('span', { class: 'lane-name' }, 'caller'), marks),
    h('p', { class: 'legend' }, key('wait', 'waiting'), key('flow', 'content'), key('failed', 'failed'), ...(record.seams?.length ? [key('seam', `seam: ${record.seams.map(seam => `${seam.mode} by ${seam.model} after ${seam.offset} characters`).join('; ')}`)] : [])));
}

interface Bar {
  from: number;
  to: number;
  kind: 'wait' | 'flow' | 'failed' | 'seam';
}

function bars(record: RequestRecord, attempt: Attempt, index: number): Bar[] {
  const from = attempt.started_ms - record.started_ms;
  const to = from + Math.max(attempt.duration_ms, 1);
  const first = attempt.ttft_ms === undefined ? undefined : from + attempt.ttft_ms;
  const spans: Bar[] = first === undefined
    ? [{ from, to, kind: attempt.class ? 'failed' : 'wait' }]
    : [{ from, to: first, kind: 'wait' }, { from: first, to, kind: attempt.class ? 'failed' : 'flow' }];
  // What goes on with an answer begins at the seam.
  const goesOn = index > 0 && record.seams?.some(seam => seam.mode === attempt.role && seam.model === `${attempt.provider}/${attempt.model}`);
  return goesOn ? [...spans, { from: first ?? from, to: first ?? from, kind: 'seam' }] : spans;
}

function place(element: HTMLElement, left: string, width?: string): HTMLElement {
  element.style.left = left;
  if (width !== undefined) element.style.width = width;
  return element;
}

const key = (kind: string, word: string): HTMLElement => h('span', {}, h('span', { class: `swatch ${kind}`, 'aria-hidden': 'true' }), word);

function said(record: RequestRecord): string {
  const attempts = record.attempts.map(attempt => `${attempt.role} at ${attempt.provider}/${attempt.model}, sent after ${duration(attempt.started_ms - record.started_ms)}, ${attempt.class ? `failed (${attempt.class})` : 'answered'} after ${duration(attempt.duration_ms)}`);
  const first = record.ttft_ms === undefined ? 'No content went out' : `The first content went out after ${duration(record.ttft_ms)}`;
  return `Attempts over ${duration(record.duration_ms)}: ${attempts.join('; ')}. ${first}.`;
}
