// What the page says while it waits: whose turn it is, how far it has come, and that it still waits.

import { element, part } from "./dom.js";

const STILL = [5, 15, 30, 60, 120]; // seconds after which it is said again

let timers = [];

/** Says that a clip was sent, the `place`th of `total` that were given together. */
export function showSent(clip, place, total) {
  quiet();
  const [who, where] = [() => element("bdi", "", clip.file.name), total > 1 ? ` (${place} of ${total})` : ""];
  part("waiting").hidden = false;
  Object.assign(part("progress"), total > 1 ? { max: total, value: place - 1 } : {});
  if (total === 1) part("progress").removeAttribute("value");
  part("status").replaceChildren("Listening to ", who(), `${where} …`);
  timers = STILL.map((seconds) => setTimeout(() => {
    part("status").replaceChildren("Still listening to ", who(), `${where}: ${seconds} seconds so far. `
      + "Long recordings take longer; Cancel stops it.");
  }, seconds * 1000));
}

/** Says how it ended, where there is something to say. */
export function showDone(text = "") {
  quiet();
  part("waiting").hidden = true;
  part("status").textContent = text;
}

function quiet() {
  timers.forEach(clearTimeout);
  timers = [];
}
