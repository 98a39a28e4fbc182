// The third tab: what the model has learned, as package findings measures it on the weights of a checkpoint.

import { byId, html } from "./dom.js";
import { thousands } from "./format.js";
import { attentionCards, claimsCard, lensCards, numbersCards, operationsCards, otherCards } from "./findings.js";

/** @typedef {import("./types").Findings} Findings */

/** How long the slider rests before its checkpoint is asked for, in milliseconds. */
const rest = 150;

/** @param {import("./types").Source} source @param {import("./types").Run} run */
export function openLearned(source, run) {
  const root = byId("learned");
  const message = html("p", { class: "empty", role: "status" });
  const cards = html("div", { class: "cards" });
  const label = html("output", {});
  const slider = html("input", {
    type: "range",
    min: 0,
    max: 0,
    step: 1,
    value: 0,
    "aria-label": "Checkpoint",
    input: () => later(),
  });
  const when = html("label", { class: "slider" }, "weights at step", slider, label);
  root.replaceChildren(html("div", { class: "tools" }, when), message, cards);
  /** @type {Map<number, Findings>} */
  const known = new Map();
  let timer = 0;
  let wanted = -1;

  function checkpoints() {
    const list = run.checkpoints ?? [];
    const last = slider.value === slider.max;
    slider.max = String(Math.max(0, list.length - 1));
    if (last) slider.value = slider.max;
    when.hidden = list.length < 2;
  }

  /** @returns {{step: number, now: boolean}} */
  function chosen() {
    const list = run.checkpoints ?? [];
    const i = Number(slider.value);
    return { step: list[i]?.step ?? run.step, now: i >= list.length - 1 };
  }

  function later() {
    label.textContent = thousands(chosen().step);
    clearTimeout(timer);
    timer = window.setTimeout(load, rest);
  }

  async function load() {
    const { step, now } = chosen();
    wanted = step;
    label.textContent = thousands(step);
    if (!known.has(step)) message.textContent = "The model is being asked.";
    try {
      const f = known.get(step) ?? (await source.findings(now ? undefined : step));
      if (!run.live || !now) known.set(step, f);
      if (wanted !== step) return;
      message.textContent = "";
      draw(f);
    } catch (e) {
      if (wanted === step) message.textContent = /** @type {Error} */ (e).message;
    }
  }

  /** @param {Findings} f */
  function draw(f) {
    cards.replaceChildren(
      ...claimsCard(f),
      ...numbersCards(f),
      ...attentionCards(f),
      ...operationsCards(f),
      ...lensCards(f),
      ...otherCards(f),
    );
  }

  return {
    visible() {
      checkpoints();
      load();
    },
  };
}
