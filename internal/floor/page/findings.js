// The findings as cards: a claim with its number and verdict, and the pictures and tables behind them.

import { hideTip, html, showTip, svg } from "./dom.js";
import { capital, figure, percent, thousands, tokenText } from "./format.js";
import { heatMap } from "./heat.js";

/** @typedef {import("./types").Findings} Findings */

/** @param {string} title @param {string} note @param {...(Node | string)} children @returns {HTMLElement} */
function card(title, note, ...children) {
  return html("section", { class: "card" }, html("h3", {}, title), html("p", { class: "soft" }, note), ...children);
}

/** @param {Findings} f @returns {HTMLElement[]} */
export function claimsCard(f) {
  if (!f.claims?.length) return [];
  return [
    html(
      "section",
      { class: "card claims" },
      html("h3", {}, `Claims, tested on the weights of step ${thousands(f.step)}`),
      html(
        "ul",
        {},
        ...f.claims.map((c) =>
          html(
            "li",
            { class: c.holds ? "holds" : "fails" },
            html("span", { class: "verdict" }, c.value === null ? "not measured" : c.holds ? "holds" : "does not hold"),
            html("div", {}, html("b", {}, c.claim), html("p", {}, c.says), html("p", { class: "soft" }, c.measure)),
            c.value === null ? "" : gauge(c.value, c.threshold),
          ),
        ),
      ),
    ),
  ];
}

/** The value between 0 and 1, or beyond, with the threshold that it has to reach. @param {number} value @param {number} threshold */
function gauge(value, threshold) {
  const width = 120;
  const x = (/** @type {number} */ v) => (Math.max(0, v) / Math.max(1, value, threshold)) * width;
  return html(
    "div",
    { class: "gauge" },
    html("span", { class: "value" }, figure(value, 3)),
    svg(
      "svg",
      { width: width + 8, height: 14, "aria-hidden": "true" },
      svg("rect", { class: "track", x: 4, y: 4, width, height: 5 }),
      svg("rect", { class: "level", x: 4, y: 4, width: x(value), height: 5 }),
      svg("line", { class: "threshold", x1: 4 + x(threshold), x2: 4 + x(threshold), y1: 0, y2: 13 }),
    ),
    html("span", { class: "soft" }, `needs ${figure(threshold, 3)}`),
  );
}

