// What is done outside of an exchange's steps.

import { readAll } from './reading.js';
import { unflatten } from './text.js';

/** Whether a rate limit of the platform's lets one more through; true where it cannot be asked. */
export function admits(limit, key) {
  return limit.limit({ key }).then(({ success }) => success !== false, () => true);
}

/** A file that the build has put behind this code (scripts/page.mjs); `undefined` where there is none. */
export function asset(path) {
  return globalThis[Symbol.for('signalbox.page')]?.get(path);
}

/** What the classifier of tasks has learned: a file beside the script, which the entry imports (scripts/esbuild.mjs). */
export function weights() {
  return new Uint8Array(globalThis[Symbol.for('signalbox.weights')]);
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
