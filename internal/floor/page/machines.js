// The machines of the floor, one for each kind of stage. A machine draws into a box once and is told of each trace afterwards, so that
// nothing moves but the values.

import { hideTip, showTip, svg } from "./dom.js";
import { capital, figure, lossText, percent, probabilityText, thousands, tokenText } from "./format.js";
import { heatMap, scaleOf } from "./heat.js";
import { addsPositions, firstRow, predictedFrom, shown, weightsOf, words } from "./trace.js";

/** @typedef {import("./types").Trace} Trace */
/** @typedef {import("./types").Run} Run */
/** @typedef {{x: number, y: number, width: number, height: number}} Box */
/** @typedef {{key: string, box: Box, node: SVGGElement, update: (t: Trace) => void}} Machine */

/**
 * What the machines of a line share.
 * @typedef {object} Setting
 * @property {Run} run
 * @property {number} rows places for tokens
 * @property {number} pitch of a row, in pixels
 * @property {number} labels width of the words in front of the rows of each machine; 0 where lanes join them to one column of words
 * @property {number} head height of a machine's title
 * @property {(key: string) => void} choose a machine was chosen
 */

/**
 * The group of a machine, with its handle: the title as a button, for keyboards and screen readers. The mouse may press anywhere.
 * @param {string} key @param {Box} box @param {(key: string) => void} choose @param {...SVGTextElement} titles
 * @returns {{node: SVGGElement, handle: SVGGElement}}
 */
export function machineGroup(key, box, choose, ...titles) {
  const ground = svg("rect", { class: "ground", x: -6, y: -4, width: box.width + 12, height: box.height + 8, rx: 4 });
  const press = (/** @type {KeyboardEvent} */ e) => {
    if (e.key !== "Enter" && e.key !== " ") return;
    e.preventDefault();
    e.stopPropagation();
    choose(key);
  };
  const handle = svg("g", { class: "handle", role: "button", tabindex: 0, keydown: press }, ground, ...titles);
  const place = `translate(${box.x} ${box.y})`;
  const node = svg("g", { class: "machine", "data-stage": key, transform: place, click: () => choose(key) }, handle);
  return { node, handle };
}

/**
 * @param {Setting} s @param {string} key @param {Box} box @param {string} title @param {string} note
 * @returns {{node: SVGGElement, handle: SVGGElement, inside: SVGGElement}} a machine's frame; inside has its origin below the title
 */
function frame(s, key, box, title, note) {
  const texts = [svg("text", { class: "title", y: 11 }, title), svg("text", { class: "note", y: 25 }, note)];
  const { node, handle } = machineGroup(key, box, s.choose, ...texts);
  const inside = svg("g", { transform: `translate(0 ${s.head})` });
  node.append(inside);
  return { node, handle, inside };
}

/** @param {Run} run @param {string} key */
function weightNote(run, key) {
  const n = weightsOf(run, key);
  return n ? `${thousands(n)} weights` : "no weights";
}

/**
 * Words in front of rows, for machines that no lane joins to the column of words.
 * @param {Setting} s @param {SVGGElement} inside
 */
function rowLabels(s, inside) {
  const list = s.labels
    ? Array.from({ length: s.rows }, (_, i) => svg("text", { class: "word small", y: (i + 0.5) * s.pitch }))
    : [];
  inside.append(...list);
  return (/** @type {Trace} */ t) => {
    const w = words(t);
    list.forEach((e, i) => {
      e.textContent = i < w.length ? clip(tokenText(w[i]), Math.floor(s.labels / 6.6)) : "";
    });
  };
}

/** @param {string} text @param {number} n */
const clip = (text, n) => (text.length > n ? `${text.slice(0, n - 1)}…` : text);

