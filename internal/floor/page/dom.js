// Elements of HTML and SVG, and the tooltip.

/** @typedef {Record<string, string | number | boolean | null | undefined | ((event: any) => void)>} Attributes */

/** @param {Element} e @param {Attributes} attributes a function listens; null and false are left out */
function setAttributes(e, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") e.addEventListener(name, value);
    else e.setAttribute(name, value === true ? "" : String(value));
  }
}

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} name @param {Attributes} [attributes] @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function html(name, attributes = {}, ...children) {
  const e = document.createElement(name);
  setAttributes(e, attributes);
  e.append(...children);
  return e;
}

/**
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} name @param {Attributes} [attributes] @param {...(Node | string)} children
 * @returns {SVGElementTagNameMap[K]}
 */
export function svg(name, attributes = {}, ...children) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", name);
  setAttributes(e, attributes);
  e.append(...children);
  return e;
}

/** @param {string} id @returns {HTMLElement} */
export function byId(id) {
  const e = document.getElementById(id);
  if (!e) throw new Error(`index.html has no #${id}`);
  return e;
}

const tip = html("div", { class: "tip", role: "presentation", hidden: true });

/** @param {string} text lines @param {{clientX: number, clientY: number}} at */
export function showTip(text, at) {
  if (!tip.isConnected) document.body.append(tip);
  tip.textContent = text;
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const x = Math.min(at.clientX + 14, innerWidth - box.width - 8);
  const y = at.clientY + 18 + box.height > innerHeight ? at.clientY - box.height - 10 : at.clientY + 18;
  tip.style.transform = `translate(${Math.max(8, x)}px, ${Math.max(8, y)}px)`;
}

export function hideTip() {
  tip.hidden = true;
}

/** @returns {boolean} whether things may move */
export const mayMove = () => !matchMedia("(prefers-reduced-motion: reduce)").matches;
