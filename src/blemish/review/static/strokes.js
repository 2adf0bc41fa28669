/** What is drawn on a picture: brush strokes, boxes, and what the eraser takes away. Points are pixels of the picture. */

const MAX_POINTS = 2000; // of one stroke: a longer one goes on as another
const STEP = 0.15; // of its thickness: points closer than that tell nothing

export class Pen {
  /** `done(stroke)` is called with each finished stroke; `size` is [width, height] of the picture. */
  constructor(tool, thickness, size, done) {
    this.tool = tool;
    this.thickness = tool === "box" ? 0 : Math.min(round(thickness), 2 * Math.max(...size));
    this.size = size;
    this.done = done;
    this.points = [];
  }

  to(x, y) {
    const point = [round(Math.max(0, Math.min(this.size[0], x))), round(Math.max(0, Math.min(this.size[1], y)))];
    if (this.tool === "box") {
      this.points = [this.points[0] ?? point, point];
      return;
    }
    const last = this.points[this.points.length - 1];
    if (last && Math.hypot(point[0] - last[0], point[1] - last[1]) < STEP * this.thickness) return;
    this.points.push(point);
    if (this.points.length < MAX_POINTS) return;
    this.done(this.stroke());
    this.points = [point];
  }

  /** The stroke so far; null where nothing can be seen of it. */
  stroke() {
    const [from, to] = this.points;
    if (!from || (this.tool === "box" && (!to || from[0] === to[0] || from[1] === to[1]))) return null;
    return { tool: this.tool, points: this.points, thickness: this.thickness, picture: this.size };
  }

  up() {
    const stroke = this.stroke();
    if (stroke) this.done(stroke);
  }
}

const round = (value) => Math.max(0, Math.round(value * 10) / 10);

/** Draw strokes in their order; `context` is set up so that a unit is a pixel of the picture. */
export function paint(context, strokes, colour) {
  context.lineCap = context.lineJoin = "round";
  context.strokeStyle = context.fillStyle = colour;
  for (const { tool, points, thickness } of strokes) {
    if (tool === "box") {
      const [[x, y], [right, bottom]] = points;
      context.fillRect(x, y, right - x, bottom - y);
      continue;
    }
    context.globalCompositeOperation = tool === "eraser" ? "destination-out" : "source-over";
    context.lineWidth = thickness;
    context.beginPath();
    context.moveTo(...points[0]);
    for (const point of points.length > 1 ? points.slice(1) : points) context.lineTo(...point);
    context.stroke();
    context.globalCompositeOperation = "source-over";
  }
}
