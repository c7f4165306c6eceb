// Sound of a channel, or without sound a cursor that moves as time did.

import { bytes } from "./api.js";

const AUDIBLE_HZ = 3000;
const FRAMES_MAX = 10_000_000;

export class Player extends EventTarget {
  constructor(editor) {
    super();
    Object.assign(this, { editor, frame: null, source: null, run: 0 });
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
    const upto = Math.min(range ? range.end : times.frames, from + FRAMES_MAX);
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

  async sound(path, channel, begin, end, run) {
    this.context ??= new AudioContext();
    await this.context.resume();
    const data = await bytes("sound", { path, channel, begin, end });
    const buffer = await this.context.decodeAudioData(data);
    if (run !== this.run) return null;
    this.source = new AudioBufferSourceNode(this.context, { buffer });
    this.source.connect(this.context.destination);
    const begun = this.context.currentTime;
    this.source.start();
    return () => this.context.currentTime - begun;
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
    this.source?.stop();
    this.source = null;
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
