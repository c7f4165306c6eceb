// Everything by keyboard: which key does what, and the list of them that `?` shows.

import { element } from "./dom.js";

const BOXES = new Set(["INPUT", "SELECT", "TEXTAREA"]);

// `key` as in KeyboardEvent, with Ctrl+ and Shift+ before it.
export function keymap({ editor, list, actions, player, labels, page }) {
  const far = () => (editor.view ? Math.max(1, Math.round(editor.view.span / 100)) : 0);
  const cursor = (by, extend) => () => editor.times && editor.moveCursor(editor.cursor + by(), { extend });
  const ends = (which) => () => editor.selected[0] && editor.moveCursor(editor.span(editor.selected[0])[which] - which);
  return [
    ["ArrowDown", "next recording", () => list.step(1)],
    ["ArrowUp", "recording before", () => list.step(-1)],
    ["Shift+ArrowDown", "mark the next one, too", () => list.step(1, { extend: true })],
    ["Shift+ArrowUp", "mark the one before, too", () => list.step(-1, { extend: true })],
    ["PageDown", "ten further", () => list.step(10)],
    ["PageUp", "ten back", () => list.step(-10)],
    ["Ctrl+a", "mark all that are listed", () => list.markAll()],
    ["n", "next one that waits for a label", () => page.nextUnlabelled()],
    ["/", "search", () => page.focus("query")],
    ["ArrowRight", "cursor to the right", cursor(far, false)],
    ["ArrowLeft", "cursor to the left", cursor(() => -far(), false)],
    ["Ctrl+ArrowRight", "one frame to the right", cursor(() => 1, false)],
    ["Ctrl+ArrowLeft", "one frame to the left", cursor(() => -1, false)],
    ["Shift+ArrowRight", "select to the right", cursor(far, true)],
    ["Shift+ArrowLeft", "select to the left", cursor(() => -far(), true)],
    ["Ctrl+Shift+ArrowRight", "select one frame more", cursor(() => 1, true)],
    ["Ctrl+Shift+ArrowLeft", "select one frame less", cursor(() => -1, true)],
    ["Home", "first frame of the piece", ends(0)],
    ["End", "last frame of the piece", ends(1)],
    ["]", "next piece", () => editor.step(1)],
    ["[", "piece before", () => editor.step(-1)],
    ["w", "all pieces of the recording", () => editor.chooseAll()],
    ["Escape", "select nothing", () => page.escape()],
    ["1…9", "label by its number; 0: no label", null],
    ["Enter", "label by typing", () => labels.open()],
    ["a", "accept the model's suggestion", () => actions.accept()],
    ["Shift+A", "accept its windows as pieces", () => actions.acceptRuns()],
    ["s", "split at the cursor", () => actions.split()],
    ["t", "trim to the selection", () => actions.trim()],
    ["b", "the piece begins at the cursor", () => actions.moveHere(0)],
    ["e", "the piece ends at the cursor", () => actions.moveHere(1)],
    ["Delete", "delete the selection, else the piece", () => actions.delete()],
    ["u", "subject of the recording", () => page.askSubject()],
    ["Ctrl+z", "undo", () => actions.undo()],
    ["Ctrl+Shift+Z", "redo", () => actions.redo()],
    [" ", "play, stop", () => page.play()],
    ["+", "zoom in", () => page.zoom(0.5)],
    ["-", "zoom out", () => page.zoom(2)],
    ["f", "all of the recording", () => editor.look((view) => view.fit())],
    ["z", "zoom to the selection or piece", () => page.zoomTo()],
    ["?", "these keys", () => page.help()],
  ];
}

const ALSO = { Backspace: "Delete", "Ctrl+y": "Ctrl+Shift+Z", "=": "+" };

export function listen(map, labels, store) {
  const actions = new Map(map.filter(([, , act]) => act).map(([key, , act]) => [key, act]));
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.isComposing || document.querySelector("dialog[open]")) return;
    if (BOXES.has(event.target.tagName)) return leave(event);
    if (event.target.tagName === "BUTTON" && (event.key === " " || event.key === "Enter")) return;
    const name = called(event);
    const act = digit(event, labels, store) ?? actions.get(ALSO[name] ?? name);
    if (!act) return;
    event.preventDefault();
    act();
  });
}

// Escape leaves a box, as does Enter in the search; all else belongs to the box.
function leave(event) {
  const box = event.target;
  if (event.key !== "Escape" && !(event.key === "Enter" && box.type === "search")) return;
  event.preventDefault();
  box.blur();
}

function digit(event, labels, store) {
  if (event.ctrlKey || event.metaKey || !/^[0-9]$/.test(event.key)) return null;
  const label = event.key === "0" ? "" : store.about.classes[Number(event.key) - 1];
  return label === undefined ? null : () => labels.choose(label);
}

function called(event) {
  const symbol = event.key.length === 1 && !/[a-z]/i.test(event.key);
  const shift = event.shiftKey && !symbol ? "Shift+" : "";
  const control = event.ctrlKey || event.metaKey ? "Ctrl+" : "";
  const key = event.key.length === 1 ? (event.shiftKey ? event.key.toUpperCase() : event.key.toLowerCase()) : event.key;
  return `${control}${shift}${key}`;
}

const SHOWN = { " ": "Space", ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→", "-": "−" };

export function table(map) {
  return map.map(([key, what]) => {
    const row = element("tr");
    const keys = element("td");
    for (const part of key === "+" ? ["+"] : key.split("+")) keys.append(element("kbd", "", SHOWN[part] ?? part), " ");
    row.append(keys, element("td", "", what));
    return row;
  });
}
