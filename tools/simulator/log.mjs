// The record of every attempt that the simulator saw, and promises for what is still to come.
import { EventEmitter } from 'node:events';

const SECRET = /^(authorization|x-api-key|api-key|x-goog-api-key|cookie)$/;

export class AttemptLog {
  #attempts = [];
  #count = 0;
  #changes = new EventEmitter().setMaxListeners(0);
  #began = performance.now();

  /** Milliseconds since the simulator began. */
  now() {
    return Math.round((performance.now() - this.#began) * 1000) / 1000;
  }

  open(request) {
    const attempt = new Attempt(this, ++this.#count, request);
    this.#attempts.push(attempt);
    this.changed(attempt);
    return attempt;
  }

  /** An attempt from before `clear` may still end; nobody waits for it any more. */
  changed(attempt) {
    if (this.#attempts.includes(attempt)) this.#changes.emit('change', attempt);
  }

  all(filter = () => true) {
    return this.#attempts.filter(attempt => filter(attempt));
  }

  clear() {
    this.#attempts = [];
  }

  /** The first attempt for which the predicate holds, now or later. The limit is a safety net for failing tests, not a wait. */
  waitFor(predicate, { timeout = 10_000, what = 'an attempt' } = {}) {
    const found = this.#attempts.find(predicate);
    if (found) return Promise.resolve(found);
    return new Promise((resolve, reject) => {
      const check = attempt => predicate(attempt) && finish(resolve, attempt);
      const timer = setTimeout(() => finish(reject, new Error(`the simulator did not see ${what} within ${timeout} ms; it saw ${this.summary()}`)), timeout);
      const finish = (settle, value) => {
        clearTimeout(timer);
        this.#changes.off('change', check);
        settle(value);
      };
      this.#changes.on('change', check);
    });
  }

  summary() {
    return JSON.stringify(this.#attempts.map(one => `${one.method} ${one.path} ${one.model ?? ''}: ${one.status ?? '-'} ${one.ended ?? one.waiting ?? 'running'}`));
  }
}

/** One request as the provider saw it. Plain data in `toJSON`; times are milliseconds since the simulator began. */
class Attempt {
  #log;
  #leaving = new AbortController();

  constructor(log, id, { method, path, query, headers, body }) {
    this.#log = log;
    Object.assign(this, { id, method, path, query: redactQuery(query), headers: redact(headers), body, at: log.now(), writes: [], bytesSent: 0, eventsSent: 0 });
  }

  /** Aborted when the client has left. */
  get signal() {
    return this.#leaving.signal;
  }

  /** The request's body as JSON, where it is that. */
  get json() {
    try {
      return JSON.parse(this.body);
    } catch {
      return undefined;
    }
  }

  note(facts) {
    Object.assign(this, facts);
    this.#log.changed(this);
  }

  headersSent(status) {
    this.note({ status, headersAt: this.#log.now() });
  }

  sent(bytes, events) {
    const at = this.#log.now();
    this.bytesSent += bytes;
    this.eventsSent += events;
    if (this.writes.length < 2000) this.writes.push({ at, bytes, events });
    this.note({ firstByteAt: this.firstByteAt ?? at });
  }

  waitingAt(gate) {
    this.note({ waiting: gate });
  }

  end(how) {
    if (this.ended) return;
    this.note({ ended: how, endedAt: this.#log.now(), waiting: undefined });
  }

  clientLeft() {
    this.end('client closed');
    this.#leaving.abort();
  }

  toJSON() {
    return { ...this };
  }
}

function redact(headers) {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, SECRET.test(name) ? lastFour(value) : value]));
}

function lastFour(value) {
  const [, scheme = '', key] = /^(Bearer |Basic )?(.*)$/s.exec(value);
  return `${scheme}…${key.slice(-4)}`;
}

function redactQuery(query) {
  const shown = new URLSearchParams(query);
  if (shown.has('key')) shown.set('key', lastFour(shown.get('key')));
  return shown.toString();
}

/** Named gates: delivery waits at one until a test opens it. An open gate stays open. */
export class Gates {
  #gates = new Map();

  #gate(name) {
    if (!this.#gates.has(name)) this.#gates.set(name, Promise.withResolvers?.() ?? withResolvers());
    return this.#gates.get(name);
  }

  open(name) {
    this.#gate(name).resolve();
  }

  async passed(name, signal) {
    signal.throwIfAborted();
    let gone;
    const left = new Promise((_, reject) => signal.addEventListener('abort', (gone = () => reject(signal.reason)), { once: true }));
    await Promise.race([this.#gate(name).promise, left]).finally(() => signal.removeEventListener('abort', gone));
  }

  clear() {
    this.#gates.clear();
  }
}

function withResolvers() {
  let resolve;
  const promise = new Promise(done => (resolve = done));
  return { promise, resolve };
}
