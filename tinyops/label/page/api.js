// What the page asks of its server. A refusal is an error with the server's sentence.

const base = new URL("./", location.href);

export class Refused extends Error {
  constructor(sentence, hint = "") {
    super(sentence);
    this.hint = hint;
  }
}

function address(name, query = {}) {
  const url = new URL(name, base);
  for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value);
  return url;
}

async function answered(request) {
  let answer;
  try {
    answer = await request;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("The server does not answer.", "Is `tinyops label` still running?");
  }
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => ({}));
  throw new Refused(said.error || `the server answered ${answer.status}`, said.hint);
}

export async function ask(name, query) {
  return (await answered(fetch(address(name, query)))).json();
}

export async function bytes(name, query, signal) {
  return (await answered(fetch(address(name, query), { signal }))).arrayBuffer();
}

export async function send(name, value = {}) {
  const headers = { "Content-Type": "application/json" };
  return (await answered(fetch(address(name), { method: "POST", headers, body: JSON.stringify(value) }))).json();
}
