// The stream from the part before: opened again, by itself, whenever it was lost. Ways there are one file each:
//
//   missing()                    why this browser has no such way, for people; "" where it has
//   choose(link, typed)          asks the person, after a click; returns a place
//   open(place, link, heard, lost)  resolves to {write(bytes), close()}; `heard(bytes)` gets bytes that are its own,
//                                `lost(why)` is called at most once, when the stream has broken

const AGAIN_MS = [500, 1000, 2000, 5000]; // between two tries; the last one from then on
const OPEN_LIMIT_MS = 20_000;

export class Upstream extends EventTarget {
  constructor(way, link, heard, againMs = AGAIN_MS) {
    super();
    Object.assign(this, { way, link, heard, againMs, stream: null, state: "off", why: "", turn: 0, stop: () => {} });
  }

  // From a place that `choose` gave until `end`.
  async run(place) {
    this.end();
    const mine = ++this.turn;
    for (let tries = 0; mine === this.turn; tries++) {
      this.set("connecting", this.why);
      const begun = { opened: false };
      const why = await this.once(place, mine, begun).catch((error) => error.message);
      if (mine !== this.turn) return;
      if (begun.opened) tries = 0;
      this.set("lost", why);
      await new Promise((resolve) => {
        this.stop = resolve;
        setTimeout(resolve, this.againMs[Math.min(tries, this.againMs.length - 1)]);
      });
    }
  }

  // Resolves to the reason when the stream is lost, or `end` was called.
  async once(place, mine, begun) {
    let lose;
    const lost = new Promise((resolve) => (lose = resolve));
    this.stop = () => lose("");
    const heard = (bytes) => mine === this.turn && this.heard(bytes);
    const opening = this.way.open(place, this.link, heard, lose);
    const late = new Promise((resolve) => setTimeout(resolve, OPEN_LIMIT_MS, null));
    const stream = await Promise.race([opening, late, lost.then(() => null)]);
    if (stream === null) {
      opening.then((found) => found.close()).catch(() => {});
      return mine === this.turn ? await Promise.race([lost, "does not answer"]) : "";
    }
    begun.opened = true;
    if (mine !== this.turn) {
      stream.close();
      return "";
    }
    this.stream = stream;
    this.set("on", "");
    const why = await lost;
    if (this.stream === stream) this.stream = null;
    stream.close();
    return why;
  }

  send(bytes) {
    this.stream?.write(bytes);
  }

  end() {
    this.turn++;
    this.stop();
    this.stream = null;
    this.set("off", "");
  }

  set(state, why) {
    if (state === this.state && why === this.why) return;
    Object.assign(this, { state, why });
    this.dispatchEvent(new CustomEvent("change"));
  }
}

// Writes pieces one after another, and drops what nobody takes. `put` returns a promise; its first failure is told.
export class Writer {
  constructor(put, pieceBytes, failed, mostBytes = 65_536) {
    Object.assign(this, { put, pieceBytes, failed, mostBytes, waiting: 0, turn: Promise.resolve() });
  }

  write(bytes) {
    if (this.waiting + bytes.length > this.mostBytes) return;
    this.waiting += bytes.length;
    this.turn = this.turn.then(() => this.pieces(bytes)).catch((error) => this.failed(error.message));
  }

  async pieces(bytes) {
    try {
      for (let at = 0; at < bytes.length; at += this.pieceBytes) {
        await this.put(bytes.slice(at, at + this.pieceBytes));
      }
    } finally {
      this.waiting -= bytes.length;
    }
  }
}
