// npm run prices:kv -- ACTION: the price table in KV, and its older versions.
//
//   versions           the versions that are kept
//   report             what came of fetching prices last
//   put FILE           makes FILE the table in force (the gateway refuses a bad one and goes on with the last good one)
//   rollback VERSION   goes back to a version, and pins it: the Cron Trigger changes nothing from here on
//   release            takes the pin away
//   confirm            agrees to the prices that the last report holds; the next run takes them
//
// Where: --local [--persist-to DIR] for the KV of the gateway that runs here, else the deployed namespace (--env production).
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { wranglerEnv } from './lib/env.mjs';
import { runningFolder } from './lib/gateway.mjs';
import { nodeBin, root, wranglerCli } from './lib/paths.mjs';
import { capture, endOnSignal } from './lib/proc.mjs';
import { Problem, main } from './lib/say.mjs';

/** Does an action on a KV namespace ({get, put, delete, list}, as a Worker sees it); gives a line for the operator. */
export async function act(action, argument, kv) {
  switch (action) {
    case 'versions': {
      const { keys } = await kv.list({ prefix: 'prices@' });
      const pin = await kv.get('prices.pin');
      return [...keys.map(({ name }) => name.slice('prices@'.length)), ...(pin ? [`pinned: ${pin}`] : [])].join('\n');
    }
    case 'report':
      return (await kv.get('prices.refresh')) ?? 'prices were never fetched';
    case 'put':
      await kv.put('prices', readFileSync(argument, 'utf8'));
      return `${argument} is the table in force within two minutes, if it is valid: see /healthz`;
    case 'rollback': {
      const table = await kv.get(`prices@${argument}`);
      if (!table) throw new Problem(`there is no version ${argument}`);
      // The pin first: nothing may take the place of what comes next.
      await kv.put('prices.pin', argument);
      await kv.put('prices', table);
      return `version ${argument} is in force within two minutes, and pinned`;
    }
    case 'release':
      await kv.delete('prices.pin');
      return 'no version is pinned';
    case 'confirm': {
      const report = await kv.get('prices.refresh');
      const held = report ? JSON.parse(report).held : [];
      if (!held.length) throw new Problem('the last report holds nothing');
      await kv.put('prices.confirmed', report);
      return held.map(({ model, figure, old, new: now }) => `${model} ${figure}: ${old} -> ${now}`).join('\n');
    }
    default:
      throw new Problem(`unknown action ${action ?? ''}; see the head of scripts/prices-kv.mjs`);
  }
}

/** The namespace CATALOGUE by way of wrangler. */
function namespace({ local, 'persist-to': persist, env }) {
  const where = [...(local ? ['--local', '--persist-to', persist ?? runningFolder()] : ['--remote', '--env', env]), '--binding', 'CATALOGUE', '--config', join(root, 'wrangler.toml')];
  const wrangler = async (...args) => {
    const { code, stdout, stderr } = await capture(nodeBin(), [wranglerCli, 'kv', 'key', ...args, ...where], { env: wranglerEnv() });
    if (code !== 0) throw new Problem(`wrangler kv key ${args[0]}: ${(stderr || stdout).trim()}`);
    return stdout;
  };
  return {
    list: async ({ prefix }) => ({ keys: JSON.parse(await wrangler('list', '--prefix', prefix)) }),
    get: async key => {
      const { keys } = await namespace({ local, 'persist-to': persist, env }).list({ prefix: key });
      return keys.some(({ name }) => name === key) ? wrangler('get', key, '--text') : null;
    },
    put: async (key, value) => {
      // A table is longer than an argument may be.
      const folder = mkdtempSync(join(tmpdir(), 'signalbox-kv-'));
      try {
        writeFileSync(join(folder, 'value'), value);
        await wrangler('put', key, '--path', join(folder, 'value'));
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
    delete: key => wrangler('delete', key),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  endOnSignal();
  await main(async () => {
    const { values, positionals } = parseArgs({ allowPositionals: true, options: { local: { type: 'boolean' }, 'persist-to': { type: 'string' }, env: { type: 'string', default: 'production' } } });
    console.log(await act(positionals[0], positionals[1], namespace(values)));
  });
}
