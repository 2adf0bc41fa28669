/** The page: what keys, clicks and news from the server do. */
import { bytes, get, Locked, post, Refused } from "./api.js";
import { drawCurve } from "./curve.js";
import { Detail } from "./detail.js";
import { find, findAll, make, say } from "./element.js";
import { Gallery, isDrawn } from "./gallery.js";
import { Chart } from "./map.js";
import { Queue } from "./queue.js";
import { Ranking } from "./ranking.js";
import { Viewer } from "./viewer.js";

const VIEWS = ["gallery", "map", "curve"];
const WORDS = { o: "other", n: "normal" }; // and each kind of defect by its number
const COLOURS = ["--defect", "--kind-2", "--kind-3", "--kind-4", "--kind-5", "--kind-6", "--kind-7", "--kind-8", "--kind-9"];
const MAX_ROWS_PER_REQUEST = 400;

let state = null;
let view = "gallery";
let current = null; // the sample that keys act on
let away = "";
let mapOf = ""; // ranking and place that the map was drawn for
let listed = ""; // what the lists next to the gallery show
let marksSinceRefit = 0;
const mine = new Map(); // sample → label given on this page that the server's answers may not contain yet
const done = []; // marks, for undo
const drawn = new Map(); // strokes of this page that the server's answers may not contain yet, by their marks
const undone = new Set(); // and marks that it took back

const queue = new Queue(() => unsaved(), () => look());
const ranking = new Ranking(() => arrived(), (item) => (mine.has(item.id) ? mine.get(item.id) : item.label));
const gallery = new Gallery(ranking, (index) => (index === gallery.cursor && current ? open() : move(index)));
const detail = new Detail({ open: () => open(), choose: (row) => choose([row]) });
const viewer = new Viewer({ strokes: (id) => strokesOn(id), kinds: () => kinds, drew: (item, stroke) => mark([item], kinds.includes(item.label) ? item.label : drawnKind, stroke), closed: () => find("gallery").focus() });
const chart = new Chart({ chosen: (row) => choose([row]), selected: (rows) => selected(rows), hovered: (row) => hovered(row) });
let lassoed = [];
let kinds = []; // words of the kinds of defect
let drawnKind = ""; // of a stroke on a sample that is not labelled: the kind marked last

/** Keys, buttons, colours and filters of the kinds of defect: with one kind as they stand in the page. */
function setKinds(words) {
  if (words.join("\n") === kinds.join("\n")) return;
  kinds = words;
  drawnKind = kinds[0];
  for (const key of Object.keys(WORDS)) if (!"on".includes(key)) delete WORDS[key];
  kinds.slice(0, 9).forEach((kind, i) => (WORDS[i + 1] = kind));
  if (kinds.length === 1) WORDS.d = kinds[0];
  const root = document.documentElement.style;
  for (const button of findAll("button[data-kind]")) button.remove();
  for (const first of findAll('button[data-mark="defect"]')) {
    const plain = kinds.length === 1 && kinds[0] === "defect";
    first.hidden = !plain;
    if (!plain)
      first.before(...kinds.map((kind, i) => {
        const button = make("button", { type: "button", "data-mark": kind, "data-kind": String(i) }, kind, i < 9 && first.querySelector("kbd") ? make("kbd", {}, String(i + 1)) : "");
        button.style.borderColor = `var(${COLOURS[i % 9]})`;
        button.addEventListener("click", () => markCurrent(kind));
        return button;
      }));
  }
  for (const option of findAll("#show option[data-kind]")) option.remove();
  const [defects] = findAll('#show option[value="defect"]');
  if (kinds.length > 1 || kinds[0] !== "defect") {
    defects.before(...kinds.map((kind) => make("option", { value: kind, "data-kind": "" }, kind)));
    defects.hidden = defects.disabled = true;
  }
  chart.setKinds(kinds, COLOURS);
  gallery.colours = new Map(kinds.map((kind, i) => [kind, `var(${COLOURS[i % 9]})`]));
  root.setProperty("--n-kinds", String(kinds.length));
}

