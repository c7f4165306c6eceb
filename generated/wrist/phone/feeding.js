// Between sources and the board: samples become counts, counts whole frames, and what comes faster
// than the model computes is dropped and counted.

import { fromCount, toCount } from "./counts.js";

const BACKLOG_SECONDS = 2;
const BATCH_FRAMES = 2000;
const TICK_MS = 100;

export class Feed {
  // `show(counts)` is told of each sample, for the plot.
  constructor(board, input, show) {
    Object.assign(this, { board, input, show });
    this.size = input.channels?.length ?? 1;
    this.pending = [];
    this.busy = false;
  }

  // Takes samples in the contract's units from a sensor.
  take(samples) {
    for (const sample of samples) {
      const counts = sample.map((value, i) => toCount(value, this.input.full_scale[i]));
      this.show(counts);
      this.pending.push(...counts);
    }
    const most = Math.max(this.input.frame_values, BACKLOG_SECONDS * this.input.rate_hz * this.size);
    if (this.pending.length > most) {
      const missed = Math.floor(this.pending.length / this.size);
      this.pending = [];
      return this.lose(missed);
    }
    return this.drain();
  }

  // Samples were lost: the window starts anew.
  lose(missed) {
    this.pending = [];
    return this.board.restart(missed);
  }

  async drain() {
    const whole = this.pending.length - (this.pending.length % this.input.frame_values);
    if (this.busy || whole === 0) return;
    this.busy = true;
    try {
      await this.board.push(Int16Array.from(this.pending.splice(0, whole)));
    } finally {
      this.busy = false;
    }
  }

  // Plays whole frames: at the contract's rate, or all at once. Returns the results; `signal` stops it.
  async play(frames, realTime, signal) {
    const { frame_values: size, rate_hz: rateHz } = this.input;
    const perTick =
      realTime && rateHz ? Math.max(1, Math.round((rateHz * this.size * TICK_MS) / 1000 / size)) : BATCH_FRAMES;
    const results = [];
    for (let at = 0; at < frames.length && !signal.aborted; at += perTick * size) {
      const piece = frames.slice(at, at + perTick * size);
      for (let i = 0; i < piece.length; i += this.size) this.show(Array.from(piece.subarray(i, i + this.size)));
      results.push(...(await this.board.push(piece)));
      if (realTime && rateHz)
        await new Promise((resolve) => setTimeout(resolve, (perTick * size * 1000) / rateHz / this.size));
    }
    return results;
  }

  // A count as people read it, for a label.
  describe(count, channel) {
    return `${fromCount(count, this.input.full_scale[channel]).toFixed(2)} ${this.input.units[channel]}`;
  }
}
