// The order of a module's functions, for gzip: it finds what it has seen within the last 32 kB only, so what is alike has to
// stand together. Functions are given numbers for names, by which wasm-opt then orders them.

const IMPORT_SECTION = 2;
const CODE_SECTION = 10;
const CUSTOM_SECTION = 0;
const FUNCTION_IMPORT = 0;
const TAG_IMPORT = 4;
const FUNCTION_NAMES = 1;

const PIECE_BYTES = 5; // what is compared: the pieces of this length in a function's code
const SKETCH = 96; // of which those with the smallest hashes stand for all
const MOST_BEARERS = 200; // a piece that more functions have says nothing
const LEAST_ALIKE = 12; // pieces of the sketch that have to be the same

/** The module with its functions renamed in the order in which they are to stand. `wasm`: Uint8Array, with names. */
export function orderByLikeness(wasm) {
  const { imported, bodies, names, before } = read(wasm);
  const order = chain(bodies.map(sketch), byFamily(bodies, index => names.get(index + imported) ?? ''));
  const rank = new Map(order.map((index, at) => [index + imported, String(at).padStart(6, '0')]));
  return Buffer.concat([before, nameSection(rank)]);
}

/** Functions that the compiler made from one generic function beside each other, short ones first. */
function byFamily(bodies, nameOf) {
  const family = bodies.map((_, index) => nameOf(index).replace(/::h[0-9a-f]{16}.*|\[[0-9a-f]{8,}\]/g, ''));
  const compare = (a, b) => (family[a] < family[b] ? -1 : family[a] > family[b] ? 1 : bodies[a].length - bodies[b].length || a - b);
  return bodies.map((_, index) => index).sort(compare);
}

/** From each function to the one that is most like it and has no place yet; where there is none, on with the next family. */
function chain(sketches, families) {
  const bearers = new Map();
  sketches.forEach((pieces, index) => pieces.forEach(piece => {
    if (!bearers.has(piece)) bearers.set(piece, []);
    bearers.get(piece).push(index);
  }));
  const placed = new Uint8Array(sketches.length);
  const order = [];
  for (const start of families) {
    for (let at = placed[start] ? undefined : start; at !== undefined; at = mostAlike(at)) {
      placed[at] = 1;
      order.push(at);
    }
  }
  return order;

  function mostAlike(index) {
    const shared = new Map();
    for (const piece of sketches[index]) {
      const others = bearers.get(piece);
      if (others.length > MOST_BEARERS) continue;
      for (const other of others) if (!placed[other]) shared.set(other, (shared.get(other) ?? 0) + 1);
    }
    let best;
    let most = LEAST_ALIKE - 1;
    for (const [other, count] of shared) if (count > most) [best, most] = [other, count];
    return best;
  }
}

/** The smallest hashes of a function's pieces. */
function sketch(body) {
  const hashes = new Set();
  for (let at = 0; at + PIECE_BYTES <= body.length; at++) {
    let hash = 0x811c9dc5;
    for (let k = 0; k < PIECE_BYTES; k++) hash = Math.imul(hash ^ body[at + k], 0x01000193);
    hashes.add((hash ^ (hash >>> 15)) >>> 0);
  }
  return [...Uint32Array.from(hashes).sort().subarray(0, SKETCH)];
}

/** How many functions are imported, the code of the others, all names, and the module without its names. */
function read(wasm) {
  const reader = new Reader(wasm, 8);
  const kept = [wasm.subarray(0, 8)];
  let imported = 0;
  let bodies = [];
  let names = new Map();
  while (reader.at < wasm.length) {
    const start = reader.at;
    const id = reader.byte();
    const size = reader.number();
    const end = reader.at + size;
    const section = new Reader(wasm, reader.at);
    const isNames = id === CUSTOM_SECTION && section.text() === 'name';
    if (id === IMPORT_SECTION) imported = importedFunctions(section);
    if (id === CODE_SECTION) bodies = section.list(() => section.bytes());
    if (isNames) names = functionNames(section, end);
    else kept.push(wasm.subarray(start, end));
    reader.at = end;
  }
  if (!names.size) throw new Error('the module has no names of functions');
  return { imported, bodies, names, before: Buffer.concat(kept) };
}

function importedFunctions(section) {
  let count = 0;
  section.list(() => {
    section.bytes();
    section.bytes();
    const kind = section.byte();
    if (kind === TAG_IMPORT) section.byte();
    else if (kind === FUNCTION_IMPORT) count++;
    else throw new Error(`an import of kind ${kind} is not known here`);
    section.number();
  });
  return count;
}

function functionNames(section, end) {
  const names = new Map();
  while (section.at < end) {
    const kind = section.byte();
    const next = section.number() + section.at;
    if (kind === FUNCTION_NAMES) section.list(() => names.set(section.number(), section.text()));
    section.at = next;
  }
  return names;
}

function nameSection(names) {
  const entries = [...names].sort(([a], [b]) => a - b).flatMap(([index, name]) => [...number(index), ...sized(Buffer.from(name))]);
  return Buffer.from([CUSTOM_SECTION, ...sized([...sized(Buffer.from('name')), FUNCTION_NAMES, ...sized([...number(names.size), ...entries])])]);
}

const sized = bytes => [...number(bytes.length), ...bytes];

/** LEB128. */
function number(value) {
  const bytes = [];
  for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128);
  return [...bytes, value];
}

/** Reads what a module is made of. */
class Reader {
  constructor(wasm, at) {
    this.wasm = wasm;
    this.at = at;
  }

  byte() {
    return this.wasm[this.at++];
  }

  number() {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  }

  bytes() {
    const size = this.number();
    this.at += size;
    return this.wasm.subarray(this.at - size, this.at);
  }

  text() {
    return Buffer.from(this.bytes()).toString();
  }

  list(item) {
    return Array.from({ length: this.number() }, item);
  }
}
