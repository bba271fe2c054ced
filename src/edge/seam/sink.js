// Where answers go that are streams.

import { atFall } from './fall.js';
import { unflatten } from './text.js';

/** The caller's end of a stream. */
export class Sink {
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
