// A recording on the pins of the RP2040's converter: what twin/recorded.py writes, samples of codes of 12 bits, one for
// each of its inputs. Puts right what rp2040js has not: the next input of a round, the end of an aborted transfer.
import { readFileSync } from 'node:fs';

const MAGIC = 0x31505254;
const HEADER_BYTES = 24;
const LOOPS = 1;
const CONTROL = 0;
const START_MANY = 1 << 3;
const INPUT_SHIFT = 12;
const INPUT_MASK = 7;
const DMA_ABORT = 0x444;
const NANOSECONDS = 1e9;
const STEP = 1e-6; // of a sample: times are sums of periods

export function readRecording(path) {
  const file = readFileSync(path);
  if (file.length < HEADER_BYTES || file.readUInt32LE(0) !== MAGIC) throw new Error('not a recording to replay');
  const [values, samples, rate, flags] = [4, 8, 12, 16].map((at) => file.readUInt32LE(at));
  if (values === 0 || samples === 0 || rate === 0 || file.length !== HEADER_BYTES + 2 * values * samples) {
    throw new Error('not as long as its header says');
  }
  const code = (sample, value) => file.readInt16LE(HEADER_BYTES + 2 * (sample * values + value));
  return { values, samples, rate, loops: (flags & LOOPS) !== 0, code };
}

// Without a recording the inputs are at ground.
export function connectConverter(rp2040, recording) {
  const { adc, clock, dma } = rp2040;
  const readDma = dma.readUint32.bind(dma);
  dma.readUint32 = (offset) => (offset === DMA_ABORT ? 0 : readDma(offset)); // at once
  let begun = null; // when the first conversion of many was
  Object.defineProperty(adc, 'activeChannel', {
    get: () => (adc.cs >> INPUT_SHIFT) & INPUT_MASK,
    set: (input) => {
      adc.cs = (adc.cs & ~(INPUT_MASK << INPUT_SHIFT)) | ((input & INPUT_MASK) << INPUT_SHIFT);
    },
  });
  const write = adc.writeUint32.bind(adc);
  adc.writeUint32 = (offset, value) => {
    if (offset === CONTROL && (value & START_MANY) !== 0 && (adc.cs & START_MANY) === 0) begun = clock.nanos;
    write(offset, value);
  };
  const convert = adc.onADCRead;
  adc.onADCRead = (input) => {
    if (recording !== null && input < recording.values && begun !== null) {
      const passed = Math.floor(((clock.nanos - begun) * recording.rate) / (1000 * NANOSECONDS) + STEP);
      const sample = recording.loops ? passed % recording.samples : Math.min(passed, recording.samples - 1);
      adc.channelValues[input] = recording.code(sample, input);
    }
    convert(input);
  };
}
