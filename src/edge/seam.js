// Platform plumbing for src/edge/platform.rs: one call per step, no decisions about requests, models or money.
//
// A step of an exchange answers at once where it can; else it answers `undefined` and calls `resume` later, with the
// exchange's task and what came of it. A string is an interrupt ("timeout", "gone", "connect", "reset", "large"), null the
// end of a stream. One step is under way at a time; a timeout leaves what it waited for under way, so that it can be asked
// for again. Measurements behind the forms chosen: docs/adr/0003-who-drives-the-hot-path.md.

const GATHER_AFTER_READS = 2; // reads in a row that came fast before reads are gathered
const CALM_AFTER_READS = 3; // gathered reads in a row that had to wait for the provider before they are gathered no more
const CALM_FACTOR = 8; // by how much longer the next burst has to be then
const FAST_MS = 10; // what "fast" means: a provider's own pace is 20 ms, a busy isolate's turn is longer than the network's
const GATHER_MS = 15; // how long a burst is gathered: less than any provider takes from token to token
const AHEAD_BYTES = 16 * 1024; // how far the gathering pump may run ahead of the reader
const READ_BYTES = 32 * 1024; // a read of a tee branch: what a pump that has just run ahead can have left there
const WATCH_TICK_MS = 1000; // how often a pumped stream is looked at

const KEPT = 'x-signalbox-kept'; // what an answer's keeper made of a visit
const ANSWERS = ['began', 'found', 'cancelled']; // the words with which it answers itself

/** Flat header text: name, value, name, value, … joined by newlines (neither can contain one). */
function flatten(headers, first) {
  let text = first;
  for (const [name, value] of headers) text += `\n${name}\n${value}`;
  return text;
}

/** The way into the newest wasm instance. Whoever holds another one belongs to an instance that a panic has ended. */
let newest;

/** What has to end when the wasm instance does. Who waits for a task of its own, or is one that waits, would not notice. */
const standing = new Set();

/** Has `act` run, as a part of the request that asks for it, should the wasm instance end; the answer calls that off. */
function atFall(act) {
  let tell;
  new Promise((resolve) => (tell = resolve)).then(act);
  standing.add(tell);
  return () => standing.delete(tell);
}

/** The wasm instance is no more. */
export function fall() {
  for (const tell of standing) tell();
  standing.clear();
}

/** One caller's request and the answer to it. */
export class Exchange {
  constructor(request, ctx, resume, task) {
    newest = resume;
    this.request = request;
    this.props = ctx.props;
    this.resume = resume;
    this.task = task;
    this.gone = false;
    this.calls = new Set();
    this.waking = null;
    this.racing = null;
    this.sink = null;
    this.answer = new Promise((resolve) => (this.respond = resolve));
    ctx.waitUntil(new Promise((resolve) => (this.done = resolve)));
    this.stands = atFall(() => this.lose());
    request?.signal?.addEventListener('abort', () => this.leave());
  }

  leave() {
    this.gone = true;
    for (const call of this.calls) call.leave();
    this.waking?.();
    this.racing?.();
  }

  /** Hands the outcome of the step under way to its task. */
  deliver(value) {
    // Tasks are numbered anew in a new instance: what was meant for one of the old must not reach one of the new.
    if (this.resume !== newest) return this.lose();
    try {
      this.resume(this.task, value);
    } catch (error) {
      // The wasm instance is no more: its restart is arranged by whoever sees the error, the caller must not wait.
      this.lose();
      if (!(error instanceof WebAssembly.RuntimeError)) return;
      fall();
      reportError(error);
    }
  }

  /** The task is no more. An answer that has begun ends as what it is: a broken transport. */
  lose() {
    for (const call of this.calls) call.abort();
    if (this.sink && !this.sink.ending) this.sink.abort();
    this.ensureAnswered();
    this.finish();
  }

  /** "METHOD\nURL\nname\nvalue…" */
  head() {
    return flatten(this.request.headers, `${this.request.method}\n${this.request.url}`);
  }

