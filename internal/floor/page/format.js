// Numbers and tokens as people read them.

const minus = "−";

/** @param {string} text @returns {string} with the sign that is as wide as a plus */
const signed = (text) => text.replace(/^-/, minus).replace(/e-/, `e${minus}`);

/** @param {number} n @returns {string} 12,300 */
export const thousands = (n) => Math.round(n).toLocaleString("en-US");

/** @param {number | null | undefined} v @param {number} [digits] @returns {string} 2.62 %; nothing is rounded to all or nothing */
export function percent(v, digits = 2) {
  if (v === null || v === undefined || !Number.isFinite(v)) return "–";
  const text = (100 * v).toFixed(digits);
  const least = 10 ** -digits;
  const sign = "\u00a0%"; // which stays on the line of its number
  if (v > 0 && Number(text) === 0) return `<\u00a0${least.toFixed(digits)}${sign}`;
  if (v < 1 && Number(text) === 100) return `>\u00a0${(100 - least).toFixed(digits)}${sign}`;
  return text + sign;
}

/** @param {number | null | undefined} v @param {number} [digits] significant ones @returns {string} */
export function figure(v, digits = 4) {
  if (v === null || v === undefined || !Number.isFinite(v)) return "–";
  if (v === 0) return "0";
  const size = Math.abs(v);
  if (size >= 1e6 || size < 1e-4)
    return signed(
      v
        .toExponential(digits - 1)
        .replace(/\.?0+e/, "e")
        .replace("e+", "e"),
    );
  if (size >= 1000) return signed(thousands(v));
  return signed(String(Number(v.toPrecision(digits))));
}

/** @param {number} v @param {number} [digits] decimals @returns {string} with a sign always: +0.008681 */
export function withSign(v, digits = 6) {
  const size = Math.abs(v);
  const text = size !== 0 && size < 10 ** -(digits - 2) ? size.toExponential(3).replace("e-", `e${minus}`) : size.toFixed(digits);
  return (v < 0 ? minus : "+") + text;
}

/** @param {number} loss @returns {string} four decimals, or four digits where those would be zeros */
export const lossText = (loss) => (loss >= 0.01 || loss === 0 ? loss.toFixed(4) : signed(loss.toExponential(3)));

/**
 * The probability of a loss, with just so many digits that whoever takes -log of what is printed gets the loss that is printed.
 * @param {number} loss -log p
 */
export function probabilityText(loss) {
  const wanted = lossText(loss);
  const p = Math.exp(-loss);
  for (let digits = 4; digits < 18; digits++) {
    const text = p.toFixed(digits);
    if (Number(text) > 0 && lossText(Math.abs(Math.log(Number(text)))) === wanted) return text;
  }
  return String(p);
}

/** @param {string} text of a token @returns {string} that can be seen: a space and the end of a line too */
export function tokenText(text) {
  return (
    text
      .replaceAll("\n", "↵")
      .replaceAll("\t", "⇥")
      .replace(/^ /, "·")
      .replace(/^ +$/, (s) => "·".repeat(s.length)) || "∅"
  );
}

/** @param {string} text @returns {string} a stage's name with a capital */
export const capital = (text) => (text.startsWith("mlp") ? `MLP${text.slice(3)}` : text.charAt(0).toUpperCase() + text.slice(1));

/** @param {string[]} parts @returns {string} a, b and c */
export function list(parts) {
  return parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts[parts.length - 1]}`;
}
