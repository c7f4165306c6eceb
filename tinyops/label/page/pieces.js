// The pieces of the open recording as a row of buttons: what they are, and what the model takes them for.

import { paint } from "./colours.js";
import { element } from "./dom.js";

const SHOWN_MAX = 200;
const SHORT = "shorter than the model's window: it cannot be trained on";

export function drawPieces(box, editor, guesses, store) {
  const { pieces } = editor;
  const now = Math.max(0, pieces.findIndex((piece) => editor.chosen.has(piece.id)));
  const first = Math.min(Math.max(0, now - SHOWN_MAX / 2), Math.max(0, pieces.length - SHOWN_MAX));
  const rows = pieces.slice(first, first + SHOWN_MAX).map((piece, i) => {
    const row = element("div", "chip piece");
    row.role = "option";
    row.id = `piece-${first + i}`;
    row.setAttribute("aria-selected", editor.chosen.has(piece.id));
    row.append(element("b", "", piece.label || "no label"), element("span", "", spanText(piece, editor)));
    if (piece.subject) row.append(element("span", "", piece.subject));
    const guess = guesses.of(piece);
    if (guess) row.append(guessed(guess));
    else if (isShort(piece, guesses, editor)) row.append(element("span", "differs", "short", SHORT));
    paint(row, store.about.classes, piece.label);
    row.addEventListener("click", (event) => choose(editor, piece, event));
    return row;
  });
  box.replaceChildren(...rows);
  box.setAttribute("aria-activedescendant", `piece-${now}`);
  reveal(box, box.querySelector("[aria-selected=true]"));
}

// Not scrollIntoView: that would move the page, too.
function reveal(box, row) {
  if (!row) return;
  const top = row.offsetTop - box.offsetTop;
  if (top < box.scrollTop || top + row.offsetHeight > box.scrollTop + box.clientHeight) box.scrollTop = top - 4;
}

function choose(editor, piece, event) {
  if (!event.ctrlKey && !event.metaKey) return editor.choose(piece);
  if (!editor.chosen.delete(piece.id)) editor.chosen.add(piece.id);
  editor.say("moved");
}

function isShort(piece, guesses, editor) {
  const found = guesses.windows(piece.path);
  const [begin, end] = editor.span(piece);
  return found && end - begin < found.frames;
}

function guessed({ label, sure, agrees }) {
  const text = `${agrees ? "=" : "≠"} ${label} ${Math.round(sure * 100)} %`;
  return element("span", agrees ? "agrees" : "differs", text, "what the model takes it for");
}

function spanText(piece, editor) {
  if (!editor.times) return "";
  const [begin, end] = editor.span(piece);
  const at = (frame) => editor.times.text(editor.times.slotOf(frame));
  if (end - begin === 1) return "";
  return piece.begin === null ? `all, ${at(end)}` : `${at(begin)} – ${at(end)}`;
}
