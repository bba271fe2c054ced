// A client that sees the wire: raw chunks as they arrive, and how the connection ended. fetch() would hide both.
import { request } from 'node:http';

/**
 * Sends a request and resolves when the headers are there:
 * {status, headers, rawHeaders, next(): the next chunk (undefined at the end), rest(): what is left, error, leave()}.
 * A connection that breaks makes `next` and `rest` reject.
 */
export function send(url, { method = 'POST', headers = {}, body } = {}) {
  const bytes = body === undefined ? undefined : Buffer.from(typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body));
  const length = bytes ? { 'content-type': 'application/json', 'content-length': bytes.length } : {};
  return new Promise((resolve, reject) => {
    const req = request(url, { method, headers: { ...length, ...headers }, agent: false });
    req.once('error', reject);
    req.once('response', res => resolve(reader(req, res)));
    req.end(bytes);
  });
}

function reader(req, res) {
  const iterator = res[Symbol.asyncIterator]();
  req.on('error', () => {}); // reported by the iterator
  return {
    status: res.statusCode,
    headers: res.headers,
    rawHeaders: res.rawHeaders,
    async next() {
      const { done, value } = await iterator.next();
      return done ? undefined : value;
    },
    async rest() {
      const chunks = [];
      for (let chunk; (chunk = await this.next()) !== undefined; ) chunks.push(chunk);
      return Buffer.concat(chunks);
    },
    async text() {
      return (await this.rest()).toString('utf8');
    },
    async json() {
      return JSON.parse(await this.text());
    },
    /**
     * Closes the connection. wrangler's front proxy learns that only when it writes next, so a test of it needs an upstream
     * that goes on sending; workerd by itself notices a reset at once, a plain close at the second write.
     */
    leave() {
      req.destroy();
    },
  };
}

/** The `data:` payloads of a server-sent event stream, JSON parsed where they are JSON. */
export function dataOf(text) {
  return text.split(/\r?\n\r?\n/).flatMap(block => {
    const data = block.split(/\r?\n/).filter(line => line.startsWith('data:')).map(line => line.slice(5).trimStart()).join('\n');
    if (!data) return [];
    try {
      return [JSON.parse(data)];
    } catch {
      return [data];
    }
  });
}
