// What this page accepts of a release, decided without network or storage.

import { Refused, canonicalJson, parseEnvelope, sha256, verifyEnvelope } from "./envelope.js";

export const ENTRY_LIMIT_BYTES = 8 * 1024;
export const FILE_LIMIT_BYTES = 64 * 1024 * 1024;
const SCHEMA = "tinyops/entry/v1";
const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const TAG = /^v[1-9][0-9]{0,8}$/;
const ASSET = /^[A-Za-z0-9_-]([A-Za-z0-9._-]{0,198}[A-Za-z0-9_-])?$/;
const HEX = /^[0-9a-f]{64}$/;
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/;

// Checks signature, addressee, version, counter and expiry against what the page remembers. Returns
// {entry, digest}; throws Refused. `digest` is of the signed part without `expires`.
export async function acceptEntry(bytes, trust, state, now, where) {
  const envelope = parseEnvelope(bytes, ENTRY_LIMIT_BYTES, where);
  const entry = checkFields(await verifyEnvelope(envelope, trust, where), where);
  const lasting = Object.fromEntries(Object.entries(envelope.signed).filter(([name]) => name !== "expires"));
  const digest = await sha256(new TextEncoder().encode(canonicalJson(lasting)));
  const problem = addressee(entry, state) || age(entry, digest, state, now);
  if (problem) throw Object.assign(new Refused(`${where}: ${problem}`), { version: entry.version });
  return { entry, digest };
}

export function entryAsset(fleet, board) {
  return `entry-${fleet}-${board}.json`;
}

function checkFields(entry, where) {
  if (entry.schema !== SCHEMA) throw new Refused(`${where}: its schema is ${entry.schema}, this page reads ${SCHEMA}`);
  const expires = entry.expires ?? null;
  const checks = {
    project: NAME.test(entry.project),
    fleet: NAME.test(entry.fleet),
    board: NAME.test(entry.board),
    version: isCount(entry.version, 1, 999_999_999),
    security_counter: isCount(entry.security_counter, 0, 2 ** 31 - 1),
    contract: HEX.test(entry.contract),
    model: isFile(entry.model) && typeof entry.model.kind === "string",
    golden: isFile(entry.golden),
    expires: expires === null || (TIME.test(expires) && !Number.isNaN(Date.parse(expires))),
  };
  const wrong = Object.keys(checks).filter((name) => !checks[name]);
  if (wrong.length > 0) throw new Refused(`${where}: cannot be read: ${wrong.join(", ")}`);
  return { ...entry, expires };
}

function isFile(file) {
  return (
    typeof file === "object" &&
    file !== null &&
    TAG.test(file.tag) &&
    ASSET.test(file.asset) &&
    !file.asset.includes("..") &&
    HEX.test(file.sha256) &&
    isCount(file.bytes, 0, FILE_LIMIT_BYTES)
  );
}

function isCount(value, least, most) {
  return Number.isInteger(value) && value >= least && value <= most;
}

function addressee(entry, state) {
  if (state.project !== null && entry.project !== state.project) {
    return `is of project ${entry.project}, this page belongs to ${state.project}`;
  }
  if (entry.fleet !== state.fleet) return `is for fleet ${entry.fleet}, this page belongs to ${state.fleet}`;
  if (entry.board !== state.board) return `is for board ${entry.board}, this page is a ${state.board}`;
  if (entry.model.kind !== "wasm") return `offers a model as ${entry.model.kind}; a browser runs WebAssembly`;
  if (entry.contract !== state.contract) {
    return `release v${entry.version} is for contract ${entry.contract.slice(0, 12)}, this page was built for ${state.contract.slice(0, 12)}: load the newer page`;
  }
  return "";
}

function age(entry, digest, state, now) {
  if (state.accepted !== null && entry.version < state.accepted) {
    return `release v${entry.version} is older than v${state.accepted}, accepted before: a rollback attack or an old copy`;
  }
  if (state.accepted === entry.version && state.acceptedDigest !== digest) {
    return `a second, different v${entry.version}: releases never change`;
  }
  if (entry.security_counter < state.securityCounter) {
    return `its security counter ${entry.security_counter} is below ${state.securityCounter}, which this page reached`;
  }
  if (entry.expires !== null && Date.parse(entry.expires) <= now)
    return `release v${entry.version} expired at ${entry.expires}`;
  return "";
}
