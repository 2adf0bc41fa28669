/** The map, on a canvas. The points are drawn once; hover, cursor and lasso are drawn over a copy of them. */
import { find } from "./element.js";

const FIELDS = 5; // row, x, y, quantile (1 = top of the ranking), label
const NAMES = ["not marked", "normal", "other", "defect", "conflict"]; // further kinds of defect follow
const REACH = 10;
const PAD = 24;

export class Chart {
  /** `chosen(row)`, `selected(rows)` and `hovered(row or null)` are called with what a person did. */
  constructor({ chosen, selected, hovered }) {
    this.canvas = find("map");
    this.context = this.canvas.getContext("2d");
    this.base = document.createElement("canvas");
    this.points = new Float32Array(0);
    this.selection = new Set();
    this.lasso = null;
    this.hover = -1;
    this.cursor = -1;
    this.tell = { chosen, selected, hovered };
    this.canvas.addEventListener("pointerdown", (event) => this.down(event));
    this.canvas.addEventListener("pointermove", (event) => this.move(event));
    this.canvas.addEventListener("pointerup", (event) => this.up(event));
    this.canvas.addEventListener("pointercancel", () => this.cancel());
    this.canvas.addEventListener("pointerleave", () => !this.lasso && this.hoverAt(-1));
    new ResizeObserver(() => this.resize()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.repaint());
  }

  get length() {
    return this.points.length / FIELDS;
  }

  load(buffer) {
    this.points = new Float32Array(buffer);
    this.indexOf = new Map();
    for (let at = 0; at < this.length; at++) this.indexOf.set(this.points[at * FIELDS], at);
    this.selection.clear();
    this.resize();
  }

  setKinds(kinds, colours) {
    NAMES.splice(3, NAMES.length, kinds[0], "conflict", ...kinds.slice(1));
    this.ofKinds = kinds.map((_, i) => colours[i % colours.length]);
    this.stale = true;
  }

  setLabel(row, label) {
    const at = this.indexOf?.get(row);
    if (at === undefined) return;
    this.points[at * FIELDS + 4] = Math.max(0, NAMES.indexOf(label ?? "not marked"));
    this.stale = true;
    this.redraw();
  }

  setCursor(row) {
    this.cursor = this.indexOf?.get(row) ?? -1;
    this.redraw();
  }

  resize() {
    const ratio = devicePixelRatio || 1;
    const width = this.canvas.clientWidth;
    const height = this.canvas.clientHeight;
    if (!width || !height) return;
    this.width = width;
    this.height = height;
    for (const canvas of [this.canvas, this.base]) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    this.ratio = ratio;
    this.place();
    this.repaint();
  }

