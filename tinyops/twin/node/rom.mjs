// Stands in for the RP2040's boot ROM, which is not in the npm package: its table of functions, the flash routines,
// and what it does at a reset. The routines are JavaScript that runs when the core gets to their address.
import { Violation, XIP_FIRST_BYTES } from './nor.mjs';

const FUNCTIONS = 0x100;
const DATA = 0x180;
const LOOKUP = 0x200;
const FIRST_ROUTINE = 0x210;
const FLOATING = 0x2f0;
const FLOAT_TABLE = 0x400; // one for both kinds: no routine of theirs is here
const FLOAT_TABLE_BYTES = 0x80;
const RETURN = 0x4770; // bx lr
export const BOOT2_ADDRESS = 0x20041f00;

const code = (name) => name.charCodeAt(0) | (name.charCodeAt(1) << 8);

// The CRC-32 that the ROM checks: polynomial 0x04c11db7, not reflected, from all ones.
export function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte << 24;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x80000000 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  }
  return crc >>> 0;
}

// Routines of the boot ROM by name: each takes the chip and its arguments.
const ROUTINES = {
  IF: () => {},
  EX: (chip) => chip.ssi.leaveXip(),
  FC: () => {},
  RE: (chip, [offset, count]) => chip.whileUnreadable(() => chip.nor.erase(offset, roundUp(count, chip.nor.facts.erase))),
  RP: (chip, [offset, data, count]) =>
    chip.whileUnreadable(() => chip.nor.program(offset, chip.readRam(data, roundUp(count, chip.nor.facts.program)))),
  UB: () => {
    throw new Violation('boot: nothing in flash can run: the boot ROM waits on USB');
  },
};

// Of bits and of memory.
const PLAIN = {
  P3: (chip, [word]) => countOnes(word),
  R3: (chip, [word]) => reversed(word),
  L3: (chip, [word]) => Math.clz32(word),
  T3: (chip, [word]) => (word === 0 ? 32 : 31 - Math.clz32(word & -word)),
  MS: (chip, [to, value, count]) => fill(chip, to, value, count),
  S4: (chip, [to, value, count]) => fill(chip, to, value, count),
  MC: (chip, [to, from, count]) => copy(chip, to, from, count),
  C4: (chip, [to, from, count]) => copy(chip, to, from, count),
};

function countOnes(word) {
  let ones = 0;
  for (let left = word >>> 0; left !== 0; left &= left - 1) ones += 1;
  return ones;
}

function reversed(word) {
  let found = 0;
  for (let bit = 0; bit < 32; bit += 1) found |= ((word >>> bit) & 1) << (31 - bit);
  return found;
}

// Whole words where everything is aligned, as the ROM does: memory of peripherals takes no bytes.
function fill(chip, to, value, count) {
  const byte = value & 0xff;
  const wide = ((to | count) & 3) === 0;
  const write = wide ? chip.rp2040.writeUint32 : chip.rp2040.writeUint8;
  for (let at = 0; at < count; at += wide ? 4 : 1) write((to >>> 0) + at, wide ? byte * 0x01010101 : byte);
  return to;
}

function copy(chip, to, from, count) {
  const { rp2040 } = chip;
  const wide = ((to | from | count) & 3) === 0;
  for (let at = 0; at < count; at += wide ? 4 : 1) {
    if (wide) rp2040.writeUint32((to >>> 0) + at, rp2040.readUint32((from >>> 0) + at));
    else rp2040.writeUint8((to >>> 0) + at, rp2040.readUint8((from >>> 0) + at));
  }
  return to;
}

const roundUp = (count, unit) => Math.ceil(count / unit) * unit;

const answering = (run) => (chip, given) => {
  chip.core.registers[0] = run(chip, given);
};

function refuseFloat() {
  throw new Violation('boot ROM: the twin has none of its routines for real numbers');
}

export class BootRom {
  constructor(bootrom) {
    const halves = new Uint16Array(bootrom.buffer);
    halves.fill(0xdeff); // undefined instruction
    halves.set([0x754d, 0x0201], 8); // "Mu", 1: at 0x10
    halves.set([FUNCTIONS, DATA, LOOKUP], 10); // at 0x14
    halves[LOOKUP / 2] = RETURN;
    halves[FLOATING / 2] = RETURN;
    for (let at = 0; at < FLOAT_TABLE_BYTES; at += 4) halves.set([FLOATING | 1, 0], (FLOAT_TABLE + at) / 2);
    halves.set([code('SF'), FLOAT_TABLE, code('SD'), FLOAT_TABLE, 0, 0], DATA / 2);
    this.data = new Map([code('SF'), code('SD')].map((name) => [name, FLOAT_TABLE]));
    this.hooks = new Map([
      [LOOKUP, (chip) => this.#lookUp(chip)],
      [FLOATING, () => refuseFloat()],
    ]);
    this.addresses = new Map();
    const all = { ...ROUTINES, ...Object.fromEntries(Object.entries(PLAIN).map(([name, run]) => [name, answering(run)])) };
    Object.entries(all).forEach(([name, run], index) => {
      const address = FIRST_ROUTINE + 4 * index;
      halves.set([code(name), address | 1], FUNCTIONS / 2 + 2 * index);
      halves[address / 2] = RETURN;
      this.addresses.set(code(name), address);
      this.hooks.set(address, (chip) => run(chip, chip.arguments()));
    });
    halves.set([0, 0], FUNCTIONS / 2 + 2 * this.addresses.size);
  }

  #lookUp(chip) {
    const [table, wanted] = chip.arguments();
    const routine = table === FUNCTIONS ? this.addresses.get(wanted) : undefined;
    const data = table === DATA ? this.data.get(wanted) : undefined;
    chip.core.registers[0] = routine === undefined ? (data ?? 0) : routine | 1;
  }

  // Runs what lies at `pc`; the core then executes the return there.
  enter(chip, pc) {
    this.hooks.get(pc)?.(chip);
  }
}

// What the ROM does after a reset: finds the second stage in flash, checks it, runs it in RAM.
export function start(chip) {
  const stage = chip.nor.bytes.subarray(0, XIP_FIRST_BYTES);
  const wanted = new DataView(stage.buffer, stage.byteOffset).getUint32(XIP_FIRST_BYTES - 4, true);
  if (crc32(stage.subarray(0, XIP_FIRST_BYTES - 4)) !== wanted) {
    throw new Violation('boot: the second stage in flash has a wrong checksum: the boot ROM would wait on USB');
  }
  chip.rp2040.sram.set(stage, BOOT2_ADDRESS - 0x20000000);
  chip.core.SP = BOOT2_ADDRESS;
  chip.core.LR = 0;
  chip.core.PC = BOOT2_ADDRESS;
}
