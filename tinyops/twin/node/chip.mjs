// One life of an RP2040 between two resets: rp2040js, with what it leaves out of the chip put right.
//
// Put right: faults (rp2040js only logs), wake from sleep with interrupts masked, peripherals held in reset, flash,
// the reasons for a reset, inputs of the converter. The guest's clock counts executed instructions, one a nanosecond, as QEMU's does in the
// other twins; in sleep it follows the wall clock.
import { BootRom, start } from './rom.mjs';
import { FlashPins, Nor, Ssi, Violation } from './nor.mjs';
import { connectConverter } from './replay.mjs';

const RAM = 0x20000000;
const HARD_FAULT = 3;
const AIRCR = 0xd0c;
const RESET_REQUEST = 0x05fa0004;
const ALL_IN_RESET = 0x01ffffff;
const BAUDS = [115200, 1000000]; // of applications, and of collectors
const UART_FUNCTION = 2;
const UART_PINS = [{ tx: 0, rx: 1 }, { tx: 4, rx: 5 }]; // as the port has them
const USB_MEMORY = 0x50100000;
const USB_MEMORY_BYTES = 4096;
const WATCHDOG = 0x40058;
const CHIP_RESET = 0x40064;
const HAD_POWER_ON = 1 << 8;
const SCRATCH_FIRST = 0x0c;
// Number in the register RESETS of each peripheral that may be held in reset. Not USB's: the vendor's SDK asks its
// registers whether it is.
const RESET_BITS = new Map(
  Object.entries({
    0x4004c: 0, 0x40030: 1, 0x50000: 2, 0x40044: 3, 0x40048: 4, 0x40014: 5, 0x40018: 6, 0x4001c: 8, 0x40020: 9,
    0x50200: 10, 0x50300: 11, 0x40028: 12, 0x4002c: 13, 0x40050: 14, 0x4005c: 15, 0x4003c: 16, 0x40040: 17,
    0x40004: 18, 0x40000: 19, 0x4006c: 20, 0x40054: 21, 0x40034: 22, 0x40038: 23,
  }).map(([page, bit]) => [Number(page), bit]),
);
const OUT_AFTER_ROM = (1 << 6) | (1 << 9); // the flash's pins

class Fault extends Error {}

const silent = { debug() {}, info() {}, error() {}, warn: (name, text) => refuseUnknown(name, text) };

function refuseUnknown(name, text) {
  if (name === 'CortexM0Core' && text.includes('not implemented')) throw new Fault(text);
}

export class Chip {
  // `flash` is its content; `before`, the life that ended in a reset, keeps RAM and the watchdog's registers.
  // `recording` is what the converter measures. `sends` takes the bytes of each UART that is connected.
  constructor(RP2040, nor, sends, before = null, recording = null) {
    this.rp2040 = new RP2040();
    this.core = this.rp2040.core;
    this.rp2040.logger = silent;
    this.nor = nor;
    this.nor.continuous = false; // the boot ROM sees to that first
    this.flashPins = new FlashPins();
    this.ssi = new Ssi(nor, this.flashPins);
    this.lines = sends.map((send, number) => ({ number, send, received: [] }));
    this.instructions = 0;
    this.ended = false;
    this.unreadable = false;
    this.#connectMemory();
    this.#connectPeripherals();
    for (const line of this.lines) this.#connectUart(line);
    this.#connectCore();
    connectConverter(this.rp2040, recording);
    this.rom = new BootRom(this.rp2040.bootrom);
    if (before) this.#keep(before);
    else fillWithNoise(this.rp2040.sram);
    start(this);
  }

