// One request from its arrival to its end: its attempts on a time axis, its decision, tokens and cost.

import { fill, h } from '../dom';
import { count, dateTime, duration, NONE, short } from '../format';
import type { RequestRecord, Usage } from '../types';
import { facts, notice, section, state } from '../ui/parts';
import { Table } from '../ui/table';
import { answerTokens, cost, outcome, promptTokens } from './columns';
import { decisionTable, largestTerm, type Scored } from './decision';
import { timeline } from './timeline';
import { ofStats, type Make } from './view';

export const request: Make = (app, id) => {
  const body = h('div', { class: 'view' });
  let shown: RequestRecord | undefined;
  return ofStats(app, () => {
    const record = app.live.find(id);
    if (record === shown && body.firstChild) return;
    shown = record;
    fill(body, ...(record ? parts(record) : [notice('empty', 'This request is not among the last 500.', h('p', {}, h('a', { href: '#overview' }, 'Back to the newest requests')))]));
  }, body);
};

function parts(record: RequestRecord): HTMLElement[] {
  return [
    section('What it was', facts([
      ['Outcome', state(...outcome(record))],
      ['Asked for', h('span', { class: 'mono' }, record.requested_model || record.route)],
      ['Answered by', h('span', { class: 'mono' }, record.model ?? NONE)],
      ['Arrived', dateTime(record.started_ms)],
      ['First content', duration(record.ttft_ms)],
      ['End', duration(record.duration_ms)],
      ['Tokens', record.usage ? `${count(promptTokens(record))} in, ${count(answerTokens(record))} out` : NONE],
      ['Cost', record.cost ? `${cost(record)} (${record.cost.certainty})` : NONE],
      ['Caller', h('span', { class: 'mono' }, record.principal || NONE)],
      ['Dialect', `${record.dialect}${record.stream ? ', streamed' : ''}`],
      ['Request', h('span', { class: 'mono' }, record.request_id)],
      ['Trace', h('span', { class: 'mono' }, record.trace_id)],
      ...(record.stream_id ? [['Kept as', h('span', { class: 'mono' }, short(record.stream_id, 16))] as const] : []),
      ...(record.capture_id ? [['Capture', h('a', { href: `#captures/${record.capture_id}`, class: 'mono' }, record.capture_id)] as const] : []),
      ...(record.losses?.length ? [['Not exact', record.losses.join(', ')] as const] : []),
    ])),
    section('Attempts', record.attempts.length ? timeline(record) : h('p', { class: 'empty' }, 'No provider was called.'), ...(record.attempts.length ? [attempts(record)] : [])),
    ...(record.ranked?.length ? [section('Decision', ...decision(record))] : []),
    ...(record.usage ? [section('Tokens and cost', tokens(record, record.usage))] : []),
  ];
}

function attempts(record: RequestRecord): HTMLElement {
  const table = new Table<RequestRecord['attempts'][number]>({
    caption: 'Attempts in order', quiet: true, key: attempt => String(record.attempts.indexOf(attempt)), empty: '',
    columns: [
      { head: 'Attempt', name: true, cell: attempt => `${record.attempts.indexOf(attempt) + 1}. ${attempt.role}` },
      { head: 'Candidate', cell: attempt => h('span', { class: 'mono' }, `${attempt.provider}/${attempt.model}`) },
      { head: 'Outcome', cell: attempt => state(attempt.class ? 'bad' : attempt.outcome === '200' ? 'good' : 'idle', attempt.class && attempt.class !== attempt.outcome ? `${attempt.outcome}, ${attempt.class}` : attempt.outcome) },
      { head: 'Sent after', figure: true, cell: attempt => duration(attempt.started_ms - record.started_ms) },
      { head: 'First content', figure: true, cell: attempt => duration(attempt.ttft_ms) },
      { head: 'Took', figure: true, cell: attempt => duration(attempt.duration_ms) },
      { head: 'Out', figure: true, cell: attempt => count(attempt.usage.output_tokens + (attempt.usage.reasoning_tokens ?? 0)) },
      { head: 'Cost', figure: true, cell: attempt => cost(attempt, 6) },
      { head: 'Circuit', cell: attempt => (attempt.circuit ? state(attempt.circuit === 'opened' ? 'bad' : 'good', attempt.circuit) : NONE) },
      { head: 'Finish', cell: attempt => attempt.finish_reason ?? NONE },
    ],
  });
  table.set(record.attempts);
  return table.el;
}

function decision(record: RequestRecord): HTMLElement[] {
  const rows: Scored[] = (record.ranked ?? []).map(({ model, why, score }) => ({
    model, why, chosen: model === record.model, total: score.total_micro / 1e6,
    terms: { quality: score.quality_micro / 1e6, cost: score.cost_micro / 1e6, latency: score.latency_micro / 1e6, risk: score.risk_micro / 1e6, boost: score.boost_micro / 1e6 },
  }));
  const table = decisionTable('Candidates in the order of trying', () => largestTerm(rows));
  table.set(rows);
  const more = record.candidates - rows.length;
  return [
    h('p', { class: 'lead' }, `Policy ${record.policy}, task ${record.task}. ${count(record.candidates)} could have answered${more > 0 ? `; the first ${rows.length} are shown` : ''}. Configuration ${short(record.config_version, 16)}, prices ${record.price_version}.`),
    table.el,
  ];
}

function tokens(record: RequestRecord, usage: Usage): HTMLElement {
  return facts([
    ['Prompt', count(usage.input_tokens)],
    ['Read from cache', count(usage.cached_input_tokens ?? 0)],
    ['Written to cache', count((usage.cache_write_5m_tokens ?? 0) + (usage.cache_write_1h_tokens ?? 0))],
    ['Answer', count(usage.output_tokens)],
    ['Reasoning', count(usage.reasoning_tokens ?? 0)],
    ['Cost of all attempts', cost(record)],
    ...(record.cost?.picousd ? [['Picodollars', h('span', { class: 'mono' }, record.cost.picousd)] as const] : []),
  ]);
}
