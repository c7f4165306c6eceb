// The recording that is open: what of it is in view, where the cursor is, what is selected.

import { ask } from "./api.js";
import { Times, View } from "./times.js";

export class Editor extends EventTarget {
  constructor(store) {
    super();
    this.store = store;
    this.path = null;
    this.close();
  }

  close() {
    Object.assign(this, { times: null, view: null, cursor: 0, range: null, chosen: new Set(), facts: null });
  }

  get recording() {
    return this.store.byPath.get(this.path) ?? null;
  }

  get pieces() {
    return this.recording?.pieces ?? [];
  }

  get selected() {
    return this.pieces.filter((piece) => this.chosen.has(piece.id));
  }

  // The frames of a piece, or of its whole file.
  span(piece) {
    return [piece.begin ?? 0, piece.end ?? this.times?.frames ?? piece.frames ?? 0];
  }

  async open(path) {
    if (path === this.path && this.times) return;
    this.close();
    this.path = path;
    this.say("opening");
    if (path === null) return;
    try {
      const facts = await ask("facts", { path });
      if (path !== this.path) return;
      this.facts = facts;
      this.times = new Times(facts);
      this.view = new View(facts.slots);
      const first = this.pieces.find((piece) => !piece.label) ?? this.pieces[0];
      if (first) this.choose(first, false);
      this.say("opened");
    } catch (error) {
      if (path === this.path) this.dispatchEvent(new CustomEvent("failed", { detail: error }));
    }
  }

  // The index is another: in place of a piece that is gone, the one that has most of its frames.
  refresh() {
    const spans = [...this.chosen].map((id) => this.spans?.get(id)).filter(Boolean);
    this.chosen = new Set([...this.chosen].filter((id) => this.store.pieces.get(id)?.path === this.path));
    if (!this.chosen.size && this.times) {
      const piece = this.nearest(spans[0]) ?? this.at(this.cursor) ?? this.pieces.at(-1);
      if (piece) this.chosen.add(piece.id);
    }
    this.say("moved");
  }

  nearest(had) {
    const shared = (piece) => {
      const [begin, end] = this.span(piece);
      return Math.min(end, had[1]) - Math.max(begin, had[0]);
    };
    return had && this.pieces.filter((piece) => shared(piece) > 0).sort((a, b) => shared(b) - shared(a))[0];
  }

  at(frame) {
    return this.pieces.find((piece) => {
      const [begin, end] = this.span(piece);
      return begin <= frame && frame < end;
    });
  }

  choose(piece, follow = true) {
    this.chosen = new Set([piece.id]);
    this.range = null;
    const [begin, end] = this.span(piece);
    if (this.times) {
      this.cursor = begin;
      if (follow) this.reveal(begin, end);
    }
    this.say("moved");
  }

  chooseAll() {
    this.chosen = new Set(this.pieces.map((piece) => piece.id));
    this.range = null;
    this.say("moved");
  }

  // The next piece, or the one before.
  step(by) {
    const { pieces } = this;
    if (!pieces.length) return;
    const now = pieces.findIndex((piece) => this.chosen.has(piece.id));
    this.choose(pieces[Math.min(Math.max(now + by, 0), pieces.length - 1)]);
  }

  moveCursor(frame, { extend = false } = {}) {
    const to = Math.min(Math.max(Math.round(frame), 0), this.times.frames);
    if (extend) this.extend(to);
    else this.range = null;
    this.cursor = to;
    const piece = this.at(to);
    if (piece && !this.range) this.chosen = new Set([piece.id]);
    this.view.follow(this.times.slotOf(Math.min(to, this.times.frames - 1)));
    this.say("moved");
  }

  extend(to) {
    if (!this.range) this.anchor = this.cursor;
    this.select(this.anchor, to);
  }

  // Frames between two, in any order.
  select(a, b) {
    const [begin, end] = [Math.min(a, b), Math.max(a, b)].map((frame) => this.times.clip(frame));
    this.range = begin < end ? { begin, end } : null;
    this.say("moved");
  }

  clearRange() {
    this.range = null;
    this.say("moved");
  }

  reveal(begin, end) {
    const [from, upto] = [this.times.slotOf(begin), this.times.slotOf(Math.max(end - 1, begin)) + 1];
    if (from >= this.view.begin && upto <= this.view.end) return;
    if (upto - from <= this.view.span) this.view.show(from - (this.view.span - (upto - from)) / 2, upto + (this.view.span - (upto - from)) / 2);
    else this.view.show(from, upto);
    this.say("viewed");
  }

  look(change) {
    if (!this.view) return;
    change(this.view);
    this.say("viewed");
  }

  say(what) {
    this.spans = new Map(this.pieces.map((piece) => [piece.id, this.span(piece)]));
    this.dispatchEvent(new Event(what));
  }
}
