// The order of a module's functions, for gzip: it finds what it has seen within the last 32 kB only, so what is alike has to
// stand together. Functions are given numbers for names, by which wasm-opt then orders them.

const IMPORT_SECTION = 2;
const CODE_SECTION = 10;
const CUSTOM_SECTION = 0;
const FUNCTION_IMPORT = 0;
const TAG_IMPORT = 4;
const FUNCTION_NAMES = 1;

const PIECE_BYTES = 6; // what is compared: the pieces of this length in a function's code
const SKETCH = 192; // of which those with the smallest hashes stand for all
const MOST_BEARERS = 3000; // a piece that more functions have says nothing
const LEAST_ALIKE = 12; // pieces of the sketches that have to be the same
const LAST = 16; // so many functions before it a function is to be like

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

/** From the last functions on to the one that is most like them all and has no place yet; where there is none, on with the next family. */
function chain(sketches, families) {
  const bearers = bearersOf(sketches);
  const weight = new Uint16Array(bearers.length); // in how many of the last functions a piece is
  const alike = new Uint32Array(sketches.length); // pieces that a function has in common with them
  const placed = new Uint8Array(sketches.length);
  const order = [];
  for (const start of families) {
    for (let at = placed[start] ? -1 : start; at >= 0; at = mostAlike()) {
      placed[at] = 1;
      order.push(at);
      count(sketches[at], 1);
      if (order.length > LAST) count(sketches[order[order.length - 1 - LAST]], -1);
    }
  }
  return order;

  function count(pieces, by) {
    for (const piece of pieces) {
      const before = weight[piece];
      weight[piece] += by;
      if (before === 0 || weight[piece] === 0) for (const bearer of bearers[piece]) alike[bearer] += by;
    }
  }

  function mostAlike() {
    let best = -1;
    let most = LEAST_ALIKE - 1;
    for (let at = 0; at < alike.length; at++) if (alike[at] > most && !placed[at]) [best, most] = [at, alike[at]];
    return best;
  }
}

/** Numbers the pieces, in place, and lists for each which functions have it. */
function bearersOf(sketches) {
  const numbers = new Map();
  const bearers = [];
  sketches.forEach((pieces, index) => pieces.forEach((piece, at) => {
    if (!numbers.has(piece)) numbers.set(piece, bearers.push([]) - 1);
    pieces[at] = numbers.get(piece);
    bearers[pieces[at]].push(index);
  }));
  return bearers.map(list => (list.length > MOST_BEARERS ? [] : list));
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
