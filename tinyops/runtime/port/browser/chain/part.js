// The last part of a chain: the chain's C as a module (runtime/port/page/page.h) beside the model's. Runs in a worker.
//
// Both modules have a memory of their own: the model's arena is copied there and back around each call.

import { HEADER_BYTES, ModelFault, paintStack, untouchedStack } from "./compiled.js";
import { fromHex } from "./envelope.js";

export const LINE = 0;
export const UPSTREAM = 1;
export const SLOTS = { a: 0, b: 1 };
export const SPARE = { none: 0, before: 1, wanted: 2 };
const ENTRIES = ["init", "push", "prepare", "invoke"];
const IN_BYTES = 4096;
const MODEL_BYTES = 8192;
const NAME_BYTES = 64;
const PART_BYTES = 40;
const PART_MAGIC = 0x31504f54;
const TENSOR_BYTES = 12;
const QUEUE_BYTES = 256 * 1024; // of a stream that brings more than the part takes: more is lost, as on any line
const POLLS_MAX = 256;
const FAILED = -3;

export class Part {
  // `place` says position, parts, afterMs; `contract` is its digest in hex. `told.write(stream, bytes)` and
  // `told.report(bytes)` get bytes that are theirs, `told.fault(message)` what went wrong in the model.
  static async open(module, place, contract, name, told) {
    const part = new Part(told);
    const calls = {
      now_ms: () => Math.floor(performance.now()) >>> 0,
      write: (stream, at, count) => told.write(stream, part.copy(at, count)),
      report: (at, count) => told.report(part.copy(at, count)),
      call: (slot, entry, at, count) => part.callModel(slot, entry, at, count),
      measure: (at) => part.measure(at),
    };
    const { instance } = await WebAssembly.instantiate(module, { page: calls });
    part.exports = instance.exports;
    part.stackBytes = part.exports.__global_base.value;
    paintStack(part.bytes, part.stackBytes);
    part.bytes.set(fromHex(contract), part.exports.page_contract());
    part.bytes.set(new TextEncoder().encode(name).subarray(0, NAME_BYTES), part.exports.page_name());
    const status = part.exports.page_open(place.position, place.parts, place.afterMs);
    if (status < 0) throw new Error(`part ${place.position} of ${place.parts} is not the last one`);
    return part;
  }

  constructor(told) {
    this.told = told;
    this.models = [null, null];
    this.active = null;
    this.queues = [new Queue(), new Queue()];
  }

  // Anew each time: the memory grows.
  get bytes() {
    return new Uint8Array(this.exports.memory.buffer);
  }

  copy(at, count) {
    return this.bytes.slice(at, at + count);
  }

  // A CompiledModel lies in a slot that does not run, or nothing does.
  fill(slot, model) {
    if (slot === this.active) throw new Error("the model of that slot runs");
    const described = model === null ? null : describe(model);
    this.models[slot] = model;
    if (described !== null) this.bytes.set(described, this.exports.page_model(slot));
    this.exports.page_fill(slot, Number(described !== null));
  }

  hold(spare) {
    this.exports.page_hold(spare);
  }

  // Runs what lies in a slot from now on. Throws ModelFault for what cannot run here.
  run(slot) {
    const before = this.active;
    this.active = slot;
    const status = this.exports.page_run(slot);
    if (status >= 0) return;
    this.active = before;
    if (before !== null) this.exports.page_run(before);
    throw new ModelFault(`cannot be this part of the chain: status ${status}`);
  }

  give(stream, bytes) {
    return this.queues[stream].add(bytes);
  }

  // Works until there is nothing to do, or for a while. Returns whether there is more; see `switches`.
  poll() {
    for (let polls = 0; polls < POLLS_MAX; polls++) {
      for (const [stream, queue] of this.queues.entries()) this.feed(stream, queue);
      const did = this.exports.page_poll();
      if (this.switches) return false;
      if (did === 0 && this.queues.every((queue) => queue.size === 0)) return false;
    }
    return true;
  }

  // The chain runs the other model from now on: `run` or `hold` is to come before the next poll.
  get switches() {
    return this.exports.page_switches() !== 0;
  }

  // What this part says of itself and all before it: the payload of a PART_STATE.
  tell(size) {
    return this.copy(this.exports.page_told(), size);
  }

  feed(stream, queue) {
    if (queue.size === 0 || this.exports.page_give(stream, 0) > 0) return;
    const piece = queue.take(IN_BYTES);
    this.bytes.set(piece, this.exports.page_in(stream));
    this.exports.page_give(stream, piece.length);
  }

  callModel(slot, entry, at, count) {
    const model = this.models[slot];
    try {
      model.bytes.set(this.bytes.subarray(at, at + count), model.arena);
      const status = model.call(ENTRIES[entry]);
      this.bytes.set(model.bytes.subarray(model.arena, model.arena + count), at);
      if (ENTRIES[entry] === "invoke") model.inferences++;
      return status;
    } catch (error) {
      this.told.fault(error.message);
      return FAILED;
    }
  }

  measure(at) {
    const own = { stackUsed: this.stackBytes - untouchedStack(this.bytes, this.stackBytes), stackBytes: this.stackBytes };
    const model = this.active === null ? { stackUsed: 0, stackBytes: 0, staticBytes: 0 } : this.models[this.active].stats();
    const all = this.bytes.length - this.stackBytes + model.staticBytes;
    const words = [own.stackUsed + model.stackUsed, own.stackBytes + model.stackBytes, all];
    const view = new DataView(this.exports.memory.buffer);
    words.forEach((word, i) => view.setUint32(at + 4 * i, word, true));
  }
}

// Bytes of one stream that wait.
export class Queue {
  constructor() {
    this.pieces = [];
    this.size = 0;
  }

  // Returns how many were dropped.
  add(bytes) {
    if (this.size + bytes.length > QUEUE_BYTES) return bytes.length;
    if (bytes.length > 0) this.pieces.push(bytes);
    this.size += bytes.length;
    return 0;
  }

  take(most) {
    const first = this.pieces[0];
    const taken = first.subarray(0, most);
    if (taken.length === first.length) this.pieces.shift();
    else this.pieces[0] = first.subarray(taken.length);
    this.size -= taken.length;
    return taken;
  }
}

// Its header and, behind it, what it says of its part; without that it is no part of a chain. Throws ModelFault.
function describe(model) {
  const at = model.exports.tinyops_model_part_words?.value;
  const view = new DataView(model.bytes.buffer);
  const room = model.bytes.length - PART_BYTES;
  if (typeof at !== "number" || at > room || view.getUint32(at, true) !== PART_MAGIC) {
    throw new ModelFault("is no part of a chain");
  }
  const size = PART_BYTES + TENSOR_BYTES * (view.getUint16(at + 36, true) + view.getUint16(at + 38, true));
  if (HEADER_BYTES + size > MODEL_BYTES || at + size > model.bytes.length) {
    throw new ModelFault("says of its part what cannot be");
  }
  const described = new Uint8Array(HEADER_BYTES + size);
  described.set(model.bytes.subarray(model.headerAt, model.headerAt + HEADER_BYTES));
  described.set(model.bytes.subarray(at, at + size), HEADER_BYTES);
  return described;
}
