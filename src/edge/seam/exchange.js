// START HERE: platform plumbing for src/edge/platform.rs, one call per step, no decisions about requests, models or money.
//
// A step of an exchange answers at once where it can; else it answers `undefined` and calls `resume` later, with the
// exchange's task and what came of it. A string is an interrupt ("timeout", "gone", "connect", "reset", "large"), null the
// end of a stream. One step is under way at a time; a timeout leaves what it waited for under way, so that it can be asked
// for again. Measurements behind the forms chosen: docs/adr/0003-who-drives-the-hot-path.md.

import { Call, runModel } from './call.js';
import { atFall, fall } from './fall.js';
import { readAll } from './reading.js';
import { Sink } from './sink.js';
import { flatten, unflatten } from './text.js';

const KEPT = 'x-signalbox-kept'; // what an answer's keeper made of a visit
const EXPOSE = 'access-control-expose-headers';
const UPSTREAM = 'x-signalbox-upstream-'; // what a provider told in its headers: which, only the keeper knows
const ANSWERS = ['began', 'found', 'cancelled']; // the words with which it answers itself

/** The way into the newest wasm instance. Whoever holds another one belongs to an instance that a panic has ended. */
let newest;

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
        const exposed = merged.get(EXPOSE);
        if (exposed !== null) merged.set(EXPOSE, [exposed, ...[...merged.keys()].filter((name) => name.startsWith(UPSTREAM))].join(', '));
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
