/** The sample under the cursor: at once what the gallery knows of it, a moment later why it is flagged. */
import { get } from "./api.js";
import { cellText, find, findAll, make, number, percent } from "./element.js";
import { described, isDrawn, showFrame } from "./gallery.js";

const REST = 140; // milliseconds that the cursor rests before the server is queried
const RATE = 10; // frames per second
const MAX_FLAGGED = 3; // columns of a row that are highlighted
const AT_ONCE = 12; // columns of a row shown at once: what follows the table must stay within reach

export class Detail {
  /** `open()` shows the sample in the whole window, `choose(row)` goes to another one. */
  constructor({ open, choose }) {
    this.open = open;
    this.choose = choose;
    this.item = null;
    this.frames = 0;
    this.frame = 0;
    this.shownAs = "";
    this.unfolded = false; // whether all columns of a row are shown; kept from sample to sample
  }

  show(item, ranking, force = false) {
    const same = item?.id === this.item?.id && ranking === this.ranking;
    this.item = item;
    if (same && !force) return this.pressed();
    this.ranking = ranking;
    this.stop();
    clearTimeout(this.timer);
    find("sample").hidden = !item;
    if (!item) return;
    find("sample-name").textContent = item.key;
    find("facts").textContent = `${item.rank ? `rank ${item.rank} · ` : ""}${item.error || described(item)}`;
    this.pressed();
    if (!same) {
      find("reasons").replaceChildren();
      find("history").replaceChildren();
      this.pictures(item, false);
      this.content(item.summary, null);
    }
    if (item.id) this.timer = setTimeout(() => this.ask(item, ranking), REST);
  }

  pressed() {
    for (const button of findAll("#sample [data-mark]"))
      button.setAttribute("aria-pressed", String(button.dataset.mark === this.item?.label));
  }

  async ask(item, ranking) {
    let detail;
    try {
      detail = await get(`/api/sample/${item.id}`);
    } catch {
      return; // the queue reports that the server does not answer
    }
    if (this.item?.id !== item.id) return;
    if (detail.chances)
      find("facts").textContent = `rank ${detail.rank} · unusual ${number(detail.outlier)} · normal ${percent(detail.chances.normal)}, other ${percent(detail.chances.other)}, defect ${percent(detail.chances.defect)}`;
    this.content(detail.whole, detail.reasons);
    this.reasons(detail);
    this.past(detail);
    if (ranking) this.pictures(item, true);
  }

  pictures(item, withModel) {
    const box = find("pictures");
    const isClip = this.frames > 0;
    if (!isDrawn(this.shownAs) || !item.id || item.error) return box.replaceChildren();
    box.classList.toggle("wide", isClip && !withModel);
    const side = isClip ? "" : "?side=512";
    const stamp = `?ranking=${this.ranking}`;
    const figure = (caption, ...sources) =>
      make("figure", {}, make("div", { class: "frame" }, ...sources.map(([source, alt]) =>
        make("img", { src: source, alt, class: isClip ? "clip" : null, click: () => this.open(), pointermove: (event) => this.scrub(event) }))), make("figcaption", {}, caption));
    const seen = figure(isClip ? "clip (space plays it)" : this.shownAs, [`/picture/${item.id}${side}`, item.key]);
    if (!withModel) return box.replaceChildren(seen);
    const made = [`/reconstruction/${item.id}${stamp}`, `reconstruction of ${item.key}`];
    const wrong = this.shownAs !== "picture" ? [] : [[`/heat/${item.id}${stamp}`, "reconstruction error, in orange"]];
    box.append(figure(wrong.length ? "what the model expected (differences in orange)" : "reconstruction", made, ...wrong));
  }

  content(value, reasons) {
    const box = find("content");
    box.replaceChildren();
    box.classList.toggle("document", typeof value === "string");
    if (typeof value === "string") {
      const flagged = new Set((reasons?.elements ?? []).map((one) => one.element.toLowerCase()));
      for (const part of value.split(/([\p{L}\p{N}_]+)/u)) box.append(flagged.has(part.toLowerCase()) ? make("mark", {}, part) : part);
    } else if (value) {
      const flagged = new Set((reasons?.elements ?? []).slice(0, MAX_FLAGGED).map((one) => one.element));
      const rows = Object.entries(value).sort(([a], [b]) => Number(flagged.has(b)) - Number(flagged.has(a))).map(([name, cell]) =>
        make("tr", {}, make("th", { scope: "row" }, flagged.has(name) ? make("mark", {}, name) : name), make("td", { class: "number" }, cellText(cell, 6))));
      const shown = rows.length > AT_ONCE + 1 ? rows.splice(0, AT_ONCE) : rows.splice(0);
      box.append(make("table", {}, make("caption", {}, "Row, unusual columns first"), make("tbody", {}, ...shown)));
      if (rows.length)
        box.append(make("details", { open: this.unfolded, toggle: (event) => (this.unfolded = event.target.open) },
          make("summary", {}, `${rows.length} more columns`), make("table", {}, make("tbody", {}, ...rows))));
    }
  }

