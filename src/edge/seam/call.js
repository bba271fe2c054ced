// Calls to providers.

import { Gatherer, Watcher, readAll } from './reading.js';
import { flatten } from './text.js';

const GATHER_AFTER_READS = 2; // reads in a row that came fast before reads are gathered
const CALM_AFTER_READS = 3; // gathered reads in a row that had to wait for the provider before they are gathered no more
const CALM_FACTOR = 8; // by how much longer the next burst has to be then
const FAST_MS = 10; // what "fast" means: a provider's own pace is 20 ms, a busy isolate's turn is longer than the network's

/** One call to a provider. Steps are asked for one at a time. */
export class Call {
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
      if (!done) this.pace(value.byteLength);
      this.settle(done ? null : value);
    };
    this.reader.read().then(this.took, this.broke);
  }

  /** Goes over to gathered reads where the pieces come fast. */
  pace(size) {
    const now = Date.now();
    this.fast = now - this.lastRead < FAST_MS ? this.fast + 1 : 0;
    this.lastRead = now;
    if (this.fast < this.enough) return;
    this.reader.releaseLock();
    this.reader = null;
    this.gatherer = new Gatherer(this.body, size);
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
 * Runs a model of Workers AI; the answer as the Response that a fetch would have brought. The binding gives one when asked
 * to; what stands in for it may give what it gives otherwise: a stream, an object, or an exception with a code in its text.
 */
export async function runModel(ai, model, inputs, signal) {
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
