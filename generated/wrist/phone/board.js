// The page as a board: the model that runs, frames in, results out, counters. Without a document, so
// that its twin in a browser without a person talks to the very same object.

import { bestOf } from "./counts.js";
import { sha256 } from "./envelope.js";
import { Model } from "./model.js";
import { PAGE } from "./page.js";

// Sums since a model was installed.
export function freshHealth() {
  return { inferences: 0, missed: 0, faults: 0, classes: {}, posted: 0, unposted: 0 };
}

// Counts a result among those before; returns it with its best class and that one's name.
export function countResult(health, contract, outputs) {
  const best = bestOf(outputs);
  const name = contract.output.classes?.[best] ?? String(best);
  health.inferences++;
  health.classes[name] = (health.classes[name] ?? 0) + 1;
  return { outputs: Array.from(outputs), best, name };
}

export class Board extends EventTarget {
  constructor(page) {
    super();
    this.page = page;
    this.model = null;
    this.digest = null;
    this.health = freshHealth();
    this.turn = Promise.resolve();
  }

  // Runs a module from now on; returns its header. The one that ran before stays when it is refused.
  async boot(bytes) {
    const [model, digest] = [await Model.start(bytes, this.page.contractDigest), await sha256(bytes)];
    this.model?.stop();
    [this.model, this.digest] = [model, digest];
    this.tell("booted");
    return model.header;
  }

  // Pushes whole frames (int16 values one after another); returns the results of the inferences.
  push(frames) {
    return this.inTurn(async () => {
      const found = await this.ask("push", { frames });
      return found.map(([frame, outputs]) => this.count(frame, new Int8Array(outputs.buffer)));
    });
  }

  // One inference on an input tensor, row by row where the model takes it so; returns its result.
  infer(tensor) {
    return this.inTurn(async () => {
      const size = this.model.header.input_bytes;
      for (let at = 0; at < tensor.length; at += size) {
        await this.ask("write", { data: tensor.slice(at, at + size) });
        await this.ask("invoke");
      }
      return this.count(0, new Int8Array((await this.ask("output")).buffer));
    });
  }

  // Forgets all frames pushed so far; `missed` samples were lost.
  restart(missed = 0) {
    this.health.missed += missed;
    return this.inTurn(() => this.ask("init"));
  }

  async ask(call, given) {
    if (this.model === null) throw new Error("No model runs.");
    try {
      return await this.model.call(call, given);
    } catch (error) {
      this.health.faults++;
      this.tell("fault", { message: error.message });
      throw error;
    }
  }

  count(frame, outputs) {
    const result = { frame, ...countResult(this.health, this.page.contract, outputs) };
    this.tell("result", result);
    return result;
  }

  // One caller after another: a model takes one request at a time.
  inTurn(work) {
    const done = this.turn.then(work, work);
    this.turn = done.catch(() => {});
    return done;
  }

  tell(type, detail = {}) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

export const board = new Board(PAGE);
