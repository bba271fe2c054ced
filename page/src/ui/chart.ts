// Charts by uPlot, with what they show in words for those who do not see them, and as a table for those who want figures.

import uPlot from 'uplot';
import { fill, h, text, unique } from '../dom';

export interface Series {
  name: string;
  /** A custom property of the style sheet. */
  color: string;
}

export interface Spec {
  title: string;
  /** What a bar stands at: an instant in seconds, or a place in `names`. */
  axis: 'time' | 'names';
  series: Series[];
  format: (value: number) => string;
  /** What stands under the bars that mark `at`. */
  place: (at: number) => string;
  /** The same, shorter, for the axis. */
  tick?: (at: number) => string;
  /** How a figure of the table's first column is called. */
  unit: string;
  height?: number;
  empty: string;
  /** The title is said and not shown: a heading stands above. */
  quiet?: boolean;
}

/** Bars of one or more series; the first lies behind the others. */
export class Chart {
  readonly el: HTMLElement;
  private readonly host = h('div', { class: 'plot', role: 'img' });
  private readonly readout = h('span', { class: 'readout', 'aria-hidden': 'true' });
  private readonly none: HTMLElement;
  private readonly rows = h('tbody');
  private readonly details: HTMLDetailsElement;
  private plot: uPlot | undefined;
  private data: [places: number[], ...columns: number[][]] = [[]];

  constructor(private readonly spec: Spec) {
    const caption = unique('chart');
    this.none = h('p', { class: 'empty' }, spec.empty);
    const legend = spec.series.length > 1 ? h('span', { class: 'keys', 'aria-hidden': 'true' }, ...spec.series.map(one => h('span', {}, swatch(one.color), one.name))) : undefined;
    this.details = h('details', { class: 'figures' }, h('summary', {}, 'Figures'),
      h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': `${spec.title}: figures` },
        h('table', {}, h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, spec.unit), ...spec.series.map(one => h('th', { scope: 'col', class: 'figure' }, one.name)))), this.rows)));
    this.details.addEventListener('toggle', () => this.tabulate());
    this.el = h('figure', { class: 'chart', 'aria-labelledby': caption },
      h('figcaption', {}, h('span', { id: caption, class: spec.quiet ? 'unseen' : 'title' }, spec.title), legend, this.readout), this.host, this.none, this.details);
    new ResizeObserver(() => this.fit()).observe(this.host);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.draw());
  }

  /** `places` ascending; a column of values for each series. `said` is the chart in a sentence. */
  set(places: number[], columns: number[][], said: string): void {
    const before = this.data;
    this.data = [places, ...columns];
    const filled = columns.some(column => column.some(value => value > 0));
    this.host.hidden = this.details.hidden = !filled;
    this.none.hidden = filled;
    this.host.setAttribute('aria-label', `${this.spec.title}. ${said}`);
    if (JSON.stringify(before) === JSON.stringify(this.data)) return;
    if (this.plot) this.plot.setData(this.data);
    else this.draw();
    this.tabulate();
  }

  private draw(): void {
    this.plot?.destroy();
    this.plot = undefined;
    if (this.host.hidden || this.host.clientWidth === 0) return;
    this.plot = new uPlot(this.options(), this.data, this.host);
  }

  private fit(): void {
    const width = this.host.clientWidth;
    if (width === 0) return;
    if (this.plot) this.plot.setSize({ width, height: this.height });
    else this.draw();
  }

  private get height(): number {
    return this.spec.height ?? 180;
  }

  private options(): uPlot.Options {
    const { spec } = this;
    const color = (name: string): string => getComputedStyle(this.el).getPropertyValue(name).trim();
    const [ink, grid] = [color('--ink-2'), color('--line')];
    const font = `12px ${getComputedStyle(document.body).fontFamily}`;
    const axis = { stroke: ink, font, ticks: { show: false }, grid: { stroke: grid, width: 1 } };
    const bars = uPlot.paths.bars?.({ size: [0.72, 36], radius: 0.12 });
    return {
      width: this.host.clientWidth,
      height: this.height,
      legend: { show: false },
      padding: [8, 18, 0, 0],
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
      scales: {
        x: { time: false, range: (_, low, high) => this.range(low, high) },
        y: { range: (_, _low, high) => [0, high > 0 ? high * 1.08 : 1] },
      },
      axes: [
        { ...axis, size: 28, grid: { show: false }, values: (_, splits) => splits.map(at => (this.data[0].includes(at) || spec.axis === 'time' ? (spec.tick ?? spec.place)(at) : '')), ...(spec.axis === 'names' ? { incrs: [1, 2, 4, 8] } : { incrs: [60, 300, 600, 900, 1800, 3600] }), space: 64 },
        { ...axis, size: (_, labels) => 16 + 7 * Math.max(4, ...(labels ?? []).map(label => label.length)), space: 36, values: (_, splits) => splits.map(spec.format) },
      ],
      series: [{}, ...spec.series.map(one => ({ label: one.name, fill: color(one.color), stroke: color(one.color), width: 0, ...(bars ? { paths: bars } : {}), points: { show: false } }))],
      hooks: { setCursor: [plot => this.tell(plot.cursor.idx ?? null)] },
    };
  }

  /** Half a bar's room at both ends. */
  private range(low: number, high: number): [number, number] {
    const half = this.spec.axis === 'time' ? 30 : 0.5;
    return [low - half, high + half];
  }

  private tell(at: number | null): void {
    const place = at === null ? undefined : this.data[0][at];
    text(this.readout, place === undefined || at === null ? '' : `${this.spec.place(place)}: ${this.spec.series.map((one, row) => `${this.spec.format(this.data[row + 1]?.[at] ?? 0)}${this.spec.series.length > 1 ? ` ${one.name}` : ''}`).join(', ')}`);
  }

  private tabulate(): void {
    if (!this.details.open) return;
    const { format, place } = this.spec;
    const [places, ...columns] = this.data;
    const rows = places.map((at, row) => ({ at, values: columns.map(column => column[row] ?? 0) }));
    fill(this.rows, ...rows.filter(({ values }) => values.some(value => value > 0)).map(({ at, values }) => h('tr', {}, h('th', { scope: 'row' }, place(at)), ...values.map(value => h('td', { class: 'figure' }, format(value))))));
  }
}

function swatch(color: string): HTMLElement {
  const mark = h('span', { class: 'swatch' });
  mark.style.background = `var(${color})`;
  return mark;
}
