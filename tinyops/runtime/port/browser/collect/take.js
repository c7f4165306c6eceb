// A take as one file: the zip archive, stored and not compressed, that tinyops/datasets/take.py reads. Pure.

const TABLE = Uint32Array.from({ length: 256 }, (_, i) => {
  let crc = i;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});
const FIRST_DAY = 0x0021; // 1 January 1980: the same take gives the same bytes
const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;

// Frames as they come, and where some are missing: what a take is made of while it is recorded.
export class Recording {
  constructor(values, framesMax) {
    this.values = values; // of a frame
    this.framesMax = framesMax;
    this.blocks = [];
    this.frames = 0;
    this.gaps = []; // [number of the frame after it, frames that never came]
    this.since = 0; // frames lost after the newest one
  }

  get lost() {
    return this.gaps.reduce((sum, [, count]) => sum + count, 0) + this.since;
  }

  get isFull() {
    return this.frames >= this.framesMax;
  }

  lose(count) {
    if (count > 0) this.since += count;
  }

  // Takes int16 counts of whole frames.
  add(counts) {
    const frames = Math.min(counts.length / this.values, this.framesMax - this.frames);
    if (frames <= 0) return;
    if (this.since > 0 && this.frames > 0) this.gaps.push([this.frames, this.since]);
    this.since = 0; // before the first frame nothing is missing
    this.blocks.push(Int16Array.from(counts.slice(0, frames * this.values)));
    this.frames += frames;
  }

  // The file; `facts` are those of take.json that a recording does not know itself.
  file(facts) {
    const text = JSON.stringify({ schema: 1, ...facts, gaps: this.gaps }, null, 2);
    return archive({ "take.json": new TextEncoder().encode(`${text}\n`), "values.npy": this.array() });
  }

  array() {
    const shape = `(${this.frames}, ${this.values})`;
    const head = `{'descr': '<i2', 'fortran_order': False, 'shape': ${shape}, }`;
    const length = Math.ceil((10 + head.length + 1) / 64) * 64 - 10;
    const bytes = new Uint8Array(10 + length + 2 * this.frames * this.values);
    bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, length & 0xff, length >> 8]);
    bytes.set(new TextEncoder().encode(`${head.padEnd(length - 1)}\n`), 10);
    const view = new DataView(bytes.buffer);
    let at = 10 + length;
    for (const block of this.blocks) {
      for (const count of block) {
        view.setInt16(at, count, true);
        at += 2;
      }
    }
    return bytes;
  }
}

export function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 0xff];
  return (crc ^ 0xffffffff) >>> 0;
}

function archive(files) {
  const pieces = [];
  const index = [];
  let at = 0;
  for (const [name, data] of Object.entries(files)) {
    const label = new TextEncoder().encode(name);
    // Version, flags, method, time, day, CRC, both sizes, length of the name, of what else there is.
    const facts = [[20, 2], [0, 2], [0, 2], [0, 2], [FIRST_DAY, 2], [crc32(data), 4], [data.length, 4], [data.length, 4]];
    const sizes = [[label.length, 2], [0, 2]];
    index.push(pack([CENTRAL, 4], [20, 2], ...facts, ...sizes, [0, 2], [0, 2], [0, 2], [0, 4], [at, 4]), label);
    const local = [pack([LOCAL, 4], ...facts, ...sizes), label, data];
    pieces.push(...local);
    at += lengthOf(local);
  }
  const count = Object.keys(files).length;
  const end = pack([END, 4], [0, 2], [0, 2], [count, 2], [count, 2], [lengthOf(index), 4], [at, 4], [0, 2]);
  return join([...pieces, ...index, end]);
}

function pack(...fields) {
  return Uint8Array.from(
    fields.flatMap(([value, bytes]) => Array.from({ length: bytes }, (_, i) => Math.floor(value / 2 ** (8 * i)) & 0xff)),
  );
}

function lengthOf(pieces) {
  return pieces.reduce((sum, piece) => sum + piece.length, 0);
}

function join(pieces) {
  const all = new Uint8Array(lengthOf(pieces));
  pieces.reduce((at, piece) => (all.set(piece, at), at + piece.length), 0);
  return all;
}
