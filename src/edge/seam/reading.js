// Ways of reading a body: whole, and a stream that comes fast or goes by.

const GATHER_MS = 15; // how long a burst is gathered: less than any provider takes from token to token
const AHEAD_BYTES = 16 * 1024; // how far the gathering pump may run ahead of the reader
const PIECES_ALONE = 2; // pieces are of about one size: one that comes after a wait and is larger has gathered, in a busy isolate
const READ_BYTES = 32 * 1024; // a read of a tee branch: what a pump that has just run ahead can have left there
const WATCH_TICK_MS = 1000; // how often a pumped stream is looked at

/** The whole body as Uint8Array, or "large". */
export async function readAll(body, limit) {
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
export class Gatherer {
  /** `piece`: bytes of a piece that came alone. */
  constructor(body, piece) {
    const [pulled, read] = body.tee();
    const between = new IdentityTransformStream();
    this.body = read;
    this.pieces = new Pieces(read);
    this.ahead = 0;
    this.last = Date.now();
    this.alone = PIECES_ALONE * piece; // what a read brings at most that has gathered nothing
    this.idle = 0; // such reads in a row for which there was nothing yet
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
    if (!this.ended && now - this.last < GATHER_MS) {
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
    if (value === null) return null;
    this.idle = this.last - asked > 1 && value.byteLength < this.alone ? this.idle + 1 : 0;
    this.ahead -= value.byteLength;
    this.resume?.();
    return value;
  }
}

/** Looks at a stream that the runtime moves to the caller. */
export class Watcher {
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
