// The first tab: one example on its way through the machines and back, as training meets it, or stage by stage.

import { byId, html, svg } from "./dom.js";
import { explain, explainLoop } from "./explain.js";
import { capital, thousands } from "./format.js";
import { headDetail } from "./heads.js";
import { tallLine, wideLine } from "./layout.js";
import { riverOf } from "./river.js";
import { places, words } from "./trace.js";
import { updateMachine } from "./update.js";

/** @typedef {import("./types").Trace} Trace */
/** @typedef {import("./types").Run} Run */
/** @typedef {import("./types").Source} Source */
/** @typedef {import("./layout.js").Line} Line */
/** @typedef {{step: number, trace: Trace}} Shown */

/** Places for tokens that are kept, so that a shorter example moves nothing. */
const fewestRows = { wide: 8, tall: 5 };
/** How long the walk stays at a stage. */
const autoSeconds = 4;
/** Below this a window is still being opened; from the next on machines stand side by side, in pixels. */
const narrowest = 200;
const wideFrom = 760;
/** The size at which text on the floor is as large as beside it, and how much it grows at most. */
const comfortable = { width: 1232, height: 540 };
const largest = 1.7;

/** @param {Trace} t @param {Run} run @returns {string} the step that an example was followed through, or the weights that were asked */
function nameOf(t, run) {
  return run.live && t.weight ? `Step ${thousands(t.step + 1)}` : `Weights of step ${thousands(t.step)}`;
}

/**
 * @param {Source} source @param {Run} run
 * @returns {{example: (t: Trace) => void, state: (s: import("./types").State) => void, key: (e: KeyboardEvent) => void,
 * visible: () => void, checkpoints: () => void}}
 */
