// Small pieces that several views are made of.

import { fill, h, svg, text, unique, type Child } from '../dom';

/** A section with a heading. */
export function section(title: string, ...children: Child[]): HTMLElement {
  const id = unique('section');
  return h('section', { class: 'panel', 'aria-labelledby': id }, h('h2', { id }, title), ...children);
}

/** Headline figures: names fixed, values set again and again. */
export class Tiles {
  readonly el = h('dl', { class: 'tiles' });
  private readonly parts: { value: HTMLElement; note: HTMLElement }[];

  constructor(names: readonly string[]) {
    this.parts = names.map(name => {
      const [value, note] = [h('dd', { class: 'value' }), h('dd', { class: 'note' })];
      this.el.append(h('div', {}, h('dt', {}, name), value, note));
      return { value, note };
    });
  }

  set(values: readonly (readonly [value: string, note?: string])[]): void {
    this.parts.forEach((part, at) => {
      text(part.value, values[at]?.[0] ?? '');
      text(part.note, values[at]?.[1] ?? '');
    });
  }
}

/** Something to say instead of figures: nothing there yet, being loaded, or wrong. */
export function notice(kind: 'empty' | 'loading' | 'error', title: string, ...body: Child[]): HTMLElement {
  const role = kind === 'error' ? 'alert' : 'status';
  return h('div', { class: `notice ${kind}`, role }, h('p', { class: 'title' }, title), ...body.map(part => (typeof part === 'string' ? h('p', {}, part) : part)));
}

export type Tone = 'good' | 'warn' | 'bad' | 'idle';

/** A word with a mark: the colour is never all there is to see. */
export function state(tone: Tone, word: string): HTMLElement {
  return h('span', { class: `state ${tone}` }, svg('svg', { viewBox: '0 0 10 10', 'aria-hidden': 'true' }, mark(tone)), word);
}

function mark(tone: Tone): SVGElement {
  if (tone === 'bad') return svg('path', { d: 'M2 2l6 6M8 2l-6 6' });
  if (tone === 'warn') return svg('path', { d: 'M5 1.5v4.5M5 8.2v.6' });
  if (tone === 'idle') return svg('circle', { cx: 5, cy: 5, r: 3 });
  return svg('circle', { cx: 5, cy: 5, r: 3.6, class: 'full' });
}

/** A part of a whole as a bar beside its figure. */
export function meter(part: number, all: number, label: string): HTMLElement {
  const bar = h('span', { class: 'meter', 'aria-hidden': 'true' }, h('span', {}));
  (bar.firstChild as HTMLElement).style.width = `${all > 0 ? Math.max(part > 0 ? 1 : 0, (part / all) * 100) : 0}%`;
  return h('span', { class: 'with-meter' }, label, bar);
}

/** Parts of a whole in one bar, with a list that says the same in words. */
export class Mix {
  readonly el: HTMLElement;
  private readonly bar = h('div', { class: 'mix', 'aria-hidden': 'true' });
  private readonly list = h('ul', { class: 'legend' });

  constructor(private readonly format: (value: number) => string) {
    this.el = h('div', {}, this.bar, this.list);
  }

  set(parts: readonly (readonly [name: string, value: number])[]): void {
    const all = parts.reduce((sum, [, value]) => sum + value, 0);
    while (this.bar.children.length < parts.length) this.bar.append(h('span', { class: `tint-${this.bar.children.length + 1}` }));
    parts.forEach(([, value], at) => ((this.bar.children[at] as HTMLElement).style.width = `${all ? (value / all) * 100 : 0}%`));
    fill(this.list, ...parts.map(([name, value], at) => h('li', {}, h('span', { class: `swatch tint-${at + 1}`, 'aria-hidden': 'true' }), `${name} `, h('b', {}, this.format(value)), all ? ` ${((value / all) * 100).toFixed(1)} %` : '')));
  }
}

/** Terms and their values, as a list of definitions. */
export function facts(entries: readonly (readonly [term: string, value: Child])[]): HTMLElement {
  return h('dl', { class: 'facts' }, ...entries.map(([term, value]) => h('div', {}, h('dt', {}, term), h('dd', {}, value))));
}
