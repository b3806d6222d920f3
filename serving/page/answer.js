// One answer, or one failure, in words and pictures.

import { showChances } from "./chances.js";
import { element, part, showOnly } from "./dom.js";
import { Player } from "./player.js";
import { sign } from "./sign.js";
import { duration, named, percentages, sentence, spoken } from "./words.js";

const player = new Player();

/** Shows what a clip came to; nothing where it still waits. */
export function showOutcome(clip, tree) {
  if (clip?.answer) showAnswer(clip, tree);
  else if (clip?.failure) showFailure(clip.failure, clip.file.name);
  else hideOutcome();
}

/** Says what failed; `name` is the file's where it was about one. */
export function showFailure({ message, hint, again = false, locked = false }, name = "") {
  player.close();
  part("error-clip").textContent = name;
  part("error-message").textContent = sentence(message);
  part("error-hint").textContent = hint ? sentence(hint) : "";
  part("again").hidden = !again;
  part("token-form").hidden = !locked;
  showOnly("error", "error", "answer");
}

function hideOutcome() {
  player.close();
  showOnly("", "error", "answer");
}

function showAnswer(clip, tree) {
  const { emotion, unsure, seconds, warnings = [], timeline = [] } = clip.answer;
  part("clip").textContent = clip.file.name;
  part("seconds").textContent = seconds === undefined ? "" : `· ${duration(seconds)}`;
  part("sign").replaceChildren(sign(emotion));
  part("emotion").textContent = unsure
    ? `It is not sure. Most likely: ${spoken(emotion)}.`
    : `It sounds like ${spoken(emotion)}.`;
  part("certainty").textContent = certainty(clip.answer);
  part("warnings").hidden = !warnings.length;
  part("warnings").replaceChildren(...warnings.map(({ code, message, hint }) => {
    const advice = code === "long" && timeline.length > 1 ? "see below how it sounds part by part" : hint;
    return element("li", "", element("strong", "", sentence(message)), ` ${sentence(advice)}`);
  }));
  showChances(clip.answer, tree);
  showOnly("answer", "error", "answer");
  player.show(clip);
}

function certainty({ emotion, probabilities }) {
  const percents = percentages(probabilities);
  const second = Object.keys(percents).find((key) => key !== emotion);
  const next = second ? `; next comes ${named(second)}, ${percents[second]}\u00a0%` : "";
  return `${percents[emotion]}\u00a0% likely${next}.`;
}
