// The API description: current, valid by the OpenAPI 3.1 definition, served as it is, and its examples work.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import Ajv from 'ajv/dist/2020.js';
import { root } from '../../scripts/lib/paths.mjs';
import { description, page } from '../../scripts/openapi.mjs';
import { ENDPOINTS } from '../../scripts/openapi/endpoints.mjs';
import { startHarness } from './harness.mjs';

const document = description();
let gateway;
before(async () => (gateway = await startHarness()));
after(() => gateway?.close());

test('is what the schemas and endpoints of today make', () => {
  assert.equal(readFileSync(join(root, 'docs', 'openapi.json'), 'utf8'), page(), 'run npm run docs:openapi');
});

test('is valid, and every reference leads somewhere', async () => {
  const { valid, errors } = await new Validator().validate(structuredClone(document));
  assert.ok(valid, JSON.stringify(errors));
  for (const [, ref] of JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)) {
    assert.notEqual(ref.split('/').reduce((inner, key) => inner?.[key], document), undefined, ref);
  }
});

test('is served to everybody, and to nobody while identity is not configured', async () => {
  const answer = await gateway.call('/openapi.json');
  assert.deepEqual([answer.status, await answer.json()], [200, document]);
  await gateway.kv.put('config', '{}');
  await gateway.restart();
  assert.equal((await gateway.call('/openapi.json')).status, 503);
  await gateway.configure({});
});

describe('each example', () => {
  const ajv = new Ajv({ strict: false, formats: { date: true, 'date-time': true } });
  ajv.addSchema({ $id: 'api', ...document }, 'api');
  const fits = (schema, value) => assert.ok(ajv.validate(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"api#/')), value), ajv.errorsText());

  for (const endpoint of ENDPOINTS.filter(one => !one.unknown)) {
    test(`of ${endpoint.method.toUpperCase()} ${endpoint.path}`, async () => {
      const path = endpoint.path.replace(/\{\w+\}/, endpoint.at ?? '');
      const answer = await gateway.call(path, endpoint.example, { method: endpoint.method.toUpperCase() });
      assert.equal(answer.status, 200, await answer.clone().text());
      const { content } = document.paths[endpoint.path][endpoint.method].responses[200];
      const type = answer.headers.get('content-type').split(';')[0];
      assert.ok(content[type], `${type} is described`);
      if (type === 'application/json') fits(content[type].schema, await answer.json());
      for (const name of Object.keys(document.paths[endpoint.path][endpoint.method].responses[200].headers ?? {})) {
        if (!['x-signalbox-stream-id', 'x-signalbox-cost-usd', 'x-signalbox-cost-certainty', 'x-signalbox-feedback'].includes(name)) assert.notEqual(answer.headers.get(name), null, name);
      }
    });
  }

  for (const endpoint of ENDPOINTS.filter(one => one.unknown)) {
    test(`of an answer that is not kept: ${endpoint.method.toUpperCase()} ${endpoint.path}`, async () => {
      const answer = await gateway.call(endpoint.path.replace('{id}', 'str_nothing'), undefined, { method: endpoint.method.toUpperCase() });
      assert.equal(answer.status, 404);
      fits(document.paths[endpoint.path][endpoint.method].responses[404].content['application/json'].schema, await answer.json());
    });
  }
});
