// node ask.mjs: calls of the page's modules. Lies in their folder when it runs.
import { Memory, Site, answer, bytes, prove, text } from "./asking.mjs";
import { Client } from "./client.js";
import { bestOf, sharesOf, toCount } from "./counts.js";
import { acceptEntry } from "./entry.js";
import { canonicalJson } from "./envelope.js";
import { readFrames, readTensor } from "./recording.js";
import { AudioResampler, MotionResampler } from "./resample.js";
import { readMotion, sensorFor } from "./sensors.js";

const PAGE = { fleet: "wrist", board: "phone", contractDigest: "c".repeat(64) };

// The releases in order, one poll each; a model whose bytes say "bad" is given up. Returns what each poll came to.
async function polls({ trust, releases, cut = -1, after = false, now = 0 }) {
  const storage = new Memory(cut, after);
  const site = new Site();
  const client = async () => {
    const made = new Client({ page: PAGE, trust, storage, site, prove, now: () => now });
    const running = await made.restore();
    return [made, text(running)];
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

await answer(CALLS);
