// Elements, made without markup: what comes from a caller, a model or a provider stays text.

export type Child = Node | string | number | null | undefined | false;

type Props = Record<string, string | number | boolean | EventListener | undefined>;

/** An element. Props are attributes; functions are listeners of that name; `false` and `undefined` leave one out. */
export function h<K extends keyof HTMLElementTagNameMap>(tag: K, props: Props = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  apply(element, props);
  element.append(...nodes(children));
  return element;
}

/** The same in SVG. */
export function svg(tag: string, props: Props = {}, ...children: Child[]): SVGElement {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  apply(element, props);
  element.append(...nodes(children));
  return element;
}

function apply(element: Element, props: Props): void {
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
}

function nodes(children: Child[]): (Node | string)[] {
  return children.filter((child): child is Node | string | number => child !== null && child !== undefined && child !== false)
    .map(child => (typeof child === 'number' ? String(child) : child));
}

/** Puts other children in, unless they read the same. */
export function fill(element: Element, ...children: Child[]): void {
  const next = document.createElement('div');
  next.append(...nodes(children));
  if (!sameChildren(element, next)) element.replaceChildren(...next.childNodes);
}

function sameChildren(one: Element, other: Element): boolean {
  if (one.childNodes.length !== other.childNodes.length) return false;
  return [...one.childNodes].every((node, at) => node.isEqualNode(other.childNodes[at] ?? null));
}

/** Sets text only where it differs, so that readers of the page are told of changes and of nothing else. */
export function text(element: Element, value: string): void {
  if (element.textContent !== value) element.textContent = value;
}

let counted = 0;
/** A new id for an element. */
export const unique = (name: string): string => `${name}-${(counted += 1)}`;
