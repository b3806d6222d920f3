// How likely each emotion is: bars, and the tree of decisions that led there, in whole percentages.

import { element, part } from "./dom.js";
import { sign } from "./sign.js";
import { named, percentages } from "./words.js";

/** Shows the bars, which sum to 100 %, and the tree, whose branches sum to what is above them. */
export function showChances({ emotion, probabilities, path }, tree) {
  const percents = percentages(probabilities);
  const bars = Object.entries(percents).map(([key, percent]) => bar(key, percent, key === emotion));
  part("bars").replaceChildren(...bars);
  const twigs = branches(tree ?? chain(path)).map((branch) => twig(branch, percents, path));
  part("tree").replaceChildren(...twigs);
}

function bar(key, percent, chosen) {
  const fill = element("span", "fill");
  fill.style.width = `${percent}%`;
  const track = element("span", "track", fill);
  track.setAttribute("aria-hidden", "true");
  return element("li", chosen ? "chosen" : "",
    element("span", "name", named(key)), track, element("span", "percent", `${percent} %`));
}

/** The branches below a node, from the notation of the taxonomy: groups in a mapping, classes in a list. */
function branches(node) {
  if (Array.isArray(node)) return node.map((name) => [name, null]);
  return Object.entries(node ?? {});
}

/** The path alone as a tree, for a model that does not tell its own: one branch at each node. */
const chain = (path) => path.reduceRight((below, { node }) => ({ [node]: below }), null);

function twig([name, below], percents, path) {
  const inner = branches(below);
  const step = path.find(({ node }) => node === name);
  const percent = inner.length === 1 ? Math.round(step.probability * 100) : sum(name, below, percents);
  const node = element("span", "node", ...(inner.length ? [] : [sign(name)]),
    element("span", "name", named(name)), element("span", "percent", `${percent} %`));
  if (step) node.append(element("span", "unseen", inner.length ? ", taken" : ", the answer"));
  const item = element("li", step ? "taken" : "", node);
  if (inner.length) item.append(element("ul", "", ...inner.map((branch) => twig(branch, percents, path))));
  return item;
}

function sum(name, below, percents) {
  const inner = branches(below);
  if (!inner.length) return percents[name] ?? 0;
  return inner.reduce((total, [child, deeper]) => total + sum(child, deeper, percents), 0);
}
