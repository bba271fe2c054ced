// What has to end when the wasm instance does. Who waits for a task of its own, or is one that waits, would not notice.

const standing = new Set();

/** Has `act` run, as a part of the request that asks for it, should the wasm instance end; the answer calls that off. */
export function atFall(act) {
  let tell;
  new Promise((resolve) => (tell = resolve)).then(act);
  standing.add(tell);
  return () => standing.delete(tell);
}

/** The wasm instance is no more. */
export function fall() {
  for (const tell of standing) tell();
  standing.clear();
}
