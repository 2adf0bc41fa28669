/** The learning curve and its tables. */
import { find, make, percent } from "./element.js";

const [WIDTH, HEIGHT, LEFT, LOW] = [600, 260, 44, 34];

export function drawCurve(state) {
  const found = state.found;
  const most = Math.max(10, found.length ? found[found.length - 1][0] : 0);
  const top = Math.max(5, found.length ? found[found.length - 1][1] : 0);
  const x = (marks) => LEFT + (marks / most) * (WIDTH - LEFT - 16);
  const y = (defects) => HEIGHT - LOW - (defects / top) * (HEIGHT - LOW - 16);
  const path = [[0, 0], ...found].map(([marks, defects]) => `${x(marks)},${y(defects)}`).join(" ");
  const by = new Map(found.map(([marks, defects]) => [marks, defects]));
  const words = (text, at) => make("svg:text", at, text);
  find("found").replaceChildren(
    make("svg:polyline", { class: "ideal", points: `${x(0)},${y(0)} ${x(Math.min(most, top))},${y(Math.min(most, top))}` }),
    make("svg:polyline", { class: "line", points: path }),
    ...state.curve
      .filter((fit) => fit.marks > 0)
      .map((fit) => make("svg:circle", { class: "dot", r: 5, cx: x(fit.marks), cy: y(by.get(fit.marks) ?? fit.defects) })),
    words("0", { x: LEFT, y: HEIGHT - 16 }),
    words(String(most), { x: WIDTH - 16, y: HEIGHT - 16, "text-anchor": "end" }),
    words("marks", { x: WIDTH / 2, y: HEIGHT - 8, "text-anchor": "middle" }),
    words(String(top), { x: LEFT - 8, y: 22, "text-anchor": "end" }),
    words("dashed: every mark is a defect", { x: WIDTH - 24, y: HEIGHT - LOW - 10, "text-anchor": "end" }),
  );
  const last = found.length ? found[found.length - 1] : [0, 0];
  find("found").setAttribute("aria-label", `Learning curve: ${last[1]} defects found with ${last[0]} marks`);
  const cell = (text) => make("td", { class: "number" }, text);
  find("fits").replaceChildren(
    ...state.curve.map((fit) =>
      make("tr", {}, cell(String(fit.ranking)), cell(String(fit.marks)), cell(String(fit.defects)), cell(percent(fit.beaten)), cell(percent(fit.kept))),
    ),
  );
  find("precision").replaceChildren(
    ...(state.precision ?? []).map((row) =>
      make("tr", {}, cell(String(row.budget)), cell(String(row.marked)), cell(String(row.hits)),
        cell(row.marked ? `${percent(row.hits / row.marked)} (${percent(row.low)} to ${percent(row.high)})` : "–")),
    ),
  );
}
