// Blame flowing back from the loss: a river whose width is the squared gradient, of which each stage takes its share.

import { mayMove, svg } from "./dom.js";
import { percent } from "./format.js";

/** Where a stage's arm of the river ends. @typedef {{key: string, along: number, tip: number, label: boolean}} Mouth */

/**
 * The river is drawn in coordinates of its own: along grows in the direction of its flow, up towards the machines. Its spring lies in the
 * loss at up = spring, it turns at along = 0, and its bed begins at up = 0.
 * @typedef {object} Course
 * @property {(along: number, up: number) => [number, number]} point in pixels
 * @property {number} width of the whole
 * @property {number} spring
 * @property {Mouth[]} mouths in the order in which the flow meets them
 * @property {boolean} upright whether it flows upwards, and labels stand beside its arms
 */

const bend = 8;

/** @param {Course} course */
export function riverOf(course) {
  const node = svg("g", { class: "river" });
  const arms = course.mouths.map((mouth) => {
    const path = svg("path", { class: "arm" });
    const label = svg("text", { class: "share" });
    node.append(path);
    return { mouth, path, label };
  });
  node.append(...arms.map((a) => a.label));
  /** @type {number[] | null} */
  let drawn = null;
  let frame = 0;

  /** @param {number[]} shares by mouth */
  function draw(shares) {
    drawn = shares;
    const total = shares.reduce((a, b) => a + b, 0);
    let before = 0; // shares that have left the river
    arms.forEach(({ mouth, path, label }, i) => {
      const thick = shares[i] * course.width;
      const high = (total - before) * course.width;
      path.setAttribute("d", thick > 0.05 ? arm(course, mouth, thick, high, before * course.width) : "");
      const [x, y] = course.upright
        ? course.point(mouth.along + thick / 2 + 6, mouth.tip - 2)
        : course.point(mouth.along - thick / 2 - 5, mouth.tip - 13);
      label.setAttribute("x", x.toFixed(1));
      label.setAttribute("y", y.toFixed(1));
      before += shares[i];
    });
  }

  return {
    node,
    /** @param {{stage: string, share: number}[]} blame */
    update(blame) {
      const next = arms.map((a) => blame.find((b) => b.stage === a.mouth.key)?.share ?? 0);
      arms.forEach((a, i) => {
        a.label.textContent = a.mouth.label && blame.length ? percent(next[i], 1) : "";
      });
      cancelAnimationFrame(frame);
      const from = drawn;
      if (!from || !mayMove()) return draw(next);
      const begin = performance.now();
      const move = (/** @type {number} */ now) => {
        const t = Math.min(1, Math.max(0, now - begin) / 400);
        const eased = t * t * (3 - 2 * t);
        draw(next.map((v, i) => from[i] + (v - from[i]) * eased));
        if (t < 1) frame = requestAnimationFrame(move);
      };
      frame = requestAnimationFrame(move);
    },
  };
}

/**
 * One arm, from the spring down, round the bend, along the bed and up into its machine.
 * @param {Course} course @param {Mouth} mouth @param {number} thick @param {number} high its upper edge @param {number} outside what lies
 * between it and the inner bank at the spring
 */
function arm(course, mouth, thick, high, outside) {
  const at = (/** @type {number} */ along, /** @type {number} */ up) =>
    course
      .point(along, up)
      .map((v) => v.toFixed(1))
      .join(" ");
  const low = high - thick;
  const inner = -outside;
  const outer = inner - thick;
  const r = bend + outside; // concentric with the inner bank
  const [near, far] = [mouth.along - thick / 2, mouth.along + thick / 2];
  const [wing, head] = [Math.max(2.5, thick * 0.25), Math.min(9, 5 + thick * 0.2)];
  const neck = mouth.tip - head;
  return (
    `M${at(inner, course.spring)}L${at(inner, high + r)}Q${at(inner, high)} ${at(inner + r, high)}` +
    `L${at(near - bend, high)}Q${at(near, high)} ${at(near, high + bend)}L${at(near, neck)}L${at(near - wing, neck)}` +
    `L${at(mouth.along, mouth.tip)}L${at(far + wing, neck)}L${at(far, neck)}L${at(far, low + bend + thick)}` +
    `Q${at(far, low)} ${at(far - bend - thick, low)}L${at(outer + r + thick, low)}Q${at(outer, low)} ${at(outer, low + r + thick)}` +
    `L${at(outer, course.spring)}Z`
  );
}
