// Stands in for the RP2040's boot ROM, which is not in the npm package: its table of functions, the flash routines,
// and what it does at a reset. The routines are JavaScript that runs when the core gets to their address.
import { Violation, XIP_FIRST_BYTES } from './nor.mjs';

const FUNCTIONS = 0x100;
const LOOKUP = 0x200;
const FIRST_ROUTINE = 0x210;
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
};

const roundUp = (count, unit) => Math.ceil(count / unit) * unit;

export class BootRom {
  constructor(bootrom) {
    const halves = new Uint16Array(bootrom.buffer);
    halves.fill(0xdeff); // undefined instruction
    halves.set([0x754d, 0x0201], 8); // "Mu", 1: at 0x10
    halves.set([FUNCTIONS, 0, LOOKUP], 10); // at 0x14
    halves[LOOKUP / 2] = RETURN;
    this.hooks = new Map([[LOOKUP, (chip) => this.#lookUp(chip)]]);
    this.addresses = new Map();
    Object.entries(ROUTINES).forEach(([name, run], index) => {
      const address = FIRST_ROUTINE + 4 * index;
      halves.set([code(name), address | 1], FUNCTIONS / 2 + 2 * index);
      halves[address / 2] = RETURN;
      this.addresses.set(code(name), address);
      this.hooks.set(address, (chip) => run(chip, chip.arguments()));
    });
    halves.set([0, 0], FUNCTIONS / 2 + 2 * this.hooks.size - 2);
  }

  #lookUp(chip) {
    const [table, wanted] = chip.arguments();
    const address = table === FUNCTIONS ? this.addresses.get(wanted) : undefined;
    chip.core.registers[0] = address === undefined ? 0 : address | 1;
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
