// The page: a frame with its views, of which the address names one.

import { Api } from './api';
import { fill, h } from './dom';
import { Frame } from './frame';
import { Live } from './state';
import { captures } from './views/captures';
import { cost } from './views/cost';
import { latency } from './views/latency';
import { overview } from './views/overview';
import { playground } from './views/playground';
import { prices } from './views/prices';
import { providers } from './views/providers';
import { request } from './views/request';
import { routing } from './views/routing';
import type { App, Make, View } from './views/view';

interface Place {
  title: string;
  make: Make;
  /** It shows sums of a range of days. */
  ranged?: boolean;
  /** It is reached from another one, whose entry is marked. */
  below?: string;
}

const PLACES: Record<string, Place> = {
  overview: { title: 'Overview', make: overview, ranged: true },
  cost: { title: 'Cost', make: cost, ranged: true },
  latency: { title: 'Latency', make: latency, ranged: true },
  providers: { title: 'Providers', make: providers, ranged: true },
  routing: { title: 'Routing', make: routing, ranged: true },
  captures: { title: 'Captures', make: captures },
  prices: { title: 'Prices', make: prices },
  playground: { title: 'Playground', make: playground },
  request: { title: 'Request', make: request, below: 'overview' },
};

const api = new Api();
const live = new Live(api);
const app: App = { api, live };
const frame = new Frame(app, Object.entries(PLACES).filter(([, place]) => !place.below).map(([name, { title }]) => ({ name, title })));
let view: View | undefined;

function open(first: boolean): void {
  const [name = '', argument = ''] = decodeURIComponent(location.hash.slice(1)).split(/\/(.*)/s);
  const known = PLACES[name] ? name : 'overview';
  const place = PLACES[known]!;
  view?.close?.();
  view = place.make(app, argument);
  frame.show(place.below ?? known, place.title, place.ranged ?? false, view.el);
  view.update?.();
  if (!first) frame.focus();
}

live.subscribe(() => {
  frame.update();
  view?.update?.();
});
// A caller that has signed in, or out, sees everything anew.
frame.onCaller = () => open(true);
addEventListener('hashchange', () => open(false));
fill(document.getElementById('app') ?? document.body, h('div', { class: 'frame' }, ...frame.parts));
open(true);
live.start();
