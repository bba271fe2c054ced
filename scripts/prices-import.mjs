// npm run prices:import -- --from FILE|URL --format FORMAT …: makes a price document from public lists. The work is done
// natively by the code that also runs in the Worker (examples/prices_import.rs, whose head describes every option); this
// fetches lists that are given by URL into files first.
//
// FORMAT  genai-prices   prices/data.json of pydantic/genai-prices
//         litellm        model_prices_and_context_window.json of BerriAI/litellm
//         models.dev     https://models.dev/api.json
//         openrouter     https://openrouter.ai/api/v1/models
//         signalbox      our own document
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { scrubbed } from './lib/env.mjs';
import { root } from './lib/paths.mjs';
import { endOnSignal, run } from './lib/proc.mjs';
import { Problem, main, note } from './lib/say.mjs';

const LARGEST = 64 * 1024 * 1024;
const PATHS = ['--from', '--table', '--write'];

endOnSignal();
await main(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'signalbox-prices-'));
  try {
    const args = await local(process.argv.slice(2), folder);
    await run('cargo', ['run', '--quiet', '--locked', '--manifest-path', join(root, 'Cargo.toml'), '--example', 'prices_import', '--', ...args], { env: scrubbed(), label: 'prices:import' });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** The arguments with lists on this machine, and paths as the caller means them: npm runs us in the repository. */
async function local(args, folder) {
  const result = [];
  for (let i = 0; i < args.length; i++) {
    result.push(args[i]);
    const next = args[i + 1];
    if (!PATHS.includes(args[i]) || next === undefined || next.startsWith('--')) continue;
    i++;
    if (args[i - 1] === '--from' && /^https?:\/\//.test(next)) result.push(await fetched(next, join(folder, `${i}.json`)), '--origin', next);
    else result.push(resolve(process.env.INIT_CWD ?? process.cwd(), next));
  }
  return result;
}

async function fetched(url, file) {
  const { protocol, hostname } = new URL(url);
  if (protocol !== 'https:' && !['127.0.0.1', 'localhost', '[::1]'].includes(hostname)) throw new Problem(`${url}: lists are fetched by https only`);
  note(`fetching ${url}`);
  const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(60_000), headers: { accept: 'application/json' } });
  if (!response.ok) throw new Problem(`${url}: status ${response.status}`);
  const body = Buffer.from(await response.arrayBuffer());
  if (body.length > LARGEST) throw new Problem(`${url}: more than ${LARGEST} bytes`);
  writeFileSync(file, body);
  return file;
}
