// A recording, or numbers that a person typed, as frames: the same rules as the agent's. Pure.

import { toCount } from "./counts.js";

const CHARACTERS_MAX = 16 * 1024 * 1024;
export class RecordingError extends Error {}

// Frames of a CSV text as one Int16Array. A header names channels in any order; without one, columns
// are values in the contract's order. Lines at the end that make no whole frame are left out.
export function readFrames(text, input) {
  if (text.length > CHARACTERS_MAX) throw new RecordingError("The recording is larger than 16 MB.");
  const lines = text
    .replace(/^\ufeff/, "")
    .split(/\r\n|\n|\r/)
    .map((line) => line.split(",").map((field) => field.trim()));
  const lineValues = input.rate_hz === null ? input.frame_values : input.channels.length;
  const first = lines.findIndex((fields) => fields.some((field) => field !== ""));
  if (first < 0) throw new RecordingError("There are no numbers in it.");
  const columns = columnsOf(lines[first], input.channels, lineValues);
  const counts = [];
  for (let number = first + (columns.header ? 1 : 0); number < lines.length; number++) {
    if (lines[number].every((field) => field === "")) continue;
    columns.places.forEach((column, i) => {
      const value = numberOf(lines[number][column]);
      if (value === null) throw new RecordingError(`Line ${number + 1}: column ${column + 1} is not a number.`);
      counts.push(toCount(value, input.full_scale[i % input.channels.length]));
    });
  }
  const frames = Math.floor(counts.length / input.frame_values);
  if (frames === 0) throw new RecordingError(`It holds less than one frame of ${input.frame_values} values.`);
  return Int16Array.from(counts.slice(0, frames * input.frame_values));
}

// int8 numbers of an input tensor.
export function readTensor(text, bytes) {
  const fields = text.split(/[\s,;]+/).filter((field) => field !== "");
  if (fields.length !== bytes)
    throw new RecordingError(`The model takes ${bytes} numbers, these are ${fields.length}.`);
  return Uint8Array.from(fields, (field, i) => {
    const value = numberOf(field);
    if (!Number.isInteger(value) || value < -128 || value > 127) {
      throw new RecordingError(`Number ${i + 1} is ${field}; each is a whole number from -128 to 127.`);
    }
    return value & 0xff;
  });
}

function columnsOf(names, channels, lineValues) {
  if (names.slice(0, lineValues).every((name) => numberOf(name) !== null)) {
    const spare = lineValues === channels.length ? 0 : 1; // the class of an image
    if (names.length < lineValues || names.length > lineValues + spare) {
      throw new RecordingError(`Its lines have ${names.length} columns; the model takes ${lineValues} values.`);
    }
    return { header: false, places: Array.from({ length: lineValues }, (_, i) => i) };
  }
  const missing = channels.filter((channel) => !names.includes(channel));
  if (missing.length > 0 || channels.length !== lineValues) {
    throw new RecordingError(`It has no column ${(missing.length ? missing : channels).join(", ")}.`);
  }
  return { header: true, places: channels.map((channel) => names.indexOf(channel)) };
}

function numberOf(text) {
  if (text === undefined || !/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)) return null;
  const value = Number(text);
  return Number.isFinite(value) ? value : null;
}
