// The gateway with something that stands in for its bucket of captures: `env.CAPTURES` is this module's own entrypoint, which fails
// as the KV key `bucket` says: `all` puts, or those of the list's entries (`index`); with `everything` its list shows all that is there.
import { WorkerEntrypoint } from 'cloudflare:workers';

export * from '../../../build/index.js';
export { default } from '../../../build/index.js';

const held = new Map();

export class Bucket extends WorkerEntrypoint {
  async put(key, value, { customMetadata }) {
    const fails = await this.env.CATALOGUE.get('bucket');
    if (fails === 'all' || (fails === 'index' && key.startsWith('index/'))) throw new Error('We encountered an internal error. Please try again. (10001)');
    held.set(key, { key, customMetadata, value: typeof value === 'string' ? new TextEncoder().encode(value) : value });
  }

  async list({ prefix, limit }) {
    const everything = (await this.env.CATALOGUE.get('bucket')) === 'everything';
    const found = [...held.values()].filter(({ key }) => everything || key.startsWith(prefix)).sort((a, b) => (a.key < b.key ? -1 : 1));
    return { objects: found.slice(0, limit).map(({ key, customMetadata }) => ({ key, customMetadata })), truncated: false };
  }

  delete(keys) {
    for (const key of [keys].flat()) held.delete(key);
  }
}
