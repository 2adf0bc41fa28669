/** The ranking as the gallery sees it: pages, fetched when they come into view. */
import { get } from "./api.js";

const PAGE = 100;

export class Ranking {
  /** `arrived()` is called when items have come; `labelOf(item)` gives labels that the server may not have yet. */
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

  /** Index of a sample among the pages loaded so far; -1: not loaded. */
  indexOf(id) {
    for (const [page, items] of this.pages) {
      const at = items.findIndex((item) => item.id === id);
      if (at >= 0) return page * PAGE + at;
    }
    return -1;
  }

  /** Everything may have changed: the old pages are shown until the new ones come. */
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
