// node ask.mjs: calls of the page's modules, a JSON list of [name, arguments] on standard input; answers on standard
// output. Lies in the folder of the modules when it runs.
import { readFileSync } from "node:fs";

import { Client } from "./client.js";
import { bestOf, sharesOf, toCount } from "./counts.js";
import { acceptEntry } from "./entry.js";
import { canonicalJson, sha256 } from "./envelope.js";
import { readFrames, readTensor } from "./recording.js";
import { AudioResampler, MotionResampler } from "./resample.js";
import { ModelFault } from "./model.js";
import { readMotion, sensorFor } from "./sensors.js";

const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const PAGE = { fleet: "wrist", board: "phone", contractDigest: "c".repeat(64) };

// Keeps values in memory, and fails at the put with a number, before or after it is done.
class Memory {
  constructor(cut = -1, after = false) {
    Object.assign(this, { cut, after, puts: 0, values: {} });
  }

  async get(key) {
    return structuredClone(this.values[key]);
  }

  async put(values) {
    const now = this.puts++ === this.cut;
    if (now && !this.after) throw new Error("cut");
    this.values = { ...this.values, ...structuredClone(values) };
    if (now) throw new Error("cut");
  }
}

// The releases in order, one poll each; a model whose bytes say "bad" is given up. Returns what each poll came to.
async function polls({ trust, releases, cut = -1, after = false, now = 0 }) {
  const storage = new Memory(cut, after);
  const site = { current: null };
  site.entry = async () => bytes(site.current.entry);
  site.asset = async (file) => {
    const found = bytes(site.current.files[file.asset] ?? "");
    if ((await sha256(found)) !== file.sha256) throw new Error("not the file that the signed entry names");
    return found;
  };
  const prove = async (model) => {
    if (Buffer.from(model).toString().includes("bad")) throw new ModelFault("golden vector 1 of 5 differs");
    return 5;
  };
  const client = async () => {
    const made = new Client({ page: PAGE, trust, storage, site, prove, now: () => now });
    const running = await made.restore();
    return [made, running && Buffer.from(running).toString()];
  };
  const log = [];
  for (const release of releases) {
    site.current = release;
    const [made] = await client();
    let outcome = "ok";
    await made.update().catch((error) => (outcome = error.message));
    const [again, running] = await client();
    log.push({ outcome, running, state: again.state });
  }
  return { log, puts: storage.puts };
}

const CALLS = {
  toCount,
  bestOf,
  sharesOf,
  canonicalJson,
  polls,
  sensorFor,
  readMotion,
  accept: async (entry, trust, state, now) => (await acceptEntry(bytes(entry), trust, state, now, "entry")).digest,
  readFrames: (text, input) => Array.from(readFrames(text, input)),
  readTensor: (text, count) => Array.from(readTensor(text, count)),
  motion(rateHz, events) {
    const resampler = new MotionResampler(rateHz);
    const found = events.map(([seconds, values]) => resampler.push(seconds, values));
    return {
      samples: found.flatMap(({ samples }) => samples),
      gaps: found.filter(({ gap }) => gap).length,
      missed: resampler.missed,
    };
  },
  audio(fromHz, toHz, samples, block) {
    const resampler = new AudioResampler(fromHz, toHz);
    const found = [];
    for (let at = 0; at < samples.length; at += block) found.push(...resampler.push(samples.slice(at, at + block)));
    return found;
  },
};

const answers = [];
for (const [name, given] of JSON.parse(readFileSync(0))) {
  try {
    answers.push({ ok: (await CALLS[name](...given)) ?? null });
  } catch (error) {
    answers.push({ error: error.message });
  }
}
process.stdout.write(JSON.stringify(answers));
