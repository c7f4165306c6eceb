// The index as the page knows it: recordings, each with its pieces. Says "changed" when it is another.

export class Store extends EventTarget {
  constructor() {
    super();
    this.about = null;
    this.recordings = []; // in the order of the index
    this.byPath = new Map();
    this.pieces = new Map(); // by id
  }

  load(answer) {
    this.about = answer;
    this.pieces = new Map();
    for (const row of answer.rows) this.put(row);
    this.group([...this.pieces.values()]);
    answer.rows = null;
    this.tell(null);
  }

  // Takes in what the server did.
  apply(done) {
    const paths = new Set();
    for (const id of done.removed) {
      paths.add(this.pieces.get(id)?.path);
      this.pieces.delete(id);
    }
    for (const row of done.added) paths.add(this.put(row).path);
    paths.delete(undefined);
    const grouped = new Map([...paths].map((path) => [path, []]));
    for (const piece of this.pieces.values()) grouped.get(piece.path)?.push(piece);
    for (const [path, pieces] of grouped) this.regroup(path, pieces);
    this.about = { ...this.about, digest: done.after, undo: done.undo, redo: done.redo };
    this.tell(paths);
  }

  put(row) {
    const piece = Object.fromEntries(this.about.columns.map((column, i) => [column, row[i]]));
    this.pieces.set(piece.id, piece);
    return piece;
  }

  group(pieces) {
    this.byPath = new Map();
    for (const piece of pieces) {
      const recording = this.byPath.get(piece.path);
      if (recording) recording.pieces.push(piece);
      else this.byPath.set(piece.path, { path: piece.path, pieces: [piece] });
    }
    this.recordings = [...this.byPath.values()];
    this.recordings.forEach(finish);
  }

  regroup(path, pieces) {
    const known = this.byPath.get(path);
    if (!pieces.length) {
      this.byPath.delete(path);
      this.recordings = this.recordings.filter((recording) => recording !== known);
    } else if (known) {
      known.pieces = pieces;
      finish(known);
    } else {
      const recording = finish({ path, pieces });
      this.byPath.set(path, recording);
      const at = this.recordings.findIndex((other) => before(recording, other));
      this.recordings.splice(at < 0 ? this.recordings.length : at, 0, recording);
    }
  }

  counts() {
    const counts = new Map([["", 0], ...this.about.classes.map((name) => [name, 0])]);
    for (const { label } of this.pieces.values()) counts.set(label, (counts.get(label) || 0) + 1);
    return counts;
  }

  tell(paths) {
    this.dispatchEvent(new CustomEvent("changed", { detail: paths }));
  }
}

// What a list shows of a recording, from its pieces.
function finish(recording) {
  const { pieces } = recording;
  pieces.sort((a, b) => (a.begin ?? 0) - (b.begin ?? 0));
  const [first] = pieces;
  recording.name = first.take || shortPath(first.path);
  recording.labels = [...new Set(pieces.map((piece) => piece.label))];
  recording.subjects = [...new Set(pieces.map((piece) => piece.subject))];
  recording.device = first.device;
  recording.frames = first.frames;
  recording.rate = first.rate_hz;
  recording.text = [recording.name, first.path, first.time, first.device, ...recording.subjects, ...recording.labels]
    .join(" ")
    .toLowerCase();
  return recording;
}

function shortPath(path) {
  return /^[0-9a-f]{2}\/[0-9a-f]{62}\./.test(path) ? path.replace("/", "").slice(0, 12) : path;
}

function before(a, b) {
  const key = (recording) => recording.pieces[0].take || recording.path;
  return key(a) < key(b) || (key(a) === key(b) && a.path < b.path);
}
