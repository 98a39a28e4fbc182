// Where values come from: a server, or a document inside the page. Nothing else in the page knows which.

/** @typedef {import("./types").Source} Source */

/** @returns {Source} the document's values where the page carries one, else the server's */
export function openSource() {
  const element = document.getElementById("document");
  return element?.textContent?.trim() ? embeddedSource(JSON.parse(element.textContent)) : serverSource();
}

/**
 * A trace whose values inside the model are absent has lists that are empty.
 * @param {any} t @returns {import("./types").Trace}
 */
function complete(t) {
  for (const name of ["embeddings", "positions", "residual", "attention", "attention_out", "mlp", "answer", "blame", "lens"])
    t[name] ??= [];
  return t;
}

const eventNames = /** @type {const} */ (["step", "example", "evaluation", "sample", "checkpoint", "state"]);

/** @returns {Source} */
function serverSource() {
  const token = document.querySelector('meta[name="floor-token"]')?.getAttribute("content") ?? "";

  /** @param {string} path @param {RequestInit} [options] */
  async function ask(path, options) {
    let response;
    try {
      response = await fetch(path, options);
    } catch {
      throw new Error("The program behind this page does not answer.");
    }
    const text = await response.text();
    let body;
    try {
      body = JSON.parse(text);
    } catch {
      throw new Error(`${path}: ${response.status} ${text.slice(0, 200)}`);
    }
    if (!response.ok) {
      throw new Error(body.error ?? `${path}: ${response.status}`);
    }
    return body;
  }

  /** @param {string} path @param {Record<string, string | number | undefined>} query */
  function address(path, query) {
    const given = Object.entries(query).filter(([, v]) => v !== undefined);
    return given.length ? `${path}?${new URLSearchParams(given.map(([k, v]) => [k, String(v)]))}` : path;
  }

  return {
    live: true,
    embedded: false,
    run: () => ask("/api/run"),
    metrics: (run) => ask(address("/api/metrics", { run })),
    example: async () => complete(await ask("/api/example")),
    trace: async (text, step, target) => complete(await ask(address("/api/trace", { text, step, target }))),
    findings: (step) => ask(address("/api/findings", { step })),
    control: (action) =>
      ask("/api/control", {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-Floor-Token": token },
        body: JSON.stringify({ action }),
      }),
    listen(on) {
      const events = new EventSource("/api/events");
      events.onopen = () => on.connection?.(true);
      events.onerror = () => on.connection?.(false);
      for (const name of eventNames) {
        events.addEventListener(name, (e) => {
          const handle = /** @type {((value: any) => void) | undefined} */ (on[name]);
          const value = JSON.parse(/** @type {MessageEvent} */ (e).data);
          handle?.(name === "example" ? complete(value) : value);
        });
      }
      return () => events.close();
    },
  };
}

/** @param {import("./types").Document} doc @returns {Source} */
function embeddedSource(doc) {
  /** @template {{step: number}} T @param {T[]} list @param {number} [step] @returns {T | undefined} the one nearest to a step */
  const nearest = (list, step = Infinity) => {
    const wanted = Math.min(step, doc.run.step);
    return [...list].sort((a, b) => Math.abs(a.step - wanted) - Math.abs(b.step - wanted))[0];
  };
  /** @template T @param {T | undefined | null} value @param {string} what @returns {Promise<T>} */
  const give = (value, what) => (value ? Promise.resolve(value) : Promise.reject(new Error(what)));

  return {
    live: false,
    embedded: true,
    run: () => Promise.resolve(doc.run),
    metrics: (run) => give(doc.metrics[run], `This report does not hold the run ${run}.`),
    example: () => give(doc.example ?? doc.traces[0], "This report holds no example."),
    trace: (text, step) =>
      give(
        nearest(
          doc.traces.filter((t) => t.text === text),
          step,
        ),
        "This report holds its sample questions only: open the run with cmd/floor to ask others.",
      ),
    findings: (step) => give(nearest(doc.findings, step), "This report holds no findings."),
    control: () => Promise.reject(new Error("A report cannot train.")),
    listen: () => () => {},
  };
}
