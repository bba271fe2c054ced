// A conversation of one turn with any alias: the answer as it streams, who gave it and why, what it took and cost.

import { ApiError } from '../api';
import { fill, h, text, unique } from '../dom';
import { count, duration, NONE } from '../format';
import type { Model } from '../types';
import { facts, notice, section } from '../ui/parts';
import { decisionOf } from './playground-decision';
import { Answer, type Asked } from './playground-stream';
import type { Make } from './view';

const EXAMPLES = ['What does a signal box do?', 'Write a function that adds two numbers.', 'A haiku about the night train.'];

export const playground: Make = app => {
  const ids = { model: unique('model'), list: unique('models'), prompt: unique('prompt'), keep: unique('keep') };
  const list = h('datalist', { id: ids.list });
  const model = h('input', { id: ids.model, list: ids.list, value: 'auto', required: true, autocomplete: 'off', spellcheck: 'false' });
  const prompt = h('textarea', { id: ids.prompt, rows: 4, required: true, placeholder: 'Ask anything. It is sent to a provider and costs what it costs.' });
  const keep = h('input', { id: ids.keep, type: 'checkbox', checked: true });
  const send = h('button', { type: 'submit', class: 'primary' }, 'Send');
  const dry = h('button', { type: 'button', click: () => void decide() }, 'Only decide');
  const drop = h('button', { type: 'button', disabled: true, click: () => answer?.drop() }, 'Drop the connection');
  const stop = h('button', { type: 'button', disabled: true, click: () => answer?.stop() }, 'Stop');
  const output = h('div', { class: 'answer', tabindex: 0, role: 'region', 'aria-label': 'Answer' });
  const status = h('p', { class: 'run-status', role: 'status' }, 'Nothing was sent yet.');
  const log = h('ol', { class: 'log' });
  const told = h('div', {});
  const decision = h('div', {}, h('p', { class: 'empty' }, 'Who was chosen, and why: after an answer, or at once without one by “Only decide”.'));
  let answer: Answer | undefined;

  const asked = (): Asked => ({ model: model.value.trim(), prompt: prompt.value, resumable: keep.checked });
  const running = (now: boolean): void => {
    send.disabled = dry.disabled = now;
    stop.disabled = !now;
    drop.disabled = !now || !keep.checked;
  };

  const run = async (event: Event): Promise<void> => {
    event.preventDefault();
    running(true);
    output.replaceChildren();
    log.replaceChildren();
    fill(told);
    fill(decision);
    const own = (answer = new Answer(app.api, asked(), {
      text: piece => output.append(piece),
      event: (at, what) => log.append(h('li', {}, h('span', { class: 'at' }, duration(at)), h('span', {}, what))),
      progress: word => text(status, word),
    }));
    try {
      await own.run();
    } catch (error) {
      if (!own.stopped) output.append(problem(error));
    }
    running(false);
    show(own);
  };

  const show = (own: Answer): void => {
    text(status, own.stopped ? 'Stopped.' : own.failed ? 'It failed.' : 'Done.');
    fill(told, facts([
      ['Answered by', h('span', { class: 'mono' }, own.model ?? NONE)],
      ['Attempts', h('span', { class: 'mono' }, own.attempts ?? NONE)],
      ['First content', duration(own.firstMs)],
      ['Whole', duration(own.wholeMs)],
      ['Tokens', own.usage ? `${count(own.usage.prompt_tokens)} in, ${count(own.usage.completion_tokens)} out` : NONE],
      ['Cost', own.usage?.cost === undefined ? NONE : `$${plain(own.usage.cost)}`],
      ['Events', count(own.events)],
      ['Connections', count(own.connections)],
      ...(own.requestId ? [['Request', h('a', { href: `#request/${own.requestId}`, class: 'mono' }, own.requestId)] as const] : []),
    ]));
    if (own.explained?.decision) fill(decision, decisionOf(own.explained.decision, own.model));
  };

  const decide = async (): Promise<void> => {
    if (!model.reportValidity()) return;
    fill(decision, notice('loading', 'Deciding…'));
    try {
      fill(decision, decisionOf(await app.api.post('/v1/route', { model: asked().model, messages: [{ role: 'user', content: prompt.value || 'Hi' }] }), undefined));
    } catch (error) {
      fill(decision, problem(error));
    }
  };

  app.api.get<{ data: Model[] }>('/v1/models').then(({ data }) => list.append(...data.map(({ id }) => h('option', { value: id }))), () => undefined);
  keep.addEventListener('change', () => (drop.disabled = stop.disabled || !keep.checked));

  return {
    el: h('div', { class: 'view' },
      h('div', { class: 'columns even' }, section('Ask', h('form', { class: 'ask', submit: event => void run(event) },
        h('p', { class: 'field' }, h('label', { for: ids.model }, 'Model or alias'), model, list),
        h('p', { class: 'field wide' }, h('label', { for: ids.prompt }, 'Prompt'), prompt),
        h('p', { class: 'examples' }, ...EXAMPLES.map(example => h('button', { type: 'button', class: 'quiet', click: () => ((prompt.value = example), prompt.focus()) }, example))),
        h('p', { class: 'check' }, keep, h('label', { for: ids.keep }, 'Keep the stream, so that it survives its connection')),
        h('p', { class: 'actions' }, send, dry, stop, drop))),
      section('Answer', status, output, told,
        h('h3', {}, 'Connection'), h('p', { class: 'lead' }, 'Each event has a number. After a broken connection the rest is asked for from the last one on.'), log)),
      section('Decision', decision)),
    close: () => answer?.stop(),
  };
};

function problem(error: unknown): HTMLElement {
  return notice('error', error instanceof ApiError ? `The request was refused (${error.status}).` : 'The answer broke off.', error instanceof Error ? error.message : String(error));
}

/** A JSON number as a decimal: small ones would be written with an exponent. */
const plain = (value: number): string => value.toFixed(12).replace(/\.?0+$/, '');