// Marks ---------------------------------------------------------------------------------------------------------------

function who() {
  return find("who").value.trim() || state?.user || "someone";
}

function newMark(item, label, undoes = null, stroke = null) {
  return {
    id: crypto.randomUUID?.() ?? Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join(""),
    sample: item.id, key: item.key, label, undoes, who: who(), made: new Date().toISOString(),
    model: state?.ranking?.model ?? null, rank: view === "map" ? null : (item.rank ?? null), stroke,
  };
}

/** Label samples; a stroke says where on the one sample the defect is. */
function mark(items, label, stroke = null) {
  if (kinds.includes(label)) drawnKind = label;
  const able = items.filter((item) => item.id);
  const marks = able.map((item) => newMark(item, label, null, stroke));
  if (stroke) for (const one of marks) drawn.set(one.id, one);
  done.push(able.map((item, i) => ({ item, id: marks[i].id, before: item.label })));
  for (const item of able) setLabel(item, label);
  queue.add(marks);
  say(able.length === 1 ? `${able[0].key}: ${label}${stroke ? `, ${stroke.tool}` : ""}` : `${able.length} samples: ${label}`);
  marksSinceRefit += stroke ? 0 : able.length;
  const after = Number(find("after").value);
  if (after && marksSinceRefit >= after) refit();
}

function undo() {
  const last = done.pop();
  if (!last) return say("nothing to undo");
  for (const { id } of last) undone.add(id);
  queue.add(last.map(({ item, id }) => newMark(item, null, id)));
  for (const { item, before } of last) setLabel(item, before);
  say(`undone: ${last.length === 1 ? last[0].item.key : `${last.length} samples`}`);
  const index = ranking.indexOf(last[0].item.id);
  if (view === "gallery" && index >= 0) move(index);
}

function setLabel(item, label) {
  mine.set(item.id, label);
  item.label = label;
  const here = ranking.item(ranking.indexOf(item.id));
  if (here) here.label = label;
  chart.setLabel(item.row, label);
  gallery.refresh();
  if (current?.id === item.id) {
    current.label = label;
    detail.pressed();
    if (viewer.open) viewer.show(current, viewer.ranking);
  }
}

function markCurrent(label) {
  if (view === "map" && lassoed.length) return markLasso(label);
  if (!current) return;
  mark([current], label);
  if (view === "gallery") move(gallery.cursor + 1);
}

async function markLasso(label) {
  const rows = lassoed;
  unselect();
  for (let start = 0; start < rows.length; start += MAX_ROWS_PER_REQUEST) {
    const items = await itemsOf(rows.slice(start, start + MAX_ROWS_PER_REQUEST));
    if (!items) return trouble("The server does not answer; the rest of the selection was not marked.");
    mark(items, label);
  }
}

/** What was drawn on a sample and may not be on the server yet, here or on a page that was closed before it was sent. */
function strokesOn(id) {
  const waiting = queue.waiting().map((entry) => entry.mark);
  const own = new Map(drawn);
  for (const one of waiting) if (one.stroke) own.set(one.id, one);
  const gone = new Set([...undone, ...waiting.map((one) => one.undoes)]);
  const on = [...own.values()].filter((one) => one.sample === id && !gone.has(one.id));
  return { who: who(), undone: gone, drawn: on.map((one) => ({ id: one.id, who: one.who, ...one.stroke })) };
}

function open() {
  if (current && state?.shown_as === "picture" && !current.error) viewer.show(current, state.ranking?.number ?? 0);
}

function unsaved() {
  const waiting = queue.waiting().length;
  const box = find("unsaved");
  box.textContent = waiting ? `${waiting} unsaved` : "all saved";
  box.className = waiting ? "unsaved" : "saved";
  trouble();
}

