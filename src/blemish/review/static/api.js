/** Requests to our own server. Errors are of three kinds: away (try again), locked (token), and refused (words). */

export class Away extends Error {}
export class Locked extends Error {}
export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

async function ask(path, options, patience) {
  const control = new AbortController();
  const timer = setTimeout(() => control.abort(), patience);
  let answer;
  let body;
  try {
    answer = await fetch(path, { ...options, signal: control.signal, credentials: "same-origin", cache: "no-store" });
    body = options.raw ? await answer.arrayBuffer() : await answer.text();
  } catch (error) {
    throw new Away(String(error));
  } finally {
    clearTimeout(timer);
  }
  if (answer.status === 401) throw new Locked("another launch");
  if (answer.ok) return options.raw ? body : JSON.parse(body);
  let words = `status ${answer.status}`;
  try {
    words = JSON.parse(options.raw ? new TextDecoder().decode(body) : body).error ?? words;
  } catch {
    // a proxy's page: the status has to do
  }
  throw new Refused(words, answer.status);
}

export const get = (path, patience = 30000) => ask(path, { method: "GET" }, patience);
export const bytes = (path) => ask(path, { method: "GET", raw: true }, 30000);
export const post = (path, values, patience = 15000) =>
  ask(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(values) }, patience);
