// Results to a web server, one request at a time, beside what samples and infers. The rules are those of the agent
// (tinyops/device/posting.py): a bounded queue that loses the oldest, later tries after a failure, none after a refusal.

const SCHEMA = "tinyops/result/v1";
const QUEUE_MAX = 256;
const TIME_LIMIT_MS = 10_000;
const BACK_OFF_MS = 250; // after the first failure, doubled with each further one
const BACK_OFF_MAX_MS = 30_000;
// Of a Softmax output in int8, which never differ: a class's share is (score - ZERO_POINT) * SCALE.
const SCALE = 1 / 256;
const ZERO_POINT = -128;

// The server does not want this result: there is no use in trying again.
class RefusedError extends Error {}

export class Poster {
  // `post` says where to; `whose` is what every body begins with. `changed(posted, lost, trouble)` is told of each end.
  constructor(post, whose, changed) {
    Object.assign(this, { post, whose, changed });
    this.waiting = [];
    this.last = null; // the class that was queued last; null: the next one is news
    this.busy = false;
  }

  // Queues a result and returns at once.
  offer({ best, outputs, name }, facts) {
    if (this.post.onlyChanges && best === this.last) return;
    this.last = best;
    if (this.waiting.length === QUEUE_MAX) {
      this.waiting.shift();
      this.changed(0, 1, "");
      facts.lost++;
    }
    const label = facts.named ? name : null;
    this.waiting.push({
      schema: SCHEMA,
      ...this.whose,
      model: facts.model,
      sequence: facts.sequence,
      lost: facts.lost,
      ms: Math.round(performance.now()),
      class: best,
      label,
      scores: outputs,
      scale: facts.named ? SCALE : null,
      zero_point: facts.named ? ZERO_POINT : null,
    });
    if (!this.busy) this.work();
  }

  async work() {
    this.busy = true;
    for (let failures = 0; this.waiting.length > 0; ) {
      const body = this.waiting[0];
      try {
        await this.send(body);
        failures = 0;
        this.settle(body, 1, 0, "");
      } catch (error) {
        if (error instanceof RefusedError) {
          this.last = null; // the server never saw that class
          this.settle(body, 0, 1, error.message);
          continue;
        }
        this.changed(0, 0, error.message);
        const pause = Math.min(BACK_OFF_MS * 2 ** failures++, BACK_OFF_MAX_MS);
        await new Promise((resolve) => setTimeout(resolve, pause));
      }
    }
    this.busy = false;
  }

  // Takes a result out of the queue, unless it was crowded out meanwhile: then it counts as lost already.
  settle(body, posted, lost, trouble) {
    const there = this.waiting[0] === body;
    if (there) this.waiting.shift();
    this.changed(there ? posted : 0, there ? lost : 0, trouble);
  }

  async send(body) {
    const response = await fetch(this.post.url, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      credentials: "omit",
      redirect: "error",
      referrerPolicy: "no-referrer",
      signal: AbortSignal.timeout(TIME_LIMIT_MS),
    }).catch((error) => {
      throw new Error(error.name === "TimeoutError" ? "not done within the time limit" : `cannot be reached`);
    });
    const { status } = response;
    response.body?.cancel().catch(() => {});
    if (response.ok) return;
    const sentence = `the server answered ${status}`;
    throw status >= 500 || status === 408 || status === 429 ? new Error(sentence) : new RefusedError(sentence);
  }
}

// This device's name among those of its board: made once, kept in the page's own storage.
export async function deviceName(storage, board) {
  const kept = await storage?.get("device").catch(() => null);
  if (kept) return kept;
  const made = `${board}-${crypto.randomUUID().slice(0, 8)}`;
  await storage?.put({ device: made }).catch(() => {});
  return made;
}
