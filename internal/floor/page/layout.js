// Where the machines stand: on a line from left to right, or from top to bottom on a phone.

import { svg } from "./dom.js";
import {
  attentionMachine,
  closedBlock,
  embeddingsMachine,
  gridOf,
  lossMachine,
  mlpMachine,
  outputMachine,
  positionsMachine,
  streamMachine,
  tokensMachine,
} from "./machines.js";
import { addsPositions, predictedFrom, words } from "./trace.js";

/** @typedef {import("./machines.js").Machine} Machine */
/** @typedef {import("./machines.js").Box} Box */
/** @typedef {import("./types").Run} Run */
/** @typedef {import("./types").Trace} Trace */

/**
 * A line of machines. `mouths` says at which coordinate blame enters a stage, by its name.
 * @typedef {{node: SVGGElement, machines: Machine[], mouths: Map<string, number>, box: Box, update: (t: Trace) => void}} Line
 */

/**
 * @typedef {{run: Run, rows: number, open: number, choose: (key: string) => void}} Needs
 */

const gap = 20;

/** @param {Needs} n @param {Box} box @returns {Line} machines from left to right, joined by a lane for each token */
export function wideLine(n, box) {
  const { layers, heads } = n.run.config;
  const head = 38;
  const foot = 18;
  const open = openLayers(n, box.width);
  const closed = layers - open.length;
  const slim = Math.min(22, Math.max(5, (box.width * 0.28) / Math.max(1, closed) - 4));

  const tokens = 86;
  const output = 138;
  const loss = 142;
  const mlp = 44;
  const lanes = box.height - head - foot;
  const strips = 1 + (addsPositions(n.run) ? 1 : 0) + open.length;
  const positionsFixed = addsPositions(n.run) ? 0 : 56;
  const columns = 5 + 3 * open.length;
  const left =
    box.width - tokens - output - loss - positionsFixed - open.length * mlp - closed * (slim + 4) - (columns - 1) * gap;
  const { columns: across } = gridOf(heads, lanes, lanes, 8);
  const down = Math.ceil(heads / across);
  const square = Math.min(((lanes - 8 * (down - 1)) / down) * across + 8 * (across - 1), (left * 0.52) / open.length);
  const strip = (left - square * open.length) / strips;

  const pitch = Math.min(44, lanes / n.rows);
  const setting = { run: n.run, rows: n.rows, pitch, labels: 0, head, choose: n.choose };
  /** @type {Machine[]} */
  const machines = [];
  const mouths = new Map();
  let x = 0;
  /** @param {(box: Box) => Machine} build @param {number} width @param {string | string[]} [stage] */
  const add = (build, width, stage, after = gap) => {
    machines.push(build({ x: box.x + x, y: box.y, width, height: box.height }));
    for (const name of typeof stage === "string" ? [stage] : (stage ?? [])) mouths.set(name, box.x + x + width / 2);
    x += width + after;
  };
  add((b) => tokensMachine(setting, b), tokens);
  add((b) => embeddingsMachine(setting, b), strip, "embeddings");
  add(
    (b) => positionsMachine(setting, b),
    addsPositions(n.run) ? strip : positionsFixed,
    addsPositions(n.run) ? "positions" : [],
  );
  for (let layer = 0; layer < layers; layer++) {
    if (!open.includes(layer)) {
      add((b) => closedBlock(setting, b, layer), slim, [], open.includes(layer + 1) ? gap : 4);
      const middle = box.x + x - (open.includes(layer + 1) ? gap : 4) - slim / 2;
      mouths.set(`attention ${layer + 1}`, middle - slim / 4).set(`mlp ${layer + 1}`, middle + slim / 4);
      continue;
    }
    add((b) => attentionMachine(setting, b, layer), square, `attention ${layer + 1}`);
    add((b) => mlpMachine(setting, b, layer), mlp, `mlp ${layer + 1}`, 12);
    add((b) => streamMachine(setting, b, layer + 1), strip);
  }
  add((b) => outputMachine(setting, b), output, "output");
  const lossBox = { x: box.x + box.width - loss, y: box.y, width: loss, height: box.height };
  machines.push(lossMachine(setting, lossBox));

  const begin = box.x + tokens + 6;
  const end = machines[machines.length - 2].box.x - 8;
  const lines = Array.from({ length: n.rows }, (_, i) =>
    svg("line", {
      class: "lane",
      x1: begin,
      x2: end,
      y1: box.y + head + (i + 0.5) * pitch,
      y2: box.y + head + (i + 0.5) * pitch,
    }),
  );
  const tip = svg("path", { class: "loop-head", d: "M0 0l-10 -5v10z" });
  const node = svg("g", {}, svg("g", { class: "lanes" }, ...lines, tip), ...machines.map((m) => m.node));
  return {
    node,
    machines,
    mouths,
    box,
    update(t) {
      const has = words(t).length;
      lines.forEach((line, i) => {
        line.classList.toggle("none", i >= has);
        line.classList.toggle("main", i === predictedFrom(t));
      });
      tip.setAttribute("transform", `translate(${end + 2} ${box.y + head + (predictedFrom(t) + 0.5) * pitch})`);
      machines.forEach((m) => m.update(t));
    },
  };
}

