// What every page for people does beside what it shows: proves models, posts results, keeps counters, asks for releases.

import { Model } from "./model.js";
import { PAGE } from "./page.js";
import { byId, say, showHealth } from "./screen.js";

const POLL_MS = 15 * 60 * 1000;
const TRIAL_LIMIT_MS = 60_000;
const SAVE_MS = 10_000;

// Runs all golden vectors in a thread of their own; returns how many there were.
export async function prove(bytes, golden) {
  const model = await Model.start(bytes, PAGE.contractDigest, TRIAL_LIMIT_MS);
  try {
    return await model.call("prove", { golden });
  } finally {
    model.stop();
  }
}

export async function saveHealth(storage, health) {
  if (storage !== null) await storage.put({ health }).catch(() => {});
}

// What posts results, or null where they go to no server. `save` is called so that no sequence number is given out twice.
export async function openPoster(storage, board, save) {
  if (!PAGE.post) return null;
  const { Poster, deviceName } = await import("./posting.js");
  const whose = { device: await deviceName(storage, PAGE.board), board: PAGE.board, fleet: PAGE.fleet };
  return new Poster(PAGE.post, whose, (posted, lost, trouble) => {
    board.health.posted += posted;
    board.health.unposted += lost;
    byId("posting").textContent = trouble;
    showHealth(board.health);
    save();
  });
}

export function postResult(poster, board, result) {
  const { type, classes } = PAGE.contract.output;
  const { inferences, unposted: lost } = board.health;
  const named = type === "int8" && Boolean(classes);
  poster.offer(result, { model: `sha256:${board.digest}`, sequence: inferences - 1, lost, named });
}

// From now on: works without a network, keeps its counters, asks for releases now and then. Then the page is ready.
export async function keepUp(update, save) {
  if ("serviceWorker" in navigator)
    navigator.serviceWorker.register("./sw.js").catch((error) => say(`Not offline: ${error.message}`));
  setInterval(save, SAVE_MS);
  addEventListener("pagehide", save);
  addEventListener("online", update);
  setInterval(update, POLL_MS);
  await update();
  document.body.dataset.ready = "yes";
}
