// Mouse, pen and fingers on the signal: click, select, move an edge, zoom, pan.

const NEAR = 6; // pixels from an edge that mean the edge
const STILL = 4; // pixels that are no drag yet

export class Pointer {
  constructor(canvas, overlay, editor, act) {
    Object.assign(this, { canvas, overlay, editor, act, fingers: new Map(), drag: null });
    canvas.addEventListener("pointerdown", (event) => this.down(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => this.up(event));
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    canvas.addEventListener("dblclick", (event) => this.twice(event));
  }

  slot(event) {
    const box = this.canvas.getBoundingClientRect();
    const { view } = this.editor;
    return view.begin + ((event.clientX - box.left) / box.width) * view.span;
  }

  frame(event) {
    return this.editor.times.frameOf(this.slot(event));
  }

  // The edge of a piece under the pointer.
  edge(event) {
    const x = event.clientX - this.canvas.getBoundingClientRect().left;
    let best = null;
    for (const piece of this.editor.pieces) {
      for (const frame of this.editor.span(piece)) {
        const far = Math.abs(this.overlay.x(frame) - x);
        if (far <= NEAR && (!best || far < best.far)) best = { frame, far };
      }
    }
    return best?.frame ?? null;
  }

  // As far as an edge may go: a frame of each piece stays, and no piece reaches into another.
  between(edge, to) {
    let [least, most] = [0, this.editor.times.frames];
    for (const [begin, end] of this.editor.pieces.map((piece) => this.editor.span(piece))) {
      if (end === edge) least = Math.max(least, begin + 1);
      else if (end < edge) least = Math.max(least, end);
      if (begin === edge) most = Math.min(most, end - 1);
      else if (begin > edge) most = Math.min(most, begin);
    }
    return Math.min(Math.max(to, least), most);
  }

  down(event) {
    if (!this.editor.times || event.button > 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, event);
    if (this.fingers.size > 1) return this.pinch();
    const edge = this.edge(event);
    this.drag = { x: event.clientX, from: this.frame(event), edge, moved: false, extend: event.shiftKey };
    this.canvas.focus({ preventScroll: true });
  }

  move(event) {
    if (!this.editor.times) return;
    if (this.fingers.has(event.pointerId)) this.fingers.set(event.pointerId, event);
    if (this.fingers.size > 1) return this.pinched();
    if (!this.drag) {
      this.canvas.style.cursor = this.edge(event) === null ? "crosshair" : "ew-resize";
      return;
    }
    if (!this.drag.moved && Math.abs(event.clientX - this.drag.x) < STILL) return;
    this.drag.moved = true;
    if (this.drag.edge !== null) {
      this.overlay.preview = { frame: this.drag.edge, to: this.between(this.drag.edge, this.frame(event)) };
      this.overlay.ask();
    } else {
      this.editor.select(this.drag.extend ? this.editor.cursor : this.drag.from, this.frame(event));
    }
  }

  up(event) {
    this.fingers.delete(event.pointerId);
    const { drag } = this;
    this.drag = null;
    const { preview } = this.overlay;
    this.overlay.preview = null;
    if (!drag || event.type === "pointercancel") return this.overlay.ask();
    if (drag.moved && drag.edge !== null) {
      if (preview && preview.to !== drag.edge) this.act.move(drag.edge, preview.to);
    } else if (drag.moved) {
      this.editor.select(drag.extend ? this.editor.cursor : drag.from, this.frame(event));
    } else {
      this.editor.moveCursor(drag.from, { extend: drag.extend });
    }
    this.overlay.ask();
  }

  twice(event) {
    const piece = this.editor.times && this.editor.at(this.frame(event));
    if (piece) this.editor.select(...this.editor.span(piece));
  }

  wheel(event) {
    if (!this.editor.view) return;
    event.preventDefault();
    const pixels = event.deltaMode ? event.deltaY * 16 : event.deltaY;
    const sideways = event.shiftKey ? pixels : event.deltaX;
    const at = this.slot(event);
    this.editor.look((view) => {
      if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : pixels)) view.pan((sideways / this.canvas.clientWidth) * view.span);
      else view.zoom(1.0015 ** pixels, at);
    });
  }

  // Two fingers: what lies under them stays there.
  pinch() {
    this.drag = null;
    this.held = this.places();
    this.heldView = { begin: this.editor.view.begin, span: this.editor.view.span };
  }

  pinched() {
    const [a, b] = this.places();
    const [c, d] = this.held;
    const width = this.canvas.clientWidth;
    const { begin, span } = this.heldView;
    const slots = [c, d].map((x) => begin + (x / width) * span);
    const each = (slots[1] - slots[0]) / (b - a || 1);
    this.editor.look((view) => view.show(slots[0] - a * each, slots[0] - a * each + width * each));
  }

  places() {
    const { left } = this.canvas.getBoundingClientRect();
    return [...this.fingers.values()].slice(0, 2).map((event) => event.clientX - left);
  }
}
