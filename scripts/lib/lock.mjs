// One set-up at a time: a second start waits for the first, and a lock whose owner died is taken over.
import { closeSync, mkdirSync, openSync, readFileSync, statSync, unlinkSync, utimesSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { note } from './say.mjs';

const BEAT_MS = 2000;
const STALE_MS = 30_000;

export async function withLock(file, body) {
  mkdirSync(dirname(file), { recursive: true });
  let told = false;
  while (!take(file)) {
    if (isStale(file)) {
      remove(file);
      continue;
    }
    if (!told) note('another run is setting up in this folder; waiting for it');
    told = true;
    await sleep(300);
  }
  const beat = setInterval(() => touch(file), BEAT_MS);
  beat.unref();
  try {
    return await body();
  } finally {
    clearInterval(beat);
    remove(file);
  }
}

function take(file) {
  try {
    const fd = openSync(file, 'wx');
    writeSync(fd, String(process.pid));
    closeSync(fd);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

function isStale(file) {
  try {
    if (Date.now() - statSync(file).mtimeMs > STALE_MS) return true;
    const owner = Number(readFileSync(file, 'utf8'));
    if (!owner) return false; // just being written
    process.kill(owner, 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH'; // no such process; a file that vanished is simply tried again
  }
}

function touch(file) {
  try {
    utimesSync(file, new Date(), new Date());
  } catch {
    // removed by somebody's `git clean`: the work goes on
  }
}

function remove(file) {
  try {
    unlinkSync(file);
  } catch {
    // gone already
  }
}
