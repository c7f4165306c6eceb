// Making elements, and making them anew without losing the keyboard's place.

export function element(name, kind = "", text = "", title = "") {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  if (text) made.textContent = text;
  if (title) made.title = title;
  return made;
}

// Gives a box other children; the one at the place of that which had the focus has it then.
export function refill(box, children) {
  const number = [...box.children].findIndex((child) => child === document.activeElement);
  box.replaceChildren(...children);
  if (number >= 0) box.children[Math.min(number, box.children.length - 1)]?.focus();
}
