/** The ranking as the gallery sees it: pages of it, fetched when they are looked at. */
import { get } from "./api.js";

const PAGE = 100;

export class Ranking {
  /** `arrived()` is called when items came; `labelOf(item)` says what this page knows better than the server. */
  constructor(arrived, labelOf) {
    this.arrived = arrived;
    this.labelOf = labelOf;
    this.show = "all";
    this.by = "score";
    this.total = 0;
    this.pages = new Map();
    this.asked = new Map();
    this.turn = 0;
  }

  item(index) {
    return this.pages.get(Math.floor(index / PAGE))?.[index % PAGE] ?? null;
  }

  /** Where a sample is, among the pages that are here; -1: not here. */
  indexOf(id) {
    for (const [page, items] of this.pages) {
      const at = items.findIndex((item) => item.id === id);
      if (at >= 0) return page * PAGE + at;
    }
    return -1;
  }

  /** Everything may be different: what is here is shown until the new comes. */
  stale() {
    this.turn++;
    this.asked.clear();
  }

  view(show, by) {
    this.show = show;
    this.by = by;
    this.pages.clear();
    this.total = 0;
    this.stale();
    return this.load(0);
  }

  want(from, to) {
    for (let page = Math.floor(from / PAGE); page <= Math.floor(Math.max(from, to - 1) / PAGE); page++) this.load(page);
  }

  async load(page) {
    if (this.asked.get(page) || (page > 0 && page * PAGE >= this.total)) return;
    const turn = this.turn;
    this.asked.set(page, true);
    try {
      const answer = await get(`/api/items?start=${page * PAGE}&count=${PAGE}&show=${this.show}&by=${this.by}`);
      if (turn !== this.turn) return;
      for (const item of answer.items) item.label = this.labelOf(item);
      this.pages.set(page, answer.items);
      this.total = answer.total;
      this.arrived();
    } catch {
      if (turn !== this.turn) return;
      setTimeout(() => {
        this.asked.delete(page);
        this.arrived();
      }, 1000);
    }
  }
}
