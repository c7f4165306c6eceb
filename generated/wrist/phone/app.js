// The page for people: wires the board, its sources and its updates to what is on the screen.

import { board, freshHealth } from "./board.js";
import { Client } from "./client.js";
import { sharesOf } from "./counts.js";
import { canVerify } from "./envelope.js";
import { Feed } from "./feeding.js";
import { Model } from "./model.js";
import { PAGE } from "./page.js";
import { Plot } from "./plot.js";
import { readFrames, readTensor } from "./recording.js";
import { sensorFor, startSensor } from "./sensors.js";
import { ReleaseSite } from "./source.js";
import { Storage } from "./storage.js";
import { TRUST } from "./trust.js";

const POLL_MS = 15 * 60 * 1000;
const TRIAL_LIMIT_MS = 60_000;
const SAVE_MS = 10_000;
const HISTORY_MAX = 12;
const EVENTS_MAX = 8;
const FILE_BYTES_MAX = 16 * 1024 * 1024;

const { input, output } = PAGE.contract;
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
const byId = (id) => document.getElementById(id);
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

function create(kind, text = "", className = "") {
  const made = document.createElement(kind);
  made.textContent = text;
  made.className = className;
  return made;
}

// -- what runs ---------------------------------------------------------------------------------

function showSoftware() {
  const running = client?.running() ?? null;
  const installed = client?.state.slots[client.state.current];
  const on = board.model !== null;
  byId("state").textContent = on ? (running ? `Running v${running.version}` : "Running") : "No model yet";
  byId("state").dataset.state = on ? "on" : "off";
  const facts = {
    release: running ? `v${running.version}` : "none",
    since: installed ? new Date(installed.since).toLocaleString() : "–",
    model: board.digest ?? "none",
    counter: client ? String(client.state.securityCounter) : "–",
  };
  for (const [name, text] of Object.entries(facts)) byId(`fact-${name}`).textContent = text;
  byId("start").disabled = !on;
}

function showUpdate() {
  const last = client?.state.lastUpdate;
  byId("last-update").textContent = last
    ? `${last.result}${last.version ? ` v${last.version}` : ""}: ${last.reason}`
    : "not asked yet";
  byId("last-update").dataset.result = last?.result ?? "";
}

function say(text) {
  const line = create("li");
  line.append(create("time", new Date().toLocaleTimeString()), ` ${text}`);
  byId("events").prepend(line);
  while (byId("events").children.length > EVENTS_MAX) byId("events").lastChild.remove();
}

// -- results -----------------------------------------------------------------------------------

function showResult({ detail: { outputs, best, name } }) {
  const shares = output.type === "int8" && output.classes ? sharesOf(outputs) : null;
  const sure = shares ? `${Math.round(shares[best] * 100)} %` : `output ${outputs[best]}`;
  if (byId("class").textContent !== name) byId("spoken").textContent = name;
  byId("class").textContent = name;
  byId("confidence").textContent = shares ? `${sure} confident` : sure;
  for (const [i, bar] of [...byId("bars").children].entries()) {
    const share = shares ? shares[i] : (outputs[i] + 128) / 255;
    bar.querySelector("meter").value = share;
    bar.querySelector(".share").textContent = shares ? `${Math.round(share * 100)} %` : String(outputs[i]);
    bar.classList.toggle("best", i === best);
  }
  const line = create("li");
  line.append(create("time", new Date().toLocaleTimeString()), create("b", name), create("span", sure));
  byId("history").prepend(line);
  while (byId("history").children.length > HISTORY_MAX) byId("history").lastChild.remove();
  byId("history-empty").hidden = true;
  showHealth();
}

// Only while a person has a source on: what a twin feeds the board stays with it.
function postResult({ detail }) {
  if (poster === null || stopSource === null) return;
  const named = output.type === "int8" && Boolean(output.classes);
  const { inferences, unposted: lost } = board.health;
  poster.offer(detail, { model: `sha256:${board.digest}`, sequence: inferences - 1, lost, named });
}

