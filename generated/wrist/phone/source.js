// The release site: static files, each with a bound on its length and on the time that it takes.

import { ENTRY_LIMIT_BYTES } from "./entry.js";
import { sha256 } from "./envelope.js";

const TIME_LIMIT_MS = 60_000;

// The site cannot be reached, or sent something else than was asked for.
export class SourceError extends Error {}

export class ReleaseSite {
  constructor(url) {
    this.url = new URL(url, location.href);
  }

  entry(name) {
    return this.fetch(`latest/${name}`, ENTRY_LIMIT_BYTES);
  }

  // A file whose length and digest the signed entry names.
  async asset(file) {
    const bytes = await this.fetch(`${file.tag}/${file.asset}`, file.bytes);
    if (bytes.length !== file.bytes || (await sha256(bytes)) !== file.sha256) {
      throw new SourceError(`${file.asset} is not the file that the signed entry names`);
    }
    return bytes;
  }

  async fetch(path, limitBytes) {
    const url = new URL(path, this.url);
    const options = { cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(TIME_LIMIT_MS) };
    let response;
    try {
      response = await fetch(url, options);
    } catch (error) {
      throw new SourceError(`${url.pathname} cannot be reached: ${error.message}`);
    }
    if (!response.ok) throw new SourceError(`${url.pathname}: the site answered ${response.status}`);
    return readBounded(response, limitBytes, url.pathname);
  }
}

async function readBounded(response, limitBytes, where) {
  const pieces = [];
  let size = 0;
  try {
    for (const reader = response.body.getReader(); ;) {
      const { done, value } = await reader.read();
      if (done) break;
      size += value.length;
      if (size > limitBytes) {
        await reader.cancel();
        throw new SourceError(`${where} is longer than ${limitBytes} bytes`);
      }
      pieces.push(value);
    }
  } catch (error) {
    throw error instanceof SourceError ? error : new SourceError(`${where} broke off: ${error.message}`);
  }
  const all = new Uint8Array(size);
  pieces.reduce((at, piece) => (all.set(piece, at), at + piece.length), 0);
  return all;
}
