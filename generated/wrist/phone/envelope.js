// Signed envelopes, shaped as in TUF. Nothing inside is looked at before enough trusted keys signed it.

export class Refused extends Error {}

const SIGNATURES_MAX = 64;
const KEY_ID = /^[0-9a-f]{64}$/;
const SIGNATURE = /^[0-9a-f]{128}$/;

export function toHex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function fromHex(text) {
  return Uint8Array.from({ length: text.length / 2 }, (_, i) => parseInt(text.slice(2 * i, 2 * i + 2), 16));
}

export async function sha256(bytes) {
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}

// The one text of a JSON value: sorted keys, no spaces. Whole numbers only, as in all that devices read.
export function canonicalJson(value) {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value)) throw new Refused(`${value} is not a whole number`);
    return String(value);
  }
  if (typeof value === "string") {
    if (/\p{Surrogate}/u.test(value)) throw new Refused("a text is not sound Unicode");
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  const keys = Object.keys(value).sort(byCodePoint);
  return `{${keys.map((key) => `${canonicalJson(key)}:${canonicalJson(value[key])}`).join(",")}}`;
}

// Reads an envelope without trusting it. Its bytes must be canonical: so no key can stand there twice.
export function parseEnvelope(bytes, limitBytes, where) {
  if (bytes.length > limitBytes) throw new Refused(`${where}: larger than ${limitBytes} bytes`);
  const { text, value } = parseCanonical(bytes, where);
  if (!isObject(value) || Object.keys(value).sort().join() !== "signatures,signed" || !isObject(value.signed)) {
    throw new Refused(`${where}: not a signed envelope`);
  }
  if (canonicalJson(value) !== text) throw new Refused(`${where}: not in canonical form`);
  const signatures = value.signatures;
  const sound = Array.isArray(signatures) && signatures.length <= SIGNATURES_MAX && signatures.every(isSignature);
  if (!sound) throw new Refused(`${where}: its signatures cannot be read`);
  return { signed: value.signed, payload: new TextEncoder().encode(canonicalJson(value.signed)), signatures };
}

// The signed part, when enough distinct trusted keys signed it. `trust` is {keys: {id: hex}, threshold}.
export async function verifyEnvelope(envelope, trust, where) {
  const right = new Set();
  for (const { keyid, sig } of envelope.signatures) {
    if (Object.hasOwn(trust.keys, keyid) && (await isRight(trust.keys[keyid], sig, envelope.payload))) right.add(keyid);
  }
  if (trust.threshold < 1 || right.size < trust.threshold) {
    const named = envelope.signatures.map(({ keyid }) => keyid.slice(0, 8)).join(", ") || "nobody";
    throw new Refused(
      `${where}: ${right.size} of ${trust.threshold} trusted signatures are right (signed by ${named})`,
    );
  }
  return envelope.signed;
}

// Whether this browser can check signatures at all.
export async function canVerify() {
  try {
    await crypto.subtle.importKey("raw", new Uint8Array(32), "Ed25519", false, ["verify"]);
    return true;
  } catch {
    return false;
  }
}

async function isRight(keyHex, signatureHex, payload) {
  const key = await crypto.subtle.importKey("raw", fromHex(keyHex), "Ed25519", false, ["verify"]);
  return crypto.subtle.verify("Ed25519", key, fromHex(signatureHex), payload);
}

function parseCanonical(bytes, where) {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes).replace(/\n$/, "");
    return { text, value: JSON.parse(text) };
  } catch (error) {
    const page = String.fromCharCode(bytes[0] ?? 0) === "<";
    throw new Refused(
      `${where}: ${page ? "a web page, not the document that was asked for" : `not JSON: ${error.message}`}`,
    );
  }
}

function isSignature(item) {
  return (
    isObject(item) &&
    Object.keys(item).sort().join() === "keyid,sig" &&
    KEY_ID.test(item.keyid) &&
    SIGNATURE.test(item.sig)
  );
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function byCodePoint(a, b) {
  const [x, y] = [Array.from(a, (c) => c.codePointAt(0)), Array.from(b, (c) => c.codePointAt(0))];
  const at = x.findIndex((point, i) => point !== y[i]);
  return at < 0 ? x.length - y.length : x[at] - (y[at] ?? -1);
}
