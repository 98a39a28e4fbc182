// A sentence for each stage, with the numbers of the example filled in.

import { figure, list, lossText, percent, probabilityText, thousands, tokenText, withSign } from "./format.js";
import { addsPositions, firstRow, predictedFrom, shown, strongest, weightsOf, words } from "./trace.js";

/** @typedef {import("./types").Trace} Trace */
/** @typedef {import("./types").Run} Run */

/** @param {string} text */
const quote = (text) => `“${tokenText(text)}”`;

/** @param {Trace} t @param {Run} run @returns {string} the whole loop in a sentence */
export function explainLoop(t, run) {
  const best = t.logits.top[0];
  const text = t.text.length > 60 ? `…${t.text.slice(-60)}` : t.text;
  const said = `${quote(text)} goes in, and the model's next word is ${quote(best.text)} at ${percent(best.probability)}.`;
  if (!t.target || t.loss === null) return said;
  const most = [...(t.blame ?? [])].sort((a, b) => b.share - a.share)[0];
  const right = best.id === t.target.id ? "That is right" : `Right is ${quote(t.target.text)}`;
  return (
    `${said} ${right}: loss ${lossText(t.loss)}.${most ? ` Of the blame ${most.stage} gets most, ${percent(most.share, 1)}.` : ""}` +
    `${t.weight && run.live ? " Every weight takes a small step, and the next example comes." : ""}`
  );
}

/** @param {import("./trace.js").Place} place @param {Trace} t @param {Run} run @returns {string} */
export function explain(place, t, run) {
  const w = words(t);
  const row = predictedFrom(t);
  const width = run.config.width;
  switch (place.kind) {
    case "tokens": {
      const few = t.tokens
        .slice(firstRow(t))
        .slice(0, 4)
        .map((token) => `${quote(token.text)} is ${token.id}`);
      return `The text is cut into ${t.tokens.length} tokens, each a number in a vocabulary of ` +
        `${thousands(run.config.vocab_size)}: ${list(few)}.`;
    }
    case "embeddings": {
      const first = shown(t, t.embeddings)[0] ?? [];
      return (
        `Each token fetches its row from a table of ${thousands(run.config.vocab_size)} rows of ${thousands(width)} numbers; ` +
        `that of ${quote(w[0])} begins ${first
          .slice(0, 3)
          .map((v) => figure(v, 3))
          .join(", ")}.`
      );
    }
    case "positions":
      return addsPositions(run)
        ? `A second row of ${thousands(width)} numbers is added, by the place alone: ` +
            `without it ${quote(w[0])} would be the same first or last.`
        : "Queries and keys are turned by an angle that grows with the place of the token, " +
            "so that attention can tell how far apart two tokens are.";
    case "attention": {
      if (!t.attention[place.layer]?.[0]?.[row])
        return "Each token takes something from itself and from those before it, and adds it to its numbers.";
      const looks = t.attention[place.layer].map((head, h) => ({ h, ...strongest(head, row) })).sort((a, b) => b.share - a.share);
      const said = looks.slice(0, 2).map((l) => `${percent(l.share, 0)} from ${quote(w[l.from])} in head ${l.h + 1}`);
      return (
        `Each token takes from itself and those before it: ${quote(w[row])} takes ${list(said)}. ` +
        `What it took, of size ${figure(shown(t, t.attention_out[place.layer])[row], 3)}, is added to its numbers.`
      );
    }
    case "mlp": {
      const top = t.lens?.[place.layer + 1]?.top[0];
      return (
        `Each token is worked on by itself, by ${thousands(weightsOf(run, place.key))} weights, and numbers of size ` +
        `${figure(shown(t, t.mlp[place.layer])[row], 3)} are added to ${quote(w[row])}.` +
        `${top ? ` If the model had to speak now it would say ${quote(top.text)}, at ${percent(top.probability)}.` : ""}`
      );
    }
    case "output": {
      const said = t.logits.top.slice(0, 3).map((c) => `${quote(c.text)} ${percent(c.probability)}`);
      return (
        `The last token's numbers give a score for each of ${thousands(run.config.vocab_size)} words, and softmax turns scores into ` +
        `probabilities: ${list(said)}.`
      );
    }
    case "loss": {
      const guess = Math.log(run.config.vocab_size);
      if (!t.target || t.loss === null || t.probability === null)
        return "What is right here is not known, so there is no loss: it is −log of the right word's probability.";
      return (
        `Right is ${quote(t.target.text)}, to which the model gave p = ${probabilityText(t.loss)}: ` +
        `the loss is −log p = ${lossText(t.loss)}. ` +
        `Sure and right would be 0, a guess among all words ${lossText(guess)}.`
      );
    }
    case "blame": {
      if (!t.blame?.length) return "Without a right word there is no loss, and no blame to share.";
      const order = [...t.blame].sort((a, b) => b.share - a.share);
      return (
        `Back through the same machines goes the question how the loss would change with each weight. Of the squared answer ` +
        `${list(order.slice(0, 3).map((b) => `${b.stage} has ${percent(b.share, 1)}`))}.`
      );
    }
    case "update": {
      const s = t.weight;
      if (!s)
        return "In training each weight now moves a little against its gradient. A question that is only answered changes nothing.";
      return (
        `Each weight moves against its gradient: with ${withSign(s.gradient, 5)}, ${s.name} goes ` +
        `from ${withSign(s.old)} to ${withSign(s.new)}, ` +
        `at learning rate ${figure(s.learning_rate, 3)}.` +
        `${t.target ? ` ${quote(t.target.text)} then has ${percent(s.probability_after)}.` : ""} ` +
        "The next example comes."
      );
    }
  }
}
