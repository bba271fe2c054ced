// Tables that are refreshed in place: a row that reads the same stays the same element, with its focus.

import { fill, h, type Child } from '../dom';

export interface Column<T> {
  head: string;
  cell: (row: T) => Child;
  /** Figures stand right-aligned under each other. */
  figure?: boolean;
  /** A cell that names its row. */
  name?: boolean;
  /** What the column sorts by; without it there is nothing to sort. */
  sort?: (row: T) => number | string | bigint;
}

export interface Settings<T> {
  caption: string;
  columns: Column<T>[];
  key: (row: T) => string;
  empty: string;
  /** The caption is said and not shown: a heading stands above. */
  quiet?: boolean;
}

export class Table<T> {
  readonly el: HTMLElement;
  private readonly body = h('tbody');
  private readonly none: HTMLElement;
  private readonly frame: HTMLElement;
  private readonly heads: HTMLTableCellElement[];
  private readonly rows = new Map<string, HTMLTableRowElement>();
  private shown: readonly T[] = [];
  private order: { column: number; down: boolean } | undefined;

  constructor(private readonly settings: Settings<T>) {
    const { caption, columns, empty, quiet } = settings;
    this.heads = columns.map((column, at) => this.head(column, at));
    this.none = h('p', { class: 'empty' }, empty);
    // It scrolls by itself where the page is narrow, and can be reached by keyboard for that.
    this.frame = h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': caption },
      h('table', {}, h('caption', quiet ? { class: 'unseen' } : {}, caption), h('thead', {}, h('tr', {}, ...this.heads)), this.body));
    this.el = h('div', { class: 'table' }, this.frame, this.none);
    this.set([]);
  }

  set(rows: readonly T[]): void {
    this.shown = rows;
    this.none.hidden = rows.length > 0;
    this.frame.hidden = rows.length === 0;
    const wanted = this.sorted(rows).map(row => this.row(row));
    const keep = new Set(wanted);
    for (const [key, row] of this.rows) if (!keep.has(row)) this.rows.delete(key);
    for (const row of [...this.body.children]) if (!keep.has(row as HTMLTableRowElement)) row.remove();
    // Only what stands in the wrong place is moved: moving an element takes its focus.
    wanted.forEach((row, at) => {
      const there = this.body.children[at];
      if (there !== row) this.body.insertBefore(row, there ?? null);
    });
  }

  private row(row: T): HTMLTableRowElement {
    const key = this.settings.key(row);
    const { columns } = this.settings;
    let element = this.rows.get(key);
    if (!element) {
      element = h('tr', {}, ...columns.map(({ name, figure }) => h(name ? 'th' : 'td', { ...(name ? { scope: 'row' } : {}), ...(figure ? { class: 'figure' } : {}) })));
      this.rows.set(key, element);
    }
    columns.forEach((column, at) => fill(element.cells[at]!, column.cell(row)));
    return element;
  }

  private head(column: Column<T>, at: number): HTMLTableCellElement {
    const props = { scope: 'col', ...(column.figure ? { class: 'figure' } : {}) };
    if (!column.sort) return h('th', props, column.head);
    return h('th', props, h('button', { type: 'button', class: 'sort', click: () => this.sortBy(at) }, column.head));
  }

  private sortBy(column: number): void {
    const numeric = this.settings.columns[column]?.figure ?? false;
    this.order = this.order?.column === column ? { column, down: !this.order.down } : { column, down: numeric };
    this.heads.forEach((head, at) => {
      if (at === column) head.setAttribute('aria-sort', this.order?.down ? 'descending' : 'ascending');
      else head.removeAttribute('aria-sort');
    });
    this.set(this.shown);
  }

  private sorted(rows: readonly T[]): readonly T[] {
    const value = this.order && this.settings.columns[this.order.column]?.sort;
    if (!value) return rows;
    const sign = this.order?.down ? -1 : 1;
    return [...rows].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      return x === y ? 0 : x < y ? -sign : sign;
    });
  }
}
