// What people do, told to the server, and taken in when it is saved.

import { ask, send } from "./api.js";

export class Actions {
  constructor(store, editor, list, guesses, say) {
    Object.assign(this, { store, editor, list, guesses, say });
    this.turn = Promise.resolve(); // one after the other, in the order of keys
  }

  // The pieces that are meant: of all marked recordings, or those that are selected.
  get ids() {
    const { many } = this.list;
    if (many.length) return many.flatMap((recording) => recording.pieces.map((piece) => piece.id));
    return this.editor.selected.map((piece) => piece.id);
  }

  label(label) {
    const { range, path } = this.editor;
    if (range && !this.list.many.length) return this.paint([{ ...range, label }], path);
    return this.ids.length && this.do({ do: "label", ids: this.ids, label });
  }

  async paint(runs, path) {
    if (await this.do({ do: "paint", path, runs })) this.land(runs[0].begin);
  }

  // The cursor where something was done, and the piece there.
  land(frame) {
    const piece = this.editor.at(frame);
    this.editor.range = null;
    if (piece) this.editor.choose(piece, false);
  }

  // Whole recordings: they are of one person, as a rule, and lie on one side of a split by that.
  get whose() {
    const { many } = this.list;
    return (many.length ? many.flatMap((recording) => recording.pieces) : this.editor.pieces).map((piece) => piece.id);
  }

  subject(subject) {
    return this.whose.length && this.do({ do: "subject", ids: this.whose, subject });
  }

  delete() {
    const { range, path } = this.editor;
    if (range && !this.list.many.length) return this.do({ do: "erase", path, span: range });
    return this.ids.length && this.do({ do: "delete", ids: this.ids });
  }

  async split() {
    const { path, cursor } = this.editor;
    if (await this.do({ do: "split", path, frame: cursor })) this.land(cursor);
  }

  async trim() {
    const { range, path } = this.editor;
    if (!range) return this.say("Select what shall stay: drag over the signal, or Shift with the arrows.");
    const piece = this.editor.selected.find((one) => this.meets(one, range)) ?? this.editor.pieces.find((one) => this.meets(one, range));
    if (!piece) return this.say("No piece is selected there.");
    if (await this.do({ do: "trim", path, id: piece.id, span: range })) this.land(Math.max(range.begin, piece.begin ?? 0));
  }

  meets(piece, range) {
    const [begin, end] = this.editor.span(piece);
    return range.begin < end && begin < range.end;
  }

  move(frame, to) {
    return this.do({ do: "move", path: this.editor.path, frame, to });
  }

  // An edge of the selected piece, to the cursor.
  moveHere(which) {
    const [piece] = this.editor.selected;
    if (piece) return this.move(this.editor.span(piece)[which], this.editor.cursor);
  }

  accept() {
    const { many } = this.list;
    const pieces = many.length ? many.flatMap((recording) => recording.pieces) : this.editor.selected;
    const byLabel = new Map();
    for (const piece of pieces) {
      const guess = this.guesses.of(piece);
      if (guess) byLabel.set(guess.label, [...(byLabel.get(guess.label) ?? []), piece.id]);
    }
    if (!byLabel.size) return this.say("There is no suggestion for that.");
    return this.do({ do: "labels", groups: [...byLabel].map(([label, ids]) => ({ label, ids })) });
  }

  // The windows' classes as pieces, within what is selected.
  acceptRuns() {
    const { editor } = this;
    const [piece] = editor.selected;
    const span = editor.range ? [editor.range.begin, editor.range.end] : piece && editor.span(piece);
    const runs = span ? this.guesses.runs(editor.path, ...span) : [];
    return runs.length ? this.paint(runs, editor.path) : this.say("There is no suggestion for that.");
  }

  do(action) {
    return this.queue(() => send("act", action));
  }

  undo() {
    return this.queue(() => send("undo"), "Undone: ");
  }

  redo() {
    return this.queue(() => send("redo"), "Done again: ");
  }

  queue(call, before = "") {
    const { digest } = this.store.about;
    this.turn = this.turn.then(async () => {
      try {
        const done = await call();
        if (done.before !== this.store.about.digest) await this.reload("The index was changed by another program, too.");
        else this.store.apply(done);
        this.say(`${before}${done.what}. Saved.`);
        return true;
      } catch (error) {
        this.say(error.message, error.hint, true);
        return false;
      }
    });
    return digest ? this.turn : null;
  }

  // Another program, or Git, may have changed the index.
  async look() {
    const answer = await ask("index", { known: this.store.about?.digest ?? "" });
    if (answer.same) return false;
    this.store.load(answer);
    return true;
  }

  async reload(why) {
    await this.look();
    this.say(why);
  }
}