  #keep(before) {
    this.rp2040.sram.set(before.rp2040.sram);
    const [mine, old] = [this.rp2040.peripherals[WATCHDOG], before.rp2040.peripherals[WATCHDOG]];
    mine.reason = old.reason;
    for (let word = 0; word < 8; word += 1) mine.writeUint32(SCRATCH_FIRST + 4 * word, old.scratchData[word]);
  }

  #connectMemory() {
    const rp = this.rp2040;
    const { sramView, sram } = rp;
    const flash = this.nor.bytes;
    const flashView = new DataView(flash.buffer, flash.byteOffset, flash.length);
    const [read32, write8, write16, write32] = ['readUint32', 'writeUint8', 'writeUint16', 'writeUint32'].map((name) =>
      rp[name].bind(rp),
    );
    const inRam = (address, count) => address >= RAM && address + count <= RAM + sram.length;
    const inFlash = (address) => address >>> 26 === 4; // four views of it
    const inUsb = (address) => address >= USB_MEMORY && address < USB_MEMORY + USB_MEMORY_BYTES;
    const checkFlash = (address, count) => {
      const offset = address & 0xffffff;
      if (this.unreadable) throw new Violation('flash was read while it is erased or programmed');
      if (offset + count > flash.length) throw new Violation(`flash: 0x${address.toString(16)} lies beyond its end`);
      this.ssi.checkReadable();
      if (this.nor.unstable.size > 0 && this.nor.isUnstable(offset)) this.nor.stir();
      return offset;
    };
    const checkAlign = (address, count) => {
      if (address & (count - 1)) throw new Fault('unaligned');
    };
    const checkMapped = (address) => {
      const mapped = address < 0x4000 || address >>> 28 === 0xd || address >>> 12 === 0xe000e || inUsb(address);
      if (!mapped && !rp.findPeripheral(address)) throw new Fault('nothing there');
    };
    rp.readUint32 = (at) => {
      const address = at >>> 0;
      checkAlign(address, 4);
      if (inRam(address, 4)) return sramView.getUint32(address - RAM, true);
      if (inFlash(address)) return flashView.getUint32(checkFlash(address, 4), true);
      checkMapped(address);
      return read32(address);
    };
    rp.readUint16 = (at) => {
      const address = at >>> 0;
      if (inFlash(address)) return flashView.getUint16(checkFlash(address, 2), true);
      if (inRam(address, 2)) return sramView.getUint16(address - RAM, true);
      checkAlign(address, 2);
      const word = rp.readUint32(address & ~3);
      return address & 2 ? word >>> 16 : word & 0xffff;
    };
    rp.readUint8 = (at) => {
      const address = at >>> 0;
      if (inRam(address, 1)) return sram[address - RAM];
      if (inFlash(address)) return flash[checkFlash(address, 1)];
      return (rp.readUint32(address & ~3) >>> (8 * (address & 3))) & 0xff;
    };
    const writer = (count, write) => (at, value) => {
      const address = at >>> 0;
      checkAlign(address, count);
      if (inFlash(address)) {
        if (address >>> 24 !== 0x10) throw new Fault('a write to flash'); // at 0x10…, it only drops a line of the cache
      } else if (inRam(address, count)) {
        write(address, value);
      } else {
        checkMapped(address);
        if (address < 0x4000) throw new Fault('a write to the boot ROM');
        write(address, value);
      }
    };
    rp.writeUint32 = writer(4, write32);
    rp.writeUint16 = writer(2, write16);
    rp.writeUint8 = writer(1, write8);
  }

  #connectPeripherals() {
    const rp = this.rp2040;
    const resets = rp.peripherals[0x4000c];
    resets.reset = ALL_IN_RESET & ~OUT_AFTER_ROM;
    Object.defineProperty(resets, 'reset_done', { get: () => ~resets.reset & ALL_IN_RESET });
    rp.peripherals[0x18000] = this.ssi;
    rp.peripherals[0x40018] = this.flashPins;
    rp.peripherals[CHIP_RESET] = { readUint32: (at) => (at === 8 ? HAD_POWER_ON : 0), writeUint32Atomic() {} };
    rp.findPeripheral = (address) => {
      const page = (address >>> 14) << 2;
      const bit = RESET_BITS.get(page);
      if (bit !== undefined && (resets.reset >>> bit) & 1) {
        throw new Violation(`the peripheral at 0x${(page << 12 >>> 0).toString(16)} was used while it is held in reset`);
      }
      return rp.peripherals[page];
    };
    const watchdog = rp.peripherals[WATCHDOG];
    watchdog.onWatchdogTrigger = () => {
      watchdog.alarm.enable = false; // else it fires at this same moment for ever
      this.ended = true;
    };
    const writePpb = rp.ppb.writeUint32.bind(rp.ppb);
    rp.ppb.writeUint32 = (offset, value) => {
      if (offset === AIRCR && value >>> 0 === RESET_REQUEST) this.ended = true;
      else writePpb(offset, value);
    };
  }

  #connectUart(line) {
    const uart = this.rp2040.uart[line.number];
    const read = uart.readUint32.bind(uart);
    uart.readUint32 = (offset) => {
      const value = read(offset);
      if (offset === 0) this.#feed(line);
      return value;
    };
    uart.onByte = (byte) => {
      if (uart.enabled && uart.txEnabled) {
        this.#checkLine(line, UART_PINS[line.number].tx);
        line.send(byte);
      }
    };
  }

  #checkLine({ number }, pin) {
    const uart = this.rp2040.uart[number];
    if (this.rp2040.gpio[pin].functionSelect !== UART_FUNCTION) {
      throw new Violation(`serial line: GP${pin} is not connected to UART${number}`);
    }
    const isKnown = BAUDS.some((baud) => Math.abs(uart.baudRate / baud - 1) <= 0.02);
    if (!isKnown) throw new Violation(`serial line: it runs at ${uart.baudRate} baud`);
  }

  // Moves what came on the lines into their UARTs, as far as there is room.
  feed() {
    for (const line of this.lines) this.#feed(line);
  }

  #feed(line) {
    const { received, number } = line;
    const uart = this.rp2040.uart[number];
    if (received.length === 0 || !uart.enabled || !uart.rxEnabled) return;
    this.#checkLine(line, UART_PINS[number].rx);
    let count = 0;
    while (count < received.length && !uart.rxFIFO.full) uart.feedByte(received[count++]);
    received.splice(0, count);
  }

  #connectCore() {
    const { core, rp2040 } = this;
    const check = core.checkForInterrupts.bind(core);
    core.checkForInterrupts = () => {
      if (!core.PM) return check();
      core.interruptsUpdated = false;
      return core.waiting && (core.pendingInterrupts & core.enabledInterrupts) !== 0; // wakes, takes nothing
    };
    const branch = core.BXWritePC.bind(core);
    core.BXWritePC = (address) => {
      if ((address & 1) === 0) throw new Fault('not Thumb');
      branch(address);
    };
    rp2040.onBreak = () => {
      throw new Fault('undefined or breakpoint');
    };
  }

  // The first four arguments of a routine that the core is about to run.
  arguments() {
    return [...this.core.registers.subarray(0, 4)];
  }

  readRam(address, count) {
    const at = address - RAM;
    if (at < 0 || at + count > this.rp2040.sram.length) throw new Violation('flash: data to program must lie in RAM');
    return this.rp2040.sram.subarray(at, at + count);
  }

  // An operation of the flash, by the boot ROM: the caller must lie in RAM, and flash reads no more until XIP is opened.
  whileUnreadable(operate) {
    if (this.core.LR >>> 26 === 4) throw new Violation('flash: changed by code that lies in it');
    operate();
    this.ssi.leaveXip();
  }

  // Executes up to `count` instructions; fewer when the core sleeps or a reset ends this life.
  run(count) {
    const { core } = this;
    const { clock } = this.rp2040;
    let pc = 0;
    for (let left = count; left > 0 && !this.ended; left -= 1) {
      if (core.waiting) {
        if ((core.pendingInterrupts & core.enabledInterrupts) === 0) return;
        core.waiting = false;
      }
      pc = core.PC;
      try {
        if (pc < 0x4000) this.rom.enter(this, pc);
        core.executeInstruction();
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        this.#fault(pc, error);
      }
      this.instructions += 1;
      clock.tick(1);
    }
  }

  #fault(pc, error) {
    const { core } = this;
    if (core.IPSR === HARD_FAULT) throw new Violation(`lock-up: ${error.message}, at 0x${pc.toString(16)} in the fault handler`);
    core.PC = pc;
    const write = this.rp2040.writeUint32;
    const stack = core.SPmain;
    this.rp2040.writeUint32 = (address, value) => {
      // a stack that has overflowed takes no frame
      if (address >= RAM && address < RAM + this.rp2040.sram.length) write(address, value);
    };
    core.exceptionEntry(HARD_FAULT);
    this.rp2040.writeUint32 = write;
    if (stack - 0x20 < RAM) core.SPmain = stack - 0x20;
    core.PC &= ~1;
  }
}

export const newNor = (bytes, options) => new Nor(bytes, options);

// RAM after power was off holds anything.
function fillWithNoise(bytes) {
  let state = 1;
  for (let i = 0; i < bytes.length; i += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
}