/** @param {Setting} s @param {Box} box @returns {Machine} */
export function tokensMachine(s, box) {
  const { node, inside } = frame(s, "tokens", box, "Tokens", "text in");
  const list = Array.from({ length: s.rows }, (_, i) => {
    const word = svg("text", { class: "word", y: (i + 0.5) * s.pitch });
    const id = svg("text", { class: "id", x: box.width, y: (i + 0.5) * s.pitch });
    inside.append(word, id);
    return { word, id };
  });
  const few = s.pitch >= 11;
  return {
    key: "tokens",
    box,
    node,
    update(t) {
      const w = words(t);
      const every = few ? 1 : Math.ceil(11 / s.pitch);
      list.forEach(({ word, id }, i) => {
        const has = i < w.length && i % every === 0;
        word.textContent = has ? clip(tokenText(w[i]), 10) : "";
        word.classList.toggle("main", i === predictedFrom(t));
        id.textContent = has ? String(t.tokens[firstRow(t) + i].id) : "";
      });
    },
  };
}

/**
 * Rows of numbers as strips of colour.
 * @param {Setting} s @param {string} key @param {Box} box @param {string} title @param {string} note
 * @param {(t: Trace) => number[][]} rowsOf @param {(t: Trace, row: number) => string} tipOf
 * @returns {Machine}
 */
function stripsMachine(s, key, box, title, note, rowsOf, tipOf) {
  const { node, inside } = frame(s, key, box, title, note);
  const label = rowLabels(s, inside);
  const gap = s.pitch > 8 ? Math.max(2, s.pitch * 0.24) : 0;
  const strips = svg("g", { transform: `translate(${s.labels} 0)` });
  const list = Array.from({ length: s.rows }, (_, i) => {
    const strip = heatMap("values");
    strip.node.setAttribute("transform", `translate(0 ${i * s.pitch + gap / 2})`);
    strips.append(strip.node);
    return strip;
  });
  /** @type {Trace | null} */
  let now = null;
  strips.append(
    svg("rect", {
      class: "touch",
      width: box.width - s.labels,
      height: s.rows * s.pitch,
      mousemove: (/** @type {MouseEvent} */ e) => {
        const row = Math.floor(rowAt(e, s.rows));
        if (now && row >= 0 && row < words(now).length) showTip(tipOf(now, row), e);
        else hideTip();
      },
      mouseleave: hideTip,
    }),
  );
  inside.append(strips);
  return {
    key,
    box,
    node,
    update(t) {
      now = t;
      label(t);
      const rows = rowsOf(t);
      const scale = scaleOf(rows);
      list.forEach((strip, i) => {
        const row = rows[i] ?? [];
        strip.update(row.length ? [row] : [], scale, {
          width: (box.width - s.labels) / (row.length || 1),
          height: s.pitch - gap,
        });
      });
    },
  };
}

/** @param {MouseEvent} e @param {number} rows of what it is over @returns {number} the row under the pointer */
function rowAt(e, rows) {
  const box = /** @type {SVGGraphicsElement} */ (e.currentTarget).getBoundingClientRect();
  return ((e.clientY - box.top) / box.height) * rows;
}

/** @param {number[]} row @returns {string} how it begins */
const beginning = (row) =>
  `${row
    .slice(0, 6)
    .map((v) => figure(v, 3))
    .join("  ")} …`;

/** @param {Setting} s @param {Box} box @returns {Machine} */
export function embeddingsMachine(s, box) {
  return stripsMachine(
    s,
    "embeddings",
    box,
    "Embeddings",
    weightNote(s.run, "embeddings"),
    (t) => shown(t, t.embeddings),
    (t, i) => `“${tokenText(words(t)[i])}” is ${t.width ?? s.run.config.width} numbers:\n${beginning(shown(t, t.embeddings)[i])}`,
  );
}

