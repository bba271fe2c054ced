// Platform plumbing for src/edge/platform.rs: one call per step, no decisions about requests, models or money.
//
// Every promise here resolves; none rejects. A string result is an interrupt ("timeout", "gone", "connect", "reset",
// "large"), anything else is what was asked for. A timeout leaves the step under way, so that it can be asked again.
// Measurements behind the forms chosen: docs/adr/0003-who-drives-the-hot-path.md.

const GATHER_AFTER_READS = 3; // reads in a row that came fast before reads are gathered
const FAST_MS = 3; // what "fast" means
const GATHER_MS = 5; // how long a burst is gathered
const AHEAD_BYTES = 16 * 1024; // how far the gathering pump may run ahead of the reader
const WATCH_TICK_MS = 1000; // how often a pumped stream is looked at

/** Flat header text: name, value, name, value, … joined by newlines (neither can contain one). */
function flatten(headers, first) {
  let text = first;
  for (const [name, value] of headers) text += `\n${name}\n${value}`;
  return text;
}

/** One caller's request and the answer to it. */
export class Exchange {
  constructor(request) {
    this.request = request;
    this.gone = false;
    this.calls = new Set();
    this.waiters = new Set();
    this.answer = new Promise((resolve) => (this.respond = resolve));
    request.signal?.addEventListener('abort', () => {
      this.gone = true;
      for (const call of this.calls) call.abort();
      for (const wake of this.waiters) wake();
    });
  }

  /** "METHOD\nURL\nname\nvalue…" */
  head() {
    return flatten(this.request.headers, `${this.request.method}\n${this.request.url}`);
  }

  /** The body as Uint8Array, or "large". */
  async body(limit) {
    if (Number(this.request.headers.get('content-length') ?? 0) > limit) return 'large';
    if (!this.request.body) return new Uint8Array(0);
    try {
      if (this.request.headers.has('content-length')) return new Uint8Array(await this.request.arrayBuffer());
      return await readAll(this.request.body, limit);
    } catch {
      return 'gone';
    }
  }

  response() {
    return this.answer;
  }

  ensureAnswered() {
    if (this.answered) return;
    this.reply(500, 'content-type\napplication/json', new TextEncoder().encode('{"error":{"message":"The request was not answered.","type":"server_error","param":null,"code":"internal_error"}}'));
  }

  reply(status, headers, body) {
    this.answered = true;
    const empty = status === 204 || status === 304;
    this.respond(new Response(empty ? null : body.slice(), { status, headers: unflatten(headers) }));
  }

  open(status, headers) {
    this.answered = true;
    const stream = new IdentityTransformStream();
    this.respond(new Response(stream.readable, { status, headers: unflatten(headers) }));
    return new Sink(this, stream.writable);
  }

  /** Resolves to undefined, or "gone". */
  sleep(ms) {
    if (this.gone) return Promise.resolve('gone');
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.waiters.delete(wake);
        resolve(this.gone ? 'gone' : undefined);
      };
      const timer = setTimeout(wake, ms);
      this.waiters.add(wake);
    });
  }

  call(url, headers, body) {
    const call = new Call(this, url, unflatten(headers), body.slice());
    this.calls.add(call);
    return call;
  }
}

function unflatten(text) {
  const headers = {};
  if (text === '') return headers;
  const parts = text.split('\n');
  for (let at = 0; at + 1 < parts.length; at += 2) headers[parts[at]] = parts[at + 1];
  return headers;
}

async function readAll(body, limit) {
  const pieces = [];
  let size = 0;
  for await (const piece of body) {
    size += piece.byteLength;
    if (size > limit) return 'large';
    pieces.push(piece);
  }
  if (pieces.length === 1) return pieces[0];
  const whole = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.byteLength;
  }
  return whole;
}

