// The page: its parts, and who is told of what.

import { Actions } from "./actions.js";
import { channelColour, isDark } from "./colours.js";
import { element, refill } from "./dom.js";
import { Editor } from "./editor.js";
import { Filters } from "./filters.js";
import { Guesses } from "./guesses.js";
import { Images } from "./images.js";
import { keymap, listen, table } from "./keys.js";
import { Labels } from "./labels.js";
import { List } from "./list.js";
import { Overlay } from "./overlay.js";
import { drawPieces } from "./pieces.js";
import { Player } from "./play.js";
import { Pointer } from "./pointer.js";
import { Store } from "./store.js";
import { Thumbs } from "./thumbs.js";
import { Tracks } from "./tracks.js";

const LOOK_MS = 4000;
const $ = (id) => document.getElementById(id);

const store = new Store();
const guesses = new Guesses(store);
const editor = new Editor(store);
const list = new List($("list"), $("rows"), store, guesses, new Thumbs(store));
const filters = new Filters(store, guesses);
const actions = new Actions(store, editor, list, guesses, say);
const player = new Player(editor);
const labels = new Labels(store, (label) => actions.label(label));
const tracks = new Tracks($("signal"), failed);
const images = new Images($("signal"), failed);
const overlay = new Overlay($("overlay"), editor, guesses, store);
new Pointer($("overlay"), overlay, editor, actions);
const isImage = () => Boolean(store.about?.signal.size);

function say(text, hint = "", wrong = false) {
  $("status").textContent = hint ? `${text} ${hint}` : text;
  $("status").classList.toggle("wrong", wrong);
}

function failed(error) {
  $("problem").textContent = error.hint ? `${error.message}\n${error.hint}` : error.message;
  $("problem").hidden = false;
}

function refilter() {
  const found = filters.chosen(editor.path);
  list.show(found);
  filters.say(found.length);
}

function drawTitle() {
  const { recording } = editor;
  const [piece] = editor.selected;
  $("name").textContent = recording?.name ?? (store.recordings.length ? "no recording is open" : "nothing is recorded yet");
  const facts = recording && recordingFacts(recording);
  $("facts").textContent = facts ? facts.filter(Boolean).join(" · ") : "`tinyops collect` records, `tinyops data add` takes in files.";
  const { many } = list;
  const guess = piece && guesses.of(piece);
  $("accept").textContent = guess && !many.length ? `accept ${guess.label}` : "accept";
  $("accept").disabled = !guess && !many.length;
  $("seen").textContent = many.length ? `${many.length} recordings are marked: a label, a subject, Delete mean all their pieces` : opinion();
  labels.bar(many.length || editor.range ? null : piece?.label ?? null);
}

function recordingFacts(recording) {
  const [first] = recording.pieces;
  const { times, facts } = editor;
  const lost = times ? times.slots - times.frames : 0;
  return [
    recording.subjects.filter(Boolean).join(", "),
    first.device,
    first.time.replace("T", " ").replace("Z", " UTC"),
    facts?.rate_hz ? `${facts.rate_hz.toLocaleString("en")} Hz` : "",
    times?.frames > 1 ? `${times.frames.toLocaleString("en")} frames` : "",
    lost ? `${lost.toLocaleString("en")} lost` : "",
    ...Object.entries(facts?.facts ?? {}).map(([name, text]) => `${name} ${text}`),
  ];
}

function opinion() {
  const { model, origin, problem, hint, done, total } = guesses.state;
  if (problem) return `No suggestions: ${problem}. ${hint.charAt(0).toUpperCase()}${hint.slice(1)}`;
  if (!model) return "Looking for a model that would suggest labels …";
  const found = guesses.byPath.get(editor.path);
  if (found?.problem) return `No suggestions here: ${found.problem}`;
  const left = done < total ? `; ${done.toLocaleString("en")} of ${total.toLocaleString("en")} recordings seen` : "";
  return `Suggestions by model ${model}, ${origin}${left}`;
}