async function startPosting() {
  if (!PAGE.post) return;
  const { Poster, deviceName } = await import("./posting.js");
  const whose = { device: await deviceName(storage, PAGE.board), board: PAGE.board, fleet: PAGE.fleet };
  poster = new Poster(PAGE.post, whose, (posted, lost, trouble) => {
    board.health.posted += posted;
    board.health.unposted += lost;
    byId("posting").textContent = trouble;
    showHealth();
    saveHealth(); // so that no sequence number is given out twice
  });
}

function showHealth() {
  const { inferences, missed, faults, classes, posted, unposted } = board.health;
  if (PAGE.post) {
    byId("posted").textContent = posted.toLocaleString();
    byId("unposted").textContent = unposted.toLocaleString();
  }
  byId("inferences").textContent = inferences.toLocaleString();
  byId("missed").textContent = missed.toLocaleString();
  byId("faults").textContent = faults.toLocaleString();
  for (const row of byId("histogram").children) {
    const count = classes[row.dataset.name] ?? 0;
    row.querySelector("meter").value = inferences ? count / inferences : 0;
    row.querySelector(".share").textContent = count.toLocaleString();
  }
}

function makeBars(list, names) {
  for (const name of names) {
    const row = create("li");
    row.dataset.name = name;
    const meter = create("meter");
    meter.max = 1;
    meter.setAttribute("aria-label", name);
    row.append(create("span", name, "name"), meter, create("span", "–", "share"));
    list.append(row);
  }
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

async function prove(bytes, golden) {
  const model = await Model.start(bytes, PAGE.contractDigest, TRIAL_LIMIT_MS);
  try {
    return await model.call("prove", { golden });
  } finally {
    model.stop();
  }
}

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
  showSoftware();
  showUpdate();
  showHealth();
}

async function saveHealth() {
  if (storage !== null) await storage.put({ health: board.health }).catch(() => {});
}

async function explainTrust() {
  const keys = Object.keys(TRUST.keys);
  if (keys.length === 0) return "This page was built without trusted keys: it takes no updates.";
  if (!(await canVerify())) return "This browser cannot check Ed25519 signatures: it takes no updates.";
  return `${TRUST.threshold} of ${keys.length} (${keys.map((id) => id.slice(0, 8)).join(", ")})`;
}

// -- start -------------------------------------------------------------------------------------

async function main() {
  const names = output.classes ?? Array.from({ length: Math.min(output.bytes, 10) }, (_, i) => String(i));
  makeBars(byId("bars"), names);
  makeBars(byId("histogram"), names);
  byId("sensor-choice").hidden = sensorFor(input) === null;
  byId("recording-choice").hidden = !input.frame_values || !input.channels;
  const first = [...document.querySelectorAll("input[name=source]")].find((choice) => !choice.closest("label").hidden);
  first.checked = true;
  byId("source").addEventListener("change", showSource);
  byId("start").addEventListener("click", () => (stopSource === null ? begin() : end()));
  byId("check").addEventListener("click", update);
  board.addEventListener("result", showResult);
  board.addEventListener("result", postResult);
  board.addEventListener("booted", showSoftware);
  board.addEventListener("fault", showHealth);
  showSource();
  plot.ask();
  byId("fact-trust").textContent = await explainTrust();
  await restore();
  await startPosting();
  if ("serviceWorker" in navigator)
    navigator.serviceWorker.register("./sw.js").catch((error) => say(`Not offline: ${error.message}`));
  setInterval(saveHealth, SAVE_MS);
  addEventListener("pagehide", saveHealth);
  addEventListener("online", update);
  setInterval(update, POLL_MS);
  await update();
  document.body.dataset.ready = "yes";
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
  showSoftware();
  showUpdate();
  showHealth();
}

main();
