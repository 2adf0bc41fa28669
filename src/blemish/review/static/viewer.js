/** One picture in the whole window, at its own size: zoom, the map of the score over it, and tools to draw the defect. */
import { get } from "./api.js";
import { find, findAll, make, number, say } from "./element.js";
import { described } from "./gallery.js";
import { paint, Pen } from "./strokes.js";

const TOOLS = { v: "move", b: "brush", x: "box", e: "eraser" };
const WORDS = { move: "Drag to move, scroll to zoom.", brush: "Paint over the defect: this marks the picture as the defect.", box: "Drag a box around the defect: this marks the picture as the defect.", eraser: "Paint over what was drawn to remove it." };
const CLOSEST = 32; // screen pixels per pixel of the picture
const ENLARGED = 8; // the most that a small picture is enlarged to fit
const MAX_TILES = 160;
const REST = 60; // milliseconds without movement before tiles are requested
const STEP = 60; // screen pixels that Shift and an arrow move the picture
const PEN_STEP = 6; // and the pen
const PATIENCE = 300000; // milliseconds for a map

export class Viewer {
  /** `strokes(id)` gives what this page drew on a sample that the server may not have; `drew(item, stroke)` stores one. */
  constructor({ strokes, kinds, drew, closed }) {
    this.kinds = kinds;
    this.unsent = strokes;
    this.drew = drew;
    this.box = find("viewer");
    this.canvas = find("viewer-canvas");
    this.context = this.canvas.getContext("2d");
    this.layer = make("canvas");
    this.item = null;
    this.ranking = 0;
    this.tool = "move";
    this.mapShown = true;
    this.fitted = true;
    this.pointers = new Map();
    this.clear();
    this.box.addEventListener("close", () => {
      this.item = null;
      this.clear();
      closed();
    });
    for (const [name, act] of Object.entries({ wheel: "wheel", pointerdown: "down", pointermove: "moved", pointerup: "up", pointercancel: "gone", pointerleave: "left" }))
      this.canvas.addEventListener(name, (event) => this[act](event), name === "wheel" ? { passive: false } : undefined);
    new ResizeObserver(() => this.measure()).observe(this.canvas);
    for (const button of findAll("#viewer [data-tool]")) button.addEventListener("click", () => this.use(button.dataset.tool));
    for (const [id, act] of Object.entries({ fit: () => this.fit(), whole: () => this.zoomTo(1), closer: () => this.zoom(1.5), farther: () => this.zoom(1 / 1.5), map: () => this.toggleMap(), close: () => this.box.close() }))
      find(`viewer-${id}`).addEventListener("click", act);
    find("viewer-thickness").addEventListener("input", () => this.draw());
  }

  get open() {
    return this.box.open;
  }

  clear() {
    this.asking?.abort();
    clearTimeout(this.resting);
    this.size = null; // of the picture, once it is known
    this.tiles = new Map();
    this.strokes = [];
    this.heat = null;
    this.places = null;
    this.pen = null;
    this.at = null; // the pen of the keyboard
    this.pointers.clear();
  }

  show(item, ranking) {
    const same = this.open && item.id === this.item?.id;
    const news = ranking !== this.ranking;
    this.item = item;
    this.ranking = ranking;
    find("viewer-name").textContent = item.key;
    find("viewer-facts").textContent = `${item.rank ? `rank ${item.rank} · ` : ""}${item.error || described(item)}`;
    this.labelled();
    if (!this.open) {
      this.box.showModal();
      this.canvas.focus();
    }
    if (same && !news) return;
    if (!same) {
      const before = this.size;
      this.clear();
      this.before = before; // the next picture is seen at the same zoom, if it has the same size
      this.glimpse = make("img", { alt: "", load: () => this.draw() });
      if (item.id) this.glimpse.src = `/picture/${item.id}?side=512`;
      this.tell("");
      this.draw();
      this.look(item);
    }
    this.locate(item);
  }

  /** The label of the sample may have changed. */
  labelled() {
    for (const button of findAll("#viewer [data-mark]")) button.setAttribute("aria-pressed", String(button.dataset.mark === this.item?.label));
    this.draw();
  }

  /** Size and strokes; again when somebody has drawn. */
  async look(item = this.item) {
    if (!item?.id) return;
    try {
      const known = await get(`/api/view/${item.id}`, PATIENCE);
      if (this.item?.id !== item.id) return;
      this.strokes = known.strokes;
      if (!this.size) this.sized(known);
      this.draw();
      this.tiled();
    } catch (error) {
      if (this.item?.id === item.id) this.tell(`This picture cannot be shown: ${error.message}`);
    }
  }

