// The update client: one poll from the signed entry to a confirmed model, each step safe to be cut off at.
//
//   entry verified -> spare slot filled -> trial recorded -> golden vectors -> confirmed
//                                                    \-> given up: the old one runs on
//
// What runs is what the state names; it changes in one transaction, at `confirmed`.

import { acceptEntry, entryAsset } from "./entry.js";
import { Refused, sha256 } from "./envelope.js";
import { ModelFault } from "./model.js";

export const STATE_SCHEMA = "tinyops/page-state/v1";
const TRIALS_MAX = 3;
const REJECTED_MAX = 16;
const REASON_MAX = 1000;

export function freshState(page) {
  const who = { project: null, fleet: page.fleet, board: page.board, contract: page.contractDigest };
  const nothing = { accepted: null, acceptedDigest: null, securityCounter: 0, current: null, slots: {}, trial: null };
  return { schema: STATE_SCHEMA, ...who, ...nothing, rejected: [], lastUpdate: null };
}

export class Client {
  // `storage` has get and put, `site` entry and asset; `prove(model, golden)` runs in a thread of its
  // own and throws ModelFault; `say` is told what happens.
  constructor({ page, trust, storage, site, prove, say = () => {}, now = () => Date.now() }) {
    Object.assign(this, { page, trust, storage, site, prove, say, now });
    this.state = freshState(page);
  }

  // Reads what is remembered and returns the bytes of the model to run, or null. A damaged slot is
  // left for the other one.
  async restore() {
    await this.recall();
    for (const slot of [this.state.current, this.spare()]) {
      const bytes = await this.usable(slot);
      if (bytes === null) continue;
      if (slot !== this.state.current && this.state.current !== null) {
        const reason = `slot ${this.state.current} is damaged, or of another contract`;
        const left = Object.fromEntries(Object.entries(this.state.slots).filter(([name]) => name === slot));
        await this.save({ current: slot, slots: left, ...this.outcome("reverted", reason, this.running()?.version) });
        this.say(`${reason}: slot ${slot} runs`);
      } else if (slot !== this.state.current) continue;
      return bytes;
    }
    return null;
  }

  async recall() {
    const kept = await this.storage.get("state");
    if (kept === undefined) return;
    if (kept?.schema !== STATE_SCHEMA) {
      throw new Error("What this page stored cannot be read: clear the site's data to start anew.");
    }
    this.state = { ...kept, contract: this.page.contractDigest };
  }

  running() {
    return this.state.current === null ? null : (this.state.slots[this.state.current]?.entry ?? null);
  }

  spare() {
    return this.state.current === "a" ? "b" : "a";
  }

  // Polls and installs. Returns the new model's bytes, or null when nothing changed; throws what was
  // refused or failed, after it was noted.
  async update() {
    let accepted;
    await this.recall(); // another window of this page may have been here
    try {
      const name = entryAsset(this.page.fleet, this.page.board);
      accepted = await acceptEntry(await this.site.entry(name), this.trust, this.state, this.now(), name);
    } catch (error) {
      await this.note(error instanceof Refused ? "refused" : "failed", error.message, error.version ?? null);
      throw error;
    }
    return this.take(accepted);
  }

  async take({ entry, digest }) {
    await this.save({ accepted: entry.version, acceptedDigest: digest, project: entry.project });
    const kept = await this.stored(this.state.current, entry);
    if (kept !== null) {
      await this.keep(entry);
      return null;
    }
    const before = this.state.rejected.find((rejected) => rejected.digest === digest);
    if (before !== undefined) {
      this.say(`v${entry.version} was given up before (${before.reason}): waiting for another release`);
      return null;
    }
    try {
      return await this.install(entry, digest);
    } catch (error) {
      if (error instanceof ModelFault) throw await this.giveUp(entry, digest, error.message);
      await this.note("failed", error.message, entry.version);
      throw error;
    }
  }

