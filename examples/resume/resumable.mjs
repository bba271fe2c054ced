// A stream that survives its connection: asks Signalbox for a resumable stream and gives out its events, each once and in
// order, however often the connection breaks. For browsers and Node alike; no dependencies. See docs/resume.md.

/**
 * The events of a stream, as an EventSource would dispatch them: {id, event, data}.
 *
 *   url, init   as for fetch(): the POST that asks for the stream, with its credentials
 *   options     {fetch, attempts, wait, signal}: another fetch; how often in a row to try without getting anywhere
 *               (default 8); milliseconds before try n (default: doubling up to 5 s, with jitter); ends everything
 *
 * Throws what cannot be cured: an answer that is an error (with `.response`), or a connection that stays broken.
 */
export async function* resumable(url, init, { fetch = globalThis.fetch, attempts = 8, wait = backoff, signal } = {}) {
  const headers = new Headers(init.headers);
  headers.set('x-signalbox-resumable', 'true');
  // With a key even the first request may be repeated: a second one joins what the first has begun.
  if (!headers.has('idempotency-key')) headers.set('idempotency-key', crypto.randomUUID());
  let stream; // the address of the rest
  let seen = 0; // events that have been given out: the cursor
  for (let failed = 0; ; ) {
    try {
      const response = stream
        ? await fetch(`${stream}?after=${seen}`, { headers: credentials(headers), signal })
        : await fetch(url, { ...init, headers, signal });
      if (response.status >= 500 && failed + 1 < attempts) throw new Interrupted(`status ${response.status}`);
      if (!response.ok) throw Object.assign(new Error(`the stream was refused: ${response.status}`), { response });
      const id = response.headers.get('x-signalbox-stream-id');
      if (id) stream = new URL(`/v1/streams/${id}`, response.url || url).href;
      for await (const event of events(response.body)) {
        seen += 1;
        failed = 0;
        yield event;
      }
      return;
    } catch (error) {
      failed += 1;
      if (error.response || signal?.aborted || failed >= attempts) throw error;
      await new Promise(resolve => setTimeout(resolve, wait(failed)));
    }
  }
}

/** Gives a stream up: the provider is stopped and what was kept is erased. */
export const cancel = (streamUrl, headers) => fetch(streamUrl, { method: 'DELETE', headers });

/**
 * The events of a response body. One that is cut off is none: its number is not reached, so it comes again. Blocks without
 * data (comments, ids alone) dispatch nothing and have no number.
 */
export async function* events(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        if (text.trim()) throw new Interrupted('the stream ended within an event');
        return;
      }
      text += decoder.decode(value, { stream: true });
      for (let end; (end = /\r\n\r\n|\n\n|\r\r/.exec(text)); ) {
        const event = parse(text.slice(0, end.index));
        text = text.slice(end.index + end[0].length);
        if (event) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function parse(block) {
  const event = { id: undefined, event: 'message', data: undefined };
  for (const line of block.split(/\r\n|\n|\r/)) {
    const [, name, value] = /^([^:]*)(?:: ?(.*))?$/s.exec(line);
    if (name === 'data') event.data = event.data === undefined ? value ?? '' : `${event.data}\n${value ?? ''}`;
    else if (name === 'event' || name === 'id') event[name] = value;
  }
  return event.data === undefined ? undefined : event;
}

class Interrupted extends Error {}

const backoff = failed => Math.min(5000, 125 * 2 ** failed) * (0.5 + Math.random() / 2);

/** Who asks, without what belongs to the first request's body. */
function credentials(headers) {
  const kept = new Headers(headers);
  for (const name of ['content-type', 'content-length', 'idempotency-key', 'x-signalbox-resumable']) kept.delete(name);
  return kept;
}
