// The table of fields (data/fields): its documents, and which fields a row is for.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './paths.mjs';

const folder = join(root, 'data', 'fields');

/** Every document as `{dialect, about, request: [row], answer: [row]}`, in a fixed order. */
export function tables() {
  const order = ['openai-chat', 'openai-responses', 'anthropic-messages', 'gemini', 'openai-embeddings', 'gemini-embeddings'];
  const present = readdirSync(folder).filter(name => name.endsWith('.json')).map(name => name.replace('.json', ''));
  const unknown = present.filter(name => !order.includes(name));
  if (unknown.length) throw new Error(`data/fields has documents that nobody expects: ${unknown}`);
  return order.filter(name => present.includes(name)).map(dialect => ({ dialect, ...JSON.parse(readFileSync(join(folder, `${dialect}.json`), 'utf8')) }));
}

/** Whether a row is for a field: kinds may be alternatives or any, `.**` takes what is inside too. */
export function rowMatches(row) {
  const whole = row.field.endsWith('.**');
  const name = whole ? row.field.slice(0, -3) : row.field;
  const pattern = name.split(/(\[[^\]]*\]|\([^)]*\))/).map((piece, at) => {
    if (at % 2 === 0) return piece.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
    const [open, inside, close] = [piece[0], piece.slice(1, -1), piece.at(-1)];
    const kinds = inside === '*' ? '[^\\])]+' : inside.split('|').map(kind => kind.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|');
    return `\\${open}(?:${kinds})\\${close}`;
  }).join('');
  // A list's items and the list itself are one field, and a whole one is told from its neighbours by its kind.
  const end = whole ? '(?:[.[(].*)?' : '(?:\\[\\])?';
  const kinded = whole && !/[\])]$/.test(name) ? '(?:\\([^)]*\\)|\\[[^\\]]*\\])?' : '';
  const test = new RegExp(`^${pattern}${kinded}${end}$`);
  return field => test.test(field);
}
