// A NOR flash chip as a W25Q16JV's datasheet describes it, and the SSI of an RP2040 in front of it.
// It enforces the rules: erase by sector, programming only turns ones into zeros, a cut leaves the unit unstable.

// Of the Pico's flash; a catalogue entry says it of others. `programs`: how often a page may be programmed between
// two erases.
export const PICO_FACTS = { bytes: 2 * 1024 * 1024, erase: 4096, program: 256, programs: 255 };
export const XIP_FIRST_BYTES = 256;

// A broken rule of the flash or of the chip: the run ends with this sentence.
export class Violation extends Error {}

export class PowerCut extends Error {}

export class Nor {
  // `bytes` is the content, kept and changed in place. `cutAfter`: power fails within the operation of that number.
  // `number` is the flash's own; one that has none reads as ones.
  constructor(bytes, { cutAfter = Infinity, facts = PICO_FACTS, programmed = new Map(), number = [] } = {}) {
    this.bytes = bytes;
    this.facts = facts;
    this.number = number;
    this.programmed = programmed; // offset of page -> how often since its erase, where that is known
    this.unstable = new Map(); // start of unit -> its length
    this.cutAfter = cutAfter;
    this.operations = 0;
    this.continuous = false;
    this.quadEnabled = true;
  }

  #range(offset, count, unit) {
    if (offset % unit !== 0 || count % unit !== 0 || count === 0) {
      throw new Violation(`flash: ${count} bytes at 0x${offset.toString(16)} are no whole units of ${unit}`);
    }
    if (offset + count > this.bytes.length) {
      throw new Violation(`flash: 0x${(offset + count).toString(16)} lies beyond its end`);
    }
  }

  // One erase or program of a unit; true when power fails in it.
  #cuts() {
    this.operations += 1;
    return this.operations === this.cutAfter;
  }

  erase(offset, count) {
    const { erase: sector, program: unit } = this.facts;
    this.#range(offset, count, sector);
    for (let at = offset; at < offset + count; at += sector) {
      if (this.#cuts()) {
        this.#break(at, sector);
      }
      this.unstable.delete(at);
      for (let page = at; page < at + sector; page += unit) {
        this.unstable.delete(page);
        this.programmed.delete(page);
      }
      this.bytes.fill(0xff, at, at + sector);
    }
  }

  program(offset, data) {
    const { program: unit, programs } = this.facts;
    this.#range(offset, data.length, unit);
    for (let page = 0; page < data.length; page += unit) {
      const cuts = this.#cuts();
      const times = this.#timesProgrammed(offset + page) + 1;
      if (times > programs) {
        const where = `0x${(offset + page).toString(16)}`;
        throw new Violation(`flash: the page at ${where} was programmed more often than ${programs} between two erases`);
      }
      for (let i = page; i < page + unit; i += 1) {
        const had = this.bytes[offset + i];
        if ((had & data[i]) !== data[i]) {
          const where = `0x${(offset + i).toString(16)}`;
          throw new Violation(`flash: byte at ${where} is ${had} and cannot be programmed to ${data[i]}: erase it first`);
        }
      }
      if (cuts) {
        this.#break(offset + page, unit);
      }
      this.bytes.set(data.subarray(page, page + unit), offset + page);
      this.programmed.set(offset + page, times);
    }
  }

  // What nobody saw programmed counts once when it is not erased.
  #timesProgrammed(page) {
    const known = this.programmed.get(page);
    if (known !== undefined) return known;
    return this.bytes.subarray(page, page + this.facts.program).every((byte) => byte === 0xff) ? 0 : 1;
  }

  #break(at, count) {
    this.unstable.set(at, count);
    throw new PowerCut(`power failed in flash operation ${this.operations}`);
  }

  // Whether a byte lies in an unit that lost power while it was written. A read lies within one unit.
  isUnstable(offset) {
    for (const [at, count] of this.unstable) if (offset >= at && offset < at + count) return true;
    return false;
  }

  // What a read of an unstable unit gives: other bytes each time.
  stir() {
    for (const [at, count] of this.unstable) {
      for (let i = at; i < at + count; i += 1) {
        this.noise = (Math.imul(this.noise ?? 1, 1664525) + 1013904223) >>> 0;
        this.bytes[i] = this.noise >>> 24;
      }
    }
  }
}

const SSI = { CTRLR0: 0x00, CTRLR1: 0x04, ENABLE: 0x08, SER: 0x10, BAUD: 0x14, SR: 0x28, DR: 0x60, RX_DELAY: 0xf0, SPI_CTRLR0: 0xf4 };
const NOT_FULL_AND_EMPTY = 0x06;
const RECEIVED = 0x08;
const READ_ONLY = 3;
const STANDARD = 0;
const BYTES = 7 << 16; // frames of 8 bits, standard, both ways
const QUAD = 2;
const READ = 0x03;
const READ_STATUS_1 = 0x05;
const READ_STATUS_2 = 0x35;
const READ_NUMBER = 0x4b;
const NUMBER_AT = 5; // after the instruction and four bytes of nothing
export const NUMBER_BYTES = 8;
const READ_QUAD_IO = 0xeb;
const CONTINUOUS = 0xa0;

const field = (value, low, bits) => (value >>> low) & ((1 << bits) - 1);

const SELECT_CONTROL = 0x0c;
const KEPT_LOW = 2;

// The registers of the flash's pins, which rp2040js has not: firmware moves the select line by its override.
export class FlashPins {
  constructor() {
    this.registers = new Map();
    this.onSelect = () => {};
  }

  get keepSelected() {
    return field(this.registers.get(SELECT_CONTROL) ?? 0, 8, 2) === KEPT_LOW;
  }

  readUint32(offset) {
    return this.registers.get(offset) ?? 0;
  }