  reasons(detail) {
    const found = detail.reasons;
    const box = find("reasons");
    box.replaceChildren();
    if (!found) return;
    if (found.elements.length && this.shownAs !== "picture") {
      // of a picture, the map says where: it opens large
      const withValues = found.elements.some((one) => one.expected !== null);
      const falls = found.elements.some((one) => one.fall !== undefined);
      const heads = ["where", ...(withValues ? ["seen", "expected"] : []), falls ? "score drop" : "fraction of the error"];
      const rows = found.elements.slice(0, this.frames > 0 ? 4 : undefined).map((one) =>
        make("tr", {}, make("th", { scope: "row" }, one.element),
          ...(withValues ? [make("td", {}, cellText(detail.whole?.[one.element] ?? one.seen, 3)), make("td", {}, one.chances ?? number(one.expected))] : []),
          make("td", { class: "number" }, falls ? number(one.fall, 2) : one.share < 0.005 ? "< 1 %" : percent(one.share))));
      box.append(make("table", {}, make("caption", {}, "Why"), make("thead", {}, make("tr", {}, ...heads.map((head) => make("th", { scope: "col" }, head)))), make("tbody", {}, ...rows)));
    }
    const seen = isDrawn(this.shownAs) ? found.near.filter((one) => one.id) : [];
    if (seen.length) return box.append(this.neighbours(seen));
    if (found.why) box.append(make("p", {}, found.why));
    const near = found.nearest_defects.length ? found.nearest_defects : found.nearest_normals;
    if (near.length)
      box.append(make("p", { class: "soft" }, `nearest ${found.nearest_defects.length ? "labelled defects" : "normal samples"}: ${near.join(", ")}`));
  }

  /** Labelled defects to compare with, each with what was drawn on it in a box. */
  neighbours(near) {
    const buttons = near.map(({ key, row, id, spot }) => {
      const frame = make("span", { class: "near" }, make("img", { src: `/picture/${id}`, alt: key, class: this.frames ? "clip" : null }));
      if (spot) {
        const box = make("span", { class: "spot" });
        [box.style.left, box.style.top, box.style.width, box.style.height] = spot.map((side) => `${100 * side}%`);
        frame.append(box);
      }
      return make("button", { type: "button", title: `Go to ${key}`, click: () => this.choose(row) }, frame);
    });
    return make("div", { role: "group", "aria-label": "Nearest labelled defects" }, make("p", { class: "soft" }, "nearest labelled defects"), make("div", { class: "row" }, ...buttons));
  }

  past(detail) {
    const box = find("history");
    box.replaceChildren();
    if (Object.keys(detail.people).length > 1)
      box.append(make("p", {}, Object.entries(detail.people).map(([who, label]) => `${who}: ${label}`).join(" · ")));
    if (!detail.history.length) return;
    const rows = detail.history.slice(-8).map((one) =>
      make("tr", {}, make("td", {}, one.label ? `${one.label}${one.stroke ? `, ${one.stroke}` : ""}` : "undo"), make("td", {}, one.who), make("td", {}, one.made.slice(0, 16).replace("T", " ")), make("td", {}, one.rank ? `rank ${one.rank}` : "map")));
    box.append(make("table", {}, make("caption", {}, "History"), make("tbody", {}, ...rows)));
  }

  /** Space: play a clip; of a picture, show or hide the reconstruction error. */
  space() {
    if (this.frames > 1) return this.playing ? this.stop() : this.play();
    for (const image of findAll('#pictures img[src^="/heat/"]')) image.hidden = !image.hidden;
  }

  play() {
    this.playing = setInterval(() => this.to(this.frame + 1), 1000 / RATE);
  }

  stop() {
    clearInterval(this.playing);
    this.playing = 0;
  }

  to(frame) {
    this.frame = frame % this.frames;
    for (const image of findAll("#pictures img")) showFrame(image, this.frame, this.frames);
  }

  scrub(event) {
    if (!this.frames || this.playing) return;
    const place = event.target.getBoundingClientRect();
    this.to(Math.max(0, Math.min(this.frames - 1, Math.floor(((event.clientX - place.left) / place.width) * this.frames))));
  }
}
