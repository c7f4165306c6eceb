// What lies over the signal: the cursor, what is selected, the pieces with their labels, what the model says.

import { css, fill, hatch, ink, prepare } from "./colours.js";

export const STRIP = 24;
const FONT = "12px system-ui, sans-serif";

export class Overlay {
  constructor(canvas, editor, guesses, store) {
    Object.assign(this, { canvas, editor, guesses, store, head: null, preview: null });
  }

  // Pixels of strips below the signal.
  get strips() {
    return this.guesses.windows(this.editor.path) ? 2 * STRIP : STRIP;
  }

  ask() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
    });
  }

  x(frame) {
    const { view, times } = this.editor;
    const last = Math.min(frame, times.frames - 1);
    const slot = times.slotOf(last) + (frame - last);
    return ((slot - view.begin) / view.span) * this.canvas.clientWidth;
  }

  draw() {
    const { pen, width, height } = prepare(this.canvas);
    const { editor } = this;
    if (!editor.times) return;
    const top = height - this.strips;
    if (editor.times.frames > 1) {
      this.pieces(pen, width, top);
      this.windows(pen, width, top + STRIP);
      this.range(pen, top);
      this.line(pen, this.x(editor.cursor), top + STRIP, css("--accent"), 1.5);
    }
    if (this.head !== null) this.line(pen, this.x(this.head), top, css("--head"), 2);
  }

  pieces(pen, width, top) {
    const { editor } = this;
    const { classes } = this.store.about;
    pen.font = FONT;
    for (const piece of editor.pieces) {
      const [begin, end] = this.moved(editor.span(piece));
      const [from, upto] = [this.x(begin), this.x(end)];
      if (upto < 0 || from > width) continue;
      const chosen = editor.chosen.has(piece.id);
      pen.fillStyle = piece.label ? fill(classes, piece.label) : hatch(pen, css("--gap"));
      pen.fillRect(from, top, Math.max(upto - from - 1, 1), STRIP - 2);
      if (chosen) this.highlight(pen, from, upto, top);
      this.text(pen, piece.label || "no label", ink(classes, piece.label), from, upto, top, width);
      for (const edge of [from, upto]) this.edge(pen, edge, top);
    }
  }

  // A piece's frames, with the edge that is being moved.
  moved([begin, end]) {
    const { preview } = this;
    if (!preview) return [begin, end];
    return [begin === preview.frame ? preview.to : begin, end === preview.frame ? preview.to : end];
  }

  highlight(pen, from, upto, top) {
    pen.fillStyle = css("--chosen");
    pen.fillRect(from, 0, upto - from, top);
    pen.strokeStyle = css("--accent");
    pen.lineWidth = 2;
    pen.strokeRect(from + 1, top + 1, Math.max(upto - from - 3, 1), STRIP - 4);
  }

  text(pen, text, colour, from, upto, top, width) {
    const left = Math.max(from, 0) + 6;
    const room = Math.min(upto, width) - left - 4;
    if (room < 14) return;
    pen.save();
    pen.beginPath();
    pen.rect(left, top, room, STRIP);
    pen.clip();
    pen.fillStyle = colour;
    pen.fillText(text, left, top + 15);
    pen.restore();
  }

  edge(pen, x, top) {
    pen.strokeStyle = css("--soft");
    pen.lineWidth = 1;
    pen.setLineDash([3, 4]);
    pen.beginPath();
    pen.moveTo(Math.round(x) + 0.5, 0);
    pen.lineTo(Math.round(x) + 0.5, top);
    pen.stroke();
    pen.setLineDash([]);
  }

  windows(pen, width, top) {
    const { path, times } = this.editor;
    if (!this.guesses.windows(path)) return;
    const { classes } = this.store.about;
    const runs = this.guesses.runs(path, 0, times.frames).map((run) => ({ ...run, from: this.x(run.begin), upto: this.x(run.end) }));
    const seen = runs.filter(({ from, upto }) => upto >= 0 && from <= width);
    for (const { label, from, upto } of seen) {
      pen.fillStyle = fill(classes, label);
      pen.fillRect(from, top + 2, Math.max(upto - from - 1, 1), STRIP - 5);
    }
    this.certainty(pen, top);
    pen.font = FONT;
    for (const { label, from, upto } of seen) this.text(pen, label, ink(classes, label), from, upto, top, width);
  }

  // A line that is high where the model is sure.
  certainty(pen, top) {
    const found = this.guesses.windows(this.editor.path);
    pen.strokeStyle = css("--soft");
    pen.globalAlpha = 0.6;
    pen.lineWidth = 1;
    pen.beginPath();
    found.begins.forEach((begin, i) => {
      const x = this.x(begin + found.frames / 2);
      const y = top + STRIP - 3 - (found.sure[i] / 100) * (STRIP - 6);
      if (i) pen.lineTo(x, y);
      else pen.moveTo(x, y);
    });
    pen.stroke();
    pen.globalAlpha = 1;
  }

  range(pen, top) {
    const { range } = this.editor;
    if (!range) return;
    const [from, upto] = [this.x(range.begin), this.x(range.end)];
    pen.fillStyle = css("--range");
    pen.fillRect(from, 0, upto - from, top);
    for (const x of [from, upto]) this.line(pen, x, top, css("--accent"), 1);
  }

  line(pen, x, height, colour, wide) {
    pen.fillStyle = colour;
    pen.fillRect(x - wide / 2, 0, wide, height);
  }
}
