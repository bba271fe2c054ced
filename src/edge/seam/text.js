// Headers as text, which crosses into wasm in one piece.

/** Flat header text: name, value, name, value, … joined by newlines (neither can contain one). */
export function flatten(headers, first) {
  let text = first;
  for (const [name, value] of headers) text += `\n${name}\n${value}`;
  return text;
}

/** The reverse: the object that `fetch` and `Response` take. */
export function unflatten(text) {
  const headers = {};
  if (text === '') return headers;
  const parts = text.split('\n');
  for (let at = 0; at + 1 < parts.length; at += 2) headers[parts[at]] = parts[at + 1];
  return headers;
}
