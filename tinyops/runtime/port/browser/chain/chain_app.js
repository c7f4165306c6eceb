// The page for people, of the last part of a chain: wires the part, the way to the part before and the updates to what
// is on the screen.

import { bluetoothWay, serialWay, websocketWay } from "./ways.js";
import { freshHealth } from "./board.js";
import { CHAIN } from "./chain.js";
import { board } from "./chain_board.js";
import { ChainClient } from "./chain_client.js";
import { PAGE } from "./page.js";
import {
  byId,
  create,
  explainTrust,
  makeAllBars,
  say,
  showHealth,
  showResult,
  showSoftware,
  showUpdate,
} from "./screen.js";
import { ReleaseSite } from "./source.js";
import { Storage } from "./storage.js";
import { TRUST } from "./trust.js";
import { keepUp, openPoster, postResult, prove, saveHealth } from "./upkeep.js";
import { Upstream } from "./upstream.js";

const AGAIN_MS = 5000; // until a part whose model has taken its thread along is begun anew
const SET_DIGITS = 8;
const NO_SET = /^0*$/;

const { output } = PAGE.contract;
const { kind, baud } = CHAIN.link;
const WAYS = { uart: serialWay, ble: bluetoothWay, tcp: websocketWay };
const LINKS = {
  off: "Not connected",
  connecting: "Connecting",
  on: "Connected",
  lost: "Lost, and tried again",
};
const upstream = new Upstream(WAYS[kind], { baud }, (bytes) => board.take("upstream", bytes));
let client = null;
let storage = null;
let poster = null; // null: results go to no server
let awake = null; // what keeps the screen on

// -- what is shown -----------------------------------------------------------------------------

function showAll() {
  showSoftware(board, client);
  showUpdate(client);
  showHealth(board.health);
  showChain();
}

function nameOf(part) {
  return CHAIN.names[part] ?? `part ${part}`;
}

function textOf(code) {
  return CHAIN.texts[code] ?? `state ${code}, unknown to this page`;
}

function because({ part, code }) {
  return `${nameOf(part)} ${textOf(code)}`;
}

// Of each part what is known here: of one beyond another that does not answer nothing is.
function textsOfParts() {
  const last = CHAIN.names.length - 1;
  const { code, part } = board.state ?? { code: null, part: null };
  return CHAIN.names.map((_, i) => {
    if (i === last) return board.model === null ? "has no model yet" : "is this page";
    if (upstream.state !== "on" && board.twin !== true) return "is not connected";
    if (code === null || code === undefined) return "is not known yet";
    if (code === CHAIN.ready) return textOf(CHAIN.ready);
    if (part === last) return "is not known";
    if (i === part) return textOf(code);
    return i > part ? textOf(CHAIN.ready) : "is not known";
  });
}

function showChain() {
  const rows = textsOfParts().map((text, i) => {
    const row = create("li");
    const well = text === textOf(CHAIN.ready) || text === "is this page";
    row.dataset.well = well ? "yes" : "no";
    row.append(create("b", nameOf(i)), create("span", text));
    return row;
  });
  byId("parts").replaceChildren(...rows);
  byId("link-state").textContent = upstream.why ? `${LINKS[upstream.state]}: ${upstream.why}` : LINKS[upstream.state];
  byId("link-state").dataset.state = upstream.state;
  byId("connect").textContent = upstream.state === "off" ? WAYS[kind].label : "Disconnect";
  byId("connect").classList.toggle("on", upstream.state !== "off");
  byId("fact-set").textContent = setText();
  showStanding();
}

function setText() {
  const { running, spare } = board.state ?? { running: "", spare: "" };
  const runs = NO_SET.test(running) ? "none" : running.slice(0, SET_DIGITS);
  const waits = client?.state.waiting !== null && !NO_SET.test(spare) && spare !== running;
  return waits ? `${runs}; ${spare.slice(0, SET_DIGITS)} waits for its chain` : runs;
}

let stood = true; // the whole chain, when it was looked at last

// A result is shown as such only while the whole chain stands.
function showStanding() {
  const stands = board.state !== null && board.state.code === CHAIN.ready;
  if (board.model !== null && !stands) {
    byId("state").textContent = "Waiting for its chain";
    byId("state").dataset.state = "off";
  }
  if (upstream.state === "off" && byId("history").children.length === 0) return;
  if (!stands && board.state !== null) showUnavailable(board.state);
  else if (stands && !stood) showNothing("–", "No result since the chain stands again");
  stood = stands;
}

function showUnavailable(why) {
  const text = because(why);
  if (byId("confidence").textContent !== text) byId("spoken").textContent = `unavailable: ${text}`;
  showNothing("unavailable", text);
}

function showNothing(word, text) {
  byId("class").textContent = word;
  byId("class").dataset.state = "unavailable";
  byId("confidence").textContent = text;
  for (const bar of byId("bars").children) {
    bar.classList.remove("best");
    bar.querySelector("meter").value = 0;
    bar.querySelector(".share").textContent = "–";
  }
}

function showOne({ detail }) {
  byId("class").dataset.state = "on";
  showResult(output, detail);
  byId("confidence").textContent += `, at ${new Date().toLocaleTimeString()}`;
  showHealth(board.health);
}

