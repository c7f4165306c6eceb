// The list of recordings: only rows in sight are in the document. One is open; several may be marked.

import { paint } from "./colours.js";
import { element } from "./dom.js";

const ROW = 46; // pixels, as in style.css
const BEYOND = 4; // rows above and below those in sight
const CHIPS = 3;

export class List extends EventTarget {
  constructor(box, rows, store, guesses, thumbs) {
    super();
    Object.assign(this, { box, rows, store, guesses, thumbs, shown: [], at: new Map(), marked: new Set(), open: null, made: new Map() });
    box.addEventListener("scroll", () => this.draw(), { passive: true });
    box.addEventListener("click", (event) => this.click(event));
    new ResizeObserver(() => this.draw()).observe(box);
  }

  // Recordings in their order, as filters left them.
  show(recordings) {
    this.shown = recordings;
    this.at = new Map(recordings.map((recording, number) => [recording.path, number]));
    this.marked = new Set([...this.marked].filter((path) => this.at.has(path)));
    this.rows.style.height = `${recordings.length * ROW}px`;
    this.draw(true);
  }

  draw(anew = false) {
    const first = Math.max(0, Math.floor(this.box.scrollTop / ROW) - BEYOND);
    const last = Math.min(this.shown.length, Math.ceil((this.box.scrollTop + this.box.clientHeight) / ROW) + BEYOND);
    const wanted = new Map(this.shown.slice(first, last).map((recording, i) => [recording.path, first + i]));
    for (const [path, row] of this.made) {
      if (anew || !wanted.has(path)) row.remove(), this.made.delete(path);
    }
    for (const [path, number] of wanted) {
      if (this.made.has(path)) continue;
      const row = this.row(this.shown[number], number);
      this.made.set(path, row);
      this.rows.append(row);
    }
    this.mark();
  }

  row(recording, number) {
    const row = element("div", "row", "");
    row.id = `row-${number}`;
    row.role = "option";
    row.dataset.path = recording.path;
    row.style.top = `${number * ROW}px`;
    row.setAttribute("aria-setsize", this.shown.length);
    row.setAttribute("aria-posinset", number + 1);
    const head = element("div", "head");
    head.append(element("span", "name", recording.name));
    const summary = this.guesses.summary(recording);
    if (summary?.disagrees) head.append(element("span", "differs", "≠", "the model says something else"));
    if (summary) head.append(element("span", "sure", `${Math.round(summary.sure * 100)} %`, "how sure the model is"));
    head.append(element("span", "long", duration(recording)));
    if (this.store.about.signal.size) row.append(this.thumbs.of(recording.path));
    row.append(head, this.chips(recording));
    return row;
  }

  chips(recording) {
    const line = element("div", "chips");
    const whose = recording.subjects.filter(Boolean).join(", ") || recording.device;
    if (whose) line.append(element("span", "whose", whose));
    for (const label of recording.labels.slice(0, CHIPS)) {
      const chip = element("span", "chip", label || "no label");
      paint(chip, this.store.about.classes, label);
      line.append(chip);
    }
    if (recording.labels.length > CHIPS) line.append(element("span", "quiet", `+${recording.labels.length - CHIPS}`));
    return line;
  }

  mark() {
    for (const [path, row] of this.made) {
      const here = path === this.open;
      row.classList.toggle("open", here);
      row.classList.toggle("marked", this.marked.has(path));
      row.setAttribute("aria-selected", here || this.marked.has(path));
      if (here) this.box.setAttribute("aria-activedescendant", row.id);
    }
  }

  click(event) {
    const row = event.target.closest(".row");
    if (!row) return;
    this.go(this.at.get(row.dataset.path), { extend: event.shiftKey, toggle: event.ctrlKey || event.metaKey });
  }

  // Opens a row. `extend` marks all up to it, `toggle` marks it or no longer.
  go(number, { extend = false, toggle = false } = {}) {
    if (!this.shown.length) return;
    const to = Math.min(Math.max(number, 0), this.shown.length - 1);
    const { path } = this.shown[to];
    const from = this.at.get(this.open) ?? to;
    if (extend) {
      this.anchor ??= from;
      const [a, b] = [Math.min(this.anchor, to), Math.max(this.anchor, to)];
      this.marked = new Set(this.shown.slice(a, b + 1).map((recording) => recording.path));
    } else if (toggle) {
      if (!this.marked.size && this.open !== null) this.marked.add(this.open);
      if (!this.marked.delete(path)) this.marked.add(path);
      this.anchor = to;
    } else {
      this.marked.clear();
      this.anchor = null;
    }
    this.open = path;
    this.reveal(to);
    this.mark();
    this.dispatchEvent(new CustomEvent("opened", { detail: path }));
  }

  step(by, how) {
    this.go((this.at.get(this.open) ?? -1) + by, how);
  }

  markAll() {
    this.marked = new Set(this.shown.map((recording) => recording.path));
    this.mark();
    this.dispatchEvent(new CustomEvent("opened", { detail: this.open }));
  }

  reveal(number) {
    const top = number * ROW;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    const below = top + ROW - this.box.clientHeight;
    if (below > this.box.scrollTop) this.box.scrollTop = below;
    this.draw();
  }

  // Recordings that an action is meant for, when several are marked.
  get many() {
    return this.marked.size > 1 ? this.shown.filter((recording) => this.marked.has(recording.path)) : [];
  }
}

function duration({ frames, rate }) {
  if (!frames || frames === 1) return "";
  if (!rate) return `${frames.toLocaleString("en")} frames`;
  const seconds = frames / rate;
  return seconds < 60 ? `${seconds.toFixed(1)} s` : `${Math.floor(seconds / 60)}:${String(Math.round(seconds % 60)).padStart(2, "0")}`;
}
