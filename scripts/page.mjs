// Builds the page at / and puts it behind the Worker's code in build/index.js: one document, one script, one style sheet, an
// icon, all but the document under names that hold a digest of their content. ADR 0028 says why they are no static assets.
// The API's description goes with it: 126 kB that nearly no isolate is asked for need not be in the wasm's memory.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { buildDir, root } from './lib/paths.mjs';
import { endOnSignal } from './lib/proc.mjs';
import { main, note } from './lib/say.mjs';

const source = join(root, 'page');
const script = join(buildDir, 'index.js');
const MARK = '\n// The page, by scripts/page.mjs.\n';

/** Takes a tenth of a second, so it is always done. A script that is as it should be is left alone. */
export async function addPage() {
  const files = await page();
  const code = withoutPage();
  const text = `${code}${MARK}globalThis[Symbol.for('signalbox.page')] = new Map(${JSON.stringify([...files])});\n`;
  if (readFileSync(script, 'utf8') !== text) writeFileSync(script, text);
  return gzipSync([...files.values()].join('')).length;
}

/** The Worker's script as the compiler wrote it. */
export const withoutPage = () => readFileSync(script, 'utf8').split(MARK)[0];

/** The page's files by path. */
async function page() {
  const { build } = await import('esbuild'); // an npm package: not there before the first set-up
  const { outputFiles } = await build({
    entryPoints: [{ in: join(source, 'src', 'main.ts'), out: 'app' }, { in: join(source, 'style', 'page.css'), out: 'app' }], outdir: source,
    write: false, bundle: true, minify: true, format: 'esm', target: 'es2022', legalComments: 'none', logLevel: 'warning',
  });
  const made = outputFiles.map(({ path, text }) => [path.slice(source.length + 1), text]);
  const named = [...made, ['icon.svg', readFileSync(join(source, 'icon.svg'), 'utf8')]].map(([name, text]) => ({ name, text, final: name.replace('.', `-${digest(text)}.`) }));
  const html = named.reduce((text, { name, final }) => text.replace(`/page/${name}`, `/page/${final}`), readFileSync(join(source, 'index.html'), 'utf8'));
  const description = readFileSync(join(root, 'docs', 'openapi.json'), 'utf8');
  return new Map([['/index.html', html], ['/openapi.json', description], ...named.map(({ final, text }) => [`/page/${final}`, text])]);
}

const digest = text => createHash('sha256').update(text).digest('hex').slice(0, 12);

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  endOnSignal();
  await main(async () => note(`build/index.js has the page: ${Math.round((await addPage()) / 1024)} KiB gzip of it`));
}