/** @param {Setting} s @param {Box} box @returns {Machine} */
export function positionsMachine(s, box) {
  if (addsPositions(s.run)) {
    return stripsMachine(
      s,
      "positions",
      box,
      "+ Positions",
      weightNote(s.run, "positions"),
      (t) => shown(t, t.positions),
      (t, i) => `added at place ${firstRow(t) + i}:\n${beginning(shown(t, t.positions)[i] ?? [])}`,
    );
  }
  const { node, inside } = frame(s, "positions", box, "Positions", "rotary");
  const radius = Math.min(s.pitch * 0.38, 9);
  const list = Array.from({ length: s.rows }, (_, i) => {
    const g = svg("g", { class: "dial", transform: `translate(${s.labels + radius + 1} ${(i + 0.5) * s.pitch})` });
    const angle = Math.min(i, 60) * 0.35;
    g.append(svg("circle", { r: radius }), svg("line", { x2: radius * Math.sin(angle), y2: -radius * Math.cos(angle) }));
    inside.append(g);
    return g;
  });
  return {
    key: "positions",
    box,
    node,
    update(t) {
      list.forEach((g, i) => g.classList.toggle("none", i >= words(t).length));
    },
  };
}

/** @param {Setting} s @param {Box} box @param {number} layer after it @returns {Machine} */
export function streamMachine(s, box, layer) {
  const m = stripsMachine(
    s,
    `mlp ${layer}`,
    box,
    "Stream",
    `after block ${layer}`,
    (t) => shown(t, t.residual[layer]),
    (t, i) => `“${tokenText(words(t)[i])}” after block ${layer}:\n${beginning(shown(t, t.residual[layer])[i])}`,
  );
  const said = svg("text", { class: "so-far", x: s.labels, y: box.height - 2 });
  m.node.append(said);
  return {
    ...m,
    update(t) {
      m.update(t);
      const top = t.lens?.[layer]?.top[0];
      said.textContent = top ? `so far: ${clip(tokenText(top.text), 10)}` : "";
    },
  };
}

/**
 * One head's probabilities as a square.
 * @param {{x: number, y: number, side: number}} at @param {string} name @param {(t: Trace) => number[][]} headOf
 */
export function headSquare(at, name, headOf) {
  const node = svg("g", { transform: `translate(${at.x} ${at.y})` });
  const map = heatMap("weights");
  /** @type {Trace | null} */
  let now = null;
  const touch = svg("rect", {
    class: "touch",
    width: at.side,
    height: at.side,
    mousemove: (/** @type {MouseEvent} */ e) => {
      if (!now) return;
      const head = headOf(now);
      const box = touch.getBoundingClientRect();
      const row = Math.floor(((e.clientY - box.top) / box.height) * head.length);
      const column = Math.floor(((e.clientX - box.left) / box.width) * head.length);
      const w = words(now);
      if (!(row in head) || !(column in head)) return hideTip();
      showTip(
        column > row
          ? `${name}: “${tokenText(w[row])}” cannot look ahead`
          : `${name}: “${tokenText(w[row])}” takes ${percent(head[row][column], 1)} from “${tokenText(w[column])}”`,
        e,
      );
    },
    mouseleave: hideTip,
  });
  node.append(svg("rect", { class: "well", width: at.side, height: at.side }), map.node, touch);
  return {
    node,
    update(/** @type {Trace} */ t) {
      now = t;
      const head = headOf(t);
      const cell = at.side / (head.length || 1);
      map.update(head, 1, { width: cell, height: cell });
    },
  };
}

/**
 * The grid in which squares are largest.
 * @param {number} heads @param {number} width @param {number} height @param {number} gap between squares
 * @returns {{columns: number, side: number}}
 */
export function gridOf(heads, width, height, gap) {
  let best = { columns: 1, side: 0 };
  for (let columns = 1; columns <= heads; columns++) {
    const rows = Math.ceil(heads / columns);
    const side = Math.min((width - gap * (columns - 1)) / columns, (height - gap * (rows - 1)) / rows);
    if (side > best.side) best = { columns, side };
  }
  return best;
}

