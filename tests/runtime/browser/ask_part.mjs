// node ask_part.mjs: as ask.mjs, of the modules that only the page of a part of a chain has.
import { Memory, Site, answer, bytes, prove, text } from "./asking.mjs";
import { ChainClient } from "./chain_client.js";
import { ModelFault } from "./model.js";
import { Queue } from "./part.js";
import { Upstream, Writer } from "./upstream.js";
import { choose, open } from "./websocket.js";

const rest = (ms = 1) => new Promise((resolve) => setTimeout(resolve, ms));
const PAGE = { fleet: "wrist", board: "far", contractDigest: "c".repeat(64) };

// A page that is closed and opened again before each of some doings: {offer: release}, {commit: true} of whatever may
// run beside what runs, {fails: true} the same where what is to run cannot, {breaks: "bytes"} of a page whose part
// cannot run these when it is opened. Returns what each came to.
async function doings({ trust, doings: wanted, cut = -1, after = false, now = 0 }) {
  const storage = new Memory(cut, after);
  const site = new Site();
  const opened = async () => {
    const board = { spare: null, offer: async (...spare) => (board.spare = spare), forget: async () => (board.spare = null) };
    const client = new ChainClient({ page: PAGE, trust, storage, site, prove, board, now: () => now });
    const running = await client.restore();
    client.inChain = running !== null;
    if (client.inChain) await client.offerSpare();
    return { client, board, running: text(running) };
  };
  const does = {
    offer: async ({ client }, release) => {
      site.current = release;
      await client.update();
    },
    commit: async ({ client, board }) => client.switched(board.spare?.[0] ?? "b"),
    fails: async ({ client, board }) => {
      const slot = board.spare[0];
      await client.switched(slot);
      await client.notSwitched(slot, "status -6");
    },
    breaks: ({ client }, what) =>
      client.runKept(async (model) => {
        if (text(model) === what) throw new ModelFault("status -6");
      }),
  };
  const log = [];
  for (const doing of wanted) {
    const [[name, given]] = Object.entries(doing);
    let outcome = "ok";
    await opened()
      .then((page) => does[name](page, given))
      .catch((error) => (outcome = error.message));
    const { client, board, running } = await opened();
    const spare = board.spare && [text(board.spare[1]), board.spare[2]];
    log.push({ outcome, running, spare, said: client.state.lastUpdate, counter: client.state.securityCounter });
  }
  return { log, puts: storage.puts };
}

// A way whose streams are the test's: each try opens, fails, or hangs until it is told.
function scripted(tries) {
  const seen = { opened: 0, closed: 0, written: [] };
  const way = {
    open: async (place, link, heard, lost) => {
      const now = tries[Math.min(seen.opened, tries.length - 1)];
      seen.opened++;
      if (now.fails) throw new Error(now.fails);
      if (now.says) setTimeout(() => heard(Uint8Array.from(now.says)), 0);
      if (now.ends) setTimeout(() => lost(now.ends), 5);
      return { write: (data) => seen.written.push(...data), close: () => seen.closed++ };
    },
  };
  return { way, seen };
}

const CALLS = {
  doings,
  async upstream(tries, ms) {
    const { way, seen } = scripted(tries);
    const heard = [];
    const states = [];
    const stream = new Upstream(way, {}, (data) => heard.push(...data), [2, 4]);
    stream.addEventListener("change", () => states.push([stream.state, stream.why]));
    stream.send(Uint8Array.of(9)); // nobody is there
    const done = stream.run("place");
    await rest(ms);
    stream.send(Uint8Array.of(1, 2));
    stream.end();
    stream.send(Uint8Array.of(8));
    await done;
    return { ...seen, heard, states, state: stream.state };
  },
  async writer(sizes, piece, most, failsAt) {
    const put = [];
    const failures = [];
    const writer = new Writer(
      async (data) => {
        if (put.length === failsAt) throw new Error("gone");
        put.push(data.length);
      },
      piece,
      (why) => failures.push(why),
      most,
    );
    for (const size of sizes) writer.write(new Uint8Array(size));
    await writer.turn;
    return { put, failures, waiting: writer.waiting };
  },
  queue(adds, takes) {
    const queue = new Queue();
    const lost = adds.map((size) => queue.add(new Uint8Array(size)));
    return { lost, taken: takes.map((most) => queue.take(most).length), left: queue.size };
  },
  address: (typed) => choose({}, typed),
  // A socket of the test's in the place of a browser's: what it does after it has opened.
  async websocket(events) {
    const sockets = [];
    globalThis.WebSocket = class {
      static OPEN = 1;
      constructor(place) {
        Object.assign(this, { place, readyState: 1, bufferedAmount: 0, sent: [], closed: 0 });
        sockets.push(this);
      }
      send(data) {
        this.sent.push(data.length);
      }
      close() {
        this.closed++;
      }
    };
    const heard = [];
    const lost = [];
    const opening = open("ws://x", {}, (data) => heard.push(data.length), (why) => lost.push(why));
    const [socket] = sockets;
    if (events[0] !== "refused") socket.onopen();
    else socket.onclose({ code: 1006, reason: "" });
    const stream = await opening.catch((error) => ({ failed: error.message }));
    for (const event of events) {
      if (typeof event === "number") socket.onmessage({ data: new ArrayBuffer(event) });
      else if (event === "text") socket.onmessage({ data: "text" });
      else if (event === "full") socket.bufferedAmount = 1 << 20;
      else if (event === "closed") socket.onclose({ code: 1013, reason: "another client is there" });
      else if (event === "write") stream.write(new Uint8Array(7));
    }
    return { heard, lost, sent: socket.sent, failed: stream.failed ?? null, closed: socket.closed };
  },
};

await answer(CALLS);
