// Which recordings the list shows, and in which order.

import { paint } from "./colours.js";
import { element, refill } from "./dom.js";

export class Filters extends EventTarget {
  constructor(store, guesses) {
    super();
    Object.assign(this, { store, guesses, label: null, ranks: new Map() });
    for (const name of ["query", "subject", "device", "order", "counts", "found"]) this[name] = document.getElementById(name);
    this.query.addEventListener("input", () => this.change());
    for (const select of [this.subject, this.device]) select.addEventListener("change", () => this.change());
    this.order.addEventListener("change", () => {
      this.rank();
      this.change();
    });
  }

  change() {
    this.dispatchEvent(new Event("changed"));
  }

  // What there is to choose from, and how much of each class.
  offer() {
    const subjects = new Set(this.store.recordings.flatMap((recording) => recording.subjects));
    const devices = new Set(this.store.recordings.map((recording) => recording.device));
    options(this.subject, "all subjects", subjects);
    options(this.device, "all devices", devices);
    refill(this.counts, [...this.store.counts()].map(([label, count]) => this.count(label, count)));
  }

  count(label, count) {
    const button = element("button", "chip count");
    button.append(element("span", "", label || "no label"), element("b", "", count.toLocaleString("en")));
    button.setAttribute("aria-pressed", this.label === label);
    button.dataset.label = label;
    paint(button, this.store.about.classes, label);
    button.addEventListener("click", () => {
      this.label = this.label === label ? null : label;
      this.offer();
      this.change();
    });
    return button;
  }

  // The order by the model's opinion is made once, and again when it is asked for: no row jumps away on being labelled.
  rank() {
    this.ranks = new Map();
    if (this.order.value === "index") return;
    for (const recording of this.store.recordings) {
      const summary = this.guesses.summary(recording);
      if (summary) this.ranks.set(recording.path, summary);
    }
  }

  // The recordings that are shown; `kept` is open and stays.
  chosen(kept) {
    const words = this.query.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = this.store.recordings.filter((recording) => recording.path === kept || this.takes(recording, words));
    const order = this.order.value;
    if (order === "disagree") {
      const differing = found.filter(({ path }) => path === kept || this.ranks.get(path)?.disagrees);
      return this.sorted(differing);
    }
    return order === "unsure" ? this.sorted(found) : found;
  }

  sorted(found) {
    const sure = ({ path }) => this.ranks.get(path)?.sure ?? 2;
    return found.map((recording, i) => [sure(recording), i, recording]).sort((a, b) => a[0] - b[0] || a[1] - b[1]).map((one) => one[2]);
  }

  takes(recording, words) {
    if (this.label !== null && !recording.labels.includes(this.label)) return false;
    if (this.subject.value && !recording.subjects.includes(this.subject.value.slice(1))) return false;
    if (this.device.value && recording.device !== this.device.value.slice(1)) return false;
    return words.every((word) => recording.text.includes(word));
  }

  say(number) {
    const all = this.store.recordings.length;
    const pieces = this.store.pieces.size;
    const shown = number === all ? all.toLocaleString("en") : `${number.toLocaleString("en")} of ${all.toLocaleString("en")}`;
    this.found.textContent = `${shown} recordings, ${pieces.toLocaleString("en")} pieces`;
  }
}

// Values have "=" before them: the empty one is the heading.
function options(select, heading, values) {
  const had = select.value;
  const known = [...values].sort();
  const first = element("option", "", heading);
  first.value = "";
  select.replaceChildren(first, ...known.map((value) => {
    const option = element("option", "", value || "unknown");
    option.value = `=${value}`;
    return option;
  }));
  select.value = known.includes(had.slice(1)) && had ? had : "";
  select.hidden = known.length < 2;
}