  sized(known) {
    this.size = [known.width, known.height];
    this.tile = known.tile;
    this.levels = known.levels;
    this.canvas.setAttribute("aria-label", `${this.item.key}, ${known.width} by ${known.height} pixels`);
    if (this.fitted || this.before?.[0] !== known.width || this.before?.[1] !== known.height) this.fit();
  }

  /** The map of the score, once the model has made it; given up when another picture is opened. */
  async locate(item) {
    this.asking?.abort();
    const control = (this.asking = new AbortController());
    if (!item.id) return;
    try {
      const places = await get(`/api/places/${item.id}?ranking=${this.ranking}`, PATIENCE, control.signal);
      if (control.signal.aborted) return;
      this.places = places;
      const heat = make("img", { alt: "", load: () => this.item?.id === item.id && ((this.heat = heat), this.draw()) });
      if (places.map) heat.src = `/overlay/${item.id}?ranking=${this.ranking}`;
      else this.heat = null;
      this.tell("");
    } catch {
      // the page has moved on, or the server does not answer, which the queue reports
    }
  }

  tell(words) {
    const found = this.places?.regions ?? [];
    const what = this.places?.kind === "defect" ? "like the defect" : "unusual";
    const count = found.length === 1 ? "1 place is" : `${found.length} places are`;
    const outlined = found.length ? `${count} outlined as ${what}, the highest scores ${number(found[0].score)}.` : `No place is outlined as ${what}: none scores above 99.9 % of normal area.`;
    const said = find("viewer-said");
    said.title = said.textContent = words || `${WORDS[this.tool]} ${this.places ? this.places.note || outlined : "The map is being computed."}`;
  }

  // Zoom and place ---------------------------------------------------------------------------------------------------

  measure() {
    const ratio = devicePixelRatio || 1;
    this.width = this.canvas.clientWidth;
    this.height = this.canvas.clientHeight;
    this.ratio = ratio;
    for (const one of [this.canvas, this.layer]) {
      one.width = Math.round(this.width * ratio);
      one.height = Math.round(this.height * ratio);
    }
    if (this.fitted) this.fit();
    else this.changed();
  }

  get closest() {
    return Math.min(this.width / this.size[0], this.height / this.size[1]);
  }

  fit() {
    this.fitted = true;
    if (!this.size || !this.width) return;
    this.scale = Math.min(ENLARGED, this.closest);
    this.centre = [this.size[0] / 2, this.size[1] / 2];
    this.changed();
  }

  zoomTo(scale) {
    if (this.size) this.zoom(scale / this.scale);
  }

  /** Zoom around a point of the window, by default its middle. */
  zoom(factor, x = this.width / 2, y = this.height / 2) {
    if (!this.size) return;
    this.fitted = false;
    const [px, py] = this.picture(x, y);
    this.scale = Math.max(Math.min(1, this.closest) / 2, Math.min(CLOSEST, this.scale * factor));
    this.centre = [px - (x - this.width / 2) / this.scale, py - (y - this.height / 2) / this.scale];
    this.changed();
  }

  pan(dx, dy) {
    if (!this.size) return;
    this.fitted = false;
    this.centre = [this.centre[0] - dx / this.scale, this.centre[1] - dy / this.scale];
    this.changed();
  }

