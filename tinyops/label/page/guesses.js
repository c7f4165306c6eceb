// The model's opinion of recordings, as far as it has come, and what it says of pieces.

import { ask } from "./api.js";

const PAUSE_MS = 700;
const IDLE_MS = 4000;

export class Guesses extends EventTarget {
  constructor(store) {
    super();
    this.store = store;
    this.byPath = new Map();
    this.state = { model: "", problem: "", hint: "", done: 0, total: 0 };
    this.next = 0;
  }

  async follow() {
    for (;;) {
      let wait = IDLE_MS;
      try {
        const found = await ask("guesses", { after: this.next });
        this.next = found.next;
        this.take(found);
        if (found.problem) return;
        wait = found.found.length ? 0 : found.done < found.total || !found.model ? PAUSE_MS : IDLE_MS;
      } catch {
        wait = IDLE_MS;
      }
      await new Promise((done) => setTimeout(done, wait));
    }
  }

  take(found) {
    const { found: files, ...state } = found;
    const news = files.length || JSON.stringify(state) !== JSON.stringify(this.state);
    this.state = state;
    for (const [path, guess] of files) this.byPath.set(path, guess);
    if (news) this.dispatchEvent(new CustomEvent("changed", { detail: files.map(([path]) => path) }));
  }

  windows(path) {
    const found = this.byPath.get(path);
    return found && !found.problem ? found : null;
  }

  // What most windows of a piece are taken for, and how sure the model is of its windows on average.
  of(piece) {
    const found = this.windows(piece.path);
    if (!found) return null;
    const votes = new Map();
    let [sure, number] = [0, 0];
    for (let i = 0; i < found.begins.length; i += 1) {
      const middle = found.begins[i] + found.frames / 2;
      if (piece.begin !== null && (middle < piece.begin || middle >= piece.end)) continue;
      votes.set(found.classes[i], (votes.get(found.classes[i]) || 0) + 1);
      [sure, number] = [sure + found.sure[i], number + 1];
    }
    if (!number) return null;
    const [best] = [...votes].sort((a, b) => b[1] - a[1] || a[0] - b[0])[0];
    const label = this.store.about.classes[best];
    return { label, sure: sure / number / 100, agrees: !piece.label || piece.label === label };
  }

  // Of a recording: the least sure of its pieces, and whether one of them has another label.
  summary(recording) {
    const all = recording.pieces.map((piece) => this.of(piece)).filter(Boolean);
    if (!all.length) return null;
    return { sure: Math.min(...all.map((one) => one.sure)), disagrees: all.some((one) => !one.agrees) };
  }

  // Windows of equal class that follow each other, as pieces: each begins where its first window's middle half does.
  runs(path, begin, end) {
    const found = this.windows(path);
    if (!found?.begins.length) return [];
    const runs = [];
    for (let i = 0; i < found.begins.length; i += 1) {
      const label = this.store.about.classes[found.classes[i]];
      const next = i + 1 < found.begins.length ? found.begins[i + 1] : null;
      const hop = next === null ? found.frames : next - found.begins[i];
      const from = i ? Math.round(found.begins[i] + (found.frames - hop) / 2) : found.begins[0];
      const upto = next === null ? found.begins[i] + found.frames : Math.round(next + (found.frames - hop) / 2);
      const last = runs.at(-1);
      if (last?.label === label && last.end >= from) last.end = upto;
      else runs.push({ begin: Math.max(from, last?.end ?? 0), end: upto, label });
    }
    const cut = runs.map((run) => ({ ...run, begin: Math.max(run.begin, begin), end: Math.min(run.end, end) }));
    return cut.filter((run) => run.begin < run.end);
  }
}