function complain(error) {
  byId("complaint").textContent = error ? error.message : "";
}

// -- the way to the part before ----------------------------------------------------------------

async function connect() {
  complain(null);
  if (upstream.state !== "off") {
    upstream.end();
    return;
  }
  try {
    const place = await WAYS[kind].choose({ baud }, byId("address")?.value ?? "");
    upstream.run(place);
  } catch (error) {
    if (error.name !== "NotFoundError") complain(error); // the person chose nothing
  }
}

function prepareWay() {
  const missing = WAYS[kind].missing();
  byId("connect").disabled = missing !== "";
  complain(missing ? new Error(missing) : null);
  const typed = new URLSearchParams(location.search).get("upstream");
  if (byId("address") !== null && typed !== null) byId("address").value = typed; // a person still has to connect
  byId("connect").addEventListener("click", connect);
  upstream.addEventListener("change", () => {
    showChain();
    if (upstream.state === "off") awake?.release();
    else stayAwake();
  });
  document.addEventListener("visibilitychange", stayAwake);
  board.sinks.upstream = (bytes) => upstream.send(bytes);
}

// A phone whose screen goes dark is lost to its chain.
async function stayAwake() {
  if (upstream.state !== "on" || document.visibilityState !== "visible" || awake !== null) return;
  awake = await navigator.wakeLock?.request("screen").catch(() => null);
  awake?.addEventListener("release", () => (awake = null));
}

// -- results -----------------------------------------------------------------------------------

function postOne({ detail }) {
  if (poster === null || upstream.state !== "on") return; // what a twin feeds the chain stays with it
  postResult(poster, board, detail);
}

// -- updates -----------------------------------------------------------------------------------

let updating = null; // one poll at a time

function update() {
  updating ??= poll().finally(() => (updating = null));
  return updating;
}

async function poll() {
  if (client === null || Object.keys(TRUST.keys).length === 0) return;
  byId("check").disabled = true;
  try {
    const bytes = await client.update();
    if (bytes !== null) {
      await board.boot(bytes, client.state.current);
      Object.assign(board.health, freshHealth(), { unavailable: 0 });
      await navigator.storage?.persist?.();
    }
  } catch (error) {
    say(error.message);
  }
  byId("check").disabled = false;
  showAll();
}

function save() {
  return saveHealth(storage, board.health);
}

async function switched(slot) {
  const digest = await client.switched(slot);
  if (digest) Object.assign(board.health, freshHealth(), { unavailable: 0 });
  return digest;
}

// -- start -------------------------------------------------------------------------------------

async function main() {
  makeAllBars(output);
  prepareWay();
  byId("check").addEventListener("click", update);
  board.addEventListener("result", showOne);
  board.addEventListener("result", postOne);
  board.addEventListener("unavailable", ({ detail }) => (showUnavailable(detail), showHealth(board.health)));
  for (const type of ["booted", "fault", "state"]) board.addEventListener(type, showAll);
  board.addEventListener("booted", () => client?.offerSpare().catch((error) => say(error.message)));
  board.addEventListener("fault", ({ detail }) => say(`the model ${detail.message}`));
  board.addEventListener("trouble", ({ detail }) => say(detail.message));
  board.addEventListener("overrun", ({ detail }) => say(`${detail.lost} bytes came faster than they were taken`));
  board.addEventListener("ended", beginAgain);
  showAll();
  byId("fact-trust").textContent = await explainTrust(TRUST);
  await restore();
  poster = await openPoster(storage, board, save);
  await keepUp(update, save);
}

async function restore() {
  try {
    await board.open();
    storage = await Storage.open(`tinyops ${location.pathname} ${PAGE.fleet} ${PAGE.board}`);
    const site = new ReleaseSite(PAGE.releases);
    client = new ChainClient({ page: PAGE, trust: TRUST, storage, site, prove, say, board });
    board.whenSwitched = switched;
    board.whenNotSwitched = (slot, why) => client.notSwitched(slot, why);
    Object.assign(board.health, await storage.get("health"));
    await runKept();
  } catch (error) {
    say(error.message);
  }
  showAll();
}

function runKept() {
  return client.runKept((bytes, slot) => board.boot(bytes, slot));
}

function beginAgain({ detail }) {
  say(`the part ${detail.message}: it begins again`);
  stood = false;
  showAll();
  showNothing("unavailable", "This part begins again");
  setTimeout(async () => {
    try {
      await board.renew();
      if (client !== null) await runKept();
    } catch (error) {
      say(error.message);
    }
    showAll();
  }, AGAIN_MS);
}

// Two windows of this page would be two parts at one place: the second one waits for the first to be closed.
function alone(work) {
  const name = `tinyops part ${location.pathname}`;
  return navigator.locks.request(name, { ifAvailable: true }, (lock) => {
    if (lock !== null) return work();
    byId("state").textContent = "Open elsewhere";
    complain(new Error("Another window of this browser is this part of the chain. This one begins when that is closed."));
    return navigator.locks.request(name, () => (complain(null), work()));
  });
}

const forEver = new Promise(() => {});
alone(() => main().then(() => forEver));
