// Small pictures for the rows of an image dataset that are in sight; those that were seen last are kept.

import { picture } from "./images.js";

const KEPT_MAX = 300;

export class Thumbs {
  constructor(store) {
    Object.assign(this, { store, kept: new Map() });
  }

  // A canvas that is filled when the picture has come.
  of(path) {
    const { size } = this.store.about.signal;
    const canvas = document.createElement("canvas");
    canvas.className = "thumb";
    [canvas.height, canvas.width] = size;
    this.fetch(path, size).then((found) => canvas.getContext("2d").drawImage(found, 0, 0), () => canvas.remove());
    return canvas;
  }

  fetch(path, size) {
    const known = this.kept.get(path);
    const asked = known ?? picture(path, 0, size);
    this.kept.delete(path);
    this.kept.set(path, asked);
    if (this.kept.size > KEPT_MAX) this.kept.delete(this.kept.keys().next().value);
    if (!known) asked.catch(() => this.kept.delete(path));
    return asked;
  }
}