/** @param {Setting} s @param {Box} box @param {number} layer @returns {Machine} */
export function attentionMachine(s, box, layer) {
  const key = `attention ${layer + 1}`;
  const { node, inside } = frame(s, key, box, capital(key), weightNote(s.run, key));
  const gap = 8;
  const { columns, side } = gridOf(s.run.config.heads, box.width, box.height - s.head, gap);
  const squares = Array.from({ length: s.run.config.heads }, (_, h) =>
    headSquare(
      { x: (h % columns) * (side + gap), y: Math.floor(h / columns) * (side + gap), side },
      `head ${h + 1}`,
      (t) => t.attention[layer]?.[h] ?? [],
    ),
  );
  inside.append(...squares.map((q) => q.node));
  return { key, box, node, update: (t) => squares.forEach((q) => q.update(t)) };
}

/** @param {Setting} s @param {Box} box @param {number} layer @returns {Machine} */
export function mlpMachine(s, box, layer) {
  const key = `mlp ${layer + 1}`;
  const { node, inside } = frame(
    s,
    key,
    box,
    `MLP ${layer + 1}`,
    s.labels ? weightNote(s.run, key) : thousands(weightsOf(s.run, key)),
  );
  const label = rowLabels(s, inside);
  const width = box.width - s.labels;
  const thick = Math.max(1, Math.min(8, s.pitch * 0.4));
  const bars = Array.from({ length: s.rows }, (_, i) =>
    svg("rect", {
      class: "bar plain",
      x: s.labels,
      y: (i + 0.5) * s.pitch - thick / 2,
      width,
      height: thick,
    }),
  );
  /** @type {number[]} */
  let sizes = [];
  inside.append(
    ...bars,
    svg("rect", {
      class: "touch",
      x: s.labels,
      width,
      height: s.rows * s.pitch,
      mousemove: (/** @type {MouseEvent} */ e) => {
        const v = sizes[Math.floor(rowAt(e, s.rows))];
        if (v === undefined) hideTip();
        else showTip(`adds numbers of size ${figure(v, 3)} (root mean square)`, e);
      },
      mouseleave: hideTip,
    }),
  );
  return {
    key,
    box,
    node,
    update(t) {
      label(t);
      sizes = shown(t, t.mlp[layer]);
      const most = Math.max(...sizes, 1e-9);
      bars.forEach((bar, i) => {
        bar.style.transform = `scaleX(${(sizes[i] ?? 0) / most})`;
      });
    },
  };
}

/** A block that is not open: its stream alone. @param {Setting} s @param {Box} box @param {number} layer @returns {Machine} */
export function closedBlock(s, box, layer) {
  const key = `attention ${layer + 1}`;
  const { node, handle, inside } = frame(s, key, box, box.width > 14 ? String(layer + 1) : "", "");
  handle.setAttribute("aria-label", `Open block ${layer + 1}`);
  const map = heatMap("values");
  inside.append(map.node);
  return {
    key,
    box,
    node,
    update(t) {
      const rows = shown(t, t.residual[layer + 1]);
      map.update(rows, scaleOf(rows), { width: box.width / (rows[0]?.length || 1), height: s.pitch });
    },
  };
}

/** A token that stands for no text. */
const special = /^<.*>$/;

