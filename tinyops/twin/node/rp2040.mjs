// The twin of RP2040 boards:
//
//   node rp2040.mjs --library FOLDER --line FD [--upstream FD] [--control FD] [--flash FILE] [--facts FACTS]
//       [--load FILE@OFFSET]... [--number HEX] [--replay FILE]
//
// FOLDER has rp2040js in its node_modules. UART0 is the socket of --line, UART1 that of --upstream. Flash starts as FILE where it exists, else erased,
// then takes each FILE at its offset; FILE is written again soon after it changed,
// when power is cut and at the end. FACTS are numbers with colons between them: bytes of flash, of a sector, of a page;
// how often a page may be programmed between two erases. HEX is the flash's own number, 8 bytes. The recording in FILE is
// what the converter measures.
// The control socket takes a JSON object a line and answers with one: {"do": "reset"}, {"do": "power-cut"},
// {"do": "cut-in", "operation": N} (power fails within the Nth erase or program from now), {"do": "state"},
// {"do": "read", "offset": O, "count": N}.
// Ends with 0 when the host closes the line, with 2 for arguments, with 3 for a broken rule of chip or flash.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Socket } from 'node:net';
import { resolve } from 'node:path';
import { Chip, newNor } from './chip.mjs';
import { NUMBER_BYTES, PICO_FACTS, PowerCut, Violation } from './nor.mjs';
import { readRecording } from './replay.mjs';

const BURST = 100_000;
const SEND_BYTES = 4096;
const COMMAND_BYTES = 4096;
const SAVE_AFTER_MS = 20;

function fail(text, status) {
  process.stderr.write(`${text}\n`);
  process.exit(status);
}

function readArguments(words) {
  const found = { load: [] };
  for (let i = 0; i < words.length; i += 2) {
    const name = words[i].replace(/^--/, '');
    if (!['library', 'line', 'upstream', 'control', 'flash', 'facts', 'load', 'number', 'replay'].includes(name) || words[i + 1] === undefined) {
      fail(`rp2040: unknown or unfinished argument ${words[i]}`, 2);
    }
    if (name === 'load') found.load.push(words[i + 1]);
    else found[name] = words[i + 1];
  }
  if (!found.library || !found.line) fail('rp2040: --library and --line are needed', 2);
  return found;
}

function readFacts(given) {
  if (given === undefined) return PICO_FACTS;
  const [bytes, erase, program, programs] = given.split(':').map(Number);
  if (![bytes, erase, program, programs].every((number) => number > 0) || bytes > 16 * 1024 * 1024) {
    fail(`rp2040: ${given}: no facts of a flash`, 2);
  }
  return { bytes, erase, program, programs };
}

function readNumber(given) {
  if (given === undefined) return [];
  const bytes = Buffer.from(given, 'hex');
  if (bytes.length !== NUMBER_BYTES) fail(`rp2040: ${given}: no number of ${NUMBER_BYTES} bytes`, 2);
  return [...bytes];
}

function loadFlash(options, facts) {
  const bytes = new Uint8Array(facts.bytes).fill(0xff);
  const files = options.flash && existsSync(options.flash) ? [`${options.flash}@0`] : [];
  for (const given of [...files, ...options.load]) {
    const at = given.lastIndexOf('@');
    const offset = Number(given.slice(at + 1));
    let data;
    try {
      data = readFileSync(given.slice(0, at));
    } catch (error) {
      fail(`rp2040: ${given}: ${error.code}`, 2);
    }
    if (!Number.isInteger(offset) || offset < 0 || offset + data.length > facts.bytes) {
      fail(`rp2040: ${given}: lies outside of ${facts.bytes} bytes of flash`, 2);
    }
    bytes.set(data, offset);
  }
  return bytes;
}

function loadLibrary(folder) {
  try {
    return createRequire(`${resolve(folder)}/`)('rp2040js').RP2040;
  } catch (error) {
    return fail(`rp2040: rp2040js is not in ${folder}: ${error.code ?? error.message}`, 2);
  }
}

function loadRecording(path) {
  if (path === undefined) return null;
  try {
    return readRecording(path);
  } catch (error) {
    return fail(`rp2040: ${path}: ${error.code ?? error.message}`, 2);
  }
}