export function openFloor(source, run) {
  const scene = byId("scene");
  const text = byId("explain");
  const compare = /** @type {HTMLInputElement} */ (byId("compare"));
  const stages = places(run);
  const width = () => scene.clientWidth - 2 * parseFloat(getComputedStyle(scene).paddingLeft);

  /** @type {Trace | null} */
  let trace = null;
  /** @type {Trace | null} the same question before training */
  let untrained = null;
  let place = -1; // of stages; -1 shows the whole loop
  let held = false; // the example stays, though training goes on
  let asked = ""; // a question, while one is shown in place of the training's examples
  /** @type {string | undefined} the right answer to it */
  let right;
  let rows = 0;
  let failure = "";
  let refused = ""; // why the last question has no answer, until the next question or example
  let drawnAs = "";
  /** @type {ReturnType<typeof drawScene> | null} */
  let drawing = null;
  let timer = 0;

  function choose(/** @type {string} */ key) {
    go(stages.findIndex((s) => s.key === key));
  }

  function sayRefused() {
    text.replaceChildren(...(refused ? [html("span", { class: "place" }, "No answer"), refused] : []));
  }

  function go(/** @type {number} */ to) {
    refused = "";
    place = to < -1 ? stages.length - 1 : to >= stages.length ? -1 : to;
    if (place >= 0) held = true;
    draw();
  }

  function stopWalk() {
    clearInterval(timer);
    timer = 0;
    byId("walk").textContent = "Stage by stage";
    byId("walk").setAttribute("aria-pressed", "false");
  }

  function toggleWalk() {
    if (timer) return stopWalk();
    go(place < 0 ? 0 : place);
    byId("walk").textContent = "Stop";
    byId("walk").setAttribute("aria-pressed", "true");
    timer = window.setInterval(() => {
      go(place + 1);
      if (place < 0) stopWalk();
    }, autoSeconds * 1000);
  }

  /** Builds the drawing anew where its shape has changed, and tells it the values. */
  function draw() {
    if (byId("floor").hidden || width() < narrowest) return; // a window that is being opened
    sayControls();
    if (!trace) {
      drawing = null;
      drawnAs = "";
      scene.replaceChildren(html("div", { class: "empty" }, failure || "Waiting for the first example."));
      sayRefused();
      return;
    }
    const both = compare.checked && untrained;
    rows = Math.max(rows, Math.min(64, words(trace).length));
    const open = place >= 0 ? stages[place].layer : run.config.layers - 1;
    const wide = width() >= wideFrom;
    const shape = {
      wide,
      width: width(),
      height: wide ? Math.max(436, scene.clientHeight - 8) : 0,
      open,
      both: Boolean(both),
      rows: Math.max(rows, wide ? fewestRows.wide : fewestRows.tall),
    };
    const wanted = JSON.stringify(shape);
    if (wanted !== drawnAs) {
      const focused = document.activeElement?.closest(".machine")?.getAttribute("data-stage");
      drawing = drawScene(run, shape, choose);
      scene.replaceChildren(drawing.node);
      drawnAs = wanted;
      if (focused) /** @type {SVGElement | null} */ (scene.querySelector(`[data-stage="${focused}"] .handle`))?.focus();
    }
    drawing?.update(trace, both ? untrained : null);
    drawing?.mark(stages, place, trace);
    if (refused) return sayRefused();
    const p = stages[place];
    text.replaceChildren(
      html("span", { class: "place" }, p ? `${place + 1} of ${stages.length}: ${capital(p.key)}` : nameOf(trace, run)),
      p ? explain(p, trace, run) : explainLoop(trace, run),
      ...(p ? [] : [html("span", { class: "hint" }, " The arrow keys walk through the stages.")]),
    );
  }

  function sayControls() {
    const training = run.live && (run.state === "training" || run.state === "paused");
    byId("live").hidden = !training;
    byId("pause").textContent = run.state === "paused" ? "Resume" : "Pause";
    byId("follow").hidden = !(training && (held || asked));
  }

  /** @param {string} question @param {number} [step] @param {string} [target] the right answer, where the user gave it */
  async function ask(question, step, target = right) {
    asked = question;
    right = target;
    held = true;
    try {
      const first = run.checkpoints?.[0];
      const [now, before] = await Promise.all([
        source.trace(question, step, target),
        first && first.step === 0 ? source.trace(question, 0, target).catch(() => null) : null,
      ]);
      if (asked !== question) return;
      failure = refused = "";
      [trace, untrained] = [now, before];
      draw();
    } catch (e) {
      if (asked !== question) return;
      refused = String(/** @type {Error} */ (e).message);
      draw();
    }
  }

  const question = /** @type {HTMLInputElement} */ (byId("question"));
  const slider = /** @type {HTMLInputElement} */ (byId("checkpoint"));
  byId("questions").replaceChildren(...(run.sample_questions ?? []).map((q) => html("option", { value: q })));
  if (run.kind === "text") question.placeholder = "Type a text to continue";
  byId("ask").addEventListener("submit", (e) => {
    e.preventDefault();
    const parts = split(question.value, run.question_ends);
    if (!parts.text) return;
    question.value = parts.answer ? `${parts.text} ${parts.answer}` : parts.text;
    ask(parts.text, chosenStep(), parts.answer || undefined);
  });
  compare.addEventListener("change", () => {
    place = -1;
    if (trace && !untrained) ask(trace.text, chosenStep(), trace.target?.text);
    draw();
  });
  byId("back").addEventListener("click", () => {
    stopWalk();
    go(place - 1);
  });
  byId("forward").addEventListener("click", () => {
    stopWalk();
    go(place + 1);
  });
  byId("walk").addEventListener("click", toggleWalk);
  byId("follow").addEventListener("click", () => {
    held = false;
    asked = refused = "";
    right = undefined;
    untrained = null;
    place = -1;
    stopWalk();
    source.control("example").catch(() => {});
    draw();
  });
  byId("pause").addEventListener("click", () => command(run.state === "paused" ? "resume" : "pause"));
  byId("next-step").addEventListener("click", () => {
    held = false;
    asked = refused = "";
    command("step");
  });
  slider.addEventListener("input", () => {
    sayCheckpoint();
    if (trace) ask(asked || trace.text, chosenStep(), right ?? trace.target?.text);
  });

  /** The last example of the training, or of a run that has none a question that it knows. */
  async function firstExample() {
    if (run.live && run.state === "training") return; // it comes with the events
    try {
      trace ??= await source.example();
    } catch (e) {
      failure = /** @type {Error} */ (e).message;
    }
    draw();
  }

  /** @param {"pause" | "resume" | "step"} action */
  async function command(action) {
    try {
      run.state = (await source.control(action)).state;
      sayControls();
    } catch (e) {
      text.replaceChildren(String(/** @type {Error} */ (e).message));
    }
  }

  /** @returns {number | undefined} the checkpoint of the slider; undefined is now */
  function chosenStep() {
    const list = run.checkpoints ?? [];
    const at = Number(slider.value);
    return at < list.length - 1 ? list[at]?.step : undefined;
  }

  function sayCheckpoint() {
    const c = run.checkpoints?.[Number(slider.value)];
    byId("checkpoint-label").textContent = !c ? "" : chosenStep() === undefined && run.live ? "now" : thousands(c.step);
    slider.setAttribute("aria-valuetext", c ? `step ${thousands(c.step)} ${c.label}` : "");
  }

  function checkpoints() {
    const list = run.checkpoints ?? [];
    byId("when").hidden = list.length < 2;
    const last = slider.value === slider.max;
    slider.max = String(Math.max(0, list.length - 1));
    if (last) slider.value = slider.max;
    sayCheckpoint();
    /** @type {HTMLElement} */ (compare.parentElement).hidden = list[0]?.step !== 0;
  }

  checkpoints();
  new ResizeObserver(() => draw()).observe(scene);
  draw();
  firstExample();

  return {
    example(t) {
      if (held || asked) return;
      trace = t;
      untrained = null;
      draw();
    },
    state: () => sayControls(),
    visible: draw,
    checkpoints,
    key(e) {
      if (e.key === "ArrowRight") {
        stopWalk();
        go(place + 1);
      } else if (e.key === "ArrowLeft") {
        stopWalk();
        go(place - 1);
      } else if (e.key === "Escape") {
        stopWalk();
        go(-1);
      } else return;
      e.preventDefault();
    },
  };
}

