// What every page shows of its board: results, counters, the release that runs, what happened.

import { sharesOf } from "./counts.js";
import { canVerify } from "./envelope.js";

const HISTORY_MAX = 12;
const EVENTS_MAX = 8;
const BARS_MAX = 10;

export const byId = (id) => document.getElementById(id);

export function create(kind, text = "", className = "") {
  const made = document.createElement(kind);
  made.textContent = text;
  made.className = className;
  return made;
}

// `board.model` is null while nothing runs; `client` may be null.
export function showSoftware(board, client) {
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
}

export function showUpdate(client) {
  const last = client?.state.lastUpdate;
  byId("last-update").textContent = last
    ? `${last.result}${last.version ? ` v${last.version}` : ""}: ${last.reason}`
    : "not asked yet";
  byId("last-update").dataset.result = last?.result ?? "";
}

// What happened, newest first.
export function say(text) {
  const line = create("li");
  line.append(create("time", new Date().toLocaleTimeString()), ` ${text}`);
  byId("events").prepend(line);
  while (byId("events").children.length > EVENTS_MAX) byId("events").lastChild.remove();
}

// Of a contract's `output`: the best class, all shares, and a line of history.
export function showResult(output, { outputs, best, name }) {
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
}

export function showHealth({ inferences, missed, faults, classes, posted, unposted, unavailable }) {
  for (const [name, count] of Object.entries({ inferences, missed, faults, posted, unposted, unavailable })) {
    const place = byId(name); // no page has all of them
    if (place !== null) place.textContent = (count ?? 0).toLocaleString();
  }
  for (const row of byId("histogram").children) {
    const count = classes[row.dataset.name] ?? 0;
    row.querySelector("meter").value = inferences ? count / inferences : 0;
    row.querySelector(".share").textContent = count.toLocaleString();
  }
}

// For each class, or for the first outputs of a model without.
export function makeAllBars(output) {
  const names = output.classes ?? Array.from({ length: Math.min(output.bytes, BARS_MAX) }, (_, i) => String(i));
  for (const list of ["bars", "histogram"]) makeBars(byId(list), names);
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

export async function explainTrust(trust) {
  const keys = Object.keys(trust.keys);
  if (keys.length === 0) return "This page was built without trusted keys: it takes no updates.";
  if (!(await canVerify())) return "This browser cannot check Ed25519 signatures: it takes no updates.";
  return `${trust.threshold} of ${keys.length} (${keys.map((id) => id.slice(0, 8)).join(", ")})`;
}
