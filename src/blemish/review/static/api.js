/** Requests to our own server. Errors are of three kinds: Away (try again), Locked (wrong token) and Refused (the server says why). */

export class Away extends Error {}
export class Locked extends Error {}
export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** The body of an answer, as bytes. */
async function ask(path, options, patience, signal) {
  const control = new AbortController();
  const timer = setTimeout(() => control.abort(), patience);
  let answer;
  let body;
  try {
    answer = await fetch(path, { ...options, signal: signal ? AbortSignal.any([control.signal, signal]) : control.signal, credentials: "same-origin", cache: "no-store" });
    body = await answer.arrayBuffer();
  } catch (error) {
    throw new Away(String(error));
  } finally {
    clearTimeout(timer);
  }
  if (answer.status === 401) throw new Locked("wrong token");
  if (answer.ok) return body;
  let words = `status ${answer.status}`;
  try {
    words = parsed(body).error ?? words;
  } catch {
    // not JSON, perhaps a proxy's page: report the status
  }
  throw new Refused(words, answer.status);
}

const parsed = (body) => JSON.parse(new TextDecoder().decode(body));

export const bytes = (path) => ask(path, { method: "GET" }, 30000);
/** @type {(path: string, patience?: number, signal?: AbortSignal) => Promise<any>} */
export const get = async (path, patience = 30000, signal = undefined) => parsed(await ask(path, { method: "GET" }, patience, signal));
export const post = async (path, values, patience = 15000) =>
  parsed(await ask(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(values) }, patience));