  // A release that offers what runs already.
  async keep(entry) {
    const { current, slots, lastUpdate } = this.state;
    if (slots[current].entry.version === entry.version && lastUpdate?.result === "installed") return;
    this.say(`v${entry.version} offers what runs already`);
    await this.save({
      slots: { ...slots, [current]: { ...slots[current], entry } },
      securityCounter: Math.max(this.state.securityCounter, entry.security_counter),
      trial: null,
      ...this.outcome("installed", "ran already", entry.version),
    });
  }

  async install(entry, digest) {
    const { slot, model, vectors } = await this.prepare(entry, digest);
    const since = new Date(this.now()).toISOString();
    await this.save({
      current: slot,
      slots: { ...this.state.slots, [slot]: { entry, since } },
      securityCounter: Math.max(this.state.securityCounter, entry.security_counter),
      trial: null,
      ...this.outcome("installed", `${vectors} golden vectors bit-exact`, entry.version),
    });
    this.say(`v${entry.version}: ${vectors} golden vectors bit-exact; runs from slot ${slot}`);
    return model;
  }

  // Fills the spare slot and proves what lies there; it does not run yet.
  async prepare(entry, digest) {
    const slot = this.spare();
    const { trial } = this.state;
    const attempts = trial?.digest === digest && trial.slot === slot ? trial.attempts : 0;
    if (attempts >= TRIALS_MAX) throw new ModelFault(`its trial did not come to an end ${attempts} times`);
    this.say(`v${entry.version}: fetching ${entry.model.bytes} bytes into slot ${slot}`);
    const model = (await this.file(slot, "model", entry)) ?? (await this.site.asset(entry.model));
    const golden = (await this.file(slot, "golden", entry)) ?? (await this.site.asset(entry.golden));
    const others = Object.fromEntries(Object.entries(this.state.slots).filter(([name]) => name !== slot));
    await this.save(
      { trial: { slot, digest, attempts: attempts + 1 }, slots: others },
      { [`${slot}/model`]: model, [`${slot}/golden`]: golden },
    );
    return { slot, model, vectors: await this.prove(model, golden) };
  }

  async giveUp(entry, digest, why) {
    const reason = why.slice(0, REASON_MAX);
    const rejected = [...this.state.rejected, { digest, version: entry.version, reason }].slice(-REJECTED_MAX);
    await this.save({ rejected, trial: null, ...this.outcome("reverted", reason, entry.version) });
    const running = this.running();
    const stays = running ? `v${running.version} runs on` : "nothing runs";
    return new ModelFault(`v${entry.version}: the new model was given up: ${reason}; ${stays}`);
  }

  // The bytes of a slot's model when both of its files are what its entry names, and it may run.
  async usable(slot) {
    const installed = slot === null ? undefined : this.state.slots[slot];
    if (installed === undefined || installed.entry.contract !== this.page.contractDigest) return null;
    if (installed.entry.security_counter < this.state.securityCounter) return null;
    return this.stored(slot, installed.entry);
  }

  async stored(slot, entry) {
    return slot === null ? null : this.whole(slot, entry);
  }

  async whole(slot, entry) {
    return (await this.file(slot, "golden", entry)) === null ? null : this.file(slot, "model", entry);
  }

  async file(slot, name, entry) {
    const bytes = await this.storage.get(`${slot}/${name}`);
    const sound =
      bytes instanceof Uint8Array && bytes.length === entry[name].bytes && (await sha256(bytes)) === entry[name].sha256;
    return sound ? bytes : null;
  }

  // The same outcome again keeps its first time.
  async note(result, reason, version) {
    const last = this.state.lastUpdate;
    if (last?.result === result && last.reason === reason && last.version === version) return;
    await this.save(this.outcome(result, reason, version));
  }

  outcome(result, reason, version = null) {
    const time = new Date(this.now()).toISOString();
    return { lastUpdate: { result, reason: reason.slice(0, REASON_MAX), version, time } };
  }

  async save(changes, files = {}) {
    const state = { ...this.state, ...changes };
    await this.storage.put({ ...files, state });
    this.state = state;
  }
}
