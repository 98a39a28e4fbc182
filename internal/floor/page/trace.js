// What is asked of a trace everywhere: its rows that are shown, its stages in order, who looks at whom.

/** @typedef {import("./types").Trace} Trace */
/** @typedef {import("./types").Run} Run */

/** A long text shows its last rows. */
const mostRows = 64;

/** @param {Trace} t @returns {number} the first token that is shown */
export const firstRow = (t) => Math.max(0, t.tokens.length - mostRows);

/** @param {Trace} t @returns {string[]} the tokens that are shown */
export const words = (t) => t.tokens.slice(firstRow(t)).map((token) => token.text);

/** @template T @param {Trace} t @param {T[] | null | undefined} rows @returns {T[]} those that are shown */
export const shown = (t, rows) => (rows ?? []).slice(-Math.min(mostRows, t.tokens.length));

/** @param {Trace} t @returns {number} the row that the prediction is read from, among those shown */
export const predictedFrom = (t) => Math.max(0, t.logits.row - firstRow(t));

/**
 * A stage of the walk: key is the name by which blame knows it, where it has weights.
 * @typedef {"tokens" | "embeddings" | "positions" | "attention" | "mlp" | "output" | "loss" | "blame" | "update"} Kind
 * @typedef {{key: string, kind: Kind, layer: number}} Place
 */

/** @param {Run} run @returns {Place[]} the way of an example through the model and back */
export function places(run) {
  /** @type {Place[]} */
  const list = [
    { key: "tokens", kind: "tokens", layer: 0 },
    { key: "embeddings", kind: "embeddings", layer: 0 },
  ];
  list.push({ key: "positions", kind: "positions", layer: 0 });
  for (let layer = 0; layer < run.config.layers; layer++) {
    list.push({ key: `attention ${layer + 1}`, kind: "attention", layer }, { key: `mlp ${layer + 1}`, kind: "mlp", layer });
  }
  list.push({ key: "output", kind: "output", layer: 0 }, { key: "loss", kind: "loss", layer: 0 });
  list.push({ key: "blame", kind: "blame", layer: 0 }, { key: "update", kind: "update", layer: 0 });
  return list;
}

/** @param {Run} run @returns {boolean} whether rows of a table are added, and not queries and keys rotated */
export const addsPositions = (run) => run.config.positions !== "rotary";

/** @param {Run} run @param {string} key @returns {number} weights of a stage, 0 where it has none */
export const weightsOf = (run, key) => run.stages.find((s) => s.name === key)?.weights ?? 0;

/**
 * @param {number[][]} head probabilities [T, T] @param {number} row
 * @returns {{from: number, share: number}} what a row takes most of
 */
export function strongest(head, row) {
  let from = 0;
  head[row].forEach((p, j) => {
    if (p > head[row][from]) from = j;
  });
  return { from, share: head[row][from] };
}
