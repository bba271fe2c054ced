#!/usr/bin/env node
// npm run report -- FILE [--html OUT]: what requests came to, from records of them.
//
// FILE holds a record per line, as `GET /v1/stats` lists them under `recent` (docs/schemas/stats.schema.json), or is such an
// answer itself. Prints tables of model × task and of what failed; --html also draws them into one file without outside parts.
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Problem, main, note } from './lib/say.mjs';
import { page } from './report/page.mjs';
import { read, summary } from './report/summary.mjs';
import { tables } from './report/text.mjs';

const USAGE = 'usage: npm run report -- FILE [--html OUT]';

await main(() => {
  let given;
  try {
    given = parseArgs({ allowPositionals: true, options: { html: { type: 'string' } } });
  } catch (error) {
    throw new Problem(`${error.message}\n${USAGE}`);
  }
  const { values, positionals: [file, ...more] } = given;
  if (!file || more.length) throw new Problem(USAGE);
  let text;
  try {
    text = readFileSync(resolve(file), 'utf8');
  } catch (error) {
    throw new Problem(`${file} cannot be read: ${error.code}`);
  }
  const told = summary(read(text, file));
  console.log(tables(told));
  if (values.html) {
    writeFileSync(resolve(values.html), page(told));
    note(`drawn into ${values.html}`);
  }
});
