#!/usr/bin/env node
// npm run replay -- ID [--url URL] [--token TOKEN] [--model MODEL] [--policy POLICY] [--json]: sends a captured request again and
// shows what differs (docs/captures.md). With --fixture DIR what the endpoint exports is written as a test fixture instead, with
// --jsonl printed as a line of OpenAI's chat format. The token is also read from SIGNALBOX_TOKEN: arguments show in lists of processes.
import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { Problem, main, note } from './lib/say.mjs';

const USAGE = 'usage: npm run replay -- ID [--url URL] [--token TOKEN] [--model MODEL] [--policy POLICY] [--json]\n       npm run replay -- ID [--url URL] [--token TOKEN] (--fixture DIR | --jsonl)';
const options = { url: { type: 'string', default: 'http://127.0.0.1:8787' }, token: { type: 'string', default: process.env.SIGNALBOX_TOKEN }, model: { type: 'string' }, policy: { type: 'string' }, json: { type: 'boolean', default: false }, fixture: { type: 'string' }, jsonl: { type: 'boolean', default: false } };

await main(async () => {
  let given;
  try {
    given = parseArgs({ allowPositionals: true, options });
  } catch (error) {
    throw new Problem(`${error.message}\n${USAGE}`);
  }
  const { values: { url, token, model, policy, json, fixture: folder, jsonl }, positionals: [id, ...more] } = given;
  if (!id || more.length) throw new Problem(USAGE);
  const headers = { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) };
  const ask = async (path, init) => {
    let answer;
    try {
      answer = await fetch(`${url.replace(/\/$/, '')}/v1/captures/${encodeURIComponent(id)}${path}`, { headers, ...init });
    } catch (error) {
      throw new Problem(`${url} cannot be reached: ${error.cause?.code ?? error.message}`);
    }
    if (answer.ok) return answer;
    const page = await answer.json().catch(() => ({}));
    throw new Problem(`${answer.status}: ${page.error?.message ?? 'no reason given'}`);
  };
  if (jsonl) {
    const answer = await ask('?format=openai-jsonl');
    const losses = answer.headers.get('x-signalbox-losses');
    process.stdout.write(await answer.text());
    return losses ? note(`not exact: ${losses}`) : undefined;
  }
  if (folder) {
    const { files } = await (await ask('?format=fixture')).json();
    mkdirSync(folder, { recursive: true });
    // A name is a file of this folder, whatever the other side says.
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, basename(name)), text);
    return note(`${Object.keys(files).length} files in ${folder}`);
  }
  const page = await (await ask('/replay', { method: 'POST', body: JSON.stringify({ model, policy }) })).json();
  console.log(json ? JSON.stringify(page, null, 1) : compared(page));
  note(page.differs.length ? `differs in ${page.differs.join(', ')}` : 'nothing differs');
  if (page.redacted) note('what was masked was sent as its mask');
});

/** Then and now, a member each. */
function compared({ original, replay, differs }) {
  const shown = value => (value === null ? '-' : typeof value === 'object' ? JSON.stringify(value) : String(value));
  return Object.keys(original).map(name => {
    const [then, now] = [shown(original[name]), shown(replay[name])];
    return then === now ? `  ${name}: ${then}` : `${differs.includes(name) ? '!' : ' '} ${name}: ${then}\n${' '.repeat(name.length)} -> ${now}`;
  }).join('\n');
}
