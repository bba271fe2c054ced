// Named faults, for behaviours and for URL prefixes: /fault/NAME;key=value;.../openai/v1/...
// A fault is a function of its parameters to a step; `plan` brings a step into the form that delivery works from.
//
//   step: {status, headers, body, message, type, code, retryAfter   answer with this instead
//          fixture, answer, chunks, delays: {headers, first, between}, holds: [{at, gate}],
//          connection: 'reset' | 'hang', cut: {events | bytes, how: 'abrupt' | 'reset' | 'clean'}, stall: {events | bytes},
//          malformed: n, errorEvent: {at, status}, dropTerminator: true, otherForm: true}

export const FAULTS = {
  /** The connection is reset before any answer. */
  reset: () => ({ connection: 'reset' }),
  /** No answer at all: the request is read and nothing follows. */
  hang: () => ({ connection: 'hang' }),
  /** Headers at once, the first event late. */
  late: ({ ms = 2000 }) => ({ delays: { first: ms } }),
  /** Headers themselves late. */
  'late-headers': ({ ms = 2000 }) => ({ delays: { headers: ms } }),
  /** Every event late. */
  slow: ({ ms = 100 }) => ({ delays: { between: ms } }),
  /** Silence after n events (or bytes); the connection stays open. */
  stall: ({ events = 3, bytes }) => ({ stall: bytes === undefined ? { events } : { bytes } }),
  /** The connection is cut after n events (or bytes): how = abrupt (closed in mid-body), reset, or clean (a proper end, too early). */
  cut: ({ events = 3, bytes, how = 'abrupt' }) => ({ cut: { ...(bytes === undefined ? { events } : { bytes }), how } }),
  /** Event n is cut JSON. */
  malformed: ({ at = 2 }) => ({ malformed: at }),
  /** After n events comes the dialect's error event, inside a 200. */
  'error-event': ({ at = 2, status = 503 }) => ({ errorEvent: { at, status } }),
  /** The stream ends properly, but without the dialect's end marker. */
  'no-terminator': () => ({ dropTerminator: true }),
  /** In one piece what was to be a stream, as a stream what was to be one piece. */
  'other-form': () => ({ otherForm: true }),
  /** Pieces of n bytes, wherever they fall. */
  chunks: ({ bytes = 1 }) => ({ chunks: { bytes } }),
  /** The whole body in one piece. */
  whole: () => ({ chunks: 'whole' }),
};

/** The step that a behaviour entry means: a fault's name with parameters, or an object with an optional `fault`. */
export function plan(entry = {}) {
  if (typeof entry === 'string') return named(entry);
  const { fault, ...rest } = entry;
  if (!fault) return { ...rest };
  const [name, ...given] = fault.split(';');
  return { ...rest, ...resolve(name, { ...rest, ...parameters(given) }, fault) };
}

function named(text) {
  const [name, ...given] = text.split(';');
  return resolve(name, parameters(given), text);
}

function resolve(name, values, text) {
  const status = /^status-(\d{3})$/.exec(name);
  if (status) return { status: Number(status[1]), ...(values['retry-after'] === undefined ? {} : { retryAfter: values['retry-after'] }), ...pick(values, 'message', 'code', 'type', 'body', 'headers') };
  if (name === 'refuse') throw new Error('a refused connection has no request: use sim.refuse() or the URL from sim.closedUrl()');
  if (!FAULTS[name]) throw new Error(`unknown fault ${JSON.stringify(text)}; there are status-NNN, ${Object.keys(FAULTS).join(', ')}`);
  return FAULTS[name](values);
}

function parameters(given) {
  return Object.fromEntries(given.filter(Boolean).map(pair => {
    const at = pair.indexOf('=');
    if (at < 0) throw new Error(`a fault's parameter is written name=value, not ${JSON.stringify(pair)}`);
    const value = decodeURIComponent(pair.slice(at + 1));
    return [pair.slice(0, at), /^\d+(\.\d+)?$/.test(value) ? Number(value) : value];
  }));
}

const pick = (values, ...names) => Object.fromEntries(names.filter(name => values[name] !== undefined).map(name => [name, values[name]]));

/** Changes the events as the step says; the rest of the step concerns delivery. */
export function spoil(events, step, dialect) {
  let list = events;
  if (step.dropTerminator) list = withoutEnd(list);
  if (step.malformed !== undefined) list = list.map((entry, index) => (index === step.malformed ? { ...entry, bytes: broken(entry.bytes) } : entry));
  if (step.errorEvent) {
    const { at = 2, status = 503, event } = step.errorEvent;
    const wire = event === undefined ? dialect.errorEvent(status) : { kind: 'end', bytes: Buffer.from(typeof event === 'string' ? event : `data: ${JSON.stringify(event)}\n\n`) };
    list = [...list.slice(0, at), wire];
  }
  return list;
}

/** Dialects that mark the end by an event lose that; one that marks it inside the last event (Gemini) loses the last event. */
function withoutEnd(events) {
  const kept = events.filter(entry => entry.kind !== 'terminator');
  return kept.length < events.length ? kept : events.slice(0, -1);
}

/** The event's data loses its second half; the blank line that ends the event stays. */
function broken(bytes) {
  const text = bytes.toString('latin1');
  const start = text.indexOf('data:');
  const end = text.search(/(\r?\n){2}$/);
  const cut = start + Math.ceil((end - start) / 2);
  return Buffer.from(text.slice(0, cut) + text.slice(end), 'latin1');
}