  /** Screen places of all points, and a grid to find the one under the pointer. */
  place() {
    const n = this.length;
    let [left, right, bottom, top] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let at = 0; at < n; at++) {
      const x = this.points[at * FIELDS + 1];
      const y = this.points[at * FIELDS + 2];
      left = Math.min(left, x);
      right = Math.max(right, x);
      bottom = Math.min(bottom, y);
      top = Math.max(top, y);
    }
    this.x = new Float32Array(n);
    this.y = new Float32Array(n);
    this.grid = new Map();
    for (let at = 0; at < n; at++) {
      this.x[at] = PAD + ((this.points[at * FIELDS + 1] - left) / (right - left || 1)) * (this.width - 2 * PAD);
      this.y[at] = this.height - PAD - ((this.points[at * FIELDS + 2] - bottom) / (top - bottom || 1)) * (this.height - 2 * PAD);
      const key = this.cellOf(this.x[at], this.y[at]);
      if (!this.grid.has(key)) this.grid.set(key, []);
      this.grid.get(key).push(at);
    }
  }

  cellOf(x, y) {
    return Math.floor(x / REACH) * 65536 + Math.floor(y / REACH);
  }

  colours() {
    const style = getComputedStyle(document.documentElement);
    const of = (name) => style.getPropertyValue(name).trim();
    return { labels: [null, of("--normal"), of("--other"), of("--defect"), of("--conflict"), ...(this.ofKinds ?? []).slice(1).map(of)], soft: of("--soft"), accent: of("--accent"), ink: of("--ink"), paper: of("--paper") };
  }

  /** Draw the points: grey to blue by rank; marked ones larger, in their colour and shape, on top. */
  repaint() {
    if (!this.x) return;
    this.palette = this.colours();
    const context = this.base.getContext("2d");
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    const more = this.length > 3000 ? 0 : 2; // a few points may be larger without covering each other
    /** @type {[number, number, string, number, number][]} from and to (fraction of the ranking), colour, opacity, pixels */
    const bands = [
      [0, 0.8, this.palette.soft, more ? 0.45 : 0.22, 2 + more],
      [0.8, 0.95, this.palette.accent, 0.4, 3 + more],
      [0.95, 1.01, this.palette.accent, 0.9, 4 + more],
    ];
    for (const [from, to, colour, alpha, size] of bands) {
      context.globalAlpha = alpha;
      context.fillStyle = colour;
      context.beginPath();
      for (let at = 0; at < this.length; at++) {
        const quantile = this.points[at * FIELDS + 3];
        if (quantile < from || quantile >= to || this.points[at * FIELDS + 4] > 0) continue;
        context.rect(this.x[at] - size / 2, this.y[at] - size / 2, size, size);
      }
      context.fill();
    }
    context.globalAlpha = 1;
    for (let at = 0; at < this.length; at++) {
      const label = this.points[at * FIELDS + 4];
      if (label > 0) this.shape(context, label, this.x[at], this.y[at], this.palette.labels[label]);
    }
    this.stale = false;
    this.redraw();
  }

  /** Colour is not the only difference: defects are discs, others triangles, normals rings, disagreements crosses. */
  shape(context, label, x, y, colour) {
    context.fillStyle = colour;
    context.strokeStyle = colour;
    context.lineWidth = 2;
    context.beginPath();
    if (label === 3 || label > 4) context.arc(x, y, 5, 0, 7);
    else if (label === 2) {
      context.moveTo(x, y - 5);
      context.lineTo(x + 5, y + 4);
      context.lineTo(x - 5, y + 4);
    } else if (label === 1) context.arc(x, y, 4, 0, 7);
    else {
      context.moveTo(x - 4, y - 4);
      context.lineTo(x + 4, y + 4);
      context.moveTo(x + 4, y - 4);
      context.lineTo(x - 4, y + 4);
    }
    if (label !== 1 && label !== 4) context.fill();
    else context.stroke();
  }

  redraw() {
    if (this.waiting || !this.x) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      if (this.stale) return this.repaint();
      const context = this.context;
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.clearRect(0, 0, this.canvas.width, this.canvas.height);
      context.drawImage(this.base, 0, 0);
      context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
      context.fillStyle = this.palette.accent;
      for (const at of this.selection) context.fillRect(this.x[at] - 2, this.y[at] - 2, 4, 4);
      if (this.lasso) this.outline(context);
      for (const [at, size] of [[this.cursor, 9], [this.hover, 7]]) {
        if (at < 0) continue;
        context.strokeStyle = this.palette.ink;
        context.lineWidth = 2;
        context.beginPath();
        context.arc(this.x[at], this.y[at], size, 0, 7);
        context.stroke();
      }
    });
  }

  outline(context) {
    context.strokeStyle = this.palette.accent;
    context.lineWidth = 1.5;
    context.beginPath();
    this.lasso.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.closePath();
    context.stroke();
    context.globalAlpha = 0.1;
    context.fill();
    context.globalAlpha = 1;
  }

  nearest(x, y) {
    let best = -1;
    let least = REACH * REACH;
    for (let dx = -1; dx <= 1; dx++)
      for (let dy = -1; dy <= 1; dy++)
        for (const at of this.grid?.get(this.cellOf(x + dx * REACH, y + dy * REACH)) ?? []) {
          const far = (this.x[at] - x) ** 2 + (this.y[at] - y) ** 2;
          if (far < least) [best, least] = [at, far];
        }
    return best;
  }

  down(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.lasso = [[event.offsetX, event.offsetY]];
  }

  move(event) {
    if (!this.lasso) return this.hoverAt(this.nearest(event.offsetX, event.offsetY));
    const moves = event.getCoalescedEvents?.() ?? [];
    for (const one of moves.length ? moves : [event]) this.lasso.push([one.offsetX, one.offsetY]);
    this.redraw();
  }

  hoverAt(at) {
    if (at === this.hover) return;
    this.hover = at;
    this.tell.hovered(at < 0 ? null : this.points[at * FIELDS]);
    this.redraw();
  }

  up(event) {
    const lasso = this.lasso ?? [];
    this.lasso = null;
    const xs = lasso.map(([x]) => x);
    const ys = lasso.map(([, y]) => y);
    if (Math.max(...xs) - Math.min(...xs) < 5 && Math.max(...ys) - Math.min(...ys) < 5) {
      const at = this.nearest(event.offsetX, event.offsetY);
      this.select([]);
      if (at >= 0) this.tell.chosen(this.points[at * FIELDS]);
    } else this.select(this.inside(lasso));
  }

  cancel() {
    this.lasso = null;
    this.redraw();
  }

  select(found) {
    this.selection = new Set(found);
    this.tell.selected(found.map((at) => this.points[at * FIELDS]));
    this.redraw();
  }

  /** Points inside a polygon, by the even-odd rule. */
  inside(polygon) {
    const xs = polygon.map(([x]) => x);
    const ys = polygon.map(([, y]) => y);
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const found = [];
    for (let at = 0; at < this.length; at++) {
      const x = this.x[at];
      const y = this.y[at];
      if (x < left || x > right || y < top || y > bottom) continue;
      let odd = false;
      for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++)
        if (ys[i] > y !== ys[j] > y && x < ((xs[j] - xs[i]) * (y - ys[i])) / (ys[j] - ys[i]) + xs[i]) odd = !odd;
      if (odd) found.push(at);
    }
    return found;
  }

  /** The row of the nearest point in a direction, seen from the cursor. */
  neighbour(dx, dy) {
    if (!this.x?.length) return null;
    if (this.cursor < 0) return this.points[0];
    let best = -1;
    let least = Infinity;
    for (let at = 0; at < this.length; at++) {
      const x = this.x[at] - this.x[this.cursor];
      const y = this.y[at] - this.y[this.cursor];
      const ahead = x * dx + y * dy;
      const aside = Math.abs(x * dy) + Math.abs(y * dx);
      if (at === this.cursor || ahead <= 0 || aside > ahead) continue;
      if (ahead + 2 * aside < least) [best, least] = [at, ahead + 2 * aside];
    }
    return best < 0 ? null : this.points[best * FIELDS];
  }
}
