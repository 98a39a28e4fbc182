// The heads of one layer, large enough to read words and numbers: shown below the line while the walk stands at an attention.

import { svg } from "./dom.js";
import { tokenText } from "./format.js";
import { gridOf, headSquare } from "./machines.js";
import { predictedFrom, words } from "./trace.js";

/** @param {import("./machines.js").Box} box @param {import("./types").Run} run */
export function headDetail(box, run) {
  const node = svg("g", { class: "detail", transform: `translate(${box.x} ${box.y})` });
  return {
    node,
    /** @param {number} layer -1 shows nothing @param {import("./types").Trace} t */
    show(layer, t) {
      node.replaceChildren();
      if (layer < 0 || !t.attention[layer]) return;
      const w = words(t);
      const named = w.length <= 12;
      const [side, above] = named ? [62, 18] : [14, 18];
      const heads = run.config.heads;
      const { columns, side: cellSide } = gridOf(heads, box.width, box.height, 0);
      const square = Math.min(
        cellSide - 26,
        box.width / columns - side - 16,
        box.height / Math.ceil(heads / columns) - above - 22,
      );
      t.attention[layer].forEach((head, h) => {
        const [x, y] = [(h % columns) * (box.width / columns) + side, Math.floor(h / columns) * (square + above + 24) + above];
        const q = headSquare({ x, y, side: square }, `head ${h + 1}`, (now) => now.attention[layer]?.[h] ?? []);
        q.update(t);
        const cell = square / head.length;
        node.append(svg("text", { class: "title", x, y: y - 6 }, `Head ${h + 1}`), q.node);
        if (!named) return;
        head.forEach((row, i) => {
          node.append(
            svg(
              "text",
              { class: `word small end${i === predictedFrom(t) ? " main" : ""}`, x: x - 5, y: y + (i + 0.5) * cell },
              tokenText(w[i]).slice(0, 9),
            ),
          );
          if (cell < 26) return;
          row.slice(0, i + 1).forEach((p, j) => {
            if (p < 0.05) return;
            node.append(
              svg(
                "text",
                { class: `cell${p > 0.5 ? " light" : ""}`, x: x + (j + 0.5) * cell, y: y + (i + 0.5) * cell },
                String(Math.round(100 * p)),
              ),
            );
          });
        });
        if (cell >= 16) {
          w.forEach((word, j) =>
            node.append(
              svg(
                "text",
                { class: "word small end", transform: `translate(${x + (j + 0.5) * cell} ${y + square + 5}) rotate(-40)` },
                tokenText(word).slice(0, 7),
              ),
            ),
          );
        }
      });
    },
  };
}