function trouble(words) {
  const text = words || queue.trouble || away || state?.status.error || (state?.status.notes ?? []).join(" · ");
  find("trouble").hidden = !text;
  if (find("trouble").textContent !== text) find("trouble").textContent = text;
}

// Moving --------------------------------------------------------------------------------------------------------------

function move(index) {
  gallery.go(index);
  setCurrent(ranking.item(gallery.cursor));
}

function setCurrent(item) {
  current = item;
  detail.show(item, state?.ranking?.number ?? 0);
  if (item) chart.setCursor(item.row);
  if (item && viewer.open) viewer.show(item, state?.ranking?.number ?? 0);
}

function arrived() {
  gallery.refresh();
  if (viewer.open && current) return stay();
  if (view !== "map" || !current) setCurrent(ranking.item(gallery.cursor));
}

/** A new ranking has come while a picture is open: it stays open, wherever it is ranked now. */
function stay() {
  const index = ranking.indexOf(current.id);
  if (index < 0) return;
  if (view === "gallery") gallery.go(index);
  setCurrent(ranking.item(index));
}

async function itemsOf(rows) {
  try {
    const items = (await get(`/api/rows?rows=${rows.join(",")}`)).items;
    for (const item of items) if (mine.has(item.id)) item.label = mine.get(item.id);
    return items;
  } catch {
    return null;
  }
}

async function choose(rows) {
  const items = await itemsOf(rows);
  if (!items) return;
  setCurrent(items[0]);
  find("under").textContent = items[0].key;
  if (view !== "map" && items[0].rank) {
    if (find("show").value !== "all" || find("by").value !== "score") {
      find("show").value = "all";
      find("by").value = "score";
      await ranking.view("all", "score");
    }
    move(items[0].rank - 1);
  }
}

function selected(rows) {
  lassoed = rows;
  find("selection").hidden = !rows.length;
  find("selected").textContent = `${rows.length} selected`;
}

function unselect() {
  chart.select([]);
}

let hovering = 0;
function hovered(row) {
  clearTimeout(hovering);
  if (row === null) return;
  hovering = setTimeout(async () => {
    const items = await itemsOf([row]);
    if (items) find("under").textContent = `${items[0].key}${items[0].label ? ` · ${items[0].label}` : ""}`;
  }, 60);
}

function show(name) {
  view = name;
  for (const one of VIEWS) {
    const tab = find(`tab-${one}`);
    tab.setAttribute("aria-selected", String(one === name));
    tab.tabIndex = one === name ? 0 : -1;
    find(`view-${one}`).hidden = one !== name;
  }
  if (name === "map") loadMap();
  if (name === "curve" && state) drawCurve(state);
  if (name === "gallery") gallery.measure();
}

async function loadMap() {
  const wanted = `${state?.ranking?.number}/${state?.place}`;
  if (wanted === mapOf || !state?.ranking) return chart.resize();
  try {
    chart.load(await bytes("/api/map"));
    mapOf = wanted;
    for (const [id, label] of mine) {
      const item = ranking.item(ranking.indexOf(id));
      if (item) chart.setLabel(item.row, label);
    }
    if (current) chart.setCursor(current.row);
    find("legend").textContent = `${chart.length} samples · blue: top of the ranking · ● ${kinds.join(", ")} ▲ other ○ normal ✕ disagreement`;
  } catch {
    // the next poll of the state tries again
  }
}

// Server's news -------------------------------------------------------------------------------------------------------

const STAGES = { waiting: "waiting", hashing: "finding marked samples", reading: "reading", learning: "training", scoring: "scoring", ready: "ready" };

let looking = false;
let again = false;
let later = 0;