  changed() {
    if (this.size) this.centre = this.centre.map((at, axis) => Math.max(0, Math.min(this.size[axis], at)));
    find("viewer-zoom").textContent = this.size ? `${Math.round(100 * this.scale)} %` : "";
    this.draw();
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.tiled(), REST);
  }

  /** From the window to the picture. */
  picture(x, y) {
    return [this.centre[0] + (x - this.width / 2) / this.scale, this.centre[1] + (y - this.height / 2) / this.scale];
  }

  /** Request the tiles in view, those of other zooms stay as long as there is room. */
  tiled() {
    if (!this.size || !this.open) return;
    const level = Math.max(0, Math.min(this.levels - 1, Math.floor(-Math.log2(this.scale * this.ratio))));
    const span = this.tile * 2 ** level;
    const [left, top] = this.picture(0, 0);
    const [right, bottom] = this.picture(this.width, this.height);
    const last = (end, side) => Math.min(Math.ceil(side / span), Math.ceil(end / span));
    for (let row = Math.max(0, Math.floor(top / span)); row < last(bottom, this.size[1]); row++)
      for (let column = Math.max(0, Math.floor(left / span)); column < last(right, this.size[0]); column++) {
        const key = `${level}/${column}/${row}`;
        const known = this.tiles.get(key);
        this.tiles.delete(key); // to the end: the ones used last are kept
        this.tiles.set(key, known ?? make("img", { alt: "", src: `/tile/${this.item.id}/${key}`, load: () => this.draw() }));
      }
    for (const key of [...this.tiles.keys()].slice(0, -MAX_TILES)) this.tiles.delete(key);
  }

  draw() {
    if (this.drawing) return;
    this.drawing = requestAnimationFrame(() => {
      this.drawing = 0;
      if (this.open) this.drawNow();
    });
  }

  drawNow() {
    const { context } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    if (!this.size) return this.drawGlimpse();
    const [width, height] = this.size;
    this.place(context);
    context.save();
    context.beginPath();
    context.rect(0, 0, width, height);
    context.clip();
    context.imageSmoothingEnabled = this.scale * this.ratio < 2; // closer, pixels are seen as they are
    if (this.glimpse.naturalWidth) context.drawImage(this.glimpse, 0, 0, width, height);
    const tiles = [...this.tiles].map(([key, image]) => [...key.split("/").map(Number), image]).sort((a, b) => b[0] - a[0]);
    for (const [level, column, row, image] of tiles) {
      const factor = 2 ** level;
      if (image.naturalWidth)
        context.drawImage(image, column * this.tile * factor, row * this.tile * factor, image.naturalWidth * factor, image.naturalHeight * factor);
    }
    context.imageSmoothingEnabled = true;
    if (this.heat && this.mapShown) context.drawImage(this.heat, 0, 0, width, height);
    this.drawStrokes();
    context.restore();
    this.drawPen();
  }

  drawGlimpse() {
    const { naturalWidth: width, naturalHeight: height } = this.glimpse ?? {};
    if (!width || !this.fitted) return;
    const scale = Math.min(this.canvas.width / width, this.canvas.height / height);
    this.context.drawImage(this.glimpse, (this.canvas.width - scale * width) / 2, (this.canvas.height - scale * height) / 2, scale * width, scale * height);
  }

  place(context) {
    const scale = this.scale * this.ratio;
    context.setTransform(scale, 0, 0, scale, this.canvas.width / 2 - this.centre[0] * scale, this.canvas.height / 2 - this.centre[1] * scale);
  }

  /** All strokes that count: the server's, this page's own and the one that is being drawn. */
  people() {
    const found = new Map();
    const own = this.unsent(this.item.id);
    if (this.kinds().includes(this.item.label))
      for (const one of [...this.strokes.filter(({ id }) => !own.undone.has(id) && !own.drawn.some((mine) => mine.id === id)), ...own.drawn])
        found.set(one.who, [...(found.get(one.who) ?? []), one]);
    const pending = this.pen?.stroke();
    if (pending) found.set(own.who, [...(found.get(own.who) ?? []), pending]);
    return [...found.values()];
  }

  drawStrokes() {
    const layer = this.layer.getContext("2d");
    const colour = getComputedStyle(this.box).getPropertyValue("--accent").trim();
    for (const strokes of this.people()) {
      layer.setTransform(1, 0, 0, 1, 0, 0);
      layer.clearRect(0, 0, this.layer.width, this.layer.height);
      this.place(layer);
      paint(layer, strokes, colour);
      this.context.save();
      this.context.setTransform(1, 0, 0, 1, 0, 0);
      this.context.globalAlpha = 0.4;
      this.context.drawImage(this.layer, 0, 0);
      this.context.restore();
    }
  }

  /** A ring of the brush's size at the pointer, a cross where the keyboard draws. */
  drawPen() {
    if (this.tool === "move" || !this.hover) return;
    const { context } = this;
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    const [x, y] = this.hover;
    const radius = this.tool === "box" ? 0 : this.thickness / 2;
    for (const [colour, width] of [["#ffffff", 3], ["#000000", 1]]) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.beginPath();
      if (radius) context.arc(x, y, radius, 0, 2 * Math.PI);
      if (!radius || this.at) {
        context.moveTo(x - 9, y);
        context.lineTo(x + 9, y);
        context.moveTo(x, y - 9);
        context.lineTo(x, y + 9);
      }
      context.stroke();
    }
  }

  // Tools -----------------------------------------------------------------------------------------------------------

  /** Of the brush, in pixels of the screen. */
  get thickness() {
    return Number(find("viewer-thickness").value);
  }

  use(tool) {
    this.pen = null;
    this.tool = tool;
    for (const button of findAll("#viewer [data-tool]")) button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
    this.canvas.dataset.tool = tool;
    this.tell("");
    this.draw();
  }

  toggleMap() {
    this.mapShown = !this.mapShown;
    find("viewer-map").setAttribute("aria-pressed", String(this.mapShown));
    say(this.mapShown ? "map shown" : "map hidden");
    this.draw();
  }

  begin(x, y) {
    if (!this.size || (this.tool === "eraser" && !this.people().length)) return;
    const item = this.item;
    this.pen = new Pen(this.tool, this.thickness / this.scale, this.size, (stroke) => this.drew(item, stroke));
    this.pen.to(...this.picture(x, y));
  }

  end() {
    const pen = this.pen;
    this.pen = null;
    pen?.up();
    this.draw();
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  wheel(event) {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode ? 30 : 1);
    this.zoom(Math.exp(-pixels * (event.ctrlKey ? 0.01 : 0.0018)), ...this.point(event));
  }

  down(event) {
    const [x, y] = this.point(event);
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, [x, y]);
    this.at = null;
    this.hover = [x, y];
    if (this.pointers.size > 1) this.pen = null; // two fingers move and zoom
    else if (this.tool !== "move" && event.button === 0) this.begin(x, y);
    this.draw();
  }

  moved(event) {
    const [x, y] = this.point(event);
    const before = this.pointers.get(event.pointerId);
    if (event.pointerType !== "touch" || before) this.hover = [x, y];
    if (before && this.pen) {
      for (const one of event.getCoalescedEvents?.() ?? []) this.pen.to(...this.picture(...this.point(one)));
      this.pen.to(...this.picture(x, y));
    } else if (before && this.pointers.size === 1) this.pan(x - before[0], y - before[1]);
    else if (before) {
      const other = [...this.pointers].find(([id]) => id !== event.pointerId)?.[1] ?? before;
      const [was, is] = [before, [x, y]].map((at) => Math.max(20, Math.hypot(at[0] - other[0], at[1] - other[1])));
      this.pan((x - before[0]) / 2, (y - before[1]) / 2);
      this.zoom(is / was, (x + other[0]) / 2, (y + other[1]) / 2);
    }
    if (before) this.pointers.set(event.pointerId, [x, y]);
    this.draw();
  }

  up(event) {
    this.pointers.delete(event.pointerId);
    this.end();
  }

  gone(event) {
    this.pen = null;
    this.pointers.delete(event.pointerId);
    this.draw();
  }

  left(event) {
    if (!this.pointers.has(event.pointerId)) this.hover = null;
    this.draw();
  }

  /** Keys of the viewer; whether it was one. */
  pressed(key, shift) {
    const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
    if (arrow && shift && this.size) this.tool === "move" ? this.pan(-STEP * arrow[0], -STEP * arrow[1]) : this.movePen(...arrow);
    else if (TOOLS[key]) this.use(TOOLS[key]);
    else if (key === "f" || key === "0") this.fit();
    else if (key === "1") this.zoomTo(1);
    else if (key === "+" || key === "=") this.zoom(1.5);
    else if (key === "-") this.zoom(1 / 1.5);
    else if (key === "h") this.toggleMap();
    else if (key === "[" || key === "]") this.thicken(key === "]" ? 4 : -4);
    else if (key === " " && this.tool !== "move") this.pen ? this.end() : this.begin(...(this.at = this.hover ??= [this.width / 2, this.height / 2]));
    else if (key === " ") this.toggleMap();
    else return false;
    return true;
  }

  thicken(by) {
    find("viewer-thickness").value = String(this.thickness + by);
    say(`brush size ${this.thickness}`);
    this.draw();
  }

  movePen(dx, dy) {
    const [x, y] = this.hover ?? [this.width / 2, this.height / 2];
    this.at = this.hover = [Math.max(0, Math.min(this.width, x + PEN_STEP * dx)), Math.max(0, Math.min(this.height, y + PEN_STEP * dy))];
    this.pen?.to(...this.picture(...this.hover));
    this.draw();
  }
}
