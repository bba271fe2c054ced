// What a view is, and the frame of those that show figures of the register.

import type { Api } from '../api';
import { fill, h, type Child } from '../dom';
import type { Live } from '../state';
import type { Stats } from '../types';
import { notice } from '../ui/parts';

/** What views are given. */
export interface App {
  api: Api;
  live: Live;
}

export interface View {
  el: HTMLElement;
  /** Called when something was learned, also once at the beginning. */
  update?: () => void;
  /** Called when another view takes its place. */
  close?: () => void;
}

export type Make = (app: App, argument: string) => View;

/** A view of the register: until there are figures it says why; `update` gets them from then on. */
export function ofStats(app: App, update: (stats: Stats) => void, ...body: Child[]): View {
  const instead = h('div', {});
  const stale = h('div', {});
  const shown = h('div', { class: 'view' }, ...body);
  return {
    el: h('div', {}, instead, stale, shown),
    update: () => {
      const { stats, error } = app.live;
      shown.hidden = !stats;
      fill(instead, stats ? undefined : error ? refused(app, error.status, error.message) : notice('loading', 'Loading figures…'));
      fill(stale, stats && error ? notice('error', 'These figures are no longer fresh.', error.message) : undefined);
      if (stats) update(stats);
    },
  };
}

/** Why there are no figures. */
export function refused(app: App, status: number, message: string): HTMLElement {
  if (status === 401 && !app.api.hasToken) return notice('empty', 'This gateway asks who you are.', 'Sign in to see what it knows.');
  if (status === 401) return notice('error', 'This token does not hold.', message);
  if (status === 403) return notice('error', 'These figures are for operators.', 'Your credential is good, but it has not the operator’s role. Prices and the playground are open to you.');
  if (status === 503) return notice('error', 'The gateway has no figures now.', message);
  return notice('error', 'The figures could not be loaded.', message);
}
