// The table of fields knows every field that the official SDKs declare. No network, no Worker: declarations and data.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { page } from '../../scripts/fields-docs.mjs';
import { rowMatches, tables } from '../../scripts/lib/fields-table.mjs';
import { root } from '../../scripts/lib/paths.mjs';
import { ANSWERS, sdkFields } from '../../scripts/lib/sdk-fields.mjs';

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

test('every field of the official SDKs\' answer types has a row', t => {
  const answers = sdkFields(ANSWERS);
  assert.ok(answers.length > 2000, `only ${answers.length} fields were found in the SDKs`);
  const without = [];
  for (const { dialect, answer = [] } of documents) {
    const matches = answer.map(rowMatches);
    for (const { sdk, type, field } of answers.filter(one => one.dialect === dialect)) {
      if (!matches.some(match => match(field))) without.push(`${dialect}: ${field} (${type} of ${sdk})`);
    }
    for (const row of answer.filter(({ of }) => !of)) {
      const declared = answers.filter(one => one.dialect === dialect).some(({ field }) => rowMatches(row)(field) || rowMatches({ field: `${row.field}.**` })(field));
      if (!declared) without.push(`${dialect}: ${row.field} is in no SDK and has no "of"`);
    }
  }
  t.diagnostic(`${answers.length} fields walked`);
  assert.deepEqual(without, [], 'give these a row in data/fields');
});

test('a new field of a new SDK version\'s answers would be missed', () => {
  for (const [dialect, fields] of [
    ['openai-chat', ['brand_new', 'choices[].message.brand_new', 'usage.brand_new']],
    ['openai-responses', ['brand_new', 'output[brand_new].id', 'output[message].content[output_text].brand_new']],
    ['anthropic-messages', ['brand_new', 'content[brand_new].text', 'content[text].brand_new', 'usage.brand_new']],
    ['gemini', ['brandNew', 'candidates[].brandNew', 'candidates[].content.parts[].brandNew']],
  ]) {
    const { answer } = documents.find(one => one.dialect === dialect);
    for (const field of fields) assert.ok(!answer.some(row => rowMatches(row)(field)), `${dialect}: ${field}`);
  }
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
