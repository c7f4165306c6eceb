// The signal as lines: channels of one unit share a track, each column of the screen its lowest and highest value.

import { bytes } from "./api.js";
import { channelColour, css, hatch, prepare } from "./colours.js";

const COLUMNS_MAX = 2048;
export const AXIS = 18; // pixels below, for time
const LEFT = 4;

export function tracksOf(signal) {
  const tracks = [];
  signal.channels.forEach((name, number) => {
    const unit = signal.units[number];
    const track = tracks.find((one) => one.unit === unit);
    if (track) track.channels.push(number);
    else tracks.push({ unit, channels: [number] });
  });
  return tracks;
}

export class Tracks {
  constructor(canvas, onFailure) {
    this.canvas = canvas;
    this.onFailure = onFailure;
    this.hidden = new Set();
    this.fetched = 0; // bytes, for those who measure
    this.clear();
  }

  clear() {
    this.stop?.abort();
    this.part = null;
    this.sound = null;
  }

  // Another recording: nothing of it is there yet.
  open(path, times, view, signal, spectrum) {
    this.clear();
    Object.assign(this, { path, times, view, signal, tracks: tracksOf(signal), spectrum });
    this.refresh();
  }

  // Draws what is there, and asks for what fits the view.
  refresh() {
    this.draw();
    clearTimeout(this.later);
    this.later = setTimeout(() => this.load(), this.part ? 40 : 0);
  }

  async load() {
    const { path } = this;
    const begin = Math.floor(this.view.begin);
    const end = Math.min(Math.ceil(this.view.end), this.times.slots);
    const columns = Math.max(1, Math.min(Math.round(this.canvas.clientWidth), end - begin, COLUMNS_MAX));
    if (end <= begin) return;
    this.stop?.abort();
    this.stop = new AbortController();
    try {
      const query = { path, begin, end, columns };
      const data = new Float32Array(await bytes("signal", query, this.stop.signal));
      const sound = this.spectrum
        ? new Uint8Array(await bytes("spectrogram", { ...query, channel: 0 }, this.stop.signal))
        : null;
      if (path !== this.path) return;
      this.fetched += data.byteLength + (sound?.byteLength ?? 0);
      this.part = { begin, end, columns, data };
      this.sound = sound;
      this.draw();
    } catch (error) {
      if (error.name !== "AbortError") this.onFailure(error);
    }
  }

  x(slot, width) {
    return ((slot - this.view.begin) / this.view.span) * width;
  }

  draw() {
    const { pen, width, height } = prepare(this.canvas);
    if (!this.times) return;
    const below = height - AXIS;
    this.axis(pen, width, below);
    this.gaps(pen, width, below);
    if (!this.part) return;
    const rows = this.tracks.length + (this.sound ? 1 : 0);
    const high = below / rows;
    this.tracks.forEach((track, row) => this.track(pen, track, row * high, high, width));
    if (this.sound) this.spectrogram(pen, this.tracks.length * high + 2, high - 2, width);
  }

  range(track) {
    const { columns, data } = this.part;
    let [low, high] = [Infinity, -Infinity];
    for (const channel of track.channels) {
      if (this.hidden.has(channel)) continue;
      for (let i = channel * columns * 2; i < (channel + 1) * columns * 2; i += 2) {
        if (data[i] < low) low = data[i];
        if (data[i + 1] > high) high = data[i + 1];
      }
    }
    if (low > high) return [-1, 1];
    const room = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
    return [low - room, high + room];
  }

  track(pen, track, top, high, width) {
    const [low, most] = this.range(track);
    const y = (value) => top + high - ((value - low) / (most - low)) * high;
    pen.strokeStyle = css("--line");
    pen.fillStyle = css("--soft");
    pen.font = "11px system-ui, sans-serif";
    pen.lineWidth = 1;
    pen.beginPath();
    for (const tick of ticks(low, most, Math.max(3, high / 34))) {
      const at = Math.round(y(tick)) + 0.5;
      if (at < top + 6 || at > top + high - 4) continue;
      pen.moveTo(0, at);
      pen.lineTo(width, at);
      if (at > top + 13) pen.fillText(String(tick), LEFT, at - 3);
    }
    if (top > 0) pen.moveTo(0, top), pen.lineTo(width, top), pen.moveTo(0, top + 1), pen.lineTo(width, top + 1);
    pen.stroke();
    for (const channel of track.channels) if (!this.hidden.has(channel)) this.line(pen, channel, y, width);
  }

