// The page for people: wires the board, its sources and its updates to what is on the screen.

import { board, freshHealth } from "./board.js";
import { Client } from "./client.js";
import { Feed } from "./feeding.js";
import { PAGE } from "./page.js";
import { Plot } from "./plot.js";
import { readFrames, readTensor } from "./recording.js";
import { byId, explainTrust, makeAllBars, say, showHealth, showResult, showSoftware, showUpdate } from "./screen.js";
import { sensorFor, startSensor } from "./sensors.js";
import { ReleaseSite } from "./source.js";
import { Storage } from "./storage.js";
import { TRUST } from "./trust.js";
import { keepUp, openPoster, postResult, prove, saveHealth } from "./upkeep.js";

const FILE_BYTES_MAX = 16 * 1024 * 1024;

const { input, output } = PAGE.contract;
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
const windowSamples = Math.max(
  2,
  ((input.window_frames ?? 1) * (input.frame_values || 1)) / (input.channels?.length ?? 1),
);
const plot = new Plot(byId("plot"), input.channels?.length ?? 1, Math.min(windowSamples, 2000), calm ? 2 : 30);
const feed = new Feed(board, input, (counts) => plot.add(counts.map((count) => count / 32768)));
let client = null;
let storage = null;
let stopSource = null; // of a source that is on
let poster = null; // null: results go to no server

// -- what runs ---------------------------------------------------------------------------------

function showAll() {
  byId("start").disabled = board.model === null;
  showSoftware(board, client);
  showUpdate(client);
  showHealth(board.health);
}

// -- results -----------------------------------------------------------------------------------

function showOne({ detail }) {
  showResult(output, detail);
  showHealth(board.health);
}

// Only while a person has a source on: what a twin feeds the board stays with it.
function postOne({ detail }) {
  if (poster === null || stopSource === null) return;
  postResult(poster, board, detail);
}

// -- sources -----------------------------------------------------------------------------------

function chosen() {
  return document.querySelector("input[name=source]:checked").value;
}

function complain(error) {
  byId("complaint").textContent = error ? error.message : "";
}

function showSource() {
  const on = stopSource !== null;
  for (const kind of ["sensor", "recording", "typed"]) byId(`${kind}-options`).hidden = chosen() !== kind;
  byId("start").textContent = on ? "Stop" : chosen() === "sensor" ? "Start" : chosen() === "recording" ? "Play" : "Run";
  byId("start").classList.toggle("on", on);
  byId("source").disabled = on;
}

async function begin() {
  complain(null);
  const stopping = new AbortController();
  stopSource = () => stopping.abort();
  showSource();
  try {
    if (chosen() === "sensor") {
      const trouble = (work) => work.catch((error) => (end(), complain(error)));
      const stop = await startSensor(
        sensorFor(input),
        input,
        PAGE.gravity,
        (samples) => trouble(feed.take(samples)),
        (missed) => trouble(feed.lose(missed)),
      );
      if (stopping.signal.aborted) stop();
      else stopSource = stop;
      return;
    }
    const results = chosen() === "recording" ? await playRecording(stopping.signal) : await runTyped(stopping.signal);
    if (results === 0)
      complain(new Error(`No result yet: the model looks at ${input.window_frames} frames at a time.`));
  } catch (error) {
    complain(error);
  }
  if (stopSource !== null) end();
}

function end() {
  stopSource?.();
  stopSource = null;
  showSource();
}

async function playRecording(signal) {
  const [file] = byId("file").files;
  if (file === undefined) throw new Error("Choose a recording first.");
  if (file.size > FILE_BYTES_MAX) throw new Error("The recording is larger than 16 MB.");
  const frames = readFrames(await file.text(), input);
  await board.restart();
  plot.clear();
  return (await feed.play(frames, byId("real-time").checked, signal)).length;
}

async function runTyped(signal) {
  const text = byId("typed").value;
  if (input.frame_values) return (await feed.play(readFrames(text, input), false, signal)).length;
  const { input_bytes: bytes, rows } = board.model.header;
  await board.infer(readTensor(text, bytes * rows));
  return 1;
}

// -- updates -----------------------------------------------------------------------------------

// One poll at a time, over all windows of this page.
async function update() {
  if (client === null || Object.keys(TRUST.keys).length === 0) return;
  byId("check").disabled = true;
  try {
    await navigator.locks.request(`tinyops ${location.pathname}`, async () => {
      const bytes = await client.update();
      if (bytes !== null) {
        await board.boot(bytes);
        board.health = freshHealth();
        await navigator.storage?.persist?.();
      }
    });
  } catch (error) {
    say(error.message);
  }
  byId("check").disabled = false;
  showAll();
}

function save() {
  return saveHealth(storage, board.health);
}

// -- start -------------------------------------------------------------------------------------

async function main() {
  makeAllBars(output);
  byId("sensor-choice").hidden = sensorFor(input) === null;
  byId("recording-choice").hidden = !input.frame_values || !input.channels;
  const first = [...document.querySelectorAll("input[name=source]")].find((choice) => !choice.closest("label").hidden);
  first.checked = true;
  byId("source").addEventListener("change", showSource);
  byId("start").addEventListener("click", () => (stopSource === null ? begin() : end()));
  byId("check").addEventListener("click", update);
  board.addEventListener("result", showOne);
  board.addEventListener("result", postOne);
  board.addEventListener("booted", showAll);
  board.addEventListener("fault", showAll);
  showSource();
  plot.ask();
  byId("fact-trust").textContent = await explainTrust(TRUST);
  await restore();
  poster = await openPoster(storage, board, save);
  await keepUp(update, save);
}

async function restore() {
  try {
    storage = await Storage.open(`tinyops ${location.pathname} ${PAGE.fleet} ${PAGE.board}`);
    client = new Client({ page: PAGE, trust: TRUST, storage, site: new ReleaseSite(PAGE.releases), prove, say });
    const bytes = await client.restore();
    Object.assign(board.health, await storage.get("health"));
    if (bytes !== null) await board.boot(bytes);
  } catch (error) {
    say(error.message);
  }
  showAll();
}

main();
