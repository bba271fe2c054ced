// The table of fields knows every field that the official SDKs declare. No network, no Worker: declarations and data.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { page } from '../../scripts/fields-docs.mjs';
import { rowMatches, tables } from '../../scripts/lib/fields-table.mjs';
import { root } from '../../scripts/lib/paths.mjs';
import { sdkFields } from '../../scripts/lib/sdk-fields.mjs';

const documents = tables();
const known = new Set(documents.map(({ dialect }) => dialect));
const declared = sdkFields().filter(({ dialect }) => known.has(dialect));

test('every field of the official SDKs\' request types has a row', t => {
  assert.ok(declared.length > 5000, `only ${declared.length} fields were found in the SDKs`);
  const without = [];
  for (const { dialect, request } of documents) {
    const matches = request.map(rowMatches);
    for (const { sdk, type, field } of declared.filter(one => one.dialect === dialect)) {
      if (!matches.some(match => match(field))) without.push(`${dialect}: ${field} (${type} of ${sdk})`);
    }
  }
  t.diagnostic(`${declared.length} fields walked`);
  assert.deepEqual(without, [], 'give these a row in data/fields');
});

test('a row of a field that no SDK declares says whose extension it is', () => {
  const unmarked = [];
  for (const { dialect, request } of documents) {
    const fields = declared.filter(one => one.dialect === dialect).map(({ field }) => field);
    for (const row of request) {
      // A row may be about an object as such, such as a kind of thinking.
      const found = fields.some(rowMatches(row)) || fields.some(rowMatches({ field: `${row.field}.**` }));
      if (!found && !row.of) unmarked.push(`${dialect}: ${row.field} is in no SDK and has no "of"`);
      if (found && row.of) unmarked.push(`${dialect}: ${row.field} is in the SDK and marked as of ${row.of}`);
    }
  }
  assert.deepEqual(unmarked, []);
});

test('a new field of a new SDK version would be missed', () => {
  const chat = documents.find(({ dialect }) => dialect === 'openai-chat');
  for (const field of ['brand_new', 'messages[user].content[text].brand_new', 'messages[user].content[brand_new].text', 'response_format(brand_new)', 'tools[function].function.brand_new']) {
    assert.ok(!chat.request.some(row => rowMatches(row)(field)), field);
  }
});

test('docs/fields.md is what the table says', () => {
  assert.equal(readFileSync(join(root, 'docs', 'fields.md'), 'utf8'), page(documents), 'run npm run docs:fields');
});
