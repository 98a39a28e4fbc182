// Drawings and tables as files. A saved drawing has its styles written into it, in the colours of the screen.

const styles = [
  "fill",
  "fill-opacity",
  "stroke",
  "stroke-width",
  "stroke-dasharray",
  "stroke-opacity",
  "stroke-linejoin",
  "opacity",
  "font-family",
  "font-size",
  "font-weight",
  "text-anchor",
  "dominant-baseline",
  "visibility",
];
const titleHeight = 28;

/** @param {string} name @param {Blob} content */
function save(name, content) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** @param {SVGSVGElement} drawing @param {string} title @returns {{text: string, width: number, height: number}} a document of its own */
export function asDocument(drawing, title) {
  const copy = /** @type {SVGSVGElement} */ (drawing.cloneNode(true));
  const theirs = drawing.querySelectorAll("*");
  copy.querySelectorAll("*").forEach((e, i) => {
    const computed = getComputedStyle(theirs[i]);
    for (const name of styles) e.setAttribute(name, computed.getPropertyValue(name));
    e.removeAttribute("class");
    e.removeAttribute("style");
  });
  const [width, height] = [drawing.clientWidth, drawing.clientHeight + titleHeight];
  const page = getComputedStyle(document.documentElement);
  const make = (/** @type {string} */ name, /** @type {Record<string, string | number>} */ attributes) => {
    const e = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, String(v));
    return e;
  };
  const heading = make("text", {
    x: 12,
    y: -9,
    "font-family": "sans-serif",
    "font-size": 13,
    "font-weight": 600,
    fill: page.getPropertyValue("--ink"),
  });
  heading.textContent = title;
  copy.prepend(make("rect", { x: 0, y: -titleHeight, width, height, fill: page.getPropertyValue("--paper") }), heading);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("viewBox", `0 ${-titleHeight} ${width} ${height}`);
  copy.setAttribute("width", String(width));
  copy.setAttribute("height", String(height));
  return { text: new XMLSerializer().serializeToString(copy), width, height };
}

/** @param {SVGSVGElement} drawing @param {string} title @param {string} name */
export function saveSVG(drawing, title, name) {
  save(`${name}.svg`, new Blob([asDocument(drawing, title).text], { type: "image/svg+xml" }));
}

/** @param {SVGSVGElement} drawing @param {string} title @param {string} name */
export function savePNG(drawing, title, name) {
  const { text, width, height } = asDocument(drawing, title);
  const image = new Image();
  const address = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
  image.onload = () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [2 * width, 2 * height];
    canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
    URL.revokeObjectURL(address);
    canvas.toBlob((blob) => blob && save(`${name}.png`, blob), "image/png");
  };
  image.src = address;
}

/** @param {string[]} head @param {(number | string | null)[][]} rows @param {string} name */
export function saveCSV(head, rows, name) {
  const field = (/** @type {number | string | null} */ v) =>
    v === null ? "" : /[",\n]/.test(String(v)) ? `"${String(v).replaceAll('"', '""')}"` : String(v);
  save(`${name}.csv`, new Blob([[head, ...rows].map((row) => `${row.map(field).join(",")}\n`).join("")], { type: "text/csv" }));
}
