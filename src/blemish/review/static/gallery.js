/** A list of any length; only the visible cells exist. */
import { cellText, find, make, number, percent } from "./element.js";

const WIDTH = 148;
const SPARE = 2; // rows above and below the window
const CALM = 90; // milliseconds without fast scrolling before pictures are requested
const FAST = 2.5; // pixels per millisecond
const TALLEST = 12e6; // pixels; browsers cut elements off at 17 to 33 million

export class Gallery {
  /** `source` gives `total`, `item(index)` and `want(from, to)`; `chosen(index)` is called on a click. */
  constructor(source, chosen) {
    this.source = source;
    this.chosen = chosen;
    this.box = find("gallery");
    this.sheet = find("sheet");
    this.cells = [];
    /** @type {Map<string, string>} colours of the kinds of defect, by word */
    this.colours = new Map();
    this.cursor = 0;
    this.columns = 1;
    this.wide = true; // until the kind of data is known: a sample that is not a picture must not be requested as one
    this.clip = 0;
    this.top = 0; // pixels from the start of the list at its real length
    this.at = 0;
    this.squeeze = 1; // real pixels of the list per pixel of the scroll bar
    this.shift = 0;
    this.placed = -2; // where we last put the scroll bar
    this.box.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.box.addEventListener("click", (event) => {
      const cell = event.target.closest(".cell");
      if (cell) this.chosen(Number(cell.dataset.index));
    });
    this.box.addEventListener("pointermove", (event) => this.scrub(event), { passive: true });
    new ResizeObserver(() => this.measure()).observe(this.box);
  }

  /** Cells are wide for rows of a table and texts, square for pictures. */
  shape(shownAs, frames) {
    this.wide = !isDrawn(shownAs);
    this.clip = frames;
    this.box.classList.toggle("clip", frames > 0);
    this.box.classList.toggle("wide", this.wide);
    this.measure();
  }

  measure() {
    const width = this.box.clientWidth - 16;
    this.height = this.box.clientHeight;
    if (width <= 0 || this.height <= 0) return;
    const followed = this.rowHeight > 0 && this.windowHeight > 0 && this.shows(this.cursor, this.windowHeight);
    const wanted = this.wide ? 2 * WIDTH : WIDTH;
    this.columns = Math.max(1, Math.floor(width / wanted));
    this.cellWidth = Math.floor(width / this.columns);
    this.rowHeight = this.wide ? 132 : this.cellWidth + 18;
    this.rows = Math.ceil(this.height / this.rowHeight) + 2 * SPARE + 1;
    const needed = this.rows * this.columns;
    while (this.cells.length < needed) this.cells.push(this.newCell());
    while (this.cells.length > needed) this.cells.pop().box.remove();
    for (const cell of this.cells) {
      cell.box.style.width = `${this.cellWidth}px`;
      cell.box.style.height = `${this.rowHeight}px`;
      cell.index = -1;
    }
    this.resizeSheet();
    // a note above the list or a turned phone must not push the chosen sample out of the window
    if (followed) this.reveal();
    else this.place();
    this.draw();
  }

  newCell() {
    const image = make("img", { alt: "", decoding: "async", draggable: "false" });
    image.addEventListener("error", () => {
      image.style.visibility = "hidden"; // a broken file that the program has not reached yet
    });
    const text = make("div", { class: "text" });
    const caption = make("div", { class: "caption" });
    const rank = make("b");
    const score = make("span");
    const unusual = make("span", { class: "right" });
    caption.append(rank, score, unusual);
    const box = make("div", { class: "cell", role: "option", "aria-selected": "false" }, image, text, caption);
    this.sheet.append(box);
    return { box, image, text, rank, score, unusual, index: -1, shown: "", item: null };
  }

