// The thread that a model runs in: one request a message, one answer each. A model that hangs or
// crashes takes this thread along, never the page.

import { CompiledModel, ModelFault } from "./compiled.js";

let model = null;

const CALLS = {
  async load({ bytes, contract }) {
    model = await CompiledModel.load(bytes, contract);
    return { ...model.header, rows: model.rows };
  },
  init: () => model.init(),
  push: ({ frames }) => model.push(frames),
  write: ({ data }) => model.write(data),
  invoke: () => model.invoke(),
  output: () => model.output(),
  input: () => model.input(),
  stats: () => model.stats(),
  prove: ({ golden }) => model.prove(golden),
};

self.addEventListener("message", async ({ data: { id, call, given } }) => {
  try {
    if (model === null && call !== "load") throw new ModelFault("no model is loaded");
    self.postMessage({ id, answer: await CALLS[call](given ?? {}) });
  } catch (error) {
    self.postMessage({ id, fault: error.message, ofModel: error instanceof ModelFault });
  }
});