/**
 * A question with the word that ends it, and what stands behind it: its right answer.
 * @param {string} typed @param {string} ends "" of a text, whose end is the question's
 */
function split(typed, ends) {
  const list = typed.trim().split(/\s+/);
  if (!ends || !typed.trim()) return { text: typed.trimStart(), answer: "" };
  const at = list.lastIndexOf(ends);
  return at < 0
    ? { text: `${list.join(" ")} ${ends}`, answer: "" }
    : { text: list.slice(0, at + 1).join(" "), answer: list.slice(at + 1).join(" ") };
}

/**
 * @param {Run} run @param {{wide: boolean, width: number, height: number, rows: number, open: number, both: boolean}} shape
 * @param {(key: string) => void} choose
 */
function drawScene(run, shape, choose) {
  const needs = { run, rows: shape.rows, open: shape.open, choose };
  return shape.both ? drawPair(needs, shape, shape.wide) : shape.wide ? drawWide(needs, shape) : drawTall(needs, shape);
}

/** @typedef {import("./layout.js").Needs} Needs */
/** @typedef {{width: number, height: number}} Size */

/** @param {Size} size @param {Size} drawn in units of its own @param {string} label */
function canvas(size, drawn, label) {
  return svg("svg", {
    width: size.width,
    height: size.height,
    viewBox: `0 0 ${drawn.width} ${drawn.height}`,
    role: "group",
    "aria-label": label,
  });
}

/** On a large screen everything grows. @param {Size} size @returns {Size} what is drawn */
function unitsOf(size) {
  const scale = Math.max(1, Math.min(largest, size.width / comfortable.width, size.height / comfortable.height));
  return { width: size.width / scale, height: size.height / scale };
}

/** @param {Needs} needs @param {Size} size */
function drawWide(needs, size) {
  const { width, height } = unitsOf(size);
  const node = canvas(size, { width, height }, "The factory floor");
  const lineHeight = Math.round(height * 0.54);
  const updateHeight = 96;
  const bed = height - updateHeight - 26;
  const line = wideLine(needs, { x: 0, y: 0, width, height: lineHeight });
  const loss = line.machines[line.machines.length - 1].box;
  const riverWidth = Math.min(64, (bed - lineHeight) * 0.5);
  const turn = loss.x + 16;
  const river = riverOf({
    point: (along, up) => [turn - along, bed - up],
    width: riverWidth,
    spring: bed - lineHeight - 8,
    upright: false,
    mouths: [...line.mouths]
      .reverse()
      .map(([key, x]) => ({
        key,
        along: turn - x,
        tip: bed - lineHeight - 6,
        label: x - (previousMouth(line, key) ?? -99) > 40,
      })),
  });
  const first = Math.min(...line.mouths.values());
  const caption = svg(
    "text",
    { class: "note", x: first + 14, y: bed + 17 },
    "blame flows back: each stage’s share of the squared gradient",
  );
  river.node.append(caption);
  const update = updateMachine(
    { x: line.machines[1].box.x, y: height - updateHeight + 4, width: width - line.machines[1].box.x, height: updateHeight - 8 },
    needs.choose,
  );
  const x = 40;
  const from = height - updateHeight + 40;
  const loop = svg(
    "g",
    { class: "closing" },
    svg("path", {
      class: "loop",
      d: `M${line.machines[1].box.x - 16} ${from}H${x + 12}Q${x} ${from} ${x} ${from - 12}V${lineHeight + 16}`,
    }),
    svg("path", { class: "loop-head", d: `M${x} ${lineHeight + 6}l-5 11h10z` }),
    svg("text", { class: "note", x: x + 10, y: lineHeight + 44 }, "next"),
    svg("text", { class: "note", x: x + 10, y: lineHeight + 58 }, "example"),
    svg("path", { class: "loop", d: `M${first} ${bed + 6}V${height - updateHeight - 10}` }),
    svg("path", { class: "loop-head", d: `M${first} ${height - updateHeight}l-5 -11h10z` }),
  );
  const detail = headDetail(
    {
      x: line.machines[1].box.x,
      y: lineHeight + 10,
      width: loss.x - line.machines[1].box.x - 30,
      height: height - lineHeight - 14,
    },
    needs.run,
  );
  node.append(loop, river.node, line.node, update.node, detail.node);
  return scene(node, [line], river, update, loop, detail);
}