/** @param {Findings} f @returns {HTMLElement[]} the words of numbers in two dimensions, and how alike they are */
export function numbersCards(f) {
  const n = f.numbers;
  if (!n?.words?.length) return [];
  return [
    card(
      "Number words in the plane that shows most of them",
      `Two principal components of the embeddings, with ${percent(n.explained[0] + n.explained[1], 0)} of their variance. ` +
        `A stronger colour is a larger value.`,
      scatter(n.words, n.values, n.pca),
    ),
    card(
      "How alike the number words are",
      `Cosine of their embeddings, in order of value. Rank correlation of distance with difference in value: ${figure(n.spearman, 3)}.`,
      similarity(n.words, n.similarity),
    ),
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
  const drawing = svg("svg", {
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
    "aria-label": "Number words by two principal components",
  });
  points.forEach((p, i) => {
    const rank = order.indexOf(values[i]) / Math.max(1, order.length - 1);
    drawing.append(
      svg("circle", { class: `w${2 + Math.round(rank * 8)}`, cx: x(p[0]).toFixed(1), cy: y(p[1]).toFixed(1), r: 4.5 }),
      svg("text", { class: "note", x: (x(p[0]) + 7).toFixed(1), y: (y(p[1]) + 4).toFixed(1) }, words[i]),
    );
  });
  return drawing;
}

/** @param {string[]} words @param {number[][]} rows */
function similarity(words, rows) {
  const [left, top, cell] = [64, 4, 340 / words.length];
  const size = cell * words.length;
  const drawing = svg("svg", {
    viewBox: `0 0 ${left + size + 4} ${top + size + 58}`,
    role: "img",
    "aria-label": "Cosine similarity of number words",
  });
  const map = heatMap("values");
  map.update(rows, 1, { width: cell, height: cell });
  map.node.setAttribute("transform", `translate(${left} ${top})`);
  const touch = svg("rect", {
    class: "touch",
    x: left,
    y: top,
    width: size,
    height: size,
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
    drawing.append(
      svg("text", { class: "tiny end", x: left - 4, y: top + at + 3 }, w),
      svg("text", { class: "tiny end", transform: `translate(${left + at + 3} ${top + size + 5}) rotate(-90)` }, w),
    );
  });
  return drawing;
}

/**
 * A table whose shares are bars.
 * @param {string[]} head @param {(string | Node)[][]} rows
 */
function table(head, rows) {
  return html(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": head.join(", ") },
    html(
      "table",
      {},
      html("thead", {}, html("tr", {}, ...head.map((h) => html("th", { scope: "col" }, h)))),
      html(
        "tbody",
        {},
        ...rows.map(([name, ...cells]) =>
          html("tr", {}, html("th", { scope: "row", class: "name" }, name), ...cells.map((c) => html("td", {}, c))),
        ),
      ),
    ),
  );
}

/** A share in words and as a bar. @param {number | null | undefined} v @param {number} [mark] another share, which is a line */
function share(v, mark) {
  const width = 56;
  const drawing = svg(
    "svg",
    { width, height: 8, "aria-hidden": "true" },
    svg("rect", { class: "track", width, height: 8 }),
    svg("rect", { class: "level", width: width * (v ?? 0), height: 8 }),
  );
  if (mark !== undefined) drawing.append(svg("line", { class: "threshold", x1: width * mark, x2: width * mark, y1: 0, y2: 8 }));
  return html("span", { class: "share-cell" }, percent(v, 1), drawing);
}

/** @param {Findings} f @returns {HTMLElement[]} what each head reads, in the mean over many questions */
export function attentionCards(f) {
  const a = f.attention;
  if (!a?.heads?.length) return [];
  const name = (/** @type {import("./types").Head} */ h) => `layer ${h.layer}, head ${h.head}`;
  const cards = [];
  if (a.asked) {
    const cells = (/** @type {import("./types").Gaze} */ g) =>
      [g.operator_before, g.last_before, g.last_operator, g.last_after].map((v) => share(v));
    cards.push(
      card(
        "What the heads read in a question",
        `Mean over ${thousands(a.asked)} questions. A word reads itself and what stands before it, never what comes.`,
        table(
          ["head", "operation: number before", "last word: first number", "operation", "second number"],
          [...a.heads.map((h) => [name(h), ...cells(h)]), ["if all were read alike", ...cells(a.uniform)]],
        ),
      ),
    );
  }
  cards.push(
    card(
      "How far the heads look",
      "Mean over all tokens: distance in tokens, and the share of attention on a token itself, the one before it and the first.",
      table(
        ["head", "distance", "itself", "one before", "first"],
        a.heads.map((h) => [name(h), figure(h.distance, 3), share(h.self), share(h.previous), share(h.first)]),
      ),
    ),
  );
  return cards;
}

/** @param {Findings} f @returns {HTMLElement[]} what the operation's word does, and what is lost without a head */
export function operationsCards(f) {
  const o = f.operations;
  if (!o) return [];
  const cards = [];
  if (o.accuracy?.length) {
    cards.push(
      card(
        "Right answers by operation",
        o.same
          ? `Of ${thousands(o.same)} groups of questions that differ in the operation alone, ` +
              `${percent(o.all_right, 1)} are answered right under each.`
          : "",
        table(
          ["operation", "right", "questions"],
          o.accuracy.map((a) => [a.operation, share(a.right), thousands(a.questions)]),
        ),
      ),
    );
  }
  if (o.swaps?.length) {
    cards.push(
      card(
        "One word exchanged",
        "The same numbers with another operation: how often the answer follows the new word, and how often it stays.",
        table(
          ["exchange", "as the new word asks", "as before", "questions"],
          o.swaps.map((w) => [`${w.from} → ${w.to}`, share(w.new), share(w.old), thousands(w.questions)]),
        ),
      ),
    );
  }
  if (o.silenced?.length) {
    cards.push(
      card(
        "Each head silenced",
        `Right answers without what one head writes; the mark is those of the whole model, ${percent(o.whole, 1)}.`,
        table(
          ["without", "right"],
          o.silenced.map((w) => [`layer ${w.layer}, head ${w.head}`, share(w.right, o.whole)]),
        ),
      ),
    );
  }
  return cards;
}

/** @param {Findings} f @returns {HTMLElement[]} what the model would say behind each block */
export function lensCards(f) {
  const l = f.lens;
  if (!l?.top?.length) return [];
  const behind = (/** @type {number} */ i) => (i ? `block ${i}` : "embeddings");
  return [
    card(
      "When the answer appears",
      `The output read behind each block, for ${thousands(l.asked)} tokens: how often the right one is on top, and its mean probability.`,
      table(
        ["read behind", "on top", "probability"],
        l.top.map((top, i) => [capital(behind(i)), share(top), share(l.probability[i])]),
      ),
    ),
  ];
}

/** @param {Findings} f @returns {HTMLElement[]} tokens of a text with those that are embedded nearest, and what was not measured */
export function otherCards(f) {
  const cards = [];
  if (f.neighbours?.length) {
    cards.push(
      card(
        "Tokens with their nearest",
        "By the cosine of their embeddings.",
        table(
          ["token", "nearest"],
          f.neighbours.map((n) => [
            tokenText(n.token),
            n.nearest.map((m) => `${tokenText(m.text)} ${figure(m.cosine, 2)}`).join("   "),
          ]),
        ),
      ),
    );
  }
  if (f.skipped?.length) {
    cards.push(
      card(
        "Not measured",
        "",
        html("dl", {}, ...f.skipped.flatMap((k) => [html("dt", {}, k.what), html("dd", { class: "soft" }, k.why)])),
      ),
    );
  }
  return cards;
}
