// Spans of time on rows under each other: circuits over a day.

import { fill, h } from '../dom';
import { dateTime, duration } from '../format';

export interface Strip {
  name: string;
  spans: { from: number; to: number }[];
}

export class Strips {
  readonly el: HTMLElement;
  private readonly list = h('ul', { class: 'strips' });
  private readonly axis = h('p', { class: 'strip-axis', 'aria-hidden': 'true' }, h('span'), h('span'));
  private readonly none: HTMLElement;

  constructor(empty: string) {
    this.none = h('p', { class: 'empty' }, empty);
    this.el = h('div', {}, this.list, this.axis, this.none);
  }

  set(strips: readonly Strip[], from: number, to: number): void {
    this.none.hidden = strips.length > 0;
    this.list.hidden = this.axis.hidden = strips.length === 0;
    fill(this.axis.firstElementChild!, dateTime(from));
    fill(this.axis.lastElementChild!, 'now');
    fill(this.list, ...strips.map(strip => h('li', {}, h('span', { class: 'mono' }, strip.name), bar(strip, from, to), h('span', { class: 'note' }, said(strip)))));
  }
}

function bar({ spans }: Strip, from: number, to: number): HTMLElement {
  const row = h('span', { class: 'strip', 'aria-hidden': 'true' });
  for (const span of spans) {
    const part = h('span', {});
    const width = Math.max(0.6, ((span.to - span.from) / (to - from)) * 100);
    part.style.left = `${Math.min(100 - width, ((span.from - from) / (to - from)) * 100)}%`;
    part.style.width = `${width}%`;
    row.append(part);
  }
  return row;
}

const said = ({ spans }: Strip): string =>
  `open ${spans.length === 1 ? 'once' : `${spans.length} times`}, ${duration(spans.reduce((sum, { from, to }) => sum + to - from, 0))} in all`;