/** @param {Line} line @param {string} key @returns {number | undefined} where the stage before this one stands */
function previousMouth(line, key) {
  const names = [...line.mouths.keys()];
  return line.mouths.get(names[names.indexOf(key) - 1]);
}

/** @param {Needs} needs @param {Size} size */
function drawTall(needs, size) {
  const gutter = 86;
  const line = tallLine(needs, { x: 18, y: 4, width: size.width - gutter - 18, height: 0 });
  const loss = line.machines[line.machines.length - 1].box;
  const edge = loss.x + loss.width;
  const turn = loss.y + loss.height * 0.45;
  const river = riverOf({
    point: (along, up) => [size.width - up, turn - along],
    width: 26,
    spring: size.width - edge - 6,
    upright: true,
    mouths: [...line.mouths].reverse().map(([key, y]) => ({ key, along: turn - y, tip: gutter - 14, label: true })),
  });
  const update = updateMachine({ x: 18, y: loss.y + loss.height + 26, width: size.width - 22, height: 210 }, needs.choose);
  const height = loss.y + loss.height + 26 + 222;
  const end = update.box.y + 30;
  const loop = svg(
    "g",
    { class: "closing" },
    svg("path", { class: "loop", d: `M10 ${end}Q4 ${end} 4 ${end - 8}V22Q4 14 10 14` }),
    svg("path", { class: "loop-head", d: "M17 14l-10 -5v10z" }),
  );
  const node = canvas({ ...size, height }, { ...size, height }, "The factory floor");
  node.append(loop, river.node, line.node, update.node);
  return scene(node, [line], river, update, loop, null);
}

/** Two lines with the weights before training and with those of now. @param {Needs} needs @param {Size} size @param {boolean} wide */
function drawPair(needs, size, wide) {
  const units = wide ? unitsOf(size) : size;
  const title = 26;
  const half = wide ? units.height / 2 : units.width / 2;
  const top = wide
    ? { x: 0, y: title, width: units.width, height: half - title - 8 }
    : { x: 4, y: title, width: half - 14, height: 0 };
  const low = wide ? { ...top, y: half + title } : { ...top, x: half + 10 };
  const lines = [top, low].map((box) => (wide ? wideLine(needs, box) : tallLine(needs, box)));
  const height = wide ? units.height : lines[0].box.height + title;
  const node = canvas(wide ? size : { ...size, height }, { ...units, height }, "The floor before training and now");
  const names = [top, low].map((box) => svg("text", { class: "title pair", x: box.x, y: box.y - 12 }));
  node.append(...names, ...lines.map((l) => l.node));
  const all = scene(node, lines, null, null, null, null);
  return {
    ...all,
    update(/** @type {Trace} */ t, /** @type {Trace | null} */ before) {
      names[0].textContent = "Before training";
      names[1].textContent = wide ? `With the weights of step ${thousands(t.step)}` : `Step ${thousands(t.step)}`;
      lines[0].update(before ?? t);
      lines[1].update(t);
    },
  };
}

/**
 * What every drawing can do: take a trace, and show how far the example has come.
 * @param {SVGSVGElement} node @param {Line[]} lines @param {ReturnType<typeof riverOf> | null} river
 * @param {import("./machines.js").Machine | null} update @param {SVGGElement | null} loop
 * @param {ReturnType<typeof headDetail> | null} detail
 */
function scene(node, lines, river, update, loop, detail) {
  let blamed = true;
  return {
    node,
    /** @param {Trace} t @param {Trace | null} _before */
    update(t, _before) {
      lines.forEach((l) => l.update(t));
      river?.update(t.blame ?? []);
      blamed = Boolean(t.blame?.length);
      update?.update(t);
    },
    /** @param {import("./trace.js").Place[]} stages @param {number} place @param {Trace} t */
    mark(stages, place, t) {
      const at = (/** @type {string} */ key) => stages.findIndex((s) => s.key === key);
      const whole = place < 0;
      const heads = detail && !whole && stages[place].kind === "attention" ? stages[place].layer : -1;
      for (const m of [...lines.flatMap((l) => l.machines), ...(update ? [update] : [])]) {
        m.node.classList.toggle("ahead", !whole && at(m.key) > place);
        m.node.classList.toggle("current", !whole && at(m.key) === place);
      }
      river?.node.classList.toggle("ahead", !whole && at("blame") > place);
      loop?.classList.toggle("none", heads >= 0);
      loop?.classList.toggle("ahead", !whole && at("update") > place);
      detail?.show(heads, t);
      river?.node.classList.toggle("none", heads >= 0 || !blamed);
      update?.node.classList.toggle("none", heads >= 0);
    },
  };
}
