// Heat maps as a handful of paths, one for each level of colour: crisp at any size, a change of theme costs nothing, and a thousand cells
// are twenty elements.

import { svg } from "./dom.js";

/** The levels on each side of zero, and of a scale from zero. */
const sides = 6;
const steps = 10;

/**
 * @param {"values" | "weights"} kind values are of either sign; weights between 0 and 1
 * @returns {{node: SVGGElement, update: (rows: ArrayLike<number>[], scale: number, cell: {width: number, height: number}) => void}}
 */
export function heatMap(kind) {
  const node = svg("g", { class: "heat" });
  /** @type {Map<number, SVGPathElement>} */
  const paths = new Map();
  for (let level = kind === "values" ? -sides : 1; level <= (kind === "values" ? sides : steps); level++) {
    const name = kind === "weights" ? `w${level}` : level < 0 ? `n${-level}` : `p${level}`;
    const path = svg("path", { class: name });
    paths.set(level, path);
    node.append(path);
  }

  return {
    node,
    update(rows, scale, cell) {
      /** @type {Map<number, string[]>} */
      const parts = new Map([...paths.keys()].map((level) => [level, []]));
      rows.forEach((row, i) => {
        let begin = 0;
        for (let j = 1; j <= row.length; j++) {
          const level = levelOf(row[begin], scale, kind);
          if (j < row.length && levelOf(row[j], scale, kind) === level) continue;
          const [x, y, w] = [begin * cell.width, i * cell.height, (j - begin) * cell.width];
          parts.get(level)?.push(`M${short(x)} ${short(y)}h${short(w)}v${short(cell.height)}h${short(-w)}z`);
          begin = j;
        }
      });
      for (const [level, path] of paths) path.setAttribute("d", parts.get(level)?.join("") ?? "");
    },
  };
}

/** @param {number} value @param {number} scale of the strongest colour @param {"values" | "weights"} kind */
function levelOf(value, scale, kind) {
  const share = Math.max(-1, Math.min(1, scale ? value / scale : 0));
  return kind === "values" ? Math.round(share * sides) : Math.round(share * steps);
}

/** @param {number} v @returns {string} to a hundredth of a pixel */
const short = (v) => String(Math.round(v * 100) / 100);

/** @param {number[][]} rows @returns {number} the size that only one value in fifty exceeds, so that an outlier does not pale the rest */
export function scaleOf(rows) {
  const sizes = rows
    .flat()
    .map(Math.abs)
    .sort((a, b) => a - b);
  return sizes[Math.floor(0.98 * (sizes.length - 1))] || 1;
}
