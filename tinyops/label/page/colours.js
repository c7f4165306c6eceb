// A hue for each class and a colour for each channel; what a canvas needs to know of light and dark.

const TURN = 137.508; // degrees: neighbours differ most

export function hue(classes, label) {
  const number = classes.indexOf(label);
  return number < 0 ? null : (210 + number * TURN) % 360;
}

export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

export function fill(classes, label) {
  const found = hue(classes, label);
  if (found === null) return isDark() ? "#3a424d" : "#dfe4ea";
  return isDark() ? `hsl(${found} 45% 32%)` : `hsl(${found} 70% 84%)`;
}

export function ink(classes, label) {
  const found = hue(classes, label);
  if (found === null) return isDark() ? "#aab3bd" : "#59636e";
  return isDark() ? `hsl(${found} 80% 85%)` : `hsl(${found} 80% 22%)`;
}

export function paint(element, classes, label) {
  const found = hue(classes, label);
  element.classList.toggle("unlabelled", found === null);
  element.style.setProperty("--hue", found ?? 0);
}

export function css(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export function channelColour(number) {
  return css(`--channel-${(number % 8) + 1}`);
}

export function hatch(pen, colour) {
  const tile = new OffscreenCanvas(8, 8);
  const on = tile.getContext("2d");
  on.strokeStyle = colour;
  on.beginPath();
  for (const at of [-4, 4, 12]) on.moveTo(at - 4, 8), on.lineTo(at + 4, 0);
  on.stroke();
  return pen.createPattern(tile, "repeat");
}

// A canvas as sharp as the screen is; returns its pen and size in CSS pixels.
export function prepare(canvas) {
  const scale = devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const [wide, high] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== wide || canvas.height !== high) [canvas.width, canvas.height] = [wide, high];
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width, height };
}