  line(pen, channel, y, width) {
    const { begin, end, columns, data } = this.part;
    const wide = (end - begin) / columns;
    const dots = (wide / this.view.span) * width > 6;
    pen.strokeStyle = pen.fillStyle = channelColour(channel);
    pen.lineWidth = 1.3;
    pen.lineJoin = "round";
    pen.beginPath();
    let drawing = false;
    for (let column = 0; column < columns; column += 1) {
      const at = (channel * columns + column) * 2;
      if (Number.isNaN(data[at])) {
        drawing = false;
        continue;
      }
      const x = this.x(begin + (column + 0.5) * wide, width);
      const [low, high] = [y(data[at]), y(data[at + 1])];
      if (drawing) pen.lineTo(x, high);
      else pen.moveTo(x, high);
      if (low !== high) pen.lineTo(x, low);
      else if (!drawing) pen.lineTo(x + 0.5, low);
      if (dots) pen.fillRect(x - 2, low - 2, 4, 4);
      drawing = true;
    }
    pen.stroke();
  }

  gaps(pen, width, below) {
    const shown = this.times.after.filter(
      ({ at, lost, count }) => at + lost > this.view.begin && at + lost - count < this.view.end,
    );
    for (const { at, count, lost } of shown.slice(0, 2000)) {
      const from = this.x(at + lost - count, width);
      const wide = Math.max(this.x(at + lost, width) - from, 2);
      pen.fillStyle = hatch(pen, css("--gap"));
      pen.fillRect(from, 0, wide, below);
      const text = `${count.toLocaleString("en")} lost`;
      pen.fillStyle = css("--soft");
      pen.font = "11px system-ui, sans-serif";
      if (wide > pen.measureText(text).width + 8) pen.fillText(text, from + 4, below - 6);
    }
  }

  axis(pen, width, below) {
    const { begin, end } = this.view;
    const rate = this.times.rate || 1;
    pen.fillStyle = css("--soft");
    pen.strokeStyle = css("--line");
    pen.font = "11px system-ui, sans-serif";
    pen.beginPath();
    for (const tick of ticks(begin / rate, end / rate, Math.max(2, width / 110))) {
      const x = Math.round(this.x(tick * rate, width)) + 0.5;
      pen.moveTo(x, 0);
      pen.lineTo(x, below + 4);
      const text = this.times.text(tick * rate);
      if (x + 4 + pen.measureText(text).width < width) pen.fillText(text, x + 3, below + 13);
    }
    pen.stroke();
  }

  spectrogram(pen, top, high, width) {
    const { begin, end, columns } = this.part;
    const bins = this.sound.length / columns;
    const image = new ImageData(columns, bins);
    for (let column = 0; column < columns; column += 1) {
      for (let bin = 0; bin < bins; bin += 1) {
        const at = ((bins - 1 - bin) * columns + column) * 4;
        image.data.set(heat(this.sound[column * bins + bin]), at);
      }
    }
    const picture = new OffscreenCanvas(columns, bins);
    picture.getContext("2d").putImageData(image, 0, 0);
    pen.imageSmoothingEnabled = true;
    const from = this.x(begin, width);
    pen.drawImage(picture, from, top, this.x(end, width) - from, high);
    const top_hz = (this.times.rate || 0) / 2;
    pen.fillStyle = "#ffffffcc";
    pen.font = "11px system-ui, sans-serif";
    pen.fillText(`${(top_hz / 1000).toFixed(0)} kHz`, LEFT, top + 12);
  }
}

// From black over violet and orange to yellow.
const HEAT = Array.from({ length: 256 }, (_, n) => {
  const v = n / 255;
  const red = Math.min(1, Math.max(0, 1.7 * v - 0.15));
  const green = Math.min(1, Math.max(0, 1.9 * v * v - 0.35));
  const blue = Math.max(0, v < 0.45 ? 1.4 * v : 0.63 - 1.25 * (v - 0.45));
  return [red * 255, green * 255, blue * 255, 255];
});

function heat(value) {
  return HEAT[value];
}

// Round numbers between two others, about so many.
export function ticks(low, high, number) {
  const rough = (high - low) / number;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
  const digits = Math.max(0, -Math.floor(Math.log10(step)));
  const found = [];
  for (let n = Math.ceil(low / step); n * step <= high; n += 1) found.push(Number((n * step).toFixed(digits)));
  return found;
}