class Board {
  constructor(options) {
    this.options = options;
    this.RP2040 = loadLibrary(options.library);
    const facts = readFacts(options.facts);
    this.nor = newNor(loadFlash(options, facts), { facts, number: readNumber(options.number) });
    this.recording = loadRecording(options.replay);
    this.saved = 0;
    this.resets = 0;
    this.scheduled = false;
    const sockets = [options.line, options.upstream].filter((given) => given !== undefined);
    this.lines = sockets.map((given, number) => this.#openLine(new Socket({ fd: Number(given) }), number));
    if (options.control) this.#openControl(new Socket({ fd: Number(options.control) }));
    this.#boot(null);
  }

  #openLine(socket, number) {
    socket.on('data', (data) => this.#receive(number, data));
    socket.on('close', () => this.#finish(0));
    socket.on('error', () => this.#finish(0));
    return { socket, toSend: [] };
  }

  #boot(before) {
    const sends = this.lines.map((line) => (byte) => this.#send(line, byte));
    this.chip = this.#guard(() => new Chip(this.RP2040, this.nor, sends, before, this.recording));
    this.sleptAt = null;
    this.#schedule();
  }

  #send(line, byte) {
    line.toSend.push(byte);
    if (line.toSend.length >= SEND_BYTES) this.#flush();
  }

  #flush() {
    for (const line of this.lines) {
      if (line.toSend.length > 0) line.socket.write(Buffer.from(line.toSend));
      line.toSend = [];
    }
  }

  #receive(number, data) {
    for (const byte of data) this.chip.lines[number].received.push(byte);
    this.chip.feed();
    this.#schedule();
  }

  #schedule() {
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(() => this.#run());
  }

  #run() {
    this.scheduled = false;
    this.#catchUp();
    this.#guard(() => {
      this.chip.feed();
      this.chip.run(BURST);
    });
    if (this.nor.operations !== this.saved) this.#saveSoon();
    this.#flush();
    if (this.chip.ended) this.#restart();
    else if (this.chip.core.waiting) this.#sleep();
    else this.#schedule();
  }

  // The guest's clock follows the wall's while the core sleeps.
  #sleep() {
    this.sleptAt = process.hrtime.bigint();
    const { nextAlarm, nanosToNextAlarm } = this.chip.rp2040.clock;
    if (nextAlarm) setTimeout(() => this.#schedule(), Math.ceil(nanosToNextAlarm / 1e6));
  }

  #catchUp() {
    if (this.sleptAt === null) return;
    this.chip.rp2040.clock.tick(Number(process.hrtime.bigint() - this.sleptAt));
    this.sleptAt = null;
  }

  #restart() {
    this.resets += 1;
    this.#boot(this.chip);
  }

  #cutPower() {
    this.resets += 1;
    const { bytes, facts, programmed, number, unstable, operations } = this.nor;
    this.nor = Object.assign(newNor(bytes, { facts, programmed, number }), { unstable, operations });
    this.#save();
    this.#boot(null);
  }

  // Runs what may break a rule; power that fails starts a new life with the flash as it is.
  #guard(act) {
    try {
      return act();
    } catch (error) {
      if (error instanceof PowerCut) {
        this.#cutPower();
        return this.chip;
      }
      if (error instanceof Violation) fail(error.message, 3);
      throw error;
    }
  }

  #openControl(control) {
    let text = '';
    control.setEncoding('utf8');
    control.on('data', (data) => {
      text += data;
      if (text.length > COMMAND_BYTES) fail('rp2040: a command is too long', 2);
      for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
        const answer = this.#obey(text.slice(0, end));
        text = text.slice(end + 1);
        control.write(`${JSON.stringify(answer)}\n`);
      }
    });
    control.on('error', () => {});
  }

  #obey(text) {
    let command;
    try {
      command = JSON.parse(text);
    } catch {
      return { error: 'not JSON' };
    }
    const { do: what, offset, count, operation } = command ?? {};
    if (what === 'reset') this.#restart();
    else if (what === 'power-cut') this.#cutPower();
    else if (what === 'cut-in' && operation > 0) this.nor.cutAfter = this.nor.operations + operation;
    else if (what === 'read' && offset >= 0 && count > 0) {
      if (this.nor.unstable.size > 0) this.nor.stir();
      return { hex: Buffer.from(this.nor.bytes.subarray(offset, offset + count)).toString('hex') };
    } else if (what !== 'state') return { error: 'unknown command' };
    const { instructions, core } = this.chip;
    return { instructions, cycles: core.cycles, operations: this.nor.operations, resets: this.resets };
  }

  #save() {
    if (!this.options.flash) return;
    this.saved = this.nor.operations;
    writeFileSync(`${this.options.flash}.new`, this.nor.bytes);
    renameSync(`${this.options.flash}.new`, this.options.flash);
  }

  // The emulator may be killed at any time.
  #saveSoon() {
    if (this.saving || !this.options.flash) return;
    this.saving = setTimeout(() => {
      this.saving = undefined;
      this.#save();
    }, SAVE_AFTER_MS);
  }

  #finish(status) {
    this.#save();
    process.exit(status);
  }
}

new Board(readArguments(process.argv.slice(2)));