  writeUint32(offset, value) {
    this.registers.set(offset, value >>> 0);
    if (offset === SELECT_CONTROL) this.onSelect();
  }

  writeUint32Atomic(offset, value, type) {
    const had = this.readUint32(offset);
    this.writeUint32(offset, [value, had ^ value, had | value, had & ~value][type]);
  }
}

// What of rp2040js's stub is replaced: the serial interface that flash is read through.
export class Ssi {
  // `pins` may keep the select line low, so that an instruction goes on over a poll.
  constructor(nor, pins) {
    this.nor = nor;
    this.pins = pins;
    pins.onSelect = () => {
      this.sent = [];
    };
    this.registers = new Map([[SSI.SER, 1]]); // as the boot ROM leaves it
    this.sent = [];
    this.received = [];
    this.readable = null; // whether flash reads as memory; null: to be found out
  }

  #get(offset) {
    return this.registers.get(offset) ?? 0;
  }

  get #control() {
    const value = this.#get(SSI.CTRLR0);
    return { frames: field(value, 21, 2), mode: field(value, 8, 2), bits: field(value, 16, 5) + 1 };
  }

  get #spi() {
    const value = this.#get(SSI.SPI_CTRLR0);
    return {
      command: value >>> 24,
      wait: field(value, 11, 5),
      instruction: field(value, 8, 2),
      address: field(value, 2, 4) * 4,
      type: field(value, 0, 2),
    };
  }

  readUint32(offset) {
    if (offset === SSI.SR) {
      if (!this.pins.keepSelected) this.sent = []; // polled until idle: the select line goes up
      return NOT_FULL_AND_EMPTY | (this.received.length > 0 ? RECEIVED : 0);
    }
    return offset === SSI.DR ? (this.received.shift() ?? 0) : this.#get(offset);
  }

  writeUint32Atomic(offset, value, type) {
    const had = this.#get(offset);
    this.writeUint32(offset, [value, had ^ value, had | value, had & ~value][type] >>> 0);
  }

  writeUint32(offset, value) {
    this.readable = null;
    if (offset === SSI.DR) {
      this.#exchange(value >>> 0);
      return;
    }
    if (offset !== SSI.ENABLE && this.#get(SSI.ENABLE) === 1) {
      throw new Violation(`SSI: register 0x${offset.toString(16)} was written while the SSI is enabled`);
    }
    this.registers.set(offset, value >>> 0);
    if (offset === SSI.ENABLE && value === 0) {
      this.sent = [];
      this.received = [];
    }
  }

  #exchange(word) {
    if (this.#get(SSI.ENABLE) !== 1 || this.#get(SSI.SER) !== 1) {
      throw new Violation('SSI: data were written while it is off');
    }
    this.sent.push(word);
    const { frames, mode, bits } = this.#control;
    if (frames === QUAD) {
      this.#quad(mode, bits);
    } else if (frames === STANDARD && mode === 0 && bits === 8) {
      this.received.push(this.#answer());
    } else {
      throw new Violation('SSI: the twin knows no such frames');
    }
  }

  // What the flash says to the last byte of an instruction on one line.
  #answer() {
    if (this.nor.continuous) {
      throw new Violation('flash: an instruction was sent while it expects addresses');
    }
    const [instruction] = this.sent;
    if (instruction === READ_NUMBER) return this.nor.number[this.sent.length - 1 - NUMBER_AT] ?? 0xff;
    if (instruction !== READ_STATUS_1 && instruction !== READ_STATUS_2) {
      throw new Violation(`flash: the twin does not know instruction 0x${instruction.toString(16)}`);
    }
    const status = instruction === READ_STATUS_2 && this.nor.quadEnabled ? 2 : 0;
    return this.sent.length > 1 ? status : 0xff;
  }

  // Instruction on one line, then address and mode bits on four: the read that starts reads without instruction.
  #quad(mode, bits) {
    const { wait, instruction, address, type } = this.#spi;
    if (!this.nor.quadEnabled) {
      throw new Violation('flash: read on four lines, which its status register does not allow');
    }
    const right = mode === READ_ONLY && bits === 32 && wait === 4 && instruction === 2 && address === 32 && type === 1;
    if (!right || this.sent[0] !== READ_QUAD_IO || this.nor.continuous) {
      throw new Violation('flash: a read on four lines that it does not understand');
    }
    if (this.sent.length === 2) {
      this.nor.continuous = (this.sent[1] & 0x30) === (CONTINUOUS & 0x30);
    }
  }

  // Throws unless a read of memory would reach the flash.
  checkReadable() {
    if (this.readable === true) return;
    const { frames, mode, bits } = this.#control;
    const { command, wait, instruction, address, type } = this.#spi;
    const baud = this.#get(SSI.BAUD);
    const on = this.#get(SSI.ENABLE) === 1 && this.#get(SSI.SER) === 1 && this.#get(SSI.CTRLR1) === 0;
    const common = on && mode === READ_ONLY && bits === 32 && baud >= 2 && baud % 2 === 0;
    const serial = frames === STANDARD && command === READ && instruction === 2 && address === 24 && wait === 0;
    const quad = frames === QUAD && command === CONTINUOUS && instruction === 0 && address === 32 && wait === 4 && type === 2;
    if (!common || !(quad ? this.nor.continuous : serial && type === 0 && !this.nor.continuous)) {
      throw new Violation('flash was read as memory, and the SSI is not set up for that');
    }
    this.readable = true;
  }

  // What the boot ROM's routines do before an operation, and after it: the SSI takes plain instructions.
  leaveXip() {
    this.nor.continuous = false;
    this.registers.set(SSI.CTRLR0, BYTES);
    this.registers.set(SSI.ENABLE, 1);
    this.registers.set(SSI.SER, 1);
    this.readable = null;
  }
}
