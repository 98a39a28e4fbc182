// Axes and lines: what a chart is drawn with. Everything is SVG, so that what is seen is what is saved.

import { svg } from "./dom.js";

/** @typedef {{at: number, text: string}} Tick */

/** @param {number} low @param {number} high @param {number} most @returns {number[]} round numbers between two, at most so many */
export function roundNumbers(low, high, most) {
  if (!(high > low)) return [low];
  const power = 10 ** Math.floor(Math.log10((high - low) / most));
  const apart = [1, 2, 5, 10].map((f) => f * power).find((d) => (high - low) / d <= most) ?? 10 * power;
  const list = [];
  for (let i = Math.ceil(low / apart - 1e-9); i * apart <= high + apart * 1e-9; i++) list.push(i * apart);
  return list;
}

/** @param {number} low @param {number} high both above 0 @returns {number[]} powers of ten, with 2 and 5 times them where there are few */
export function roundPowers(low, high) {
  const list = [];
  const few = Math.log10(high / low) < 2.2;
  for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e++) {
    for (const digit of few ? [1, 2, 5] : [1]) {
      const v = digit * 10 ** e;
      if (v >= low * 0.999 && v <= high * 1.001) list.push(v);
    }
  }
  const every = Math.ceil(list.length / 7);
  return list.filter((_, i) => i % every === 0);
}

/** @param {number} low @param {number} high @param {number} from @param {number} to @param {boolean} [log] */
export function scaleTo(low, high, from, to, log = false) {
  const f = log ? Math.log : (/** @type {number} */ v) => v;
  const span = f(high) - f(low) || 1;
  return (/** @type {number} */ v) => from + ((f(v) - f(low)) / span) * (to - from);
}

/**
 * A line through points; where there is no number it breaks.
 * @param {number[]} xs @param {(number | null)[]} ys
 * @param {(v: number) => number} x @param {(v: number) => number} y @param {boolean} [log]
 */
export function lineThrough(xs, ys, x, y, log = false) {
  let d = "";
  let pen = "M";
  xs.forEach((at, i) => {
    const v = ys[i];
    if (v === null || !Number.isFinite(v) || (log && v <= 0)) {
      pen = "M";
      return;
    }
    d += `${pen}${x(at).toFixed(1)} ${y(v).toFixed(1)}`;
    pen = "L";
  });
  return d;
}

/** @param {number[]} xs @param {number[]} low @param {number[]} high @param {(v: number) => number} x @param {(v: number) => number} y */
export function areaBetween(xs, low, high, x, y) {
  if (!xs.length) return "";
  const up = xs.map((at, i) => `${x(at).toFixed(1)} ${y(high[i]).toFixed(1)}`);
  const back = xs.map((at, i) => `${x(at).toFixed(1)} ${y(low[i]).toFixed(1)}`).reverse();
  return `M${up.join("L")}L${back.join("L")}Z`;
}

/**
 * A moving mean that forgets, corrected for its start (as Adam's moments are).
 * @param {(number | null)[]} ys @param {number} memory 0 keeps the values @returns {(number | null)[]}
 */
export function smoothed(ys, memory) {
  if (!memory) return ys;
  let [mean, weight] = [0, 0];
  return ys.map((v) => {
    if (v === null || !Number.isFinite(v)) return null;
    mean = memory * mean + (1 - memory) * v;
    weight = memory * weight + (1 - memory);
    return mean / weight;
  });
}

/** @param {number[]} list rising @param {number} value @returns {number} the index of the one that is nearest */
export function nearestIndex(list, value) {
  let [low, high] = [0, list.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low > 0 && value - list[low - 1] < list[low] - value ? low - 1 : low;
}

/**
 * @param {SVGGElement} g @param {{left: number, right: number, top: number, bottom: number}} edge
 * @param {Tick[]} across @param {Tick[]} up at pixels
 */
export function drawAxes(g, edge, across, up) {
  g.replaceChildren(
    ...up.flatMap(({ at, text }) => [
      svg("line", { class: "grid", x1: edge.left, x2: edge.right, y1: at, y2: at }),
      svg("text", { class: "tick end", x: edge.left - 6, y: at + 3.5 }, text),
    ]),
    ...across.map(({ at, text }) =>
      svg("text", { class: "tick middle", x: Math.min(at, edge.right - 12), y: edge.bottom + 16 }, text),
    ),
    svg("line", { class: "axis", x1: edge.left, x2: edge.right, y1: edge.bottom, y2: edge.bottom }),
  );
}
