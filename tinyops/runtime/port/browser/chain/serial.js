// Web Serial: the cable to the part before, at the link's rate.

import { Writer } from "./upstream.js";

const BUFFER_BYTES = 4096;
const PIECE_BYTES = 512;

export const missing = () =>
  navigator.serial ? "" : "This browser has no Web Serial: Chrome and Edge have it, on computers and on Android.";

export const choose = () => navigator.serial.requestPort();

export async function open(place, { baud }, heard, lost) {
  const port = await openPort(place, baud);
  const writer = port.writable.getWriter();
  const gone = { ended: false, reader: null };
  const output = new Writer((bytes) => writer.write(bytes), PIECE_BYTES, lost);
  read(port, gone, heard).then(lost, (error) => lost(error.message));
  return {
    write: (bytes) => output.write(bytes),
    close: async () => {
      gone.ended = true;
      await gone.reader?.cancel().catch(() => {});
      await writer.abort().catch(() => {});
      writer.releaseLock();
      await port.close().catch(() => {});
    },
  };
}

// A device that was unplugged comes back as another port of the same kind.
async function openPort(place, baud) {
  const settings = { baudRate: baud, bufferSize: BUFFER_BYTES };
  const wanted = JSON.stringify(place.getInfo());
  const known = (await navigator.serial.getPorts()).filter((port) => JSON.stringify(port.getInfo()) === wanted);
  let why = new Error("is not plugged in");
  for (const port of new Set([place, ...known])) {
    try {
      await port.open(settings);
      return port;
    } catch (error) {
      why = error;
    }
  }
  throw why;
}

// Until the port is gone. A line's own errors, a byte that was damaged or lost, end a reader and not the stream.
async function read(port, gone, heard) {
  while (port.readable && !gone.ended) {
    const reader = port.readable.getReader();
    gone.reader = reader;
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        heard(value.slice());
      }
    } catch (error) {
      if (error.name === "NetworkError") return "was unplugged";
    } finally {
      reader.releaseLock();
    }
  }
  return "was closed";
}
