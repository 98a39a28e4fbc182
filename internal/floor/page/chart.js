// A chart of numbers by step: lines or stacked areas, with a view that all charts of a page share. Drag zooms, a double click shows all;
// with the keyboard, arrows move the cursor, + and - zoom, 0 shows all.

import { html, svg } from "./dom.js";
import { figure, percent, thousands } from "./format.js";
import { areaBetween, drawAxes, lineThrough, nearestIndex, roundNumbers, roundPowers, scaleTo, smoothed } from "./plot.js";
import { savePNG, saveSVG } from "./save.js";

/**
 * @typedef {object} Series
 * @property {string} name
 * @property {number[]} x steps, rising
 * @property {(number | null)[]} y
 * @property {string} colour of CSS
 * @property {"line" | "dots"} [mark] dots are joined by a thin line, and never smoothed
 */

/** What the charts of a page have in common. */
export class View {
  /** @type {[number, number] | null} */
  range = null;
  /** @type {number | null} */
  cursor = null;
  smoothing = 0;
  /** @type {(() => void)[]} */
  #listeners = [];

  /** @param {() => void} listener */
  onChange(listener) {
    this.#listeners.push(listener);
  }

  changed() {
    this.#listeners.forEach((f) => f());
  }
}

/**
 * @typedef {object} Options
 * @property {string} title
 * @property {string} name of files
 * @property {View} view
 * @property {boolean} [log] the scale of y
 * @property {boolean} [share] values are between 0 and 1
 * @property {boolean} [stacked] series add up
 * @property {number} [height]
 */

const edgeOf = (/** @type {number} */ width, /** @type {number} */ height) => ({
  left: 48,
  right: width - 10,
  top: 8,
  bottom: height - 24,
});

