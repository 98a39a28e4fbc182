// The second tab: the numbers of all steps as charts, other runs beside them, and what the model writes as it learns.

import { openChart, View } from "./chart.js";
import { byId, html } from "./dom.js";
import { thousands } from "./format.js";
import { saveCSV } from "./save.js";

/** @typedef {import("./types").Metrics} Metrics */
/** @typedef {import("./chart.js").Series} Series */

/**
 * Colours that stay apart for colour-blind readers, of which the style sheet has one for light and one for dark. Operations take the others
 * from the front, runs beside this one from the back.
 */
const own = "var(--look)";
const heldOut = "var(--held-out)";
const others = ["var(--other-1)", "var(--other-2)", "var(--other-3)", "var(--other-4)"];

/** More points than this are thinned out. */
const mostPoints = 4000;

/** Of single steps of 64 examples little can be seen; the values themselves stay as a shade. */
const firstSmoothing = 0.9;

/** @param {number} i @param {number} n @returns {string} stages from first to last: the further from the loss, the lighter */
const stageColour = (i, n) => `var(--stage-${Math.round((i / Math.max(1, n - 1)) * 6)})`;

/** @param {import("./types").Source} source @param {import("./types").Run} run */
export function openRun(source, run) {
  const view = new View();
  view.smoothing = firstSmoothing;
  /** @type {Map<string, Metrics>} */
  const shown = new Map();
  let loading = false;
  let pending = 0;

  const charts = {
    loss: openChart({ title: "Loss", name: `${run.name}-loss`, view, log: true, height: 230 }),
    accuracy: openChart({
      title: run.kind === "text" ? "Right tokens" : "Right answers",
      name: `${run.name}-accuracy`,
      view,
      share: true,
      height: 230,
    }),
    blame: openChart({ title: "Blame by stage", name: `${run.name}-blame`, view, stacked: true, share: true, height: 230 }),
    norm: openChart({ title: "Gradient norm, before clipping", name: `${run.name}-gradient-norm`, view, log: true, height: 160 }),
    rate: openChart({ title: "Learning rate", name: `${run.name}-learning-rate`, view, height: 160 }),
    speed: openChart({ title: "Tokens a second", name: `${run.name}-speed`, view, height: 160 }),
  };
  const smoothing = html("input", {
    type: "range",
    id: "smoothing",
    min: 0,
    max: 0.99,
    step: 0.01,
    value: firstSmoothing,
    input: () => {
      view.smoothing = Number(smoothing.value);
      view.changed();
    },
  });
  const log = html("input", { type: "checkbox", id: "log", checked: true, change: () => charts.loss.setLog(log.checked) });
  const beside = (run.runs ?? []).filter((name) => name !== run.name);
  const message = html("p", { class: "empty", role: "status" });
  const samples = html("div", { class: "samples" });
  byId("run").replaceChildren(
    html(
      "div",
      { class: "tools" },
      html("label", { class: "check" }, log, " log loss"),
      html("label", { class: "slider" }, "smoothing", smoothing),
      html(
        "button",
        {
          type: "button",
          click: () => {
            view.range = null;
            view.changed();
          },
        },
        "All steps",
      ),
      ...beside.map((name) =>
        html(
          "label",
          { class: "check" },
          html("input", { type: "checkbox", change: (e) => overlay(name, e.target.checked) }),
          ` ${name}`,
        ),
      ),
      html("span", { class: "space" }),
      html("button", { type: "button", click: () => table() }, "Save CSV"),
    ),
    message,
    html("div", { class: "charts" }, ...Object.values(charts).map((c) => c.node)),
    samples,
  );

  /** @param {string} name @param {boolean} on */
  async function overlay(name, on) {
    if (!on) shown.delete(name);
    else {
      try {
        shown.set(name, await source.metrics(name));
      } catch (e) {
        message.textContent = /** @type {Error} */ (e).message;
      }
    }
    draw();
  }

  function table() {
    const m = shown.get(run.name);
    if (!m) return;
    saveCSV(
      [
        "step",
        "epoch",
        "loss",
        "accuracy",
        "learning_rate",
        "gradient_norm",
        "tokens_per_second",
        ...m.blame.stages.map((s) => `blame ${s}`),
      ],
      m.steps.map((step, i) => [
        step,
        m.epoch[i],
        m.loss[i],
        m.accuracy[i],
        m.learning_rate[i],
        m.gradient_norm[i],
        m.tokens_per_second[i],
        ...(m.blame.shares[i] ?? []),
      ]),
      run.name,
    );
  }

  function draw() {
    const m = shown.get(run.name);
    if (!m) return;
    message.textContent = !m.steps.length
      ? "No step has been taken yet."
      : m.every > 1
        ? `A point is the mean of ${m.every} steps.`
        : "";
    const all = [...shown].sort(([a], [b]) => Number(b === run.name) - Number(a === run.name));
    /** @param {(m: Metrics) => (number | null)[]} of @returns {Series[]} */
    const each = (of) =>
      all.map(([name, metrics], i) => ({
        name: all.length > 1 ? name : "training",
        x: metrics.steps,
        y: of(metrics),
        colour: i ? others[others.length - 1 - ((i - 1) % others.length)] : own,
      }));
    const evaluations = m.evaluations ?? [];
    /**
     * @param {(e: import("./types").Evaluation) => number | null | undefined} of @param {string} name @param {string} colour
     * @returns {Series[]}
     */
    const held = (of, name, colour) => {
      const list = evaluations.filter((e) => of(e) !== undefined);
      return list.length ? [{ name, x: list.map((e) => e.step), y: list.map((e) => of(e) ?? null), colour, mark: "dots" }] : [];
    };
    charts.loss.update([...each((x) => x.loss), ...held((e) => e.loss, "held out", heldOut)]);
    const operations = [...new Set(evaluations.flatMap((e) => Object.keys(e.by_operation ?? {})))];
    charts.accuracy.update([
      ...each((x) => x.accuracy),
      ...(operations.length
        ? operations.flatMap((name, i) => held((e) => e.by_operation?.[name], `held out, ${name}`, others[i % others.length]))
        : held((e) => e.accuracy, "held out", heldOut)),
    ]);
    charts.norm.update(each((x) => x.gradient_norm));
    charts.rate.update(each((x) => x.learning_rate));
    charts.speed.update(each((x) => x.tokens_per_second));
    charts.blame.update(
      m.blame.stages.map((name, i) => ({
        name,
        x: m.steps,
        y: m.blame.shares.map((row) => row[i] ?? null),
        colour: stageColour(i, m.blame.stages.length),
      })),
    );
    drawSamples(m.samples ?? []);
  }

  /**
   * Each prompt with what was made of it: at first, at some steps between, and at last. What did not change is not said again.
   * @param {import("./types").Sample[]} list
   */
  function drawSamples(list) {
    const most = 6;
    const between = run.kind === "text" ? "" : " "; // a text goes on, an answer is words of its own
    /** @type {Map<string, import("./types").Sample[]>} */
    const byPrompt = new Map();
    for (const s of list) {
      const said = byPrompt.get(s.prompt) ?? [];
      if (said.at(-1)?.text !== s.text) byPrompt.set(s.prompt, [...said, s]);
    }
    const items = [...byPrompt].flatMap(([prompt, said]) =>
      (said.length > most ? [said[0], ...said.slice(1 - most)] : said).map((s, i) =>
        html(
          "li",
          { class: i ? "" : "first" },
          html("span", { class: "when" }, s.step ? `step ${thousands(s.step)}` : "before training"),
          html("q", {}, html("b", {}, prompt), between + s.text.replace(prompt, "")),
        ),
      ),
    );
    samples.replaceChildren(...(items.length ? [html("h2", {}, "What it writes"), html("ol", {}, ...items)] : []));
  }

  /** Drawn once a frame at most, however many events come. */
  function soon() {
    if (pending || byId("run").hidden) return;
    pending = requestAnimationFrame(() => {
      pending = 0;
      draw();
    });
  }

  return {
    async visible() {
      if (shown.has(run.name) || loading) return draw();
      loading = true;
      message.textContent = "Reading the steps.";
      try {
        shown.set(run.name, await source.metrics(run.name));
        draw();
      } catch (e) {
        message.textContent = /** @type {Error} */ (e).message;
      }
      loading = false;
    },
    /** @param {import("./types").Step} s */
    step(s) {
      const m = shown.get(run.name);
      if (!m || s.step <= (m.steps[m.steps.length - 1] ?? -1)) return;
      m.steps.push(s.step);
      m.loss.push(s.loss);
      m.accuracy.push(s.accuracy);
      m.learning_rate.push(s.learning_rate);
      m.gradient_norm.push(s.gradient_norm);
      m.tokens_per_second.push(s.tokens_per_second);
      m.epoch.push(s.epoch);
      m.blame.shares.push(s.blame);
      if (m.steps.length > mostPoints) thin(m);
      soon();
    },
    /** @param {import("./types").Evaluation} e */
    evaluation(e) {
      const m = shown.get(run.name);
      if (!m) return;
      m.evaluations = [...(m.evaluations ?? []).filter((o) => o.step !== e.step), e];
      soon();
    },
    /** @param {import("./types").Sample} s */
    sample(s) {
      const m = shown.get(run.name);
      if (!m) return;
      m.samples = [...(m.samples ?? []), s];
      soon();
    },
  };
}

/** Every second point goes, the last one excepted. @param {Metrics} m */
function thin(m) {
  const keep = (/** @type {unknown} */ _, /** @type {number} */ i, /** @type {unknown[]} */ list) =>
    i % 2 === 0 || i === list.length - 1;
  m.steps = m.steps.filter(keep);
  m.loss = m.loss.filter(keep);
  m.accuracy = m.accuracy.filter(keep);
  m.learning_rate = m.learning_rate.filter(keep);
  m.gradient_norm = m.gradient_norm.filter(keep);
  m.tokens_per_second = m.tokens_per_second.filter(keep);
  m.epoch = m.epoch.filter(keep);
  m.blame.shares = m.blame.shares.filter(keep);
}
