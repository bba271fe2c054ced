// The callers: a few connections that send one request after the other, bounded in time and number.
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Problem } from '../scripts/lib/say.mjs';
import { PATH } from './scenarios.mjs';

const SILENCE_LIMIT_MS = 30_000;
const TAIL_BYTES = 24;

/** Requests begun so far, by port: what the gateway's books are compared with. */
export const begun = new Map();

/** One request. Gives {status, type, bytes, tail, firstByteMs}, and the text if it is kept. */
function once(agent, { port, body, credential, keep = false, leave = false }) {
  begun.set(port, (begun.get(port) ?? 0) + 1);
  return new Promise((resolve, reject) => {
    const began = performance.now();
    const req = request({
      agent, host: '127.0.0.1', port, path: PATH, method: 'POST', timeout: SILENCE_LIMIT_MS,
      headers: { 'content-type': 'application/json', 'content-length': body.length, authorization: credential?.() ?? 'Bearer bench', accept: '*/*' },
    }, res => {
      const pieces = [];
      let tail = Buffer.alloc(0);
      let bytes = 0;
      let firstByteMs;
      const done = () => resolve({
        status: res.statusCode, type: res.headers['content-type'], headers: res.headers, bytes, firstByteMs,
        tail: tail.toString('latin1'), text: keep ? Buffer.concat(pieces).toString() : undefined,
      });
      res.on('data', piece => {
        firstByteMs ??= performance.now() - began;
        bytes += piece.length;
        if (keep) pieces.push(piece);
        tail = piece.length < TAIL_BYTES ? Buffer.concat([tail, piece]).subarray(-TAIL_BYTES) : piece.subarray(-TAIL_BYTES);
        if (leave) {
          done();
          req.destroy();
        }
      });
      res.on('end', done);
      res.on('error', reject);
    });
    req.on('timeout', () => req.destroy(new Error(`silent for ${SILENCE_LIMIT_MS / 1000} s`)));
    req.on('error', reject);
    req.end(body);
  });
}

/** One request on a connection of its own, kept whole. */
export async function whole({ port, body, credential }) {
  const agent = new Agent();
  try {
    return await once(agent, { port, body, credential, keep: true });
  } finally {
    agent.destroy();
  }
}

/**
 * Many requests over `connections`, each going on until `seconds` are over or it has sent `each`. Gives {requests, seconds}.
 * Every answer is looked at: its status, its length and its last bytes.
 */
export async function load({ port, body, credential, connections, seconds = Infinity, each = Infinity, overMs = 0, leastBytes, ending, limit = 200_000 }) {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const began = performance.now();
  let requests = 0;
  async function caller(number) {
    if (overMs) await sleep((number * overMs) / connections); // paced streams must not all beat at the same moment
    for (let sent = 0; sent < each && requests < limit && performance.now() - began < seconds * 1000; sent++) {
      const answer = await once(agent, { port, body, credential });
      requests++;
      if (answer.status !== 200 || answer.bytes < leastBytes || !answer.tail.trimEnd().endsWith(ending)) {
        throw new Problem(`an answer under load was wrong: status ${answer.status}, ${answer.bytes} bytes, ending in ${JSON.stringify(answer.tail)}`);
      }
    }
  }
  try {
    await Promise.all(Array.from({ length: connections }, (_, number) => caller(number)));
  } catch (error) {
    throw error instanceof Problem ? error : new Problem(`a request under load failed: ${error.message}`);
  } finally {
    agent.destroy();
  }
  return { requests, seconds: (performance.now() - began) / 1000 };
}

/** Times to the first byte of the body in ms, one request at a time, the targets taking turns. `leave`: hang up then. */
export async function firstBytes(targets, { body, count, leave }) {
  const agents = targets.map(() => new Agent({ keepAlive: true, maxSockets: 1 }));
  const times = targets.map(() => []);
  try {
    for (let turn = 0; turn < count; turn++) {
      for (const [at, target] of targets.entries()) times[at].push((await once(agents[at], { ...target, body, leave })).firstByteMs);
    }
  } finally {
    for (const agent of agents) agent.destroy();
  }
  return times;
}
