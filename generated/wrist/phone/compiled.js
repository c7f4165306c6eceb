// A compiled model in WebAssembly: tinyops/runtime/include/tinyops/model.h from JavaScript. Runs in a worker.

const MAGIC = 0x314d4f54;
const ABI = 1;
export const HEADER_BYTES = 92;
const ARENA_ALIGN = 16;
const DUE = 1;
const MORE = 2;
const PAINT = 0xa5;
const FIELDS = [
  ...["image_bytes", "arena_bytes", "input_offset", "input_bytes", "output_offset", "output_bytes"],
  ...["frame_values", "window_frames", "hop_frames"],
];
const STATUSES = {
  [-1]: "the arena is missing or not aligned",
  [-2]: "asked out of order",
  [-3]: "not a model image",
  [-4]: "made for another contract",
  [-5]: "takes tensors only, not sensor frames",
  [-6]: "wants a larger arena",
};

// The model is wrong; the message says how.
export class ModelFault extends Error {}

// A module's stack lies at the start of its memory and grows down: what keeps its paint was never reached.
export function paintStack(bytes, stackBytes) {
  bytes.fill(PAINT, 0, stackBytes);
}

export function untouchedStack(bytes, stackBytes) {
  let untouched = 0;
  while (untouched < stackBytes && bytes[untouched] === PAINT) untouched++;
  return untouched;
}

export class CompiledModel {
  // `contract` is the digest that the module must have been made for, 64 hex digits.
  static async load(bytes, contract) {
    let instance;
    try {
      instance = (await WebAssembly.instantiate(bytes, {})).instance;
    } catch (error) {
      throw new ModelFault(`cannot be loaded: ${error.message}`);
    }
    return new CompiledModel(instance.exports, contract);
  }

  constructor(exports, contract) {
    const globals = ["tinyops_model", "tinyops_arena", "tinyops_frame", "__global_base"];
    if (
      !(exports.memory instanceof WebAssembly.Memory) ||
      !globals.every((name) => typeof exports[name]?.value === "number")
    ) {
      throw new ModelFault("is no module of tinyops");
    }
    this.exports = exports;
    this.bytes = new Uint8Array(exports.memory.buffer);
    [this.headerAt, this.arena, this.frame, this.stackBytes] = globals.map((name) => exports[name].value);
    this.header = readHeader(this.bytes, this.headerAt, contract);
    this.checkPlaces();
    this.inferences = 0;
    paintStack(this.bytes, this.stackBytes);
    this.init();
  }

  get rows() {
    const { frame_values: frameValues, input_bytes: inputBytes, window_frames: windowFrames } = this.header;
    return windowFrames > 1 && (frameValues === 0 || frameValues === inputBytes) ? windowFrames : 1;
  }

  init() {
    this.call("init");
  }

  // Pushes whole frames, one after another; returns [frame number, outputs] of each inference.
  push(frames) {
    const size = this.header.frame_values;
    if (size === 0 || frames.length % size !== 0) throw new ModelFault("takes no such frames");
    const place = new Int16Array(this.bytes.buffer, this.frame, size);
    const results = [];
    for (let at = 0; at < frames.length; at += size) {
      place.set(frames.subarray(at, at + size));
      if (this.call("push", this.frame) === DUE) {
        this.call("prepare");
        this.call("invoke");
        this.inferences++;
        results.push([at / size, this.output()]);
      }
    }
    return results;
  }

  // Writes an input tensor, or the row that is wanted next.
  write(data) {
    if (data.length > this.header.input_bytes) throw new ModelFault(`takes ${this.header.input_bytes} bytes of input`);
    this.bytes.set(data, this.arena + this.header.input_offset);
  }

  invoke() {
    if (this.call("invoke") !== MORE) this.inferences++;
  }

  output() {
    const at = this.arena + this.header.output_offset;
    return this.bytes.slice(at, at + this.header.output_bytes);
  }

  input() {
    const at = this.arena + this.header.input_offset;
    return this.bytes.slice(at, at + this.header.input_bytes);
  }

