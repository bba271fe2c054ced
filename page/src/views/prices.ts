// What tokens cost, by which source, and how old that is.

import { fill, h, unique } from '../dom';
import { ageInDays, count, NONE } from '../format';
import type { Model } from '../types';
import { notice, section, state, Tiles } from '../ui/parts';
import { Table, type Column } from '../ui/table';
import { ApiError } from '../api';
import { refused, type Make } from './view';

/** Prices that nobody has looked at for longer are marked. */
const OLD_DAYS = 60;

export const prices: Make = app => {
  const id = unique('filter');
  const instead = h('div', {});
  const shown = h('div', { class: 'view', hidden: true });
  const tiles = new Tiles(['Models', 'Priced', 'Oldest source', 'Price table']);
  let models: Model[] = [];
  let digits = 2;
  const filter = h('input', { id, type: 'search', autocomplete: 'off', spellcheck: 'false', input: () => show() });
  const dollars = (head: string, of: (pricing: NonNullable<Model['pricing']>) => string | undefined): Column<Model> => ({
    head, figure: true, cell: ({ pricing }) => perMillion(pricing && of(pricing), digits), sort: ({ pricing }) => Number((pricing && of(pricing)) ?? -1),
  });
  const table = new Table<Model>({
    caption: 'US dollars per million tokens', key: model => model.id, empty: 'No model fits.',
    columns: [
      { head: 'Model', name: true, cell: model => h('span', { class: 'mono' }, model.id), sort: model => model.id },
      dollars('Prompt', pricing => pricing.prompt), dollars('Cache read', pricing => pricing.input_cache_read), dollars('Cache write', pricing => pricing.input_cache_write), dollars('Answer', pricing => pricing.completion),
      { head: 'Window', figure: true, cell: model => (model.context_length === null ? NONE : count(model.context_length)), sort: model => model.context_length ?? -1 },
      { head: 'Source', cell: ({ pricing }) => pricing?.source ?? NONE },
      { head: 'Age', figure: true, cell: age, sort: ({ pricing }) => days(pricing?.date) ?? -1 },
    ],
  });
  shown.append(tiles.el, section('Prices', h('p', { class: 'field' }, h('label', { for: id }, 'Models with'), filter), table.el));

  const show = (): void => table.set(models.filter(model => model.id.includes(filter.value.trim().toLowerCase())));
  const load = async (): Promise<void> => {
    fill(instead, notice('loading', 'Loading prices…'));
    try {
      const { data } = await app.api.get<{ data: Model[] }>('/v1/models');
      models = data.filter(model => model.owned_by !== 'signalbox');
      // The same decimals for all of them, so that they stand under each other.
      digits = Math.max(2, ...models.flatMap(({ pricing }) => [pricing?.prompt, pricing?.completion, pricing?.input_cache_read, pricing?.input_cache_write].map(price => (price?.split('.')[1]?.length ?? 0) - 6)));
      fill(instead, models.length ? undefined : notice('empty', 'No model can be called.', 'A provider needs its secret before its models are listed.'));
      shown.hidden = models.length === 0;
      show();
      update();
    } catch (error) {
      fill(instead, error instanceof ApiError ? refused(app, error.status, error.message) : notice('error', 'The prices could not be loaded.', String(error)));
    }
  };
  const update = (): void => {
    const ages = models.map(({ pricing }) => days(pricing?.date)).filter(age => age !== undefined);
    const priced = models.filter(model => model.pricing).length;
    const oldest = ages.length ? Math.max(...ages) : undefined;
    tiles.set([
      [count(models.length), 'whose provider can be called'],
      [count(priced), priced < models.length ? `${count(models.length - priced)} without a price` : 'all of them'],
      [oldest === undefined ? NONE : `${oldest} d`, oldest !== undefined && oldest > OLD_DAYS ? 'look at the providers’ pages' : 'since a source was read'],
      [app.live.health?.versions?.prices ?? NONE, 'version in force'],
    ]);
  };
  void load();
  return { el: h('div', {}, instead, shown), update };
};

const days = (date: string | null | undefined): number | undefined => (date ? ageInDays(date, Date.now()) : undefined);

function age({ pricing }: Model): HTMLElement | string {
  const old = days(pricing?.date);
  if (old === undefined) return NONE;
  const label = `${old} d`;
  return old > OLD_DAYS ? state('warn', label) : h('span', { title: pricing?.date ?? '' }, label);
}

/** Dollars per token as dollars per million, exactly: the point moves six places. */
function perMillion(perToken: string | null | undefined, decimals: number): string {
  if (perToken === null || perToken === undefined) return NONE;
  const [units = '0', rest = ''] = perToken.split('.');
  const digits = rest.padEnd(6 + decimals, '0');
  return `${`${units}${digits.slice(0, 6)}`.replace(/^0+(?=\d)/, '')}.${digits.slice(6)}`;
}
