// The page: clips come from the microphone, a choice or a drop; each ends in an answer or in words.

import { showFailure, showOutcome } from "./answer.js";
import { part } from "./dom.js";
import { showList } from "./list.js";
import { showModel } from "./model.js";
import { showDone, showSent } from "./progress.js";
import { Queue } from "./queue.js";
import { Recorder } from "./recorder.js";
import { ask, identify } from "./service.js";

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const queue = new Queue(changed);
let model = null; // what /model told
let chosen = null; // the clip whose outcome is shown
let awaited = null; // the clip whose answer gets the focus

function take(files) {
  if (!files.length) return;
  [awaited] = queue.add(files);
  choose(awaited);
}

function choose(clip) {
  chosen = clip;
  showList(queue.clips, chosen, choose);
  showOutcome(chosen, model?.tree);
}

async function changed(clip) {
  if (clip.sent) showSent(clip, queue.batch.indexOf(clip) + 1, queue.batch.length);
  else if (!queue.waiting.length) showDone(summary());
  if (clip.answer) await know(clip.answer.model);
  showList(queue.clips, chosen, choose);
  if (clip !== chosen || clip.sent) return;
  showOutcome(clip, model?.tree);
  if (clip !== awaited) return;
  awaited = null;
  if (clip.answer) part("answer").focus({ preventScroll: true });
  const behavior = calm.matches ? "auto" : "smooth";
  part(clip.answer ? "answer" : "error").scrollIntoView({ block: "nearest", behavior });
}

/** Asks once more for what has failed: the chosen clip, or at first the model. */
function repeat() {
  if (!chosen) {
    greet();
    return;
  }
  awaited = chosen;
  queue.again(chosen);
  choose(chosen);
  part("cancel").focus();
}

/** Learns which model answers, before it does. */
async function greet() {
  try {
    model = await ask("model");
    showModel(model);
    if (!chosen) showOutcome(null);
  } catch (failure) {
    if (!chosen) showFailure(failure);
  }
}

function summary() {
  const failed = queue.batch.filter(({ failure }) => failure).length;
  if (queue.batch.length < 2) return "";
  return `All ${queue.batch.length} are done${failed ? `, ${failed} of them without an answer` : ""}.`;
}

/** Learns more of the model that answered, where it is another than the one known. */
async function know(told) {
  if (model?.name === told.name && model?.version === told.version) return;
  model = await ask("model").catch(() => told);
  showModel(model);
}

part("file").addEventListener("change", ({ target }) => {
  take([...target.files]);
  target.value = ""; // so that the same file can be chosen again
});
part("cancel").addEventListener("click", () => {
  queue.cancel();
  part(part("error").hidden ? "file" : "again").focus(); // the button that had the focus is gone
});
part("again").addEventListener("click", repeat);
part("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  identify(part("token").value);
  part("card").hidden = true; // a link cannot carry the token
  repeat();
});
part("clear").addEventListener("click", () => {
  queue.clear();
  showDone();
  choose(null);
  part("file").focus();
});

// Anywhere on the page: a file that misses the frame must not make the browser leave.
addEventListener("dragover", (event) => {
  event.preventDefault();
  part("drop").classList.add("over");
});
addEventListener("dragleave", ({ relatedTarget }) => {
  if (!relatedTarget) part("drop").classList.remove("over");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  part("drop").classList.remove("over");
  take([...event.dataTransfer.files]);
});

// One sound at a time.
document.addEventListener("play", ({ target }) => {
  for (const sound of document.querySelectorAll("audio")) if (sound !== target) sound.pause();
}, true);

new Recorder((file) => take([file]));
greet();