  // Bytes of WebAssembly memory; the stack lies at its start and was painted.
  stats() {
    return {
      stackUsed: this.stackBytes - untouchedStack(this.bytes, this.stackBytes),
      stackBytes: this.stackBytes,
      staticBytes: this.bytes.length - this.stackBytes,
      memoryBytes: this.bytes.length,
      inferences: this.inferences,
    };
  }

  // Runs every golden vector and compares every byte; returns how many there were.
  prove(data) {
    const golden = parseGolden(data);
    const size = this.header.input_bytes;
    if (golden.inputBytes !== size * this.rows || golden.outputBytes !== this.header.output_bytes) {
      throw new ModelFault("its tensors are not as long as the golden vectors");
    }
    this.init();
    golden.vectors.forEach(([given, expected], number) => {
      for (let at = 0; at < given.length; at += size) {
        this.write(given.subarray(at, at + size));
        this.invoke();
      }
      const found = this.output();
      const at = found.findIndex((byte, i) => byte !== expected[i]);
      if (at >= 0) {
        const where = `golden vector ${number + 1} of ${golden.vectors.length}`;
        throw new ModelFault(`${where}: output byte ${at} is ${found[at]}, not ${expected[at]}`);
      }
    });
    return golden.vectors.length;
  }

  call(name, ...more) {
    let status;
    try {
      status = this.exports[`tinyops_model_${name}`](this.arena, ...more);
    } catch (error) {
      throw new ModelFault(`crashed in ${name}: ${error.message}`);
    }
    if (status < 0) throw new ModelFault(`${name} failed: ${STATUSES[status] ?? `status ${status}`}`);
    return status;
  }

  checkPlaces() {
    const { header, bytes } = this;
    const inside = (offset, size, room) => size > 0 && offset + size <= room;
    const sound =
      this.arena % ARENA_ALIGN === 0 &&
      inside(this.arena, header.arena_bytes, bytes.length) &&
      inside(this.frame, 2 * Math.max(header.frame_values, 1), bytes.length) &&
      inside(header.input_offset, header.input_bytes, header.arena_bytes) &&
      inside(header.output_offset, header.output_bytes, header.arena_bytes);
    if (!sound) throw new ModelFault("has tensors outside its memory");
  }
}

function readHeader(bytes, at, contract) {
  if (at + HEADER_BYTES > bytes.length) throw new ModelFault("has its header outside its memory");
  const view = new DataView(bytes.buffer, at, HEADER_BYTES);
  const [magic, abi, size] = [view.getUint32(0, true), view.getUint16(4, true), view.getUint16(6, true)];
  if (magic !== MAGIC || abi !== ABI || size !== HEADER_BYTES) throw new ModelFault(`is not a model of ABI ${ABI}`);
  const header = Object.fromEntries(FIELDS.map((name, i) => [name, view.getUint32(8 + 4 * i, true)]));
  header.contract = Array.from(bytes.subarray(at + 60, at + 92), (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (header.contract !== contract) {
    throw new ModelFault(`was made for contract ${header.contract.slice(0, 12)}, not ${contract.slice(0, 12)}`);
  }
  return header;
}

// golden.bin: "TOG1", u32 vectors, input bytes, output bytes, then each vector's input and output.
export function parseGolden(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (data.length < 16 || String.fromCharCode(...data.subarray(0, 4)) !== "TOG1")
    throw new ModelFault("golden vectors: not such a file");
  const [count, inputBytes, outputBytes] = [4, 8, 12].map((at) => view.getUint32(at, true));
  const size = inputBytes + outputBytes;
  if (!count || !inputBytes || !outputBytes || data.length !== 16 + count * size) {
    throw new ModelFault("golden vectors: their length does not match their header");
  }
  const vectors = Array.from({ length: count }, (_, i) => {
    const at = 16 + i * size;
    return [data.subarray(at, at + inputBytes), data.subarray(at + inputBytes, at + size)];
  });
  return { inputBytes, outputBytes, vectors };
}
