/** @param {any} source @param {any} run */
export function openLearned(source, run) {
  return { visible() {}, step() {}, evaluation() {}, sample() {} };
}
