// Updates of a part of a chain: a new model is proven as ever and then waits, until the chain runs its set.
//
//   proven --the chain commits its set--> written down, then runs; the one before lies in the other slot
//
// Of the state: `waiting` is {slot, entry, digest} of what is proven and asked for, `before` the slot that ran before,
// `counterBefore` the security counter until then.

import { Client } from "./client.js";
import { ModelFault } from "./model.js";

export class ChainClient extends Client {
  // `board` is told what its chain may run: offer, forget.
  constructor(given) {
    super(given);
    this.board = given.board;
    this.inChain = false; // the chain decides what runs: not before anything has run
    this.writing = Promise.resolve();
    this.known = false;
  }

  // Only one window of this page runs the part, so what is remembered is read once.
  async recall() {
    if (this.known) return;
    await super.recall();
    this.state = { waiting: null, before: null, ...this.state };
    this.known = true;
  }

  // What the board does not run and the chain may: [slot, bytes, "wanted" or "before"], or null.
  async spareModel() {
    const { waiting, before, current, securityCounter } = this.state;
    if (waiting !== null && waiting.slot !== current) {
      const { slot, entry } = waiting;
      const fits = entry.contract === this.page.contractDigest && entry.security_counter >= securityCounter;
      const bytes = fits ? await this.whole(slot, entry) : null;
      return bytes === null ? null : [slot, bytes, "wanted"];
    }
    const bytes = before === current ? null : await this.usable(before);
    return bytes === null ? null : [before, bytes, "before"];
  }

  async offerSpare() {
    const found = await this.spareModel();
    if (found === null) await this.board.forget();
    else await this.board.offer(...found);
  }

  // The chain has committed the set of the other slot. Returns the digest of its model, or "" where it is not to run.
  async switched(slot) {
    const { waiting, before, current, slots } = this.state;
    const asked = waiting?.slot === slot;
    const entry = asked ? waiting.entry : before === slot ? slots[slot]?.entry : undefined;
    if (entry === undefined || slot === current) return "";
    const since = new Date(this.now()).toISOString();
    const counterBefore = this.state.securityCounter;
    const said = asked ? ["installed", "its chain runs it"] : ["reverted", "its chain went back to it"];
    await this.save({
      current: slot,
      before: current,
      counterBefore,
      waiting: null,
      slots: { ...slots, [slot]: { entry, since } },
      securityCounter: Math.max(counterBefore, entry.security_counter),
      trial: null,
      ...this.outcome(...said, entry.version),
    });
    this.say(`v${entry.version}: ${said[1]}; runs from slot ${slot}`);
    return entry.model.sha256;
  }

  // What was to run cannot: the one before is what runs, whatever counter the other one brought. Whether there is one.
  async notSwitched(slot, why) {
    const { before, slots, securityCounter, counterBefore = securityCounter } = this.state;
    if (this.state.current !== slot || before === null) return false;
    const version = slots[slot]?.entry.version ?? null;
    const left = Object.fromEntries(Object.entries(slots).filter(([name]) => name !== slot));
    const back = { current: before, before: null, slots: left, securityCounter: counterBefore };
    await this.save({ ...back, ...this.outcome("reverted", why, version) });
    return true;
  }

  // Runs what was running when the page was closed, or what ran before where that cannot. Whether anything is kept.
  async runKept(run) {
    const bytes = await this.restore();
    this.inChain = bytes !== null;
    if (bytes === null) return false;
    const { current } = this.state;
    try {
      await run(bytes, current);
      return true;
    } catch (error) {
      if (!(error instanceof ModelFault) || !(await this.notSwitched(current, error.message))) throw error;
      return this.runKept(run);
    }
  }

  async keep(entry) {
    if (this.inChain && this.state.waiting !== null) await this.forget(); // it is offered no more
    await super.keep(entry);
  }

  async install(entry, digest) {
    if (!this.inChain) {
      await this.save({ waiting: null, before: null });
      const bytes = await super.install(entry, digest);
      this.inChain = true;
      return bytes;
    }
    const { waiting } = this.state;
    if (waiting?.digest === digest && (await this.whole(waiting.slot, entry)) !== null) return null;
    await this.forget();
    const { slot, vectors } = await this.prepare(entry, digest);
    const reason = `${vectors} golden vectors bit-exact; waits for its chain`;
    await this.save({ waiting: { slot, entry, digest }, trial: null, ...this.outcome("waits", reason, entry.version) });
    this.say(`v${entry.version}: ${reason}`);
    await this.offerSpare();
    return null;
  }

  // First the board lets go of the other slot, then it is written down: a switch meanwhile finds nothing to run.
  async forget() {
    await this.board.forget();
    await this.save({ waiting: null, before: null });
  }

  save(changes, files = {}) {
    const done = this.writing.then(() => super.save(changes, files));
    this.writing = done.catch(() => {});
    return done;
  }
}
