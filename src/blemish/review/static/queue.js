/** Marks are stored here first, and removed only when the server has confirmed that they are durable.
 *
 * Each mark has a key of its own in localStorage, so tabs do not overwrite each other's marks; sending one twice is harmless.
 */
import { Away, Locked, Refused, post } from "./api.js";

const PREFIX = "blemish.mark.";
const REFUSED = "blemish.refused.";
const BATCH = 200;
const MAX_CHARACTERS = 1e6; // of a request, whose limit is 2 MB: strokes are long

export class Queue {
  /** `changed()` is called when the number of waiting marks may have changed, `sent()` when the server has stored some. */
  constructor(changed, sent) {
    this.changed = changed;
    this.sent = sent;
    this.memory = new Map(); // used where localStorage is full or forbidden
    this.trouble = "";
    this.wait = 0;
    this.sending = false;
    this.count = Math.max(0, ...this.waiting().map((entry) => entry.turn)) + 1;
    addEventListener("online", () => this.flush());
    addEventListener("storage", () => {
      if (!this.waiting().length) this.trouble = ""; // another tab has sent them
      this.changed();
    });
  }

  /** Unconfirmed entries, oldest first. */
  waiting() {
    const found = [...this.memory.values()];
    for (let at = 0; at < localStorage.length; at++) {
      const key = localStorage.key(at);
      if (!key.startsWith(PREFIX)) continue;
      try {
        found.push(JSON.parse(localStorage.getItem(key)));
      } catch {
        // half written by a browser that was killed: it was never shown as marked
      }
    }
    return found.filter((entry) => entry?.mark).sort((a, b) => a.turn - b.turn);
  }

  add(marks) {
    for (const mark of marks) {
      const entry = { turn: Date.now() * 1000 + (this.count++ % 1000), mark };
      try {
        localStorage.setItem(PREFIX + mark.id, JSON.stringify(entry));
      } catch {
        this.memory.set(mark.id, entry);
      }
    }
    this.changed();
    this.flush();
  }

  remove(id) {
    this.memory.delete(id);
    localStorage.removeItem(PREFIX + id);
  }

  async flush() {
    if (this.sending) return;
    clearTimeout(this.timer);
    let room = MAX_CHARACTERS;
    const waiting = this.waiting().slice(0, BATCH).map((entry) => entry.mark);
    const batch = waiting.filter((mark, at) => (room -= JSON.stringify(mark).length) > 0 || at === 0);
    if (!batch.length) {
      this.trouble = "";
      this.changed();
      return;
    }
    this.sending = true;
    let again = 0;
    try {
      const answer = await post("/api/marks", { marks: batch });
      for (const id of answer.saved) this.remove(id);
      this.trouble = "";
      this.wait = 0;
      this.sent();
    } catch (error) {
      again = this.failed(error, batch);
      if (again === 0) await this.oneByOne(batch);
    } finally {
      this.sending = false;
    }
    this.changed();
    if (this.waiting().length) this.timer = setTimeout(() => this.flush(), again);
  }

  failed(error, batch) {
    this.wait = Math.min(4000, Math.max(250, this.wait * 2));
    if (error instanceof Away) this.trouble = "The server does not answer. Your marks are stored in this browser and sent when it is back.";
    else if (error instanceof Locked)
      this.trouble = "The server was restarted: open the link that it printed. Your marks are stored in this browser until then.";
    else if (error instanceof Refused && error.status !== 400) this.trouble = error.message;
    else if (error instanceof Refused && batch.length > 1) return 0;
    else if (error instanceof Refused) {
      this.putAside(batch[0], error.message);
      return 1;
    } else throw error;
    return this.wait;
  }

  /** The server refuses one mark of a batch: find it, so that it does not hold up the others. */
  async oneByOne(batch) {
    for (const mark of batch) {
      try {
        await post("/api/marks", { marks: [mark] });
        this.remove(mark.id);
      } catch (error) {
        if (!(error instanceof Refused) || error.status !== 400) return;
        this.putAside(mark, error.message);
      }
    }
  }

  putAside(mark, words) {
    localStorage.setItem(REFUSED + mark.id, JSON.stringify({ mark, words }));
    this.remove(mark.id);
    this.trouble = `The server refused the mark on ${mark.key}: ${words}`;
  }
}
