// What the programs that ask the page's modules share: a store and a site in memory, and how they are asked.
import { readFileSync } from "node:fs";

import { sha256 } from "./envelope.js";
import { ModelFault } from "./model.js";

export const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
export const text = (data) => (data === null ? null : Buffer.from(data).toString());

// Keeps values in memory, and fails at the put with a number, before or after it is done.
export class Memory {
  constructor(cut = -1, after = false) {
    Object.assign(this, { cut, after, puts: 0, values: {} });
  }

  async get(key) {
    return structuredClone(this.values[key]);
  }

  async put(values) {
    const now = this.puts++ === this.cut;
    if (now && !this.after) throw new Error("cut");
    this.values = { ...this.values, ...structuredClone(values) };
    if (now) throw new Error("cut");
  }
}

// A site whose newest release is `current`: {entry, files}, in base64.
export class Site {
  current = null;

  async entry() {
    return bytes(this.current.entry);
  }

  async asset(file) {
    const found = bytes(this.current.files[file.asset] ?? "");
    if ((await sha256(found)) !== file.sha256) throw new Error("not the file that the signed entry names");
    return found;
  }
}

// A model whose bytes say "bad" is none.
export async function prove(model) {
  if (text(model).includes("bad")) throw new ModelFault("golden vector 1 of 5 differs");
  return 5;
}

// A JSON list of [name, arguments] on standard input; answers on standard output.
export async function answer(calls) {
  const answers = [];
  for (const [name, given] of JSON.parse(readFileSync(0))) {
    try {
      answers.push({ ok: (await calls[name](...given)) ?? null });
    } catch (error) {
      answers.push({ error: error.message });
    }
  }
  process.stdout.write(JSON.stringify(answers));
}
