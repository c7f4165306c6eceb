// Frames and slots: a slot is a place for a frame, also for one that was lost. And what of them is in view.

export class Times {
  constructor(facts) {
    this.frames = facts.frames;
    this.slots = facts.slots;
    this.rate = facts.rate_hz;
    this.gaps = facts.gaps.filter(([, count]) => count > 0);
    let lost = 0;
    this.after = this.gaps.map(([at, count]) => ({ at, count, lost: (lost += count) }));
  }

  slotOf(frame) {
    const gap = this.last((one) => one.at <= frame);
    return frame + (gap ? gap.lost : 0);
  }

  // Of a slot in a gap, the frame after it.
  frameOf(slot) {
    const gap = this.last((one) => one.at + one.lost - one.count <= slot);
    if (!gap) return this.clip(slot);
    return this.clip(Math.max(slot - gap.lost, gap.at));
  }

  last(holds) {
    let [low, high] = [0, this.after.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (holds(this.after[middle])) low = middle + 1;
      else high = middle;
    }
    return low ? this.after[low - 1] : null;
  }

  clip(frame) {
    return Math.min(Math.max(Math.round(frame), 0), this.frames);
  }

  text(slot) {
    if (!this.rate) return `${Math.round(slot)}`;
    const seconds = slot / this.rate;
    if (seconds < 60) return `${seconds.toFixed(this.rate > 2000 ? 3 : 2)} s`;
    return `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(2).padStart(5, "0")}`;
  }
}

const LEAST = 8; // slots in view

export class View {
  constructor(total) {
    this.total = Math.max(total, 1);
    this.fit();
  }

  get span() {
    return this.end - this.begin;
  }

  fit() {
    [this.begin, this.end] = [0, this.total];
  }

  zoom(factor, at) {
    this.show(at - (at - this.begin) * factor, at + (this.end - at) * factor);
  }

  pan(slots) {
    this.show(this.begin + slots, this.end + slots);
  }

  // Brings these slots into view, as far as there are any.
  show(begin, end) {
    const span = Math.min(Math.max(end - begin, Math.min(LEAST, this.total)), this.total);
    const from = Math.min(Math.max(begin + (end - begin - span) / 2, 0), this.total - span);
    [this.begin, this.end] = [from, from + span];
  }

  follow(slot) {
    if (slot < this.begin || slot > this.end) this.show(slot - this.span * 0.1, slot + this.span * 0.9);
  }
}
