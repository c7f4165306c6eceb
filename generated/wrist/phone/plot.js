// The newest window of the signal, one line a channel.

const CHANNELS_MAX = 6;
const LINE = 1.75;

export class Plot {
  // Keeps `points` samples of each channel. Draws at most `perSecond` times a second.
  constructor(canvas, channels, points, perSecond) {
    this.canvas = canvas;
    this.lines = Array.from({ length: Math.min(channels, CHANNELS_MAX) }, () => []);
    this.points = points;
    this.pauseMs = 1000 / perSecond;
    this.drawn = 0;
    this.waiting = false;
  }

  // Adds a sample of all channels, as shares of full scale.
  add(values) {
    this.lines.forEach((line, i) => {
      line.push(values[i]);
      if (line.length > this.points) line.shift();
    });
    this.ask();
  }

  clear() {
    this.lines.forEach((line) => line.splice(0));
    this.ask();
  }

  ask() {
    if (this.waiting) return;
    this.waiting = true;
    const wait = Math.max(0, this.drawn + this.pauseMs - performance.now());
    setTimeout(() => requestAnimationFrame(() => this.draw()), wait);
  }

  draw() {
    this.waiting = false;
    this.drawn = performance.now();
    const { canvas } = this;
    const style = getComputedStyle(canvas);
    const scale = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    [canvas.width, canvas.height] = [width * scale, height * scale];
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    pen.strokeStyle = style.getPropertyValue("--line");
    pen.beginPath();
    pen.moveTo(0, height / 2);
    pen.lineTo(width, height / 2);
    pen.stroke();
    const most = Math.max(0.02, ...this.lines.flat().map(Math.abs));
    pen.lineWidth = LINE;
    pen.lineJoin = "round";
    this.lines.forEach((line, i) => {
      pen.strokeStyle = style.getPropertyValue(`--channel-${i + 1}`);
      pen.beginPath();
      line.forEach((value, at) => {
        const y = height / 2 - (value / most) * (height / 2 - LINE);
        pen.lineTo(((this.points - line.length + at) / (this.points - 1)) * width, y);
      });
      pen.stroke();
    });
  }
}