function drawLegend() {
  const { channels, units } = store.about.signal;
  const buttons = channels.map((name, number) => {
    const button = element("button", "channel");
    const dot = element("i");
    dot.style.background = channelColour(number);
    button.append(dot, name, element("span", "quiet", units[number]));
    button.setAttribute("aria-pressed", !tracks.hidden.has(number));
    button.addEventListener("click", () => {
      if (!tracks.hidden.delete(number)) tracks.hidden.add(number);
      drawLegend();
      tracks.draw();
    });
    return button;
  });
  refill($("legend"), isImage() ? [] : buttons);
}

function drawAll() {
  drawTitle();
  drawPieces($("pieces"), editor, guesses, store);
  overlay.ask();
}

function resize() {
  $("stage").style.setProperty("--strips", `${editor.times?.frames > 1 ? overlay.strips : 0}px`);
  if (editor.times && !isImage()) tracks.refresh();
  if (isImage()) images.draw();
  overlay.ask();
}

function historyButtons() {
  for (const name of ["undo", "redo"]) {
    const [number, what] = store.about[name];
    $(name).disabled = !number;
    $(name).title = `${name}${what ? `: ${what}` : ""} (Ctrl+${name === "undo" ? "" : "Shift+"}Z)`;
  }
}

const page = {
  focus: (id) => ($(id).focus(), $(id).select?.()),
  help: () => $("keys").showModal(),
  play: () => (isImage() ? null : player.toggle(Number($("channel").value || 0))),
  zoom: (factor) => editor.look((view) => view.zoom(factor, editor.times.slotOf(Math.min(editor.cursor, editor.times.frames - 1)))),
  zoomTo() {
    const [piece] = editor.selected;
    const span = editor.range ? [editor.range.begin, editor.range.end] : piece && editor.span(piece);
    if (span) editor.look((view) => view.show(editor.times.slotOf(span[0]), editor.times.slotOf(span[1] - 1) + 1));
  },
  escape() {
    if (player.playing) return player.stop();
    if (editor.range) return editor.clearRange();
    list.marked.clear();
    list.mark();
    drawAll();
  },
  nextUnlabelled() {
    const here = list.at.get(editor.path) ?? -1;
    const order = [...list.shown.slice(here + 1), ...list.shown.slice(0, here + 1)];
    const next = editor.pieces.slice(editor.pieces.findIndex((piece) => editor.chosen.has(piece.id)) + 1).find((piece) => !piece.label);
    if (next) return editor.choose(next);
    const found = order.find((recording) => recording.labels.includes(""));
    if (found) list.go(list.at.get(found.path));
    else say("All that is listed has a label.");
  },
  askSubject() {
    if (!actions.whose.length) return;
    const { many } = list;
    $("question").textContent = `Subject of ${many.length ? `${many.length} recordings` : "this recording"} `;
    $("answer").value = editor.selected[0]?.subject ?? "";
    const known = new Set(store.recordings.flatMap((recording) => recording.subjects).filter(Boolean));
    $("known").replaceChildren(...[...known].sort().map((name) => Object.assign(element("option"), { value: name })));
    $("asking").returnValue = "";
    $("asking").showModal();
    $("answer").select();
  },
};

function connect() {
  const map = keymap({ editor, list, actions, player, labels, page });
  $("keytable").replaceChildren(...table(map));
  listen(map, labels, store);
  const buttons = {
    undo: () => actions.undo(),
    redo: () => actions.redo(),
    help: page.help,
    play: page.play,
    split: () => actions.split(),
    trim: () => actions.trim(),
    delete: () => actions.delete(),
    accept: () => actions.accept(),
    who: page.askSubject,
    in: () => page.zoom(0.5),
    out: () => page.zoom(2),
    fit: () => editor.look((view) => view.fit()),
    theme: turnTheme,
    spectrum: turnSpectrum,
  };
  for (const [id, act] of Object.entries(buttons)) $(id).addEventListener("click", act);
  $("asking").addEventListener("close", () => $("asking").returnValue === "yes" && actions.subject($("answer").value.trim()));
  $("yes").closest("form").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.target !== $("answer")) return;
    event.preventDefault();
    $("asking").close("yes");
  });
}

