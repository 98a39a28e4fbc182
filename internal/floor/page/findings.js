// The findings as cards: a claim with its number and verdict, and the pictures behind them.

import { hideTip, html, showTip, svg } from "./dom.js";
import { figure, percent, thousands } from "./format.js";
import { heatMap } from "./heat.js";

/** @typedef {import("./types").Findings} Findings */

/** @param {string} title @param {string} note @param {...(Node | string)} children @returns {HTMLElement} */
function card(title, note, ...children) {
  return html("section", { class: "card" }, html("h3", {}, title), html("p", { class: "soft" }, note), ...children);
}

/** @param {Findings} f @returns {HTMLElement[]} */
export function claimsCard(f) {
  if (!f.claims?.length) return [];
  return [html("section", { class: "card claims" }, html("h3", {}, `Claims, tested on the weights of step ${thousands(f.step)}`), html("ul", {},
    ...f.claims.map((c) => html("li", { class: c.holds ? "holds" : "fails" },
      html("span", { class: "verdict" }, c.value === null ? "not measured" : c.holds ? "holds" : "does not hold"),
      html("div", {}, html("b", {}, c.claim), html("p", {}, c.says), html("p", { class: "soft" }, c.measure)),
      c.value === null ? "" : gauge(c.value, c.threshold)))))];
}

/** The value between 0 and 1, or beyond, with the threshold that it has to reach. @param {number} value @param {number} threshold */
function gauge(value, threshold) {
  const width = 120;
  const x = (/** @type {number} */ v) => Math.max(0, Math.min(1, v)) * width;
  return html("div", { class: "gauge" }, html("span", { class: "value" }, figure(value, 3)), svg("svg", { width: width + 8, height: 14, "aria-hidden": "true" },
    svg("rect", { class: "track", x: 4, y: 4, width, height: 5 }), svg("rect", { class: "level", x: 4, y: 4, width: x(value), height: 5 }),
    svg("line", { class: "threshold", x1: 4 + x(threshold), x2: 4 + x(threshold), y1: 0, y2: 13 })), html("span", { class: "soft" }, `needs ${figure(threshold, 3)}`));
}

/** @param {Findings} f @returns {HTMLElement[]} the words of numbers in two dimensions, and how alike they are */
export function numbersCards(f) {
  const n = f.numbers;
  if (!n?.words?.length) return [];
  return [
    card("Number words in the plane that shows most of them",
      `Two principal components of the embeddings${n.explained?.length ? `: ${percent(n.explained[0] + n.explained[1], 0)} of their spread` : ""}. Darker is a larger value.`,
      scatter(n.words, n.values, n.pca)),
    card("How alike the number words are", "Cosine of their embeddings, in order of value.", similarity(n.words, n.similarity)),
  ];
}

/** @param {string[]} words @param {number[]} values @param {number[][]} points */
function scatter(words, values, points) {
  const [width, height, margin] = [420, 320, 26];
  const span = (/** @type {number} */ k) => [Math.min(...points.map((p) => p[k])), Math.max(...points.map((p) => p[k]))];
  const [[left, right], [low, high]] = [span(0), span(1)];
  const x = (/** @type {number} */ v) => margin + ((v - left) / (right - left || 1)) * (width - 3 * margin);
  const y = (/** @type {number} */ v) => height - margin - ((v - low) / (high - low || 1)) * (height - 2 * margin);
  const order = [...values].sort((a, b) => a - b);
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Number words by two principal components" });
  points.forEach((p, i) => {
    const rank = order.indexOf(values[i]) / Math.max(1, order.length - 1);
    drawing.append(
      svg("circle", { class: `w${2 + Math.round(rank * 8)}`, cx: x(p[0]).toFixed(1), cy: y(p[1]).toFixed(1), r: 4.5 }),
      svg("text", { class: "note", x: (x(p[0]) + 7).toFixed(1), y: (y(p[1]) + 4).toFixed(1) }, words[i]));
  });
  return drawing;
}

/** @param {string[]} words @param {number[][]} rows */
function similarity(words, rows) {
  const [left, top, cell] = [64, 4, 340 / words.length];
  const size = cell * words.length;
  const drawing = svg("svg", { viewBox: `0 0 ${left + size + 4} ${top + size + 58}`, role: "img", "aria-label": "Cosine similarity of number words" });
  const map = heatMap("values");
  map.update(rows, 1, { width: cell, height: cell });
  map.node.setAttribute("transform", `translate(${left} ${top})`);
  const touch = svg("rect", {
    class: "touch", x: left, y: top, width: size, height: size,
    mousemove: (/** @type {MouseEvent} */ e) => {
      const box = touch.getBoundingClientRect();
      const i = Math.floor(((e.clientY - box.top) / box.height) * words.length);
      const j = Math.floor(((e.clientX - box.left) / box.width) * words.length);
      if (rows[i]?.[j] !== undefined) showTip(`${words[i]}, ${words[j]}: ${figure(rows[i][j], 3)}`, e);
    },
    mouseleave: hideTip,
  });
  drawing.append(map.node, touch);
  words.forEach((w, i) => {
    const at = (i + 0.5) * cell;
    drawing.append(svg("text", { class: "tiny end", x: left - 4, y: top + at + 3 }, w),
      svg("text", { class: "tiny end", transform: `translate(${left + at + 3} ${top + size + 5}) rotate(-90)` }, w));
  });
  return drawing;
}
