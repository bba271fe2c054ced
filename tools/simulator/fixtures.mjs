// Recorded provider answers, byte for byte, by case id. The folder is not part of the repository: see README.md.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const beside = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), '..', 'shared', 'fixtures');
const UNSENT = new Set(['transfer-encoding', 'content-length', 'connection', 'content-encoding']);

export const fixturesFolder = () => process.env.SIGNALBOX_FIXTURES || beside;
export const haveFixtures = (folder = fixturesFolder()) => existsSync(join(folder, 'README.md'));

/** Case id -> {id, dialect, meta, folder}; ids are folder names. */
export function listCases(folder = fixturesFolder()) {
  if (!haveFixtures(folder)) return new Map();
  const dialects = readdirSync(folder, { withFileTypes: true }).filter(entry => entry.isDirectory());
  return new Map(dialects.flatMap(dialect => readdirSync(join(folder, dialect.name)).map(id => {
    const at = join(folder, dialect.name, id);
    return [id, { id, dialect: dialect.name, folder: at, meta: JSON.parse(readFileSync(join(at, 'case.json'), 'utf8')) }];
  })));
}

/** A recorded answer as an outcome for delivery: its own status, headers and bytes. */
export function recorded(cases, id) {
  const found = cases.get(id);
  if (!found) throw new Error(`no recorded case ${JSON.stringify(id)}`);
  const body = readFileSync(join(found.folder, found.meta.response_file));
  const headers = {};
  for (const [name, values] of Object.entries(JSON.parse(readFileSync(join(found.folder, 'response.headers.json'), 'utf8')))) {
    if (!UNSENT.has(name.toLowerCase())) headers[name] = values.length === 1 ? values[0] : values;
  }
  const base = { status: found.meta.status, headers };
  return found.meta.framing === 'sse' ? { ...base, events: splitEvents(body) } : { ...base, body };
}

/** Cuts a recorded stream after each blank line, so that joining the parts gives the same bytes. */
export function splitEvents(body) {
  const text = body.toString('latin1'); // one character per byte
  const parts = text.match(/[\s\S]*?(?:\r\n\r\n|\n\n|\r\r)|[\s\S]+$/g) ?? [];
  return parts.map((part, index) => ({ kind: kindOf(part, index), bytes: Buffer.from(part, 'latin1') }));
}

function kindOf(part, index) {
  if (/\[DONE\]|message_stop|response\.(completed|incomplete|failed)/.test(part)) return 'terminator';
  return index === 0 ? 'start' : 'content';
}
