// npm run docs:fields: writes docs/fields.md from data/fields. tests/e2e/fields.test.mjs fails while the page is old.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tables } from './lib/fields-table.mjs';
import { root } from './lib/paths.mjs';

/** Callers' dialects by their names for people. */
const TITLES = {
  'openai-chat': 'OpenAI Chat Completions',
  'openai-responses': 'OpenAI Responses',
  'anthropic-messages': 'Anthropic Messages',
  gemini: 'Gemini generateContent',
  'openai-embeddings': 'OpenAI embeddings',
  'gemini-embeddings': 'Gemini embeddings',
};

const MARKS = { exact: 'E', converted: 'C', advisory: 'A', unsupported: '✗' };

const HEAD = `# What becomes of each field

Made from [data/fields](../data/fields/README.md) by \`npm run docs:fields\`; every row is tried out against the code in \`npm test\`.

A request goes to a provider of its own dialect as it was written: nothing is translated, unknown fields pass, and what the
provider makes of a field is its own affair (servers that speak OpenAI's chat with an accent get a few members in their form: see
there). These tables say what happens when another dialect answers.

| mark | means | reported |
|---|---|---|
| **E** | exact: the same meaning, maybe under another name | no |
| **C** | converted: carried, with a difference that is told | yes |
| **A** | advisory: no effect on what the answer means; left out | yes |
| **✗** | unsupported: it means something and cannot be said there | see below |

Reports stand in the header \`x-signalbox-losses\`. What happens to an unsupported field is the caller's choice,
\`x-signalbox-on-unsupported\`: \`route\` (default) takes a candidate that can and fails if none can, \`error\` fails if the
preferred one cannot, \`drop\` leaves the field out and reports it.

What cannot be translated because it does not say one thing (a value that cannot be read, a word that is none of the field's, a
member that stands twice, maybe once in each of Google's spellings) is a 400 that names the field.

A field at its documented default is exact everywhere, by omission. A field that stands in no table is unsupported outside its own
dialect. † marks what depends on the model: the catalogue's capabilities decide, and a model that lacks them is no candidate.
Where servers of one dialect differ, the column names the exceptions; the columns of OpenAI's two dialects are OpenAI's own
servers (\`profile: openai\`). A provider under another name without a profile gets what all servers of its dialect take: what is
OpenAI's own (\`store\`, \`service_tier\`, \`verbosity\`, \`metadata\`, \`prompt_cache_key\`, …) is unsupported or left out there, and
reported; give it the profile of the server that it is like. In paths, \`[]\` is an item, \`[kind]\` an item and \`(kind)\` an
object of that \`type\` or \`role\`, and \`.**\` the field with everything in it.
`;

/** The page for all documents. */
export function page(documents) {
  return [HEAD, ...documents.map(section)].join('\n');
}

function section({ dialect, about, request, answer }) {
  const parts = [`## From ${TITLES[dialect]}\n\n${about}\n\n${grid(dialect, request)}`];
  const accents = [...new Set(request.flatMap(({ here = {} }) => Object.keys(here)))].filter(server => server !== '*').sort();
  if (accents.length) parts.push(`### From ${TITLES[dialect]} to servers that speak it with an accent\n\n${ACCENTS}\n\n${sameDialect(request, accents)}`);
  if (answer) parts.push(`### Answers of ${TITLES[dialect]}\n\nWhat becomes of the fields of an answer on its way to callers of other dialects.\n\n${grid(dialect, answer)}`);
  return parts.join('\n');
}

const ACCENTS = `A body goes to a server of its own dialect as it was written, but for what the server has another name or form for. These are the
fields that arrive otherwise there; every other one, and every empty cell, arrives byte for byte. Tried out row by row like the rest.`;

/** What is changed on the way to servers of the caller's own dialect. */
function sameDialect(rows, servers) {
  const head = ['field', ...servers];
  const lines = rows.filter(({ here }) => here).map(row => [line(row, [])[0], ...servers.map(server => (row.here[server] ?? row.here['*'] ?? '').replaceAll('|', '\\|'))]);
  return [head, head.map(() => '---'), ...lines].map(cells => `| ${cells.join(' | ')} |`).join('\n') + '\n';
}

/** Columns are dialects; profiles stand in their dialect's column where they differ. */
function grid(dialect, rows) {
  const targets = Object.keys(TITLES).filter(name => name !== dialect && name.includes('embeddings') === dialect.includes('embeddings'));
  const columns = targets.filter(name => rows.some(row => row.to[name]) || rows.some(row => row.to['*'] && !row.ours));
  const shown = columns.filter(name => known.has(name));
  const head = ['field', 'default', ...shown.map(name => `→ ${TITLES[name].replace(/ (Completions|Messages|generateContent)/, '')}`)];
  const lines = [head, head.map(() => '---'), ...rows.map(row => line(row, shown))];
  return lines.map(cells => `| ${cells.join(' | ')} |`).join('\n') + '\n';
}

function line(row, columns) {
  const name = `\`${row.field.replaceAll('|', '\\|')}\`${row.depends ? ' †' : ''}${row.case ? `, ${row.case}` : ''}${row.when ? ` = ${json(row.when)}` : ''}${row.of ? ` (${row.of})` : ''}`;
  return [name, json(row.default ?? []), ...columns.map(column => cell(row, column))];
}

function json(values) {
  return values.map(value => `\`${JSON.stringify(value).replaceAll('|', '\\|')}\``).join(', ');
}

function cell(row, column) {
  const said = row.to[column] ?? row.to['*'];
  if (row.ours) return verdict(said ?? '');
  const others = PROFILES[column]?.filter(profile => row.to[profile] && row.to[profile] !== said) ?? [];
  const streamed = Object.entries(row.stream ?? {}).filter(([name]) => name === column || PROFILES[column]?.includes(name));
  return [
    said ? verdict(said) : '',
    ...others.map(profile => `${profile}: ${verdict(row.to[profile])}`),
    ...streamed.map(([name, text]) => `${name === column ? '' : `${name} `}in a stream: ${verdict(text)}`),
  ].filter(Boolean).join('; ');
}

function verdict(text) {
  const [word, ...words] = text.split(':');
  return [`**${MARKS[word]}**`, words.join(':').trim()].filter(Boolean).join(' ').replaceAll('|', '\\|');
}

const documents = tables();
const known = new Set(documents.map(({ dialect }) => dialect));
/** Servers of a dialect that rows name. xAI's Responses are spoken to by chat callers whose tools want it. */
const PROFILES = { 'openai-chat': [...new Set(documents.flatMap(({ request, answer = [] }) => [...request, ...answer]).flatMap(row => Object.keys(row.to)))].filter(name => name !== '*' && !TITLES[name]).sort(), 'openai-responses': ['xai'] };

if (process.argv[1] === import.meta.filename) writeFileSync(join(root, 'docs', 'fields.md'), page(documents));