/** Fetch the state now, and from then on every few moments. */
async function look() {
  again = looking;
  if (looking) return;
  looking = true;
  clearTimeout(later);
  let pause = 2500;
  try {
    const before = state;
    state = await get("/api/state", 10000);
    away = "";
    if (queue.trouble) queue.flush();
    news(before);
    if (state.status.busy) pause = 700;
  } catch (error) {
    away = error instanceof Locked
      ? "The server was restarted: open the link that it printed. Your marks are stored in this browser until then."
      : error instanceof Refused ? error.message : "The server does not answer. You can keep marking: marks are stored in this browser.";
    pause = 1500;
  }
  trouble();
  looking = false;
  later = setTimeout(look, again ? 0 : pause);
}

function news(before) {
  const { status } = state;
  const first = !before;
  if (first) {
    find("who").placeholder = state.user;
    detail.shownAs = state.shown_as;
    detail.frames = state.frames;
    gallery.shape(state.shown_as, state.frames);
  }
  const progress = !status.total ? "" : status.stage === "learning" ? ` ${status.done} %` : ` ${status.done} of ${status.total}`;
  const ready = state.ranking ? `${state.ranking.scored} of ${state.samples} ranked${state.above === undefined ? "" : `, ${state.above} above the threshold`}` : `${state.samples} samples`;
  find("stage").textContent = status.busy ? `${STAGES[status.stage]}${progress}` : ready;
  find("progress").hidden = !status.busy;
  if (status.total) find("progress").value = status.done / status.total;
  else find("progress").removeAttribute("value");
  setKinds(state.kinds);
  const c = state.counts;
  find("counts").textContent = `${kinds.map((kind) => `${c[kind]} ${kind}`).join(", ")}, ${c.other} other, ${c.normal} normal${c.conflict ? `, ${c.conflict} disputed` : ""}`;
  find("advice").textContent = state.advice;
  find("promise").textContent = state.promise ?? "There is no model yet.";
  find("refit").disabled = !state.ranking && status.busy;
  const newRanking = before?.ranking?.number !== state.ranking?.number;
  if (newRanking || before?.place !== state.place || first) {
    const sent = new Set(queue.waiting().map((entry) => entry.mark.sample));
    for (const id of mine.keys()) if (!sent.has(id)) mine.delete(id); // the server has them by now
    ranking.stale();
    gallery.draw();
    if (!ranking.total) ranking.load(0);
    if (view === "map" && newRanking) loadMap();
  }
  if (newRanking && before?.ranking) {
    const last = state.curve[state.curve.length - 1];
    const kept = last?.kept === null || last?.kept === undefined ? "" : `; ${Math.round(100 * (1 - last.kept))} % of the top 50 are new`;
    say(`new ranking${kept}`);
    if (view === "gallery" && find("show").value !== "all") ranking.view(find("show").value, find("by").value);
  }
  if (viewer.open && before?.place !== state.place) viewer.look();
  if (view === "curve") drawCurve(state);
  lists();
}

function lists() {
  const fresh = state.suggestions.filter((one) => !mine.get(one.id));
  const key = JSON.stringify([fresh.map((one) => [one.id, one.reason]), state.conflicts?.map((one) => [one.id, one.people])]);
  if (key === listed) return;
  listed = key;
  const pictures = isDrawn(state.shown_as);
  find("suggestions").replaceChildren(
    ...fresh.map((one) =>
      make("li", {}, make("button", { type: "button", click: () => choose([one.row]) },
        pictures && one.id ? make("img", { src: `/picture/${one.id}`, alt: "", class: state.frames ? "clip" : null }) : null,
        make("span", {}, one.key, make("small", {}, `${one.kind}: ${one.reason}`))))),
  );
  const disputed = state.conflicts ?? [];
  find("conflicts-box").hidden = !disputed.length;
  find("conflicts").replaceChildren(
    ...disputed.map((one) =>
      make("li", {}, make("button", { type: "button", click: () => choose([one.row]) },
        make("span", {}, one.key, make("small", {}, Object.entries(one.people).map(([name, label]) => `${name}: ${label}`).join(" · ")))))),
  );
}

