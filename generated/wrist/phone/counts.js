// Numbers between a sensor's units and the model's: int16 counts in, int8 shares out. Pure.

const COUNTS = 32768;

// The nearest whole number, a half to the even one: as Python and the training's data have it.
export function roundHalfEven(value) {
  const below = Math.floor(value);
  const part = value - below;
  if (part !== 0.5) return part < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}

// The int16 count of a measured value: value / fullScale * 32768, saturated.
export function toCount(value, fullScale) {
  const count = (value / fullScale) * COUNTS;
  return roundHalfEven(Math.max(-COUNTS, Math.min(COUNTS - 1, count)));
}

// What a count stands for, in the sensor's unit.
export function fromCount(count, fullScale) {
  return (count / COUNTS) * fullScale;
}

// The index of the largest output, the first among equals.
export function bestOf(outputs) {
  let best = 0;
  for (let i = 1; i < outputs.length; i++) if (outputs[i] > outputs[best]) best = i;
  return best;
}

// int8 outputs of a classifier as shares of 1; null when they are none: they do not add up to about 1.
export function sharesOf(outputs) {
  const counts = Array.from(outputs, (output) => output + 128);
  const sum = counts.reduce((a, b) => a + b, 0);
  return Math.abs(sum - 256) <= outputs.length ? counts.map((count) => count / 256) : null;
}
