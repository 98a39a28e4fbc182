/** @param {any} source @param {any} run */
export function openRun(source, run) {
  return { visible() {}, step() {}, evaluation() {}, sample() {} };
}