function turnTheme() {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  store.tell(null);
  resize();
}

function turnSpectrum() {
  tracks.spectrum = !tracks.spectrum;
  $("spectrum").setAttribute("aria-pressed", tracks.spectrum);
  tracks.refresh();
}

function follow() {
  store.addEventListener("changed", () => {
    historyButtons();
    filters.offer();
    const number = list.at.get(editor.path) ?? 0;
    refilter();
    if (!editor.recording) openAt(number);
    editor.refresh();
  });
  filters.addEventListener("changed", refilter);
  list.addEventListener("opened", ({ detail }) => {
    player.stop();
    if (detail === editor.path) drawAll();
    else editor.open(detail);
  });
  guesses.addEventListener("changed", () => {
    if (filters.order.value !== "index" && guesses.state.done < guesses.state.total) filters.rank();
    refilter();
    resize();
    drawAll();
  });
  editor.addEventListener("opening", () => {
    $("problem").hidden = true;
    tracks.clear();
    drawAll();
  });
  editor.addEventListener("opened", opened);
  editor.addEventListener("failed", ({ detail }) => failed(detail));
  editor.addEventListener("moved", () => {
    if (isImage() && images.path === editor.path) images.show(Math.min(editor.cursor, editor.times.frames - 1));
    drawAll();
  });
  editor.addEventListener("viewed", () => {
    tracks.refresh();
    overlay.ask();
  });
  player.addEventListener("moved", played);
  player.addEventListener("failed", ({ detail }) => say(detail.message, detail.hint, true));
  new ResizeObserver(resize).observe($("stage"));
}

function opened() {
  const { channels } = store.about.signal;
  const audible = player.audible();
  $("spectrum").hidden = !audible;
  $("channel").hidden = !audible || channels.length < 2;
  $("play").disabled = isImage();
  if (isImage()) images.open(editor.path, store.about?.signal.size);
  else tracks.open(editor.path, editor.times, editor.view, store.about.signal, audible && $("spectrum").getAttribute("aria-pressed") === "true");
  resize();
  drawAll();
  document.body.dataset.open = editor.path;
}

function played() {
  const { frame, playing } = player;
  $("play").firstChild.textContent = playing ? "■ " : "▶ ";
  $("play").lastElementChild.textContent = playing ? "stop" : "play";
  overlay.head = playing ? Math.min(frame, editor.times.frames) : null;
  if (playing && editor.view) {
    const before = editor.view.begin;
    editor.view.follow(editor.times.slotOf(Math.min(Math.floor(frame), editor.times.frames - 1)));
    if (editor.view.begin !== before) tracks.refresh();
  }
  overlay.ask();
}

// What stands in the list at the place of one that is gone.
function openAt(number) {
  if (list.shown.length) list.go(number);
  else editor.open(null);
}

async function begin() {
  follow();
  connect();
  try {
    await actions.look();
  } catch (error) {
    return failed(error);
  }
  const { dataset, index, signal, channels } = store.about;
  document.title = `${dataset} – tinyops label`;
  $("dataset").textContent = dataset;
  $("about").textContent = `${signal.sensor}, ${index}`;
  $("channel").replaceChildren(...signal.channels.map((name, i) => Object.assign(element("option", "", name), { value: i })));
  drawLegend();
  drawTitle();
  document.body.dataset.ready = "yes";
  guesses.follow();
  const look = () => document.hidden || actions.look().then((other) => other && say("The index was changed by another program: this is how it is now."), () => {});
  setInterval(look, LOOK_MS);
  addEventListener("focus", look);
}

// For tests and those who measure.
globalThis.tinyopsLabel = { store, editor, list, tracks, images, player, guesses };
begin();
