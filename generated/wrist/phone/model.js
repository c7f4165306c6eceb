// A model in a worker, with a limit on every call: what the page and its twin talk to.

import { ModelFault } from "./compiled.js";

export { ModelFault };
export const CALL_LIMIT_MS = 20_000;

export class Model {
  // Starts a worker with a module. Throws ModelFault when the module is none of ours.
  static async start(bytes, contract, limitMs = CALL_LIMIT_MS) {
    const model = new Model(limitMs);
    try {
      model.header = await model.call("load", { bytes, contract });
      return model;
    } catch (error) {
      model.stop();
      throw error;
    }
  }

  // `hear` gets what the worker says unasked.
  constructor(limitMs, url = new URL("./worker.js", import.meta.url), hear = () => {}) {
    this.limitMs = limitMs;
    this.waiting = new Map();
    this.sent = 0;
    this.worker = new Worker(url, { type: "module" });
    this.worker.addEventListener("message", ({ data }) => (data.event ? hear(data) : this.settle(data)));
    this.worker.addEventListener("error", (event) =>
      this.end(`its thread ended: ${event.message ?? "it could not be started"}`),
    );
  }

  // Asks the worker; rejects with ModelFault after the limit, and ends the thread then.
  call(call, given = {}, transfer = []) {
    if (this.worker === null) return Promise.reject(new ModelFault("was stopped"));
    const id = ++this.sent;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => this.end(`hangs: no end of ${call} within ${this.limitMs / 1000} s`),
        this.limitMs,
      );
      this.waiting.set(id, { resolve, reject, timer });
      this.worker.postMessage({ id, call, given }, transfer);
    });
  }

  settle({ id, answer, fault, ofModel }) {
    const asked = this.waiting.get(id);
    if (asked === undefined) return;
    this.waiting.delete(id);
    clearTimeout(asked.timer);
    if (fault === undefined) asked.resolve(answer);
    else asked.reject(ofModel ? new ModelFault(fault) : new Error(fault));
  }

  end(why) {
    const asked = [...this.waiting.values()];
    this.stop();
    for (const { reject, timer } of asked) {
      clearTimeout(timer);
      reject(new ModelFault(why));
    }
  }

  stop() {
    this.worker?.terminate();
    this.worker = null;
    this.waiting.clear();
  }
}
