// What stands around every view: name, navigation, range, freshness, and who is signed in.

import { fill, h, svg, text, unique } from './dom';
import { time } from './format';
import { section, state, type Tone } from './ui/parts';
import type { App } from './views/view';

const RANGES: [days: number, name: string][] = [[1, 'Today'], [7, '7 days'], [31, '31 days']];
/** Why there are no figures, where the gateway is there. */
const REFUSALS: Record<number, string> = { 401: 'signed out', 403: 'no operator' };
const HEALTH: Record<string, [Tone, string]> = { ok: ['good', 'healthy'], degraded: ['warn', 'degraded'], unconfigured: ['bad', 'unconfigured'] };

export class Frame {
  readonly parts: HTMLElement[];
  /** Called when another credential is used. */
  onCaller: () => void = () => undefined;
  private readonly heading = h('h1', { tabindex: -1 });
  private readonly main = h('main', { id: 'main' });
  private readonly links: Map<string, HTMLAnchorElement>;
  private readonly health = h('span', { class: 'health' });
  private readonly fresh = h('span', { class: 'fresh' });
  private readonly pause = h('button', { type: 'button', class: 'quiet', click: () => this.app.live.setPaused(!this.app.live.paused) }, 'Pause');
  private readonly range: HTMLElement;
  private readonly caller = h('div', { class: 'caller' });
  private readonly door = h('div', {});

  constructor(private readonly app: App, places: { name: string; title: string }[]) {
    this.links = new Map(places.map(({ name, title }) => [name, h('a', { href: `#${name}` }, title)]));
    this.range = this.ranges();
    const skip = h('a', { class: 'skip', href: '#main', click: event => (event.preventDefault(), this.focus()) }, 'Skip to the content');
    this.parts = [
      skip,
      h('header', { class: 'side' },
        h('a', { class: 'brand', href: '#overview' }, logo(), 'Signalbox'),
        h('nav', { 'aria-label': 'Views' }, h('ul', {}, ...[...this.links.values()].map(link => h('li', {}, link)))),
        this.caller),
      h('div', { class: 'body' },
        h('div', { class: 'bar' }, this.heading, h('div', { class: 'tools' }, this.range, this.health, this.fresh, this.pause)),
        this.door, this.main),
    ];
    this.update();
  }

  show(name: string, title: string, ranged: boolean, view: HTMLElement): void {
    for (const [own, link] of this.links) {
      if (own === name) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
    // On a narrow screen the navigation is wider than the page.
    this.links.get(name)?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    text(this.heading, title);
    document.title = `${title} · Signalbox`;
    this.range.hidden = !ranged;
    this.main.replaceChildren(view);
  }

  /** Whoever moves by keyboard or hears the page goes on at its heading. */
  focus(): void {
    this.heading.focus();
    scrollTo(0, 0);
  }

  update(): void {
    const { stats, error, paused, health } = this.app.live;
    text(this.pause, paused ? 'Go on' : 'Pause');
    fill(this.health, health ? state(...(HEALTH[health.status] ?? (['idle', health.status] as const))) : undefined);
    const word = paused ? 'paused' : error ? (REFUSALS[error.status] ?? 'not reached') : stats ? `live, ${time(stats.now_ms)}` : 'loading';
    text(this.fresh, word);
    this.fresh.className = `fresh ${paused || !stats || error ? 'off' : 'on'}`;
    this.pause.hidden = !stats;
    this.signIn(error?.status);
  }

  private ranges(): HTMLElement {
    const name = unique('range');
    const options = RANGES.map(([days, title]) => {
      const id = unique('days');
      const input = h('input', { type: 'radio', id, name, checked: days === this.app.live.days, change: () => this.app.live.setDays(days) });
      return [input, h('label', { for: id }, title)];
    });
    return h('fieldset', { class: 'segments' }, h('legend', { class: 'unseen' }, 'Range'), ...options.flat());
  }

  /** A form where the gateway wants a credential, and a way out where one is used; nothing where it wants none. */
  private signIn(status: number | undefined): void {
    const { hasToken } = this.app.api;
    const want = status === 401 || (status === 403 && !hasToken) ? 'in' : hasToken ? 'out' : 'nothing';
    if (this.caller.dataset['shows'] === want) return;
    this.caller.dataset['shows'] = want;
    fill(this.caller, want === 'out' && h('button', { type: 'button', class: 'quiet', click: () => this.use(undefined) }, 'Forget the token'));
    fill(this.door, want === 'in' && this.form());
  }

  private form(): HTMLElement {
    const id = unique('token');
    const token = h('input', { id, type: 'password', autocomplete: 'off', spellcheck: 'false', required: true });
    return section('Sign in', h('form', { class: 'fields', submit: event => (event.preventDefault(), this.use(token.value.trim())) },
      h('p', { class: 'field' }, h('label', { for: id }, 'Token'), token), h('button', { type: 'submit', class: 'primary' }, 'Sign in')),
    h('p', { class: 'lead' }, 'From your identity provider, as your programs send it. It stays in this tab’s memory: a reload forgets it.'));
  }

  private use(token: string | undefined): void {
    this.app.api.use(token);
    delete this.caller.dataset['shows'];
    this.app.live.reset();
    this.onCaller();
  }
}

function logo(): SVGElement {
  return svg('svg', { viewBox: '0 0 14 30', class: 'logo', 'aria-hidden': 'true' },
    svg('rect', { x: 0, y: 0, width: 14, height: 30, rx: 7 }), svg('circle', { cx: 7, cy: 7, r: 3.2, class: 'stop' }), svg('circle', { cx: 7, cy: 15, r: 3.2, class: 'caution' }), svg('circle', { cx: 7, cy: 23, r: 3.2, class: 'clear' }));
}