  scrolled() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame((now) => {
      this.waiting = 0;
      const place = this.box.scrollTop;
      // our own scrolling is rounded by the browser; in a squeezed list that would be off by a row
      const top = Math.abs(place - this.placed) < 1 ? this.top : place * this.squeeze;
      this.placed = -2;
      this.speed = Math.abs(top - this.top) / Math.max(1, now - this.at);
      this.top = top;
      this.at = now;
      this.draw();
      if (this.speed > FAST) {
        clearTimeout(this.calm);
        this.calm = setTimeout(() => {
          this.speed = 0;
          this.draw();
        }, CALM);
      }
    });
  }

  /** The total and every item may have changed. */
  refresh() {
    for (const cell of this.cells) cell.index = -1;
    this.draw();
  }

  draw() {
    if (!this.rowHeight) return;
    const total = this.source.total;
    this.resizeSheet();
    // in a squeezed list, cells lie as far from the top of the window as they would otherwise
    this.shift = this.squeeze === 1 ? 0 : this.top - this.top / this.squeeze;
    const first = Math.max(0, Math.floor(this.top / this.rowHeight) - SPARE);
    const from = first * this.columns;
    const to = Math.min(total, from + this.cells.length);
    for (let index = from; index < to; index++) this.bind(this.cells[index % this.cells.length], index);
    for (const cell of this.cells)
      if ((cell.index < from || cell.index >= to) && !cell.box.hidden) {
        cell.box.hidden = true;
        cell.index = -1;
      }
    if (!(this.speed > FAST)) this.source.want(from, to);
    const active = this.cells[this.cursor % this.cells.length];
    if (active?.index === this.cursor) this.box.setAttribute("aria-activedescendant", active.box.id);
    else this.box.removeAttribute("aria-activedescendant");
  }

  resizeSheet() {
    const height = Math.ceil(this.source.total / this.columns) * this.rowHeight;
    if (height === this.sheetHeight && this.height === this.windowHeight) return;
    this.sheetHeight = height;
    this.windowHeight = this.height;
    const shown = Math.min(height, TALLEST);
    this.squeeze = height > shown ? (height - this.height) / (shown - this.height) : 1;
    this.sheet.style.height = `${shown}px`;
  }

  bind(cell, index) {
    const item = this.source.item(index);
    const fast = this.speed > FAST;
    if (cell.index !== index) {
      cell.index = index;
      cell.shift = null;
      cell.box.dataset.index = index;
      cell.box.id = `cell-${index}`;
      cell.box.setAttribute("aria-posinset", index + 1);
      cell.box.setAttribute("aria-setsize", this.source.total);
      cell.item = undefined;
      if (cell.box.hidden) cell.box.hidden = false;
    }
    if (cell.shift !== this.shift) {
      cell.shift = this.shift;
      const x = (index % this.columns) * this.cellWidth + 8;
      const y = Math.floor(index / this.columns) * this.rowHeight - this.shift;
      cell.box.style.transform = `translate(${x}px,${y}px)`;
    }
    const chosen = String(index === this.cursor);
    if (cell.selected !== chosen) {
      cell.selected = chosen;
      cell.box.setAttribute("aria-selected", chosen);
    }
    if (cell.item !== item) {
      cell.item = item;
      this.fill(cell, item);
    }
    const picture = item && !this.wide && item.id && !item.error ? `/picture/${item.id}` : "";
    if (fast ? picture !== cell.shown && cell.shown !== "" : picture !== cell.shown) {
      cell.shown = fast ? "" : picture;
      if (cell.shown) {
        cell.image.src = cell.shown;
        cell.image.style.visibility = "visible";
      } else cell.image.style.visibility = "hidden"; // removing the address would cost a layout
    }
  }

  fill(cell, item) {
    const words = item ? (item.error ? "cannot be read" : this.wide ? summary(item.summary) : "") : "";
    if (cell.words !== words) {
      cell.words = words;
      cell.text.textContent = words;
    }
    const asText = this.wide || words !== "";
    if (cell.asText !== asText) {
      cell.asText = asText;
      cell.text.hidden = !asText;
      cell.image.hidden = asText;
    }
    cell.rank.textContent = item ? (item.rank ?? cell.index + 1) : "";
    const [probability, unusual] = item && !this.wide ? brief(item) : [item ? described(item) : "", ""];
    cell.score.textContent = probability;
    cell.unusual.textContent = unusual;
    const label = item?.label ?? "";
    if (cell.label !== label) {
      cell.label = label;
      cell.box.style.setProperty("--label", this.colours.get(label) ?? "");
      if (label) cell.box.dataset.label = label;
      else delete cell.box.dataset.label;
    }
    cell.box.setAttribute("aria-label", item ? `${item.key}, rank ${item.rank ?? "none"}, ${label || "not marked"}` : "loading");
  }

  /** Move the cursor at once; scroll if necessary. */
  go(index) {
    const before = this.cells[this.cursor % this.cells.length];
    this.cursor = Math.max(0, Math.min(this.source.total - 1, index));
    if (before?.index >= 0) this.bind(before, before.index);
    this.reveal();
    this.draw();
  }

  /** Whether the row of a sample is whole in a window of this height. */
  shows(index, height) {
    const y = Math.floor(index / this.columns) * this.rowHeight;
    return y >= this.top - 1 && y + this.rowHeight <= this.top + height + 1;
  }

  /** Scroll as little as shows the chosen sample. */
  reveal() {
    const y = Math.floor(this.cursor / this.columns) * this.rowHeight;
    if (y < this.top) this.top = y;
    else if (y + this.rowHeight > this.top + this.height) this.top = y + this.rowHeight - this.height;
    this.place();
  }

  /** Put the scroll bar where `top` is: in a squeezed list its place depends on the height of the window too. */
  place() {
    const placed = this.top / this.squeeze;
    if (Math.abs(placed - this.box.scrollTop) < 1) return;
    this.placed = placed;
    this.box.scrollTop = placed;
    this.speed = 0;
  }

  get perPage() {
    return Math.max(1, Math.floor(this.height / this.rowHeight)) * this.columns;
  }

  scrub(event) {
    if (!this.clip || event.target.tagName !== "IMG") return;
    const place = event.target.getBoundingClientRect();
    showFrame(event.target, Math.floor(((event.clientX - place.left) / place.width) * this.clip), this.clip);
  }
}

/** Whether the server draws a picture of such samples; of the others it gives the prose, or the cells of the row. */
export function isDrawn(shownAs) {
  return shownAs === "picture" || shownAs === "frames" || shownAs === "curve";
}

/** Show one frame of a strip: the picture is as wide as all frames, and `object-fit: cover` shows one. */
export function showFrame(image, frame, frames) {
  const at = Math.max(0, Math.min(frames - 1, frame));
  image.style.objectPosition = frames > 1 ? `${(100 * at) / (frames - 1)}% 0` : "0 0";
}

export function summary(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "string") return value;
  return Object.entries(value)
    .map(([name, cell]) => `${name}: ${cellText(cell, 4)}`)
    .join("\n");
}

/** What fits below a picture: the probability of a defect, and the outlier score. */
function brief(item) {
  if (item.outlier === null || item.outlier === undefined) return ["not scored", ""];
  return item.defect === null ? ["unusual", number(item.outlier)] : [`${percent(item.chance)} defect`, number(item.outlier, 2)];
}

export function described(item) {
  if (item.outlier === null || item.outlier === undefined) return "not scored";
  return item.defect === null ? `unusual ${number(item.outlier)}` : `defect ${percent(item.chance)}, unusual ${number(item.outlier, 2)}`;
}
