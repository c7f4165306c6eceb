// Samples that come when they come, turned into samples at the contract's rate. Pure.

// Motion: each output is the mean of the events of its period. A period without an event takes the
// straight line between its neighbours; where these are further apart than `gapSeconds`, samples were
// missed: they are counted, `onGap` is told, and the series starts anew.
export class MotionResampler {
  constructor(rateHz, gapSeconds = Math.max(0.25, 2.5 / rateHz)) {
    this.period = 1 / rateHz;
    this.gapSeconds = gapSeconds;
    this.missed = 0;
    this.restart();
  }

  restart() {
    this.start = null; // time of the first event
    this.next = 1; // number of the output that is worked on
    this.sum = null;
    this.events = 0;
    this.last = null; // [time, values] of the newest event
    this.waiting = 0; // outputs without an event, before the next one
  }

  // Takes an event at `seconds`; returns {samples, gap}: the outputs that it completes, in order.
  push(seconds, values) {
    if (this.start === null) {
      this.start = seconds;
      this.take(seconds, values);
      return { samples: [], gap: false };
    }
    if (seconds <= this.last[0]) return { samples: [], gap: false };
    const apart = seconds - this.last[0];
    if (apart > this.gapSeconds) {
      this.missed += Math.round(apart / this.period);
      this.restart();
      this.push(seconds, values);
      return { samples: [], gap: true };
    }
    const samples = [];
    while (seconds > this.end()) {
      samples.push(this.events > 0 ? this.mean() : this.between(this.end(), seconds, values));
      this.sum = null;
      this.events = 0;
      this.next++;
    }
    this.take(seconds, values);
    return { samples, gap: false };
  }

  end() {
    return this.start + this.next * this.period;
  }

  take(seconds, values) {
    this.sum = this.sum ? this.sum.map((sum, i) => sum + values[i]) : Array.from(values);
    this.events++;
    this.last = [seconds, Array.from(values)];
  }

  mean() {
    return this.sum.map((sum) => sum / this.events);
  }

  between(at, seconds, values) {
    const [before, old] = this.last;
    const share = (at - before) / (seconds - before);
    return old.map((value, i) => value + share * (values[i] - value));
  }
}

// Sound: a windowed sinc that passes what is below 0.45 of the lower of both rates.
export class AudioResampler {
  constructor(fromHz, toHz, taps = 32) {
    this.step = fromHz / toHz;
    this.cutoff = 0.9 * Math.min(1, toHz / fromHz);
    this.half = Math.ceil(taps / this.cutoff / 2);
    this.kept = new Float32Array(2 * this.half);
    this.at = this.half; // place of the next output in kept samples
  }

  // Takes a block of samples; returns those at the new rate that it completes.
  push(block) {
    const all = new Float32Array(this.kept.length + block.length);
    all.set(this.kept);
    all.set(block, this.kept.length);
    const found = [];
    while (this.at + this.half < all.length) {
      found.push(this.value(all, this.at));
      this.at += this.step;
    }
    const used = Math.max(0, Math.floor(this.at) - this.half);
    this.kept = all.slice(used);
    this.at -= used;
    return found;
  }

  value(samples, at) {
    const first = Math.floor(at) - this.half + 1;
    let sum = 0;
    let weights = 0;
    for (let i = first; i < first + 2 * this.half; i++) {
      const weight = this.weight(at - i);
      sum += weight * samples[i];
      weights += weight;
    }
    return sum / weights;
  }

  weight(distance) {
    const share = distance / this.half;
    if (Math.abs(share) >= 1) return 0;
    const x = Math.PI * this.cutoff * distance;
    return (x === 0 ? 1 : Math.sin(x) / x) * (0.5 + 0.5 * Math.cos(Math.PI * share));
  }
}