/** @param {Setting} s @param {Box} box @returns {Machine} */
export function outputMachine(s, box) {
  const { node, inside } = frame(s, "output", box, "Output", weightNote(s.run, "output"));
  const places = 6;
  const foot = 40;
  const pitch = Math.min(34, (box.height - s.head - foot) / places);
  const list = Array.from({ length: places }, (_, i) => {
    const g = svg("g", { class: "candidate", transform: `translate(0 ${i * pitch})` });
    const word = svg("text", { class: "word", y: pitch * 0.36 });
    const share = svg("text", { class: "number end", x: box.width, y: pitch * 0.36 });
    const bar = svg("rect", { class: "bar", y: pitch * 0.7, width: box.width, height: Math.max(3, pitch * 0.16) });
    g.append(
      svg("rect", { class: "track", y: pitch * 0.7, width: box.width, height: Math.max(3, pitch * 0.16) }),
      bar,
      word,
      share,
    );
    inside.append(g);
    return { g, word, share, bar };
  });
  const says = svg("text", { class: "says", y: box.height - 16 });
  const answer = svg("text", { class: "word main", y: box.height });
  node.append(says, answer);
  return {
    key: "output",
    box,
    node,
    update(t) {
      const all = t.logits.top.slice(0, 5).map((c) => ({ id: c.id, text: c.text, p: c.probability }));
      if (t.target && t.probability !== null && !all.some((c) => c.id === t.target?.id)) {
        all.push({ id: t.target.id, text: t.target.text, p: t.probability });
      }
      list.forEach(({ g, word, share, bar }, i) => {
        const c = all[i];
        g.classList.toggle("none", !c);
        if (!c) return;
        const right = c.id === t.target?.id;
        g.classList.toggle("target", right);
        word.textContent = clip(tokenText(c.text), 12) + (right ? " ◂" : "");
        share.textContent = percent(c.p);
        bar.style.transform = `scaleX(${c.p})`;
      });
      const said = (t.answer ?? []).map((a) => a.text).filter((a) => !special.test(a));
      says.textContent = said.length ? "the model says" : "";
      answer.textContent = clip(said.join(s.run.kind === "text" ? "" : " "), Math.floor(box.width / 6.8));
    },
  };
}

/** The curve of -log p, and where this example stands on it. @param {Setting} s @param {Box} box @returns {Machine} */
export function lossMachine(s, box) {
  const { node } = frame(s, "loss", box, "Loss", "how wrong");
  const top = s.head + 42;
  const height = Math.max(40, box.height - top - 20);
  const left = 14;
  const width = box.width - left;
  const most = Math.log(s.run.config.vocab_size) * 1.5;
  const x = (/** @type {number} */ p) => left + p * width;
  const y = (/** @type {number} */ loss) => top + height - (Math.min(loss, most) / most) * height;

  const curve = [];
  for (let loss = most; loss > 0; loss -= most / 60) curve.push(`${x(Math.exp(-loss)).toFixed(1)} ${y(loss).toFixed(1)}`);
  curve.push(`${x(1)} ${y(0)}`);
  const guess = y(Math.log(s.run.config.vocab_size));
  const value = svg("text", { class: "big number", y: s.head + 12 });
  const sum = svg("text", { class: "number small", y: s.head + 28 });
  const dot = svg("g", { class: "dot" }, svg("circle", { r: 5 }));
  node.append(
    svg("line", { class: "axis", x1: left, x2: left + width, y1: y(0), y2: y(0) }),
    svg("line", { class: "axis", x1: left, x2: left, y1: top, y2: y(0) }),
    svg("line", { class: "guess", x1: left, x2: left + width, y1: guess, y2: guess }),
    svg("text", { class: "note end", x: left + width, y: guess - 4 }, `a guess: log ${thousands(s.run.config.vocab_size)}`),
    svg("path", { class: "curve", d: `M${curve.join("L")}` }),
    svg("text", { class: "note", x: left, y: y(0) + 14 }, "p = 0"),
    svg("text", { class: "note end", x: left + width, y: y(0) + 14 }, "p = 1"),
    svg("text", { class: "note end", x: left - 4, y: y(0) }, "0"),
    dot,
    value,
    sum,
  );
  return {
    key: "loss",
    box,
    node,
    update(t) {
      const known = t.loss !== null && t.probability !== null;
      dot.classList.toggle("none", !known);
      value.textContent = known ? lossText(Number(t.loss)) : "–";
      sum.textContent = known ? `= −log ${probabilityText(Number(t.loss))}` : "no right word is known";
      if (known) dot.style.transform = `translate(${x(Number(t.probability))}px, ${y(Number(t.loss))}px)`;
    },
  };
}
