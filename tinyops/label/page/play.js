// Sound of a channel, or without sound a cursor that moves as time did.

import { bytes } from "./api.js";

const AUDIBLE_HZ = 3000;
const FIRST_S = 2; // of sound, fetched before it begins
const PART_S = 20; // then, one part ahead
const AHEAD_S = 8;

export class Player extends EventTarget {
  constructor(editor) {
    super();
    Object.assign(this, { editor, frame: null, sources: [], run: 0 });
  }

  get playing() {
    return this.frame !== null;
  }

  audible() {
    return (this.editor.times?.rate ?? 0) >= AUDIBLE_HZ;
  }

  toggle(channel) {
    if (this.playing) this.stop();
    else this.start(channel);
  }

  async start(channel) {
    const { times, range, cursor, path } = this.editor;
    if (!times?.rate) return;
    const from = range ? range.begin : cursor >= times.frames - 1 ? 0 : cursor;
    const upto = range ? range.end : times.frames;
    const run = ++this.run;
    this.frame = from;
    this.tell();
    let clock;
    try {
      clock = this.audible() ? await this.sound(path, channel, from, upto, run) : steady();
    } catch (error) {
      this.stop();
      this.dispatchEvent(new CustomEvent("failed", { detail: error }));
      return;
    }
    if (run === this.run) this.move(clock, from, upto, times.rate, run);
  }

  // Begins with a short part; the others follow without a break.
  async sound(path, channel, begin, end, run) {
    this.context ??= new AudioContext();
    await this.context.resume();
    const { rate } = this.editor.times;
    const next = Math.min(begin + Math.round(rate * FIRST_S), end);
    const first = await this.part(path, channel, begin, next);
    if (run !== this.run) return null;
    const begun = this.context.currentTime;
    this.play(first, begun);
    this.rest(path, channel, next, end, (frame) => begun + (frame - begin) / rate, run);
    return () => this.context.currentTime - begun;
  }

  async part(path, channel, begin, end) {
    return this.context.decodeAudioData(await bytes("sound", { path, channel, begin, end }));
  }

  async rest(path, channel, begin, end, time, run) {
    const step = Math.round(this.editor.times.rate * PART_S);
    try {
      for (let from = begin; from < end; from += step) {
        const buffer = await this.part(path, channel, from, Math.min(from + step, end));
        if (run !== this.run) return;
        this.play(buffer, time(from));
        const wait = time(from + step) - this.context.currentTime - AHEAD_S;
        await new Promise((done) => setTimeout(done, wait * 1000));
        if (run !== this.run) return;
      }
    } catch (error) {
      if (run === this.run) this.stop();
      this.dispatchEvent(new CustomEvent("failed", { detail: error }));
    }
  }

  play(buffer, when) {
    const source = new AudioBufferSourceNode(this.context, { buffer });
    source.connect(this.context.destination);
    source.start(when);
    source.onended = () => (this.sources = this.sources.filter((one) => one !== source));
    this.sources.push(source);
  }

  move(seconds, from, upto, rate, run) {
    if (run !== this.run) return;
    this.frame = from + seconds() * rate;
    if (this.frame >= upto) return this.stop();
    this.tell();
    requestAnimationFrame(() => this.move(seconds, from, upto, rate, run));
  }

  stop() {
    this.run += 1;
    for (const source of this.sources) source.stop();
    this.sources = [];
    this.frame = null;
    this.tell();
  }

  tell() {
    this.dispatchEvent(new Event("moved"));
  }
}

function steady() {
  const begun = performance.now();
  return () => (performance.now() - begun) / 1000;
}
