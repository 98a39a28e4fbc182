// The page's beginning: asks what the run is, opens the tabs, and hands events to whoever shows them.

import { openSource } from "./data.js";
import { byId, html } from "./dom.js";
import { openFloor } from "./floor.js";
import { percent, figure, thousands } from "./format.js";

const tabs = ["floor", "run", "learned"];

/** The theme is the system's until the button is pressed. */
function theme() {
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = "";
  try {
    chosen = localStorage.getItem("theme") ?? "";
  } catch {
    /* a page from a file may have no storage */
  }
  const button = byId("theme");
  const apply = () => {
    const dark = chosen ? chosen === "dark" : system.matches;
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    button.textContent = dark ? "Light" : "Dark";
    button.setAttribute("aria-label", `Change to ${dark ? "light" : "dark"} colours`);
  };
  button.addEventListener("click", () => {
    chosen = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("theme", chosen);
    } catch {
      /* then it lasts as long as the page */
    }
    apply();
  });
  system.addEventListener("change", apply);
  apply();
}

/** @param {(name: string) => void} opened is told of each tab that is shown */
function tabbing(opened) {
  const buttons = tabs.map((name) => byId(`tab-${name}`));
  /** @param {string} name */
  const show = (name) => {
    tabs.forEach((t, i) => {
      byId(t).hidden = t !== name;
      buttons[i].setAttribute("aria-selected", String(t === name));
      buttons[i].tabIndex = t === name ? 0 : -1;
    });
    opened(name);
  };
  buttons.forEach((b, i) => {
    b.addEventListener("click", () => {
      history.replaceState(null, "", `#${tabs[i]}`);
      show(tabs[i]);
    });
    b.addEventListener("keydown", (e) => {
      const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: tabs.length - 1 }[e.key];
      if (to === undefined) return;
      e.preventDefault();
      e.stopPropagation();
      const next = buttons[(to + tabs.length) % tabs.length];
      next.focus();
      next.click();
    });
  });
  const fromAddress = () => show(tabs.includes(location.hash.slice(1)) ? location.hash.slice(1) : "floor");
  addEventListener("hashchange", fromAddress);
  fromAddress();
}

/** @param {string} message @param {string} [command] that the user may run */
function banner(message, command) {
  const b = byId("banner");
  b.hidden = !message;
  b.replaceChildren(message, ...(command ? [" ", html("code", {}, command)] : []));
}

/** @param {import("./types").Run} run @param {Partial<import("./types").Step>} [now] */
function say(run, now = {}) {
  const state = byId("state");
  state.textContent = run.state;
  state.dataset.state = run.state;
  const parts = [`step ${thousands(run.step)} of ${thousands(run.steps)}`];
  if (now.loss !== undefined) parts.push(`loss ${figure(now.loss, 3)}`);
  if (now.accuracy !== undefined) parts.push(`right ${percent(now.accuracy, 1)}`);
  byId("progress").textContent = parts.join("   ");
}

async function main() {
  theme();
  const source = openSource();
  /** @type {import("./types").Run} */
  let run;
  try {
    run = await source.run();
  } catch (e) {
    byId("state").textContent = "not connected";
    banner(/** @type {Error} */ (e).message);
    return;
  }
  document.title = `${run.name} – factory floor`;
  byId("name").textContent = run.name;
  const floor = openFloor(source, run);
  /** @type {Awaited<ReturnType<typeof openOthers>> | null} */
  let others = null;
  const openOthers = async () => {
    const [{ openRun }, { openLearned }] = await Promise.all([import("./run.js"), import("./learned.js")]);
    return { run: openRun(source, run), learned: openLearned(source, run) };
  };
  tabbing(async (name) => {
    if (name === "floor") return floor.visible();
    others ??= await openOthers();
    others[/** @type {"run" | "learned"} */ (name)].visible();
  });
  say(run);
  addEventListener("keydown", (e) => {
    const target = /** @type {HTMLElement} */ (e.target);
    if (e.ctrlKey || e.metaKey || e.altKey || target.closest("input, select, textarea, [role=tablist]")) return;
    if (!byId("floor").hidden) floor.key(e);
  });

  const close = source.listen({
    connection(up) {
      if (run.state === "ended" || run.state === "interrupted") return;
      banner(up ? "" : "The connection to the training is lost. The page tries again; what you see is the last that came.");
    },
    step(s) {
      run.step = s.step;
      say(run, s);
      others?.run.step(s);
    },
    example: (t) => floor.example(t),
    evaluation: (e) => others?.run.evaluation(e),
    sample: (s) => others?.run.sample(s),
    checkpoint(c) {
      run.checkpoints = [...(run.checkpoints ?? []).filter((o) => o.step !== c.step), c].sort((a, b) => a.step - b.step);
      floor.checkpoints();
    },
    state(s) {
      run.state = s.state;
      run.step = s.step;
      say(run);
      floor.state(s.state);
      if (run.live && (s.state === "ended" || s.state === "interrupted")) {
        close();
        banner(
          s.state === "ended"
            ? "Training has ended; this page keeps its last state. The finished run opens with"
            : "Training was interrupted. Its run opens with",
          s.open ?? run.open,
        );
      }
    },
  });
}

main();