/** @param {Options} o */
export function openChart(o) {
  const height = o.height ?? 190;
  const drawing = svg("svg", { height, role: "img", tabindex: 0, "aria-label": o.title });
  const [axes, marks, cursor, brush] = [svg("g"), svg("g"), svg("line", { class: "cursor" }), svg("rect", { class: "brush" })];
  drawing.append(axes, marks, brush, cursor);
  const legend = html("ul", { class: "legend" });
  const title = html("h3", {}, o.title);
  const save = html(
    "span",
    { class: "save" },
    html(
      "button",
      { type: "button", class: "quiet", "aria-label": `Save ${o.title} as SVG`, click: () => saveSVG(drawing, o.title, o.name) },
      "SVG",
    ),
    html(
      "button",
      { type: "button", class: "quiet", "aria-label": `Save ${o.title} as PNG`, click: () => savePNG(drawing, o.title, o.name) },
      "PNG",
    ),
  );
  const node = html("figure", { class: "chart" }, html("figcaption", {}, title, save), legend, drawing);

  /** @type {Series[]} */
  let series = [];
  let log = Boolean(o.log);
  let width = 0;
  /** @type {number | null} */
  let dragged = null;
  let stepAt = (/** @type {number} */ x) => x;

  const text = (/** @type {number | null | undefined} */ v) => (o.share ? percent(v, 1) : figure(v, 4));

  /** @returns {[number, number]} the steps that there are */
  function all() {
    const ends = series.filter((s) => s.x.length).flatMap((s) => [s.x[0], s.x[s.x.length - 1]]);
    return ends.length ? [Math.min(...ends), Math.max(...ends)] : [0, 1];
  }

  function draw() {
    if (width < 80) return;
    const edge = edgeOf(width, height);
    const [begin, end] = o.view.range ?? all();
    const x = scaleTo(begin, end, edge.left, edge.right);
    stepAt = (at) => begin + ((at - edge.left) / (edge.right - edge.left)) * (end - begin);
    const seen = series.map((s) => windowOf(s, begin, end));
    const [low, high] = o.stacked ? [0, 1] : bounds(seen, log, Boolean(o.share));
    const y = scaleTo(low, high, edge.bottom, edge.top, log);
    drawAxes(
      axes,
      edge,
      roundNumbers(begin, end, Math.max(2, width / 90)).map((v) => ({ at: x(v), text: thousands(v) })),
      (log ? roundPowers(low, high) : roundNumbers(low, high, 5)).map((v) => ({
        at: y(v),
        text: o.share || o.stacked ? percent(v, 0) : figure(v, 3),
      })),
    );
    marks.replaceChildren(...(o.stacked ? areas(seen, x, y) : seen.flatMap((s) => lines(s, x, y))));
    sayCursor(x, edge);
  }

  /** @param {Series[]} list @param {(v: number) => number} x @param {(v: number) => number} y */
  function areas(list, x, y) {
    const base = (list[0]?.x ?? []).map(() => 0);
    return list.map((s) => {
      const low = base.slice();
      smoothed(s.y, o.view.smoothing).forEach((v, i) => {
        base[i] += v ?? 0;
      });
      const area = svg("path", { class: "area", d: areaBetween(s.x, low, base, x, y) });
      area.style.fill = s.colour;
      return area;
    });
  }

  /** @param {Series} s @param {(v: number) => number} x @param {(v: number) => number} y @returns {SVGElement[]} */
  function lines(s, x, y) {
    if (s.mark === "dots") {
      const line = svg("path", { class: "series thin", d: lineThrough(s.x, s.y, x, y, log) });
      line.style.stroke = s.colour;
      return [
        line,
        ...s.x.map((at, i) => {
          const v = s.y[i];
          const dot = svg("circle", { class: "mark", r: 3, cx: x(at), cy: v === null || (log && v <= 0) ? -99 : y(v) });
          dot.style.fill = s.colour;
          return dot;
        }),
      ];
    }
    const drawn = [];
    if (o.view.smoothing) {
      const raw = svg("path", { class: "series raw", d: lineThrough(s.x, s.y, x, y, log) });
      raw.style.stroke = s.colour;
      drawn.push(raw);
    }
    const line = svg("path", { class: "series", d: lineThrough(s.x, smoothed(s.y, o.view.smoothing), x, y, log) });
    line.style.stroke = s.colour;
    return [...drawn, line];
  }

  /** @param {(v: number) => number} x @param {{left: number, right: number, top: number, bottom: number}} edge */
  function sayCursor(x, edge) {
    const c = o.view.cursor;
    const at = c === null ? -1 : x(c);
    const shown = at >= edge.left && at <= edge.right;
    cursor.classList.toggle("none", !shown);
    if (shown)
      for (const [name, v] of Object.entries({ x1: at, x2: at, y1: edge.top, y2: edge.bottom }))
        cursor.setAttribute(name, String(v));
    legend.replaceChildren(
      ...series
        .filter((s) => s.x.length)
        .map((s) => {
          const i = shown && c !== null ? nearestIndex(s.x, c) : s.x.length - 1;
          const swatch = html("span", { class: "swatch" });
          swatch.style.background = s.colour;
          return html("li", {}, swatch, s.name, html("b", {}, text(s.y[i])));
        }),
      html("li", { class: "at" }, shown && c !== null ? `step ${thousands(c)}` : ""),
    );
  }

  /** @param {PointerEvent} e */
  const pointerStep = (e) => stepAt(e.clientX - drawing.getBoundingClientRect().left);
  drawing.addEventListener("pointerdown", (e) => {
    dragged = e.clientX - drawing.getBoundingClientRect().left;
    drawing.setPointerCapture(e.pointerId);
  });
  drawing.addEventListener("pointermove", (e) => {
    moveCursor(pointerStep(e));
    if (dragged === null) return;
    const at = e.clientX - drawing.getBoundingClientRect().left;
    const edge = edgeOf(width, height);
    for (const [name, v] of Object.entries({
      x: Math.min(dragged, at),
      width: Math.abs(at - dragged),
      y: edge.top,
      height: edge.bottom - edge.top,
    })) {
      brush.setAttribute(name, String(v));
    }
  });
  drawing.addEventListener("pointerup", (e) => {
    const from = dragged;
    dragged = null;
    brush.setAttribute("width", "0");
    const at = e.clientX - drawing.getBoundingClientRect().left;
    if (from !== null && Math.abs(at - from) > 8) zoomTo(stepAt(Math.min(from, at)), stepAt(Math.max(from, at)));
  });
  drawing.addEventListener("pointerleave", () => {
    o.view.cursor = null;
    o.view.changed();
  });
  drawing.addEventListener("dblclick", () => zoomTo(...all()));
  drawing.addEventListener("keydown", (e) => {
    const [begin, end] = o.view.range ?? all();
    const c = o.view.cursor ?? (begin + end) / 2;
    const stride = (end - begin) / (e.shiftKey ? 10 : 100);
    if (e.key === "ArrowRight") moveCursor(c + stride);
    else if (e.key === "ArrowLeft") moveCursor(c - stride);
    else if (e.key === "+" || e.key === "=") zoomTo(c - (end - begin) / 4, c + (end - begin) / 4);
    else if (e.key === "-") zoomTo(c - (end - begin), c + (end - begin));
    else if (e.key === "0" || e.key === "Escape") zoomTo(...all());
    else return;
    e.preventDefault();
  });

  /** @param {number} step */
  function moveCursor(step) {
    const [begin, end] = o.view.range ?? all();
    o.view.cursor = Math.round(Math.max(begin, Math.min(end, step)));
    o.view.changed();
  }

  /** @param {number} from @param {number} to */
  function zoomTo(from, to) {
    const [begin, end] = all();
    const [a, b] = [Math.max(begin, from), Math.min(end, to)];
    o.view.range = (a <= begin && b >= end) || b - a < 2 ? null : [a, b];
    o.view.changed();
  }

  o.view.onChange(draw);
  new ResizeObserver(([entry]) => {
    width = Math.floor(entry.contentRect.width);
    drawing.setAttribute("width", String(width));
    drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
    draw();
  }).observe(node);

  return {
    node,
    /** @param {Series[]} next */
    update(next) {
      series = next;
      draw();
    },
    /** @param {boolean} on */
    setLog(on) {
      log = on;
      draw();
    },
  };
}

/** @param {Series} s @param {number} begin @param {number} end @returns {Series} its points in view, and one beyond on each side */
function windowOf(s, begin, end) {
  const from = Math.max(0, s.x.findIndex((v) => v >= begin) - 1);
  const after = s.x.findIndex((v) => v > end);
  const to = after < 0 ? s.x.length : after + 1;
  return { ...s, x: s.x.slice(from, to), y: s.y.slice(from, to) };
}

/** @param {Series[]} list @param {boolean} log @param {boolean} share @returns {[number, number]} */
function bounds(list, log, share) {
  if (share) return [0, 1];
  const values = list
    .flatMap((s) => s.y)
    .filter((v) => v !== null && Number.isFinite(v) && (!log || v > 0))
    .map(Number)
    .sort((a, b) => a - b);
  if (!values.length) return log ? [0.1, 1] : [0, 1];
  const low = values[0];
  const high = values[values.length - 1];
  return log ? [low, Math.max(high, low * 1.5)] : [Math.min(0, low), high > 0 ? high * 1.02 : 1];
}
