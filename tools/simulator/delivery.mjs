// Sends an outcome over the socket as a step says: in which pieces, when, and how it ends.
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { spoil } from './faults.mjs';

/**
 * `attempt` is told what happens; `gates` holds delivery where a test wants it held.
 * Resolves when nothing more will be sent. The client may leave at any point.
 */
export async function deliver(res, outcome, step, attempt, gates, dialect) {
  const { signal } = attempt;
  try {
    if (step.connection === 'reset') return reset(res, attempt);
    await hold(step, 'headers', attempt, gates);
    if (step.delays?.headers) await sleep(step.delays.headers, undefined, { signal });
    if (step.connection === 'hang') return await left(signal);
    await send(res, outcome, step, attempt, gates, dialect);
  } catch (error) {
    if (error.name !== 'AbortError' && !signal.aborted) throw error;
  }
}

async function send(res, outcome, step, attempt, gates, dialect) {
  const { signal } = attempt;
  const parts = piecesOf(outcome, step, dialect);
  const plain = !outcome.events && !step.chunks && !step.cut && !step.stall;
  const headers = { ...outcome.headers, ...step.headers };
  if (step.retryAfter !== undefined) headers['retry-after'] = String(step.retryAfter);
  if (plain) headers['content-length'] = String(outcome.body.length);
  res.writeHead(step.status ?? outcome.status, headers);
  res.flushHeaders();
  attempt.headersSent(res.statusCode);
  await hold(step, 'first', attempt, gates);
  if (step.delays?.first) await sleep(step.delays.first, undefined, { signal });
  for (const [index, part] of parts.entries()) {
    if (part.stop) return await stop(res, part.stop, attempt);
    await hold(step, part.event, attempt, gates);
    if (index && step.delays?.between) await sleep(step.delays.between, undefined, { signal });
    await write(res, part.bytes, signal);
    attempt.sent(part.bytes.length, part.events);
  }
  if (parts.at(-1)?.bytes) await hold(step, 'end', attempt, gates);
  await whileThere(signal, done => res.end(done));
  attempt.end('finished');
}

/** One write is one HTTP chunk, and its own segment on loopback because the next waits for it. */
async function write(res, bytes, signal) {
  await whileThere(signal, done => res.write(bytes, done));
  await turn(undefined, { signal });
}

/** Settles when the operation calls back, or when the client is gone. */
function whileThere(signal, operation) {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const gone = () => reject(signal.reason);
    signal.addEventListener('abort', gone, { once: true });
    operation(error => {
      signal.removeEventListener('abort', gone);
      if (error) reject(error);
      else resolve();
    });
  });
}

async function stop(res, how, attempt) {
  if (how === 'stall') return await left(attempt.signal);
  if (how === 'clean') {
    res.end();
    return attempt.end('cut: clean');
  }
  attempt.end(`cut: ${how}`);
  if (how === 'reset') res.socket?.resetAndDestroy();
  else res.socket?.destroy(); // closed inside the chunked body: the client sees a body that never ended
  return undefined;
}

function reset(res, attempt) {
  attempt.end('reset');
  res.socket?.resetAndDestroy();
}

/** Waits until the client is gone. */
const left = signal => new Promise(resolve => (signal.aborted ? resolve() : signal.addEventListener('abort', resolve, { once: true })));

async function hold(step, at, attempt, gates) {
  for (const entry of step.holds ?? []) {
    if (entry.at !== at || entry.passed) continue;
    entry.passed = true; // the step is this attempt's own copy
    attempt.waitingAt(entry.gate);
    await gates.passed(entry.gate, attempt.signal);
    attempt.waitingAt(undefined);
  }
}

/** [{bytes, events, event}] and perhaps a last {stop}; `events` counts the events that end in the piece, `event` is the index of the first one in it. */
function piecesOf(outcome, step, dialect) {
  const whole = outcome.events ? spoil(outcome.events, step, dialect) : [{ bytes: outcome.body }];
  const all = Buffer.concat(whole.map(entry => entry.bytes));
  const ends = [];
  whole.reduce((at, entry) => (ends.push(at + entry.bytes.length), at + entry.bytes.length), 0);
  const limit = limitOf(step.cut ?? step.stall, ends, all.length);
  const offsets = boundaries(step.chunks ?? (outcome.events ? 'event' : 'whole'), ends, all.length).filter(offset => offset < limit);
  const parts = [];
  let from = 0;
  for (const to of [...offsets, limit]) {
    if (to <= from) continue;
    parts.push({ bytes: all.subarray(from, to), events: outcome.events ? ends.filter(end => end > from && end <= to).length : 0, event: ends.filter(end => end <= from).length });
    from = to;
  }
  if (step.cut || step.stall) parts.push({ stop: step.stall ? 'stall' : step.cut.how ?? 'abrupt' });
  return parts;
}

function limitOf(where, ends, length) {
  if (!where) return length;
  if (where.bytes !== undefined) return Math.min(where.bytes, length);
  return where.events === 0 ? 0 : ends[Math.min(where.events, ends.length) - 1];
}

function boundaries(chunks, ends, length) {
  if (chunks === 'whole') return [length];
  if (chunks === 'event') return ends;
  if (chunks.bytes) return Array.from({ length: Math.ceil(length / chunks.bytes) }, (_, i) => Math.min((i + 1) * chunks.bytes, length));
  if (chunks.offsets) return [...chunks.offsets].sort((a, b) => a - b);
  throw new Error('chunks is "event", "whole", {bytes: n} or {offsets: [...]}');
}
