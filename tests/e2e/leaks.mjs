// What must not get out: every answer of a gateway, every line of its log and every export is searched for providers' keys, lines
// and exports also for what callers said and proved. The harness watches for all test files and fails a file at its end.
//
// Node's own diagnostics channels show what the clients of a test receive, whichever they are, without a step between.
import { subscribe } from 'node:diagnostics_channel';

const SHORTEST_KEY = 8;
const SHORTEST_TOKEN = 20;
const SHORTEST_PROMPT = 24;
const MOST_PROMPTS = 2_000;
const TAIL = 512; // of one chunk that is searched again with the next: what is cut in two is found
const CREDENTIALS = /^(authorization|x-api-key|x-goog-api-key|api-key|cf-access-jwt-assertion|x-signalbox-(assertion|key-.+))$/i;
const EXPORTS = /^\/v1\/(traces|metrics|logs)\b|\/otlp\//;

const watches = new Set();

export class LeakWatch {
  /** What is found, by kind and place; the secret itself is not repeated. */
  findings = [];
  /** How much has been searched. */
  searched = { answers: 0, exports: 0, lines: 0, prompts: 0 };
  #origins = new Set();
  #keys = new Set();
  #tokens = new Set();
  #prompts = new Set();
  #told = []; // exports, searched for prompts at the end: they may come before the provider is called

  constructor() {
    watches.add(this);
  }

  /** Answers from there are the gateway's. */
  owns(url) {
    this.#origins.add(new URL(url).origin);
  }

  /** Keys that nobody may see: values of secrets, and every `api_key` in a configuration. */
  guard(values) {
    const visit = (name, value) => {
      if (value && typeof value === 'object') Object.entries(value).forEach(([name, value]) => visit(name, value));
      else if (typeof value === 'string' && (name === undefined || name === 'api_key') && value.length >= SHORTEST_KEY) this.#keys.add(value);
    };
    if (Array.isArray(values)) values.forEach(value => visit(undefined, value));
    else visit('', values);
  }

  /** A provider has been sent this body: its texts are prompts. */
  said(body) {
    let json;
    try {
      json = JSON.parse(body);
    } catch {
      return;
    }
    const visit = (name, value) => {
      if (value && typeof value === 'object') Object.entries(value).forEach(([member, inner]) => visit(Array.isArray(value) ? name : member, inner));
      else if (typeof value === 'string' && /^(content|text|input|system|instructions)$/.test(name) && this.#prompts.size < MOST_PROMPTS) {
        // The longest stretch that reads the same in any escaping.
        const [longest] = (value.match(/[\w ,.?!'-]+/g) ?? []).sort((a, b) => b.length - a.length);
        if (longest?.length >= SHORTEST_PROMPT) this.#prompts.add(longest.slice(0, 80).trim());
      }
    };
    visit('', json);
  }

  /** Ends the watch: what was found, a line each. `lines` are the log's. */
  end(lines) {
    watches.delete(this);
    const log = lines.map(line => JSON.stringify(line));
    this.searched.lines += log.length;
    this.searched.prompts = this.#prompts.size;
    for (const line of log) this.search(line, 'a line of the log', [['a key', this.#keys], ['a credential', this.#tokens], ['a prompt', this.#prompts]]);
    for (const told of this.#told) this.search(told, 'an export', [['a credential', this.#tokens], ['a prompt', this.#prompts]]);
    return [...new Set(this.findings)];
  }

  search(text, place, lists) {
    for (const [what, list] of lists) {
      for (const secret of list) if (text.includes(secret)) this.findings.push(`${what} of ${secret.length} characters in ${place}`);
    }
  }

  /** Watches the pieces of one answer or export. */
  pieces(place, keep) {
    let tail = '';
    const watch = this;
    return piece => {
      const text = tail + Buffer.from(piece).toString('latin1');
      watch.search(text, place, [['a key', watch.#keys]]);
      tail = text.slice(-TAIL);
      if (keep) watch.#told.push(text);
    };
  }

  static asked(origin, headers) {
    for (const watch of watches) {
      if (!watch.#origins.has(origin)) continue;
      for (const [name, value] of headers) {
        const token = String(value).replace(/^bearer\s+/i, '');
        if (CREDENTIALS.test(name) && token.length >= SHORTEST_TOKEN) watch.#tokens.add(token);
      }
    }
  }

  static answered(origin, place, headers) {
    const readers = [];
    for (const watch of watches) {
      if (!watch.#origins.has(origin)) continue;
      watch.searched.answers++;
      const read = watch.pieces(`the answer to ${place}`);
      read(headers);
      readers.push(read);
    }
    return piece => readers.forEach(read => read(piece));
  }

  static exported(path) {
    const readers = [...watches].map(watch => (watch.searched.exports++, watch.pieces(`the export to ${path}`, true)));
    return piece => readers.forEach(read => read(piece));
  }
}

// fetch: what all SDKs use. Its headers come as a flat list of names and values.
const paired = list => Array.from({ length: list.length >> 1 }, (_, at) => [String(list[2 * at]), String(list[2 * at + 1])]);
const reading = new WeakMap();
subscribe('undici:request:create', ({ request }) => LeakWatch.asked(String(request.origin), Array.isArray(request.headers) ? paired(request.headers) : []));
subscribe('undici:request:headers', ({ request, response }) => {
  reading.set(request, LeakWatch.answered(String(request.origin), `${request.method} ${request.path}`, response.headers.map(String).join(' ')));
});
subscribe('undici:request:bodyChunkReceived', ({ request, chunk }) => reading.get(request)?.(chunk));

// node:http, where a test wants the wire, and the servers to which exports go.
subscribe('http.client.request.start', ({ request }) => LeakWatch.asked(`http://${request.getHeader('host')}`, Object.entries(request.getHeaders())));
subscribe('http.client.response.finish', ({ request, response }) => {
  overhear(response, LeakWatch.answered(`http://${request.getHeader('host')}`, `${request.method} ${request.path}`, response.rawHeaders.join(' ')));
});
subscribe('http.server.request.start', ({ request }) => {
  if (request.method === 'POST' && EXPORTS.test(request.url)) overhear(request, LeakWatch.exported(request.url));
});

/** Sees the pieces of a message on their way to whoever reads it. */
function overhear(message, read) {
  const { push } = message;
  message.push = function (piece, ...rest) {
    if (piece) read(piece);
    return push.call(this, piece, ...rest);
  };
}
