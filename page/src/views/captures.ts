// Requests whose redacted payloads are kept: a list, one of them, and the same request sent again.

import { ApiError } from '../api';
import { fill, h, unique, type Child } from '../dom';
import { count, dateTime, duration, NONE } from '../format';
import { facts, notice, section, state } from '../ui/parts';
import { Table } from '../ui/table';
import { payload, replayed, type Capture, type Meta, type Replay } from './capture-parts';
import { refused, type App, type Make } from './view';

const PAGE = 50;

export const captures: Make = (app, id) => (id ? one(app, id) : list(app));

function list(app: App): { el: HTMLElement } {
  const instead = h('div', {}, notice('loading', 'Loading captures…'));
  const shown = h('div', { class: 'view', hidden: true });
  const more = h('button', { type: 'button', click: () => void load() }, 'Older ones');
  const table = new Table<Meta>({
    caption: 'Captures, newest first', quiet: true, key: meta => meta.id, empty: 'Nothing was captured yet.',
    columns: [
      { head: 'Time', name: true, cell: meta => h('a', { href: `#captures/${meta.id}` }, dateTime(meta.captured_ms)) },
      { head: 'Why', cell: meta => meta.why },
      { head: 'Model', cell: meta => h('span', { class: 'mono' }, meta.model ?? meta.requested_model) },
      { head: 'Status', cell: meta => state(meta.status < 400 ? 'good' : 'bad', meta.error ?? String(meta.status)) },
      { head: 'Whole', figure: true, cell: meta => duration(meta.duration_ms) },
      { head: 'Cost', figure: true, cell: meta => (meta.cost_usd === null ? NONE : `$${meta.cost_usd}`) },
      { head: 'Bytes', figure: true, cell: meta => count(meta.bytes) },
      { head: 'Masked', figure: true, cell: meta => count(meta.redacted) },
      { head: 'Kept until', cell: meta => dateTime(meta.expires_ms) },
    ],
  });
  shown.append(section('Captures', table.el, more));
  const known: Meta[] = [];
  let cursor: string | null = null;
  const load = async (): Promise<void> => {
    try {
      const page: { data: Meta[]; next_cursor: string | null } = await app.api.get(`/v1/captures?limit=${PAGE}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`);
      known.push(...page.data);
      cursor = page.next_cursor;
      table.set(known);
      more.hidden = cursor === null;
      const off = known.length === 0 && (await isOff(app));
      shown.hidden = off;
      fill(instead, off ? switchedOff() : undefined);
    } catch (error) {
      fill(instead, off(app, error));
    }
  };
  void load();
  return { el: h('div', {}, instead, shown) };
}

function one(app: App, id: string): { el: HTMLElement } {
  const el = h('div', { class: 'view' }, notice('loading', 'Loading the capture…'));
  const path = `/v1/captures/${encodeURIComponent(id)}`;
  app.api.get<Capture>(path).then(capture => fill(el, ...parts(app, path, capture)), error => fill(el, error instanceof ApiError && error.status === 404 ? gone() : off(app, error)));
  return { el };
}

function parts(app: App, path: string, capture: Capture): Child[] {
  return [
    section('What was captured', facts([
      ['Capture', h('span', { class: 'mono' }, capture.id)],
      ['Request', h('a', { href: `#request/${capture.request_id}`, class: 'mono' }, capture.request_id)],
      ['Taken', `${dateTime(capture.captured_ms)}, as ${capture.why}`],
      ['Model', h('span', { class: 'mono' }, capture.model ?? NONE)],
      ['Attempts', h('span', { class: 'mono' }, capture.attempts || NONE)],
      ['Status', String(capture.status)],
      ['Masked', capture.redacted ? Object.entries(capture.redactions ?? {}).map(([kind, places]) => `${kind} ${places}`).join(', ') || count(capture.redacted) : 'nothing'],
      ['Stored', `${count(capture.bytes)} bytes${capture.truncated ? ', cut' : ''}${capture.encrypted ? ', encrypted' : ''}`],
    ])),
    replay(app, path, capture),
    section('Request', payload(capture.request.body)),
    section('Answer', payload(capture.answer.payload)),
  ];
}

/** Sends the request again and shows what differs. */
function replay(app: App, path: string, capture: Capture): HTMLElement {
  const [model, policy] = [unique('model'), unique('policy')];
  const fields = { model: h('input', { id: model, autocomplete: 'off', spellcheck: 'false', placeholder: capture.model ?? '' }), policy: h('input', { id: policy, autocomplete: 'off', spellcheck: 'false', placeholder: capture.policy }) };
  const button = h('button', { type: 'submit', class: 'primary' }, 'Send it again');
  const result = h('div', { 'aria-live': 'polite' });
  const send = async (event: Event): Promise<void> => {
    event.preventDefault();
    button.disabled = true;
    fill(result, notice('loading', 'The request is sent again…'));
    const body = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.value.trim()]).filter(([, value]) => value));
    try {
      fill(result, replayed(await app.api.post<Replay>(`${path}/replay`, body)));
    } catch (error) {
      fill(result, notice('error', 'It could not be replayed.', error instanceof Error ? error.message : String(error)));
    }
    button.disabled = false;
  };
  return section('Replay', h('p', { class: 'lead' }, 'A replay calls a provider, costs money, and is booked to you. Left empty, model and policy are those of the capture.'),
    h('form', { class: 'fields', submit: event => void send(event) },
      h('p', { class: 'field' }, h('label', { for: model }, 'Model'), fields.model), h('p', { class: 'field' }, h('label', { for: policy }, 'Policy'), fields.policy), button), result);
}

const gone = (): HTMLElement => notice('empty', 'There is no such capture.', 'It was kept for a time that is over, or was deleted, or nothing is captured here.', h('p', {}, h('a', { href: '#captures' }, 'All captures')));

/** Why there is nothing to see. An endpoint that is not there and one that is switched off look alike: there are no captures. */
function off(app: App, error: unknown): HTMLElement {
  if (!(error instanceof ApiError)) return notice('error', 'The captures could not be loaded.', String(error));
  if (error.status !== 404) return refused(app, error.status, error.message);
  return switchedOff();
}

/** An empty list may also mean that nothing is kept: operators are told. */
async function isOff(app: App): Promise<boolean> {
  const health = await app.api.health().catch(() => undefined);
  return health?.capture !== undefined && health.capture !== 'on';
}

function switchedOff(): HTMLElement {
  return notice('empty', 'Captures are not switched on.', 'No request’s payload is kept here: prompts and answers pass through and are gone. An operator can keep redacted ones with the configuration’s member “capture” and a bucket.');
}
