// What the dialects share: framing of events, plain text out of message content, and the outcome of a request.
//
//   outcome: {status, headers, body: Buffer}                              a whole answer
//          | {status, headers, events: [{bytes: Buffer, kind}]}           a stream; kind: 'start' | 'content' | 'end' | 'terminator' | 'other'

export const SSE = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' };
export const JSON_TYPE = { 'content-type': 'application/json' };

export const event = (kind, value) => ({ kind, bytes: Buffer.from(`data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`) });
export const namedEvent = (kind, value) => ({ kind, bytes: Buffer.from(`event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`) });
export const json = (status, value, headers = {}) => ({ status, headers: { ...JSON_TYPE, ...headers }, body: Buffer.from(JSON.stringify(value)) });
export const stream = (events, headers = {}) => ({ status: 200, headers: { ...SSE, ...headers }, events });

/** Text of a content that is a string or a list of parts. */
export function textOf(content) {
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return content?.text ?? '';
  return content.map(part => (typeof part === 'string' ? part : part.text ?? '')).join('');
}

/** The number of image parts in the last turn. */
export function imagesIn(content) {
  return Array.isArray(content) ? content.filter(part => /image|inline_?data|file_?data/i.test(`${part.type ?? ''} ${Object.keys(part).join(' ')}`)).length : 0;
}

/** The first member that is not in the list of those the provider knows. */
export const unknownMember = (body, known) => Object.keys(body).find(name => !known.has(name));

export const words = text => new Set(text.trim().split(/\s+/));