async function refit() {
  marksSinceRefit = 0;
  await queue.flush();
  try {
    await post("/api/refit", {});
    say("refitting");
    state = { ...state, status: { ...state.status, busy: true } };
    find("stage").textContent = "training";
  } catch (error) {
    trouble(error instanceof Refused ? error.message : "The server does not answer; refit once it is back.");
  }
}

async function cut() {
  try {
    const answer = await post("/api/threshold", { target: find("target").value, value: Number(find("value").value) });
    find("promise").textContent = answer.promise;
  } catch (error) {
    find("promise").textContent = error instanceof Refused ? error.message : "The server does not answer.";
  }
}

function nextSuggestion() {
  const fresh = (state?.suggestions ?? []).filter((one) => !mine.get(one.id) && one.id !== current?.id);
  if (fresh.length) choose([fresh[0].row]);
}

// Keys ----------------------------------------------------------------------------------------------------------------

const STEPS = {
  ArrowLeft: () => -1, ArrowRight: () => 1, ArrowUp: () => -gallery.columns, ArrowDown: () => gallery.columns,
  PageUp: () => -gallery.perPage, PageDown: () => gallery.perPage, Home: () => -Infinity, End: () => Infinity,
};
const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const KEYS = {
  u: undo, r: refit, s: nextSuggestion, g: () => show("gallery"), m: () => show("map"), l: () => show("curve"), "?": () => find("help").showModal(),
};

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]:not(#viewer)")) return;
  const at = event.target;
  if (at.matches("input, select, textarea") && !(at.type === "range" && !event.key.startsWith("Arrow"))) return;
  if (at.matches("button, a") && (event.key === " " || event.key === "Enter")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (viewer.open && (viewer.pressed(key, event.shiftKey) || "gml".includes(key))) return event.preventDefault();
  if (at.matches('[role="tab"]') && (key === "ArrowLeft" || key === "ArrowRight")) {
    const next = VIEWS[(VIEWS.indexOf(view) + (key === "ArrowRight" ? 1 : 2)) % 3];
    show(next);
    find(`tab-${next}`).focus();
  } else if (WORDS[key]) markCurrent(WORDS[key]);
  else if (KEYS[key]) KEYS[key]();
  else if (key === "Enter" && (at === document.body || at.matches("#gallery, #map"))) open();
  else if (key === " ") detail.space();
  else if (view === "map" && DIRECTIONS[key]) {
    const row = chart.neighbour(...DIRECTIONS[key]);
    if (row !== null) choose([row]);
  } else if (view === "gallery" && STEPS[key]) move(gallery.cursor + STEPS[key]());
  else return;
  event.preventDefault();
}

// Start ---------------------------------------------------------------------------------------------------------------

function remember(name, value) {
  try {
    localStorage.setItem(`blemish.${name}`, value);
  } catch {
    // then it has to be set again next time
  }
}

function setTheme(name) {
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  chart.repaint();
}

find("who").value = localStorage.getItem("blemish.who") ?? "";
find("who").addEventListener("change", () => remember("who", find("who").value.trim()));
find("theme").value = localStorage.getItem("blemish.theme") ?? "auto";
find("theme").addEventListener("change", () => {
  remember("theme", find("theme").value);
  setTheme(find("theme").value);
});
setTheme(find("theme").value);
for (const name of VIEWS) find(`tab-${name}`).addEventListener("click", () => show(name));
for (const button of findAll("[data-mark]")) button.addEventListener("click", () => markCurrent(button.dataset.mark));
for (const [id, act] of Object.entries({ undo, "viewer-undo": undo, refit, cut, unselect, "help-open": () => find("help").showModal(), "more-open": () => find("more").showModal() }))
  find(id).addEventListener("click", act);
for (const id of ["show", "by"])
  find(id).addEventListener("change", async () => {
    await ranking.view(find("show").value, find("by").value);
    move(0);
  });
addEventListener("keydown", pressed);
find("gallery").focus();
unsaved();
queue.flush();
look();
