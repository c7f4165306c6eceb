// A frame of an image dataset, its pixels as they are.

import { bytes } from "./api.js";
import { css, prepare } from "./colours.js";

// One frame as a canvas of its own size.
export async function picture(path, frame, [height, width]) {
  const data = new Uint8ClampedArray(await bytes("pixels", { path, frame }));
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").putImageData(new ImageData(data, width, height), 0, 0);
  return canvas;
}

export class Images {
  constructor(canvas, onFailure) {
    this.canvas = canvas;
    this.onFailure = onFailure;
  }

  open(path, size) {
    Object.assign(this, { path, size, picture: null, frame: -1 });
    this.show(0);
  }

  async show(frame) {
    if (frame === this.frame) return this.draw();
    this.frame = frame;
    const { path, size } = this;
    try {
      const found = await picture(path, frame, size);
      if (path !== this.path || frame !== this.frame) return;
      this.picture = found;
      this.draw();
    } catch (error) {
      this.onFailure(error);
    }
  }

  draw() {
    const { pen, width, height } = prepare(this.canvas);
    if (!this.picture) return;
    const scale = Math.min((width - 16) / this.picture.width, (height - 16) / this.picture.height);
    const times = scale > 1 ? Math.floor(scale) : scale;
    const [wide, high] = [this.picture.width * times, this.picture.height * times];
    pen.imageSmoothingEnabled = times < 1;
    const [x, y] = [(width - wide) / 2, (height - high) / 2];
    pen.drawImage(this.picture, x, y, wide, high);
    pen.strokeStyle = css("--line");
    pen.strokeRect(x - 0.5, y - 0.5, wide + 1, high + 1);
  }
}
