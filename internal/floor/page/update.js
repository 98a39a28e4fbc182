// The last machine: one weight's old value, its gradient, the learning rate and its new value, as an equation and on a line of numbers.

import { svg } from "./dom.js";
import { figure, withSign } from "./format.js";
import { machineGroup } from "./machines.js";

/** @typedef {import("./machines.js").Box} Box */
/** @typedef {import("./machines.js").Machine} Machine */

/** @param {Box} box @param {(key: string) => void} choose @returns {Machine} */
export function updateMachine(box, choose) {
  const narrow = box.width < 520;
  const title = svg("text", { class: "title", y: 11 }, "Update");
  const { node } = machineGroup("update", box, choose, title);
  node.classList.add("update");
  const name = svg("text", { class: "note", y: narrow ? 26 : 11, x: narrow ? 0 : 58 });
  node.append(name);

  // new = old − learning rate × direction, in columns; on a phone below one another.
  const terms = [
    { sign: "", label: "new weight" },
    { sign: "=", label: "old weight" },
    { sign: "−", label: "learning rate" },
    { sign: "×", label: "direction" },
  ];
  const column = narrow ? 0 : Math.min(150, (box.width - 190) / 4);
  const fields = terms.map(({ sign, label }, i) => {
    const [x, y] = narrow ? [0, 50 + i * 24] : [i * column, 48];
    const value = svg("text", { class: "number term", x: narrow ? x + 120 : x + (i ? 18 : 0), y });
    node.append(
      svg("text", { class: "sign", x: narrow ? x + 104 : x, y }, sign),
      value,
      svg("text", { class: "note", x: narrow ? x : x + (i ? 18 : 0), y: narrow ? y : y + 16 }, label),
    );
    return value;
  });
  const gradient = svg("text", { class: "note", y: narrow ? 150 : 84 });
  const optimizer = svg("text", { class: "note", y: narrow ? 165 : 84 });
  node.append(gradient, optimizer);

  const line = narrow
    ? { x: 8, y: 190, width: box.width - 16 }
    : { x: 4 * column + 30, y: 44, width: box.width - 4 * column - 38 };
  const middle = line.x + line.width / 2;
  const before = svg("circle", { class: "old", r: 4, cy: line.y });
  const after = svg("circle", { class: "new", r: 4, cy: line.y });
  const way = svg("line", { class: "way", y1: line.y, y2: line.y });
  const zoom = svg("text", { class: "note middle", x: middle, y: line.y + 22 });
  const drawing = svg(
    "g",
    {},
    svg("line", { class: "axis", x1: line.x, x2: line.x + line.width, y1: line.y, y2: line.y }),
    way,
    before,
    after,
    zoom,
  );
  node.append(drawing);

  return {
    key: "update",
    box,
    node,
    update(t) {
      const w = t.weight;
      drawing.classList.toggle("none", !w);
      if (!w) {
        name.textContent = narrow
          ? "in training, each weight now takes a step"
          : "a question is answered without a step: in training, each weight now moves against its gradient";
        const texts = ["new", "old", "rate", "direction"];
        fields.forEach((f, i) => {
          f.textContent = texts[i];
          f.classList.add("empty");
        });
        gradient.textContent = optimizer.textContent = "";
        return;
      }
      fields.forEach((f) => f.classList.remove("empty"));
      name.textContent = `one weight of all: ${w.name}, the most to blame`;
      fields[0].textContent = withSign(w.new);
      fields[1].textContent = withSign(w.old);
      fields[2].textContent = figure(w.learning_rate, 3);
      fields[3].textContent = withSign(w.direction);
      const clipped = w.clipped_gradient === w.gradient ? "" : `, ${withSign(w.clipped_gradient, 5)} after clipping`;
      gradient.textContent = `gradient ${withSign(w.gradient, 5)}${clipped}`;
      optimizer.textContent = `${w.optimizer} makes the direction of it`;
      if (!narrow) optimizer.setAttribute("x", String(gradient.getComputedTextLength() + 10));
      const step = w.new - w.old;
      const reach = step === 0 ? 0 : Math.sign(step) * line.width * 0.3;
      const from = middle - reach / 2;
      const to = middle + reach / 2;
      before.setAttribute("cx", String(from));
      after.setAttribute("cx", String(to));
      way.setAttribute("x1", String(from));
      way.setAttribute("x2", String(to));
      zoom.textContent = step === 0 ? "too small a step for a float" : `a step of ${withSign(step, 6)}`;
    },
  };
}
