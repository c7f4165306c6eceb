// The page as the last part of a chain: its thread, its streams, results and counters. Without a document, so that its
// twin in a browser without a person talks to the very same object.

import { countResult, freshHealth } from "./board.js";
import { CHAIN } from "./chain.js";
import { sha256, toHex } from "./envelope.js";
import { CALL_LIMIT_MS, Model } from "./model.js";
import { PAGE } from "./page.js";

const ALIVE_MS = 2000;
const HEAD_BYTES = 2; // of a frame: type and sequence

export class ChainBoard extends EventTarget {
  constructor(page, chain) {
    super();
    Object.assign(this, { page, chain, thread: null, digest: null, slot: null, state: null });
    this.health = { ...freshHealth(), unavailable: 0 };
    this.sinks = { line: () => {}, upstream: () => {} };
    // Writes down that a slot runs: the digest of its model, "" where it is not to. Then perhaps that it cannot.
    this.whenSwitched = async () => "";
    this.whenNotSwitched = async () => {};
    this.twin = false; // what leads to the part before is a twin's
    this.opening = null;
    this.number = ""; // of the newest inference that had a result or none
  }

  // Whether a model runs, as the plain page's board says it.
  get model() {
    return this.slot;
  }

  // Starts the thread, once. Without a model it answers its neighbour that it has none.
  open() {
    this.opening ??= this.start();
    return this.opening;
  }

  async start() {
    const response = await fetch(new URL("./part.wasm", import.meta.url));
    if (!response.ok) throw new Error(`part.wasm: the site answered ${response.status}`);
    this.module = await response.arrayBuffer();
    await this.renew();
    setInterval(() => this.ask("alive").catch(() => {}), ALIVE_MS);
  }

  async renew() {
    const worker = new URL("./part_worker.js", import.meta.url);
    this.thread = new Model(CALL_LIMIT_MS, worker, (event) => this.hear(event));
    const { position, parts, after_ms: afterMs } = this.chain.place;
    await this.ask("open", {
      module: this.module,
      place: { position, parts, afterMs },
      name: this.chain.board,
      contract: this.page.contractDigest,
      stateBytes: this.chain.state.bytes,
    });
  }

  // Runs a module from now on, whatever the chain has: the first one, and what was running when the page was closed.
  async boot(bytes, slot = "a") {
    await this.open();
    if (slot === this.slot) throw new Error(`slot ${slot} runs`);
    await this.ask("fill", { slot, bytes });
    return this.run(slot, await sha256(bytes));
  }

  async run(slot, digest) {
    const header = await this.ask("run", { slot });
    Object.assign(this, { slot, digest });
    this.tell("booted");
    return header;
  }

  // Another module lies in the other slot, proven: `spare` is "wanted" or "before".
  async offer(slot, bytes, spare) {
    await this.ask("fill", { slot, bytes });
    await this.ask("hold", { spare });
  }

  // The other slot is about to be written to: the chain may not run it.
  async forget() {
    if (this.thread !== null) await this.ask("hold", { spare: "none" });
  }

  // Bytes of a stream, "line" or "upstream".
  take(stream, bytes) {
    if (this.thread === null) return;
    this.ask("take", { stream, bytes }, [bytes.buffer])
      .then((lost) => lost > 0 && this.tell("overrun", { stream, lost }))
      .catch(() => {});
  }

  async ask(call, given = {}, transfer = []) {
    if (this.thread === null) throw new Error("The part does not run.");
    try {
      return await this.thread.call(call, given, transfer);
    } catch (error) {
      if (this.thread?.worker === null) this.end(error.message);
      throw error;
    }
  }

  // Its thread is gone, with whatever ran in it.
  end(message) {
    this.thread = null;
    Object.assign(this, { slot: null, digest: null, state: null });
    this.health.faults++;
    this.tell("ended", { message });
  }

  hear({ event, ...what }) {
    const heard = {
      bytes: ({ stream, bytes }) => this.sinks[stream](bytes),
      state: ({ state }) => this.hearState(state),
      report: ({ frame, outputs }) => this.hearReport(frame, outputs),
      fault: ({ message }) => this.hearFault(message),
      switch: () => this.switch(),
    };
    heard[event]?.(what);
  }

  hearFault(message) {
    this.health.faults++;
    this.tell("fault", { message });
  }

  hearState(state) {
    const { at } = this.chain.state;
    const set = (from) => toHex(state.subarray(from, from + this.chain.state.setBytes));
    const names = ["running", "spare", "offered", "committed"];
    this.state = { code: state[at.state], part: state[at.part], status: state[at.status] };
    for (const name of names) this.state[name] = set(at[name]);
    this.tell("state", this.state);
  }

  hearReport(frame, outputs) {
    const { types, unavailable: at } = this.chain;
    const number = frame.slice(HEAD_BYTES, HEAD_BYTES + 4).join(); // of both, their first field
    const again = number === this.number; // while there are no results, that is said once a second
    this.number = number;
    if (frame[0] === types.result && outputs !== null) this.count(new Int8Array(outputs.buffer));
    if (frame[0] !== types.unavailable) return;
    if (!again) this.health.unavailable++;
    const [part, code] = [frame[HEAD_BYTES + at.part], frame[HEAD_BYTES + at.state]];
    this.tell("unavailable", { part, code });
  }

  count(outputs) {
    this.tell("result", countResult(this.health, this.page.contract, outputs));
  }

  // The chain has committed the other set: it is written down, then runs. The thread waits meanwhile.
  async switch() {
    const slot = this.slot === "a" ? "b" : "a";
    try {
      const digest = await this.whenSwitched(slot);
      if (digest) await this.run(slot, digest).catch((error) => this.stay(slot, error));
      else await this.forget();
    } catch (error) {
      this.tell("trouble", { message: error.message });
      await this.forget().catch(() => {});
    }
  }

  async stay(slot, error) {
    await this.whenNotSwitched(slot, error.message);
    throw error;
  }

  tell(type, detail = {}) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

export const board = new ChainBoard(PAGE, CHAIN);
