// Classes to press, and a box in which their first letters are typed.

import { paint } from "./colours.js";
import { element, refill } from "./dom.js";

export class Labels {
  constructor(store, choose) {
    Object.assign(this, { store, choose, at: 0 });
    for (const name of ["classes", "palette", "typed", "choices", "where"]) this[name] = document.getElementById(name);
    this.typed.addEventListener("input", () => this.offer());
    this.typed.addEventListener("keydown", (event) => this.key(event));
    this.palette.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.take();
    });
  }

  // The first nine have a digit; 0 takes the label away.
  bar(label) {
    const { classes } = this.store.about;
    const buttons = classes.map((name, number) => this.button(name, number < 9 ? String(number + 1) : "", name === label));
    refill(this.classes, [...buttons, this.button("", "0", label === ""), this.more()]);
  }

  button(name, digit, pressed) {
    const button = element("button", "chip class");
    if (digit) button.append(element("kbd", "", digit));
    button.append(element("span", "", name || "no label"));
    button.setAttribute("aria-pressed", pressed);
    button.dataset.label = name;
    paint(button, this.store.about.classes, name);
    button.addEventListener("click", () => this.choose(name));
    return button;
  }

  more() {
    const button = element("button", "", "label …", "Type a label (Enter)");
    button.id = "type";
    button.addEventListener("click", () => this.open());
    return button;
  }

  open() {
    this.typed.value = "";
    this.offer();
    this.palette.showModal();
    this.typed.focus();
  }

  // Those that begin with what was typed, then those that have it.
  offer() {
    const text = this.typed.value.trim().toLowerCase();
    const { classes, classes_at } = this.store.about;
    const begins = classes.filter((name) => name.toLowerCase().startsWith(text));
    const has = classes.filter((name) => !begins.includes(name) && name.toLowerCase().includes(text));
    this.found = [...begins, ...has];
    this.at = 0;
    this.where.textContent = this.found.length
      ? `${classes.length} classes, named in ${classes_at}`
      : `no class begins like that: a new one is added to \`classes\` in ${classes_at}, and the page opened again`;
    this.draw();
  }

  draw() {
    this.choices.replaceChildren(...this.found.map((name, number) => {
      const row = element("li", "chip", name);
      row.role = "option";
      row.id = `choice-${number}`;
      row.setAttribute("aria-selected", number === this.at);
      paint(row, this.store.about.classes, name);
      row.addEventListener("click", () => {
        this.at = number;
        this.take();
      });
      return row;
    }));
    this.typed.setAttribute("aria-activedescendant", `choice-${this.at}`);
    this.choices.children[this.at]?.scrollIntoView({ block: "nearest" });
  }

  key(event) {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by || !this.found.length) return;
    event.preventDefault();
    this.at = (this.at + by + this.found.length) % this.found.length;
    this.draw();
  }

  take() {
    const name = this.found[this.at];
    if (name === undefined) return;
    this.palette.close();
    this.choose(name);
  }
}
