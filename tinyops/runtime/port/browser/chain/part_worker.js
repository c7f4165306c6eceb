// The thread of a part: its module, its two models, and the time that goes by. What it has to say goes out as events;
// requests are answered as worker.js answers them. A model that hangs or crashes takes this thread along.

import { CompiledModel, ModelFault } from "./compiled.js";
import { LINE, Part, SLOTS, SPARE, UPSTREAM } from "./part.js";

const IDLE_MS = 25; // until a part without work looks at the time again
const STREAMS = { line: LINE, upstream: UPSTREAM };
const NAMES = ["line", "upstream"];

let part = null;
let contract = "";
let stateBytes = 0;
let timer = null;
let asked = false; // the page was asked to switch, and has not answered
let told = "";
let sent = [[], []];

function tell(event, transfer = []) {
  self.postMessage(event, transfer);
}

// What a round had to send goes out as one message a stream.
function flush() {
  for (const [stream, pieces] of sent.entries()) {
    if (pieces.length === 0) continue;
    const all = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
    pieces.reduce((at, piece) => (all.set(piece, at), at + piece.length), 0);
    tell({ event: "bytes", stream: NAMES[stream], bytes: all }, [all.buffer]);
  }
  sent = [[], []];
  const state = part.tell(stateBytes);
  const now = state.join();
  if (now !== told) tell({ event: "state", state });
  told = now;
}

function work() {
  clearTimeout(timer);
  timer = null;
  if (part === null || asked) return;
  const more = part.poll();
  flush();
  asked = part.switches;
  if (asked) tell({ event: "switch" });
  else timer = setTimeout(work, more ? 0 : IDLE_MS);
}

// With a RESULT come the outputs as the model has them: a frame holds the first ones only.
function report(bytes) {
  const model = part.models[part.active];
  tell({ event: "report", frame: bytes, outputs: model === undefined || model === null ? null : model.output() });
}

const CALLS = {
  async open({ module, place, name, contract: wanted, stateBytes: size }) {
    [contract, stateBytes] = [wanted, size];
    const write = (stream, bytes) => sent[stream].push(bytes);
    const fault = (message) => tell({ event: "fault", message });
    part = await Part.open(module, place, contract, name, { write, report, fault });
  },
  // A module into a slot that does not run; null empties it.
  async fill({ slot, bytes }) {
    const model = bytes === null ? null : await CompiledModel.load(bytes, contract);
    part.hold(SPARE.none);
    part.fill(SLOTS[slot], model);
    asked = false;
    return model?.header ?? null;
  },
  run({ slot }) {
    asked = false;
    part.run(SLOTS[slot]);
    return part.models[SLOTS[slot]].header;
  },
  // Whether the model that does not run may be run; also the answer to "switch" where it may not.
  hold({ spare }) {
    part.hold(SPARE[spare]);
    asked = false;
  },
  take({ stream, bytes }) {
    return part.give(STREAMS[stream], bytes);
  },
  alive: () => true,
};

self.addEventListener("message", async ({ data: { id, call, given } }) => {
  try {
    if (part === null && call !== "open") throw new Error("no part runs");
    tell({ id, answer: await CALLS[call](given ?? {}) });
  } catch (error) {
    tell({ id, fault: error.message, ofModel: error instanceof ModelFault });
  }
  if (call !== "alive") work();
});