  /**
   * As whom the service binding introduces the Worker that calls: the member `identity` of the binding's `props`, which stand
   * in that Worker's deployment and are empty for everybody who comes from the internet.
   */
  introduced() {
    const identity = this.props?.identity;
    return typeof identity === 'string' ? identity : undefined;
  }

  /** The body as Uint8Array, or "large". */
  body(limit) {
    const { headers, body } = this.request;
    if (Number(headers.get('content-length') ?? 0) > limit) return 'large';
    if (!body) return new Uint8Array(0);
    const whole = headers.has('content-length') ? this.request.arrayBuffer().then((buffer) => new Uint8Array(buffer)) : readAll(body, limit);
    whole.then((bytes) => this.deliver(bytes), () => this.deliver('gone'));
    return undefined;
  }

  response() {
    return this.answer;
  }

  ensureAnswered() {
    if (this.answered) return;
    this.reply(500, 'content-type\napplication/json', new TextEncoder().encode('{"error":{"message":"The request was not answered.","type":"server_error","param":null,"code":"internal_error"}}'));
  }

  /** The task is over; the last bytes may still be on their way. */
  finish() {
    this.stands();
    if (this.sink?.ending) this.sink.ending.then(this.done);
    else this.done();
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
    this.sink = new Sink(this, stream.writable);
    return this.sink;
  }

  /** null, or "gone". */
  sleep(ms) {
    if (this.gone) return 'gone';
    const timer = setTimeout(() => this.waking(), ms);
    this.waking = () => {
      clearTimeout(timer);
      this.waking = null;
      this.deliver(this.gone ? 'gone' : null);
    };
    return undefined;
  }

  /** Which of two calls has come to what it was begun for, 0 or 1: that step of it answers at once now. "timeout", "gone". */
  either(first, second, ms) {
    const calls = [first, second];
    const leave = () => {
      for (const call of calls) call.alone = call.outlives;
      return 'gone';
    };
    if (this.gone) return leave();
    const came = calls.findIndex((call) => call.outcome !== undefined);
    if (came >= 0) return came;
    const end = (value) => {
      clearTimeout(timer);
      first.cameFirst = second.cameFirst = this.racing = null;
      this.deliver(value);
    };
    const timer = setTimeout(end, ms, 'timeout');
    calls.forEach((call, at) => (call.cameFirst = () => end(at)));
    this.racing = () => end(leave());
    return undefined;
  }

  /** Has a Durable Object answer in our place: what it made of the visit in one word, or "reset". */
  handOver(namespace, name, path, sent, headers) {
    const visit = namespace.get(namespace.idFromName(name)).fetch(`https://object${path}`, { method: 'POST', body: sent.slice() });
    visit.then((answer) => {
      const word = answer.headers.get(KEPT);
      if (ANSWERS.includes(word)) {
        const merged = new Headers(answer.headers);
        merged.delete(KEPT);
        for (const [name, value] of Object.entries(unflatten(headers))) merged.set(name, value);
        this.answered = true;
        this.respond(new Response(answer.body, { status: answer.status, headers: merged }));
      }
      this.deliver(word ?? 'reset');
    }, () => this.deliver('reset'));
    return undefined;
  }

  call(url, headers, body) {
    const call = new Call(this);
    call.fetching = fetch(url, { method: 'POST', headers: unflatten(headers), body: body.slice(), redirect: 'manual', signal: call.controller.signal });
    return call;
  }

