// The list of this visit's clips, once there are several: a row each, to choose whose answer is shown.

import { element, part } from "./dom.js";
import { sign } from "./sign.js";
import { sentence, summed } from "./words.js";

const rows = new Map();

/** Shows the clips in rows; `choose(clip)` is called when a person chooses one. */
export function showList(clips, chosen, choose) {
  part("list").hidden = clips.length < 2;
  for (const [clip, { item }] of rows) {
    if (clips.includes(clip)) continue;
    item.remove();
    rows.delete(clip);
  }
  for (const clip of clips) {
    if (!rows.has(clip)) rows.set(clip, added(clip, choose));
    fill(rows.get(clip), clip, clip === chosen);
  }
}

function added(clip, choose) {
  const [mark, outcome] = [element("span", "sign"), element("span", "outcome")];
  const button = element("button", "row", mark, element("bdi", "file", clip.file.name), outcome);
  button.type = "button";
  button.addEventListener("click", () => choose(clip));
  const item = element("li", "", button);
  part("clips").append(item);
  return { item, button, mark, outcome };
}

function fill({ button, mark, outcome }, clip, chosen) {
  const { answer, failure, sent } = clip;
  button.setAttribute("aria-current", String(chosen));
  button.dataset.state = answer ? "answered" : failure ? "failed" : sent ? "sent" : "waiting";
  mark.replaceChildren(...(answer ? [sign(answer.emotion)] : []));
  outcome.textContent = answer ? summed(answer)
    : failure ? sentence(failure.message)
    : sent ? "listening …" : "waits";
}