/** One call to a provider. Steps are asked for one at a time. */
class Call {
  constructor(exchange, url, headers, body) {
    this.exchange = exchange;
    this.controller = new AbortController();
    this.pending = null; // the step under way, kept across timeouts
    this.deadline = 0;
    this.timer = null;
    this.expire = null;
    this.fast = 0;
    this.lastRead = 0;
    this.watching = null;
    this.gatherer = null;
    this.fetching = fetch(url, { method: 'POST', headers, body, redirect: 'manual', signal: this.controller.signal });
  }

  /** "STATUS\nname\nvalue…" */
  head(ms) {
    return this.step(ms, () => this.fetching.then((response) => {
      this.response = response;
      return flatten(response.headers, String(response.status));
    }), 'connect');
  }

  whole(ms, limit) {
    return this.step(ms, async () => {
      const response = this.response;
      if (!response.body) return new Uint8Array(0);
      if (Number(response.headers.get('content-length') ?? 0) > limit) return 'large';
      if (response.headers.has('content-length')) return new Uint8Array(await response.arrayBuffer());
      return readAll(response.body, limit);
    }, 'reset');
  }

  /** Uint8Array, or undefined at the end. */
  read(ms) {
    return this.step(ms, () => this.next(), 'reset');
  }

  async next() {
    if (this.watching) return this.watching.next();
    if (this.gatherer) return this.gatherer.next();
    if (!this.response.body) return undefined;
    this.reader ??= this.response.body.getReader();
    const { done, value } = await this.reader.read();
    if (done) return undefined;
    const now = Date.now();
    this.fast = now - this.lastRead < FAST_MS ? this.fast + 1 : 0;
    this.lastRead = now;
    if (this.fast >= GATHER_AFTER_READS) {
      this.reader.releaseLock();
      this.gatherer = new Gatherer(this.response.body);
    }
    return value;
  }

  watch() {
    if (this.response.body) this.watching = new Watcher(this.response.body);
  }

  pump(sink) {
    if (this.watching) sink.pumped = this.watching.pump(sink);
  }

  abort() {
    this.exchange.calls.delete(this);
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.controller.abort();
    this.fetching.catch(() => {});
  }

  /** Waits for the step under way, `ms` at most. One timer serves many steps: it is moved only when it fires. */
  step(ms, begin, failure) {
    if (this.exchange.gone) return Promise.resolve('gone');
    this.pending ??= begin().catch(() => (this.exchange.gone ? 'gone' : failure));
    const pending = this.pending;
    return new Promise((resolve) => {
      this.deadline = Date.now() + ms;
      this.expire = () => resolve('timeout');
      if (this.timer === null || this.deadline < this.fires) this.arm(ms);
      pending.then((value) => {
        this.expire = null;
        if (this.pending === pending) this.pending = null;
        resolve(value);
      });
    });
  }

  arm(ms) {
    if (this.timer !== null) clearTimeout(this.timer);
    this.fires = Date.now() + ms;
    this.timer = setTimeout(() => {
      this.timer = null;
      if (this.expire === null) return;
      const left = this.deadline - Date.now();
      if (left > 0) this.arm(left);
      else this.expire();
    }, ms);
  }
}

/** Reads a fast stream in larger pieces: only a tee branch gathers, and only while its sibling is pulled. */
class Gatherer {
  constructor(body) {
    const [pulled, read] = body.tee();
    const between = new IdentityTransformStream();
    this.reader = read.getReader({ mode: 'byob' });
    this.ahead = 0;
    this.ended = false;
    pulled.pipeTo(between.writable).catch(() => {});
    this.drain(between.readable.getReader({ mode: 'byob' }));
  }

  async drain(reader) {
    let view = new Uint8Array(AHEAD_BYTES);
    try {
      for (;;) {
        const { done, value } = await reader.readAtLeast(AHEAD_BYTES, view);
        if (done) break;
        this.ahead += value.byteLength;
        view = new Uint8Array(value.buffer);
        while (this.ahead > AHEAD_BYTES && !this.ended) await new Promise((resolve) => (this.resume = resolve));
      }
    } catch {
      // The reader's own branch reports the failure.
    }
    this.ended = true;
    this.wake?.();
  }

