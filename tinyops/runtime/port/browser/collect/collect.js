// A phone as a collector: records its sensor into takes, keeps them in the page's own storage until a person saves
// them as files, or the receiver on the page's own server has them.

import { toCount } from "./counts.js";
import { PAGE } from "./page.js";
import { Plot } from "./plot.js";
import { deviceName } from "./posting.js";
import { sensorFor, startSensor } from "./sensors.js";
import { Storage } from "./storage.js";
import { Recording } from "./take.js";

const TAKE_VALUES_MAX = 32 * 1024 * 1024; // 64 MB, half of what the receiver takes
const PLOT_SECONDS = 4;
const SEND_LIMIT_MS = 120_000;
const MARK = /[^A-Za-z0-9 ._+:@-]/g; // of what labels and names are not made of
const NAME_MAX = 63;

const { input } = PAGE.contract;
const byId = (id) => document.getElementById(id);
const plot = new Plot(byId("plot"), input.channels.length, Math.round(Math.min(PLOT_SECONDS * input.rate_hz, 2000)), 30);
let storage = null;
let device = PAGE.board;
let takes = []; // the oldest first; `bytes` is null once a receiver has it
let current = null; // {recording, stop, begun, timer}

function create(kind, text = "", className = "") {
  const made = document.createElement(kind);
  made.textContent = text;
  made.className = className;
  return made;
}

function complain(error) {
  byId("complaint").textContent = error ? error.message : "";
}

function nameIn(field) {
  return byId(field).value.replace(MARK, "").trim().slice(0, NAME_MAX);
}

// -- recording ---------------------------------------------------------------------------------

function showRecording() {
  const on = current !== null;
  byId("record").textContent = on ? "Stop" : "Record";
  byId("record").classList.toggle("on", on);
  byId("state").dataset.state = on ? "on" : "off";
  byId("state").textContent = on ? "Recording" : "Ready";
  const recording = current?.recording;
  byId("seconds").textContent = recording ? (recording.frames / input.rate_hz).toFixed(1) : "–";
  byId("frames").textContent = recording ? recording.frames.toLocaleString() : "–";
  byId("missed").textContent = recording ? recording.lost.toLocaleString() : "–";
}

// Samples of all channels, in the signal's units.
function take(samples) {
  if (current === null) return;
  const { recording } = current;
  for (const sample of samples) plot.add(sample.map((value, i) => value / input.full_scale[i]));
  recording.add(samples.flatMap((sample) => sample.map((value, i) => toCount(value, input.full_scale[i]))));
  const wanted = Number(byId("length").value) * input.rate_hz;
  if (recording.isFull || (wanted > 0 && recording.frames >= wanted)) end();
}

async function begin() {
  complain(null);
  const wanted = Number(byId("length").value) * input.rate_hz;
  const most = Math.floor(TAKE_VALUES_MAX / input.frame_values);
  const recording = new Recording(input.frame_values, wanted > 0 ? Math.min(Math.round(wanted), most) : most);
  current = { recording, stop: () => {}, begun: new Date(), timer: setInterval(showRecording, 200) };
  const mine = current;
  plot.clear();
  showRecording();
  try {
    const stop = await startSensor(sensorFor(input), input, PAGE.gravity, take, (missed) => mine.recording.lose(missed));
    if (current === mine) mine.stop = stop;
    else stop(); // ended meanwhile
  } catch (error) {
    complain(error);
    end();
  }
}

async function end() {
  const { recording, stop, begun, timer } = current;
  current = null;
  clearInterval(timer);
  stop();
  showRecording();
  if (recording.frames > 0) await keep(recording, begun).catch(complain);
}

async function keep(recording, begun) {
  const started = begun.toISOString();
  const signal = Object.fromEntries(["sensor", "channels", "units", "full_scale", "rate_hz"].map((n) => [n, input[n]]));
  const clock = { source: "device", measured_hz: null, jitter_ms: null }; // resampled: the rate is the signal's
  const facts = { ...signal, size: null, clock, started, device, board: PAGE.board, firmware: "" };
  takes.push({
    name: `${device}.${started.replace(/[-:.]/g, "")}`,
    label: nameIn("label"),
    subject: nameIn("subject"),
    frames: recording.frames,
    lost: recording.lost,
    bytes: recording.file(facts),
  });
  await remember();
}

// -- takes -------------------------------------------------------------------------------------

/** What is shown as kept, or as removed, is so after a reload as well. */
async function remember() {
  try {
    await storage?.put({ takes });
  } finally {
    showTakes();
  }
}

function showTakes() {
  byId("takes-empty").hidden = takes.length > 0;
  byId("takes").replaceChildren(...[...takes].reverse().map(lineOf));
}

function lineOf(one) {
  const line = create("li");
  const lost = one.lost ? `, ${one.lost.toLocaleString()} lost` : "";
  const about = `${(one.frames / input.rate_hz).toFixed(1)} s${lost}`;
  line.append(create("b", one.label || "no label"), create("span", about));
  const button = (text, work) => {
    const made = create("button", text);
    made.type = "button";
    made.addEventListener("click", () => {
      made.disabled = true;
      complain(null);
      work(one)
        .catch(complain)
        .finally(() => (made.disabled = false));
    });
    line.append(made);
  };
  if (one.bytes === null) line.append(create("span", "sent", "sent"));
  else {
    button("Send", send);
    button("Save", save);
  }
  button("Remove", remove);
  return line;
}

async function remove(one) {
  takes = takes.filter((other) => other !== one);
  await remember();
}

async function save(one) {
  const link = create("a");
  link.href = URL.createObjectURL(new Blob([one.bytes], { type: "application/octet-stream" }));
  link.download = `${one.name}.take`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

// To `tinyops collect serve`, which answers for the page's own server. It may be sent again.
async function send(one) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", one.bytes));
  const sha256 = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const facts = { dataset: PAGE.fleet, device, ending: "take", sha256, take: one.name, label: one.label };
  const url = new URL(PAGE.receiver, location.href);
  url.search = new URLSearchParams({ ...facts, subject: one.subject, board: PAGE.board });
  const response = await fetch(url, {
    method: "POST",
    headers: { Authorization: `Bearer ${byId("token").value.trim()}`, "Content-Type": "application/octet-stream" },
    body: one.bytes,
    credentials: "omit",
    redirect: "error",
    referrerPolicy: "no-referrer",
    signal: AbortSignal.timeout(SEND_LIMIT_MS),
  }).catch(() => {
    throw new Error("The receiver cannot be reached: the take stays here.");
  });
  const said = await response.json().catch(() => ({}));
  const why = said.problem || said.error || (response.ok ? "" : `the receiver answered ${response.status}`);
  if (why) throw new Error(`Not taken: ${String(why).slice(0, 300)}`);
  one.bytes = null;
  await remember();
}

// -- start -------------------------------------------------------------------------------------

async function main() {
  const able = sensorFor(input) !== null;
  byId("record").disabled = !able;
  if (!able) complain(new Error("A browser has no sensor that delivers this dataset's signal."));
  byId("record").addEventListener("click", () => (current === null ? begin() : end()));
  try {
    storage = await Storage.open(`tinyops ${location.pathname} collect ${PAGE.fleet} ${PAGE.board}`);
    takes = (await storage.get("takes")) ?? [];
    await navigator.storage?.persist?.();
  } catch (error) {
    complain(new Error(`Takes are gone when this page is closed: ${error.message}`));
  }
  device = await deviceName(storage, PAGE.board);
  byId("device").textContent = device;
  showRecording();
  showTakes();
  plot.ask();
  document.body.dataset.ready = "yes";
}

main();