/** @param {Needs} n @param {number} width @returns {number[]} the layers whose insides fit */
function openLayers(n, width) {
  const { layers } = n.run.config;
  const fit = Math.max(1, Math.floor((width - 560) / 300));
  if (layers <= fit) return Array.from({ length: layers }, (_, i) => i);
  return [Math.min(n.open, layers - 1)];
}

/**
 * Machines from top to bottom, each with the words in front of its rows.
 * @param {Needs} n @param {Box} box its height is not used @returns {Line}
 */
export function tallLine(n, box) {
  const { layers, heads } = n.run.config;
  const head = 34;
  const pitch = n.rows > 16 ? Math.max(3, 200 / n.rows) : 15;
  const labels = n.rows > 16 ? 0 : Math.min(64, box.width * 0.3);
  const setting = { run: n.run, rows: n.rows, pitch, labels, head, choose: n.choose };
  /** @type {Machine[]} */
  const machines = [];
  const mouths = new Map();
  let y = box.y;
  /** @param {(box: Box) => Machine} build @param {number} height below the title @param {string} [stage] */
  const add = (build, height, stage) => {
    const b = { x: box.x, y, width: box.width, height: head + height };
    machines.push(build(b));
    if (stage) mouths.set(stage, y + head + Math.min(height, 60) / 2);
    y += b.height + 18;
  };
  const rows = n.rows * pitch;
  const squares = gridOf(heads, box.width, box.width * 0.6, 8);
  const attention = Math.ceil(heads / squares.columns) * (squares.side + 8) - 8;
  const open = layers <= 4 ? Array.from({ length: layers }, (_, i) => i) : [Math.min(n.open, layers - 1)];
  add((b) => tokensMachine({ ...setting, labels: 0 }, { ...b, width: Math.min(150, b.width) }), rows);
  add((b) => embeddingsMachine(setting, b), rows, "embeddings");
  add((b) => positionsMachine(setting, b), rows, addsPositions(n.run) ? "positions" : undefined);
  for (let layer = 0; layer < layers; layer++) {
    if (!open.includes(layer)) {
      add((b) => closedBlock({ ...setting, pitch: 2 }, b, layer), 2 * n.rows, `attention ${layer + 1}`);
      mouths.set(`mlp ${layer + 1}`, y - 26);
      continue;
    }
    add((b) => attentionMachine(setting, b, layer), attention, `attention ${layer + 1}`);
    add((b) => mlpMachine(setting, b, layer), rows, `mlp ${layer + 1}`);
    add((b) => streamMachine(setting, b, layer + 1), rows + 16);
  }
  add((b) => outputMachine(setting, b), 6 * 30 + 44, "output");
  add((b) => lossMachine(setting, b), 170);
  return {
    node: svg("g", {}, ...machines.map((m) => m.node)),
    machines,
    mouths,
    box: { ...box, height: y - 18 - box.y },
    update: (t) => machines.forEach((m) => m.update(t)),
  };
}