  async next() {
    const now = Date.now();
    if (!this.ended && now - (this.last ?? 0) < GATHER_MS) {
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, GATHER_MS);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.wake = undefined;
    }
    const { done, value } = await this.reader.read(new Uint8Array(64 * 1024));
    this.last = Date.now();
    if (done) return undefined;
    this.ahead -= value.byteLength;
    this.resume?.();
    return value;
  }
}

/** Looks at a stream that the runtime moves to the caller. */
class Watcher {
  constructor(body) {
    const [moved, seen] = body.tee();
    this.moved = moved;
    this.reader = seen.getReader({ mode: 'byob' });
    this.pumping = false;
    this.ended = false;
  }

  /** Starts moving; the promise resolves when it is over, however it ends. */
  pump(sink) {
    this.pumping = true;
    sink.writer.releaseLock();
    sink.writer = null;
    return this.moved.pipeTo(sink.writable, { preventClose: true, preventAbort: true }).catch(() => {}).then(() => {
      this.ended = true;
      this.wake?.();
    });
  }

  async next() {
    if (this.pumping && !this.ended) {
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, WATCH_TICK_MS);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.wake = undefined;
    }
    const { done, value } = await this.reader.read(new Uint8Array(64 * 1024));
    return done ? undefined : value;
  }
}

/** The caller's end of a stream. */
class Sink {
  constructor(exchange, writable) {
    this.exchange = exchange;
    this.writable = writable;
    this.writer = writable.getWriter();
    this.pumped = null;
  }

  async ready() {
    if (this.pumped !== null) {
      await this.pumped;
      this.pumped = null;
    }
    this.writer ??= this.writable.getWriter();
    return this.writer;
  }

  write(bytes) {
    return this.writeCopy(bytes.slice());
  }

  async writeCopy(bytes) {
    if (this.exchange.gone) return 'gone';
    try {
      await (await this.ready()).write(bytes);
      return undefined;
    } catch {
      return 'gone';
    }
  }

  async close() {
    try {
      await (await this.ready()).close();
    } catch {
      // The caller is gone: there is nothing left to end.
    }
  }

  async abort() {
    try {
      await (await this.ready()).abort(new Error('the answer was cut'));
    } catch {
      // The caller is gone: there is nothing left to end.
    }
  }
}

/** Milliseconds of sleep outside any exchange's waiting. */
export function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** POSTs JSON text to a Durable Object by name; resolves to "STATUS\nBODY", or "reset". */
export async function callObject(namespace, name, method, path, body) {
  try {
    const stub = namespace.get(namespace.idFromName(name));
    const init = method === 'GET' ? { method } : { method, body };
    const response = await stub.fetch(`https://object${path}`, init);
    return `${response.status}\n${await response.text()}`;
  } catch {
    return 'reset';
  }
}

/** GETs a document; resolves to "STATUS\nCACHE-CONTROL\nBODY", or an interrupt. */
export async function getDocument(url, ms, limit) {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), ms);
  try {
    const response = await fetch(url, { redirect: 'manual', signal: controller.signal, headers: { accept: 'application/json' } });
    const body = response.body ? await readAll(response.body, limit) : new Uint8Array(0);
    if (body === 'large') return 'large';
    return `${response.status}\n${response.headers.get('cache-control') ?? ''}\n${new TextDecoder().decode(body)}`;
  } catch {
    return 'reset';
  } finally {
    clearTimeout(timer);
  }
}

/** Reads several KV keys; resolves to an array of text or null in the order asked, or "reset". */
export async function readKeys(namespace, keys) {
  try {
    return await Promise.all(keys.map((key) => namespace.get(key, { cacheTtl: 60 })));
  } catch {
    return 'reset';
  }
}

export async function writeKey(namespace, key, value) {
  try {
    await namespace.put(key, value);
    return undefined;
  } catch {
    return 'reset';
  }
}