  /** The same through the AI binding: a model's name and its inputs instead of an address. */
  runModel(ai, model, body) {
    const inputs = JSON.parse(new TextDecoder().decode(body));
    const call = new Call(this);
    call.fetching = runModel(ai, model, inputs, call.controller.signal);
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

/**
 * Runs a model of Workers AI; the answer as the Response that a fetch would have brought. The binding gives one when asked
 * to; what stands in for it may give what it gives otherwise: a stream, an object, or an exception with a code in its text.
 */
async function runModel(ai, model, inputs, signal) {
  let answer;
  try {
    answer = await ai.run(model, inputs, { returnRawResponse: true });
  } catch (error) {
    return Response.json({ success: false, errors: [{ message: String(error?.message ?? error) }] }, { status: 500 });
  }
  if (answer instanceof ReadableStream) answer = new Response(answer, { headers: { 'content-type': inputs.stream ? 'text/event-stream' : 'application/json' } });
  else if (!(answer instanceof Response)) answer = Response.json(answer);
  // Unlike a fetch, a run takes no signal that every binding knows: the pipe stops it.
  const body = answer.body?.pipeThrough(new IdentityTransformStream(), { signal });
  return new Response(body, { status: answer.status, headers: answer.headers });
}

/** One call to a provider. Steps are asked for one at a time. */
class Call {
  constructor(exchange) {
    this.exchange = exchange;
    exchange.calls.add(this);
    this.controller = new AbortController();
    this.asked = false; // a step waits for an outcome
    this.underway = false; // something is on its way
    this.outcome = undefined; // what came while no step waited for it
    this.deadline = 0;
    this.fires = 0;
    this.timer = null;
    this.fast = 0;
    this.enough = GATHER_AFTER_READS;
    this.lastRead = 0;
    this.body = null; // what is read, or is left of it
    this.watching = null;
    this.gatherer = null;
    this.outlives = false; // the caller's leaving does not end it
    this.alone = false; // the caller has left, and it has been told of it
    this.cameFirst = null; // what waits for either of two calls
    this.came = (value) => this.settle(value);
    this.broke = () => this.settle(this.exchange.gone && !this.outlives ? 'gone' : 'reset');
  }

  /** "STATUS\nname\nvalue…" */
  head(ms) {
    return this.ask(ms, () => this.beginHead());
  }

  beginHead() {
    this.fetching.then((response) => {
      this.response = response;
      this.settle(flatten(response.headers, String(response.status)));
    }, () => this.settle(this.exchange.gone && !this.outlives ? 'gone' : 'connect'));
  }

  /** Uint8Array. */
  whole(ms, limit) {
    return this.ask(ms, () => this.beginWhole(limit));
  }

  beginWhole(limit) {
    const { body, headers } = this.response;
    if (!body) return this.settle(new Uint8Array(0));
    if (Number(headers.get('content-length') ?? 0) > limit) return this.settle('large');
    if (headers.has('content-length')) this.response.arrayBuffer().then((buffer) => this.settle(new Uint8Array(buffer)), this.broke);
    else readAll(body, limit).then(this.came, this.broke);
  }

  /** Uint8Array, or null at the end. */
  read(ms) {
    return this.ask(ms, () => this.next(ms));
  }

  next(ms) {
    if (this.gatherer?.idle >= CALM_AFTER_READS) this.calm();
    const source = this.watching ?? this.gatherer;
    if (source) return source.next(ms).then(this.came, this.broke);
    this.body ??= this.response.body;
    if (!this.body) return this.settle(null);
    this.reader ??= this.body.getReader();
    this.took ??= ({ done, value }) => {
      if (!done) this.pace();
      this.settle(done ? null : value);
    };
    this.reader.read().then(this.took, this.broke);
  }

  /** Goes over to gathered reads where the pieces come fast. */
  pace() {
    const now = Date.now();
    this.fast = now - this.lastRead < FAST_MS ? this.fast + 1 : 0;
    this.lastRead = now;
    if (this.fast < this.enough) return;
    this.reader.releaseLock();
    this.reader = null;
    this.gatherer = new Gatherer(this.body);
  }

  /** Back to reading what comes as it comes: at a provider's own pace gathering only costs. */
  calm() {
    this.body = this.gatherer.leave();
    this.gatherer = null;
    this.fast = 0;
    this.enough *= CALM_FACTOR;
  }

  watch() {
    if (this.response.body) this.watching = new Watcher(this.response.body);
  }

  pump(sink) {
    if (this.watching) sink.pumped = this.watching.pump(sink);
  }

  outlive() {
    this.outlives = true;
  }

  abort() {
    this.exchange.calls.delete(this);
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.controller.abort();
    this.fetching.catch(() => {});
  }

  leave() {
    if (!this.outlives) this.abort();
    if (!this.asked || this.alone) return;
    this.asked = false;
    this.alone = this.outlives;
    this.exchange.deliver('gone');
  }

  /** Sets under way what a step will ask for, if nothing is. */
  begin(step, limit) {
    if (this.underway || this.outcome !== undefined) return;
    this.underway = true;
    if (step === 'head') this.beginHead();
    else if (step === 'whole') this.beginWhole(limit);
    else this.next();
  }

  /** What has come, or `undefined`: it will be delivered, or "timeout" after `ms`. */
  ask(ms, begin) {
    if (this.exchange.gone && !this.alone) {
      this.alone = this.outlives;
      return 'gone';
    }
    if (!this.underway && this.outcome === undefined) {
      this.underway = true;
      begin();
    }
    const held = this.held();
    if (this.outcome !== undefined && !held) return this.take();
    this.asked = true;
    if (held) {
      // Reading on waits for the caller, who may be slow; that is not the provider's silence.
      held.then(() => {
        if (!this.asked) return;
        if (this.exchange.gone) return this.leave();
        if (this.outcome !== undefined) this.answer(this.take());
        else this.expect(ms);
      });
    } else {
      this.expect(ms);
    }
    return undefined;
  }

  /** The caller's taking of the last bytes, which reading on waits for. */
  held() {
    return this.alone ? null : this.exchange.sink?.writing;
  }

  settle(value) {
    this.underway = false;
    this.outcome = value;
    if (this.cameFirst !== null) this.cameFirst();
    else if (this.asked && !this.held()) this.answer(this.take());
  }

  take() {
    const value = this.outcome;
    this.outcome = undefined;
    return value;
  }

  answer(value) {
    this.asked = false;
    this.exchange.deliver(value);
  }

  /** One timer serves many steps: it is moved only when it fires, or when a step must end before it does. */
  expect(ms) {
    this.deadline = Date.now() + ms;
    if (this.timer === null || this.deadline < this.fires) this.arm(ms);
  }

  arm(ms) {
    if (this.timer !== null) clearTimeout(this.timer);
    this.fires = Date.now() + ms;
    this.timer = setTimeout(() => {
      this.timer = null;
      if (!this.asked || this.held()) return;
      const left = this.deadline - Date.now();
      if (left > 0) this.arm(left);
      else this.answer('timeout');
    }, ms);
  }
}

/**
 * Reads into one buffer, again and again: a buffer for each read is more than the collector takes away in time. A piece is
 * of use until the next one is asked for.
 */
class Pieces {
  constructor(body) {
    this.reader = body.getReader({ mode: 'byob' });
  }

  async next() {
    const { done, value } = await this.reader.read(this.view ?? new Uint8Array(READ_BYTES));
    this.view = done ? undefined : new Uint8Array(value.buffer);
    return done ? null : value;
  }

  /** Somebody else reads on. */
  release() {
    this.reader.releaseLock();
  }
}

/** Reads a fast stream in larger pieces: only a tee branch gathers, and only while its sibling is pulled. */
class Gatherer {
  constructor(body) {
    const [pulled, read] = body.tee();
    const between = new IdentityTransformStream();
    this.body = read;
    this.pieces = new Pieces(read);
    this.ahead = 0;
    this.idle = 0; // reads in a row for which there was nothing yet
    this.ended = false;
    pulled.pipeTo(between.writable).catch(() => {});
    this.drained = between.readable.getReader({ mode: 'byob' });
    this.drain(this.drained);
  }

  /** Runs ahead no more; gives what is left to be read. */
  leave() {
    this.ended = true;
    this.resume?.();
    this.drained.cancel().catch(() => {});
    this.pieces.release();
    return this.body;
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
    const asked = Date.now();
    const value = await this.pieces.next();
    this.last = Date.now();
    this.idle = this.last - asked > 1 ? this.idle + 1 : 0;
    if (value === null) return null;
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
    this.pieces = new Pieces(seen);
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

  /** What has gone by; looked at in time before a deadline in `ms`, which it would else be mistaken for silence at. */
  async next(ms) {
    if (this.pumping && !this.ended) {
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, Math.min(WATCH_TICK_MS, ms / 2));
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.wake = undefined;
    }
    return this.pieces.next();
  }
}

/** The caller's end of a stream. */
class Sink {
  constructor(exchange, writable) {
    this.exchange = exchange;
    this.writable = writable;
    this.writer = writable.getWriter();
    this.pumped = null;
    this.writing = null; // resolves, never rejects, when there is room again
    this.ending = null;
  }

  async ready() {
    if (this.pumped !== null) {
      await this.pumped;
      this.pumped = null;
    }
    this.writer ??= this.writable.getWriter();
    return this.writer;
  }

  /** Takes bytes without waiting where the last ones are through: null, or "gone". The next read waits for these. */
  write(bytes) {
    if (this.exchange.gone) return 'gone';
    const copy = bytes.slice();
    if (this.writing === null) {
      this.begin(copy);
      return null;
    }
    this.writing.then(() => {
      if (!this.exchange.gone) this.begin(copy);
      this.exchange.deliver(this.exchange.gone ? 'gone' : null);
    });
    return undefined;
  }

  begin(bytes) {
    const written = this.pumped === null && this.writer ? this.writer.write(bytes) : this.ready().then((writer) => writer.write(bytes));
    this.writing = written.then(
      () => { this.writing = null; },
      () => { this.writing = null; this.exchange.leave(); },
    );
  }

  close() {
    this.end((writer) => writer.close());
  }

  abort() {
    this.end((writer) => writer.abort(new Error('the answer was cut')));
  }

  /** After what is being written. If the caller is gone there is nothing left to end. */
  end(how) {
    this.ending = Promise.resolve(this.writing).then(() => this.ready()).then(how).catch(() => {});
  }
}

/** The answer to one reader of a kept answer; what is written to it goes out. */
export class Outlet {
  constructor(status, headers, empty) {
    const stream = empty ? null : new IdentityTransformStream();
    this.response = new Response(stream && stream.readable, { status, headers: unflatten(headers) });
    this.writer = stream?.writable.getWriter();
    this.writer?.closed.catch(() => {});
    this.stands = empty ? null : atFall(() => this.writer.abort(new Error('the answer was cut')).catch(() => {}));
  }

  /** "gone" where the reader has left. */
  write(bytes) {
    return this.writer.write(bytes.slice()).then(() => undefined, () => {
      this.stands();
      return 'gone';
    });
  }

  close() {
    this.stands();
    this.writer.close().catch(() => {});
  }
}

/** Whether a rate limit of the platform's lets one more through; true where it cannot be asked. */
export function admits(limit, key) {
  return limit.limit({ key }).then(({ success }) => success !== false, () => true);
}

/** A file of the page, which the build has put behind this code (scripts/page.mjs); `undefined` where there is none. */
export function asset(path) {
  return globalThis[Symbol.for('signalbox.page')]?.get(path);
}

/** Bytes that nobody can guess. */
export function secret(bytes) {
  return crypto.getRandomValues(new Uint8Array(bytes));
}

/** Milliseconds of sleep outside any exchange's waiting. */
export function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Resumes a task in a turn of its own. */
export function soon(resume, task) {
  queueMicrotask(() => resume(task, undefined));
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

/** Writes a data point of Analytics Engine; blobs are lines. It is sent after the answer; a failure must not be the request's. */
export function writePoint(dataset, index, blobs, doubles) {
  try {
    dataset.writeDataPoint({ indexes: [index], blobs: blobs.split('\n'), doubles: [...doubles] });
  } catch (error) {
    console.warn(JSON.stringify({ message: 'data point refused', level: 'warn', why: String(error) }));
  }
}

/** POSTs an export to a collector; resolves to "STATUS\nRETRY-AFTER", or "reset". */
export async function postExport(url, headers, body, ms) {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), ms);
  try {
    const response = await fetch(url, { method: 'POST', headers: unflatten(headers), body: body.slice(), redirect: 'manual', signal: controller.signal });
    await response.body?.cancel();
    return `${response.status}\n${response.headers.get('retry-after') ?? ''}`;
  } catch {
    return 'reset';
  } finally {
    clearTimeout(timer);
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

export async function deleteKey(namespace, key) {
  try {
    await namespace.delete(key);
    return undefined;
  } catch {
    return 'reset';
  }
}

/** Resolves to an array of names, or "reset". */
export async function listKeys(namespace, prefix) {
  try {
    const { keys } = await namespace.list({ prefix });
    return keys.map(({ name }) => name);
  } catch {
    return 'reset';
  }
}

/** Stores a capture, sealed where there is a key for that, and its entry in the list of all. Both carry what lists show. */
export async function storeCapture(bucket, keys, name, entry, meta, bytes) {
  const copy = bytes.slice(); // wasm memory moves under what awaits
  try {
    const customMetadata = { meta };
    await bucket.put(name, keys ? await seal(keys.split('\n')[0], name, copy) : copy, { customMetadata });
    await bucket.put(entry, '', { customMetadata });
    return undefined;
  } catch {
    // Half of it would be in its principal's list and not in the operators'.
    await bucket.delete([name, entry]).catch(() => {});
    return 'reset';
  }
}

/** What lists show of what lies under a prefix, in the order of names. A page of R2 may be shorter than asked for. */
export async function listCaptures(bucket, prefix, after, limit) {
  const found = [];
  let from = after ? { startAfter: after } : {};
  try {
    for (;;) {
      const page = await bucket.list({ prefix, limit: limit - found.length, include: ['customMetadata'], ...from });
      for (const { customMetadata } of page.objects) found.push(customMetadata?.meta ?? '');
      if (!page.truncated || found.length >= limit) return found;
      from = { cursor: page.cursor };
    }
  } catch {
    return 'reset';
  }
}

/** A capture's document; null where there is none, or none that one of the keys opens. */
export async function readCapture(bucket, keys, name) {
  try {
    const object = await bucket.get(name);
    if (!object) return null;
    const bytes = new Uint8Array(await object.arrayBuffer());
    return SEALED.every((byte, at) => bytes[at] === byte) ? await unseal(keys.split('\n'), name, bytes) : bytes;
  } catch {
    return 'reset';
  }
}

export async function eraseCaptures(bucket, names) {
  try {
    await bucket.delete(names.split('\n'));
    return undefined;
  } catch {
    return 'reset';
  }
}

// An envelope: SEALED, then a key of its own under the operator's (12 bytes IV, 32 bytes, 16 bytes tag), then the document under
// that key. AES-256-GCM; the name is authenticated with both, so that no capture can take another's place.
const SEALED = [0x53, 0x42, 0x58, 0x31];
const KEY_PART = 12 + 32 + 16;

const aes = (key, use) => crypto.subtle.importKey('raw', key, 'AES-GCM', false, [use]);
const base64 = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
const algorithm = (iv, name) => ({ name: 'AES-GCM', iv, additionalData: new TextEncoder().encode(name) });

async function encrypt(key, name, bytes) {
  const iv = crypto.getRandomValues(new Uint8Array(12));
  return [iv, new Uint8Array(await crypto.subtle.encrypt(algorithm(iv, name), await aes(key, 'encrypt'), bytes))];
}

async function decrypt(key, name, bytes) {
  return new Uint8Array(await crypto.subtle.decrypt(algorithm(bytes.subarray(0, 12), name), await aes(key, 'decrypt'), bytes.subarray(12)));
}

async function seal(secret, name, bytes) {
  const own = crypto.getRandomValues(new Uint8Array(32));
  const parts = [Uint8Array.from(SEALED), ...(await encrypt(base64(secret), name, own)), ...(await encrypt(own, name, bytes))];
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

async function unseal(secrets, name, bytes) {
  for (const secret of secrets.filter(Boolean)) {
    try {
      const own = await decrypt(base64(secret), name, bytes.subarray(SEALED.length, SEALED.length + KEY_PART));
      return await decrypt(own, name, bytes.subarray(SEALED.length + KEY_PART));
    } catch {
      // another key's
    }
  }
  return null;
}
