// Emotion over time: a row of bars for each emotion, a window of time beside the other, to listen there.

import { colour, element, part } from "./dom.js";
import { fitted } from "./picture.js";
import { sign } from "./sign.js";
import { clock, named, summed } from "./words.js";

export const SHORTEST = 4; // seconds: what is not longer has one emotion, and no timeline
const STRETCHES = 8; // told in words; a longer course has its rows
const NEAR = 0.01; // seconds: players round the time that they are sent to
const JUMP = 5; // windows for Page Up and Page Down

export class Timeline {
  #windows = [];
  #seconds = 0;
  #emotions = [];
  #now = 0;
  #canvas = part("timeline");

  /** `listen(seconds)` is called to play from there, `seek(seconds)` to go there. */
  constructor(listen, seek) {
    this.#canvas.addEventListener("keydown", (event) => {
      const to = this.#target(event.key);
      if (to === undefined) return;
      event.preventDefault();
      this.#point(to);
      ([" ", "Enter"].includes(event.key) ? listen : seek)(this.#span(to)[0]);
    });
  }

  /** Takes the windows of an answer; there is nothing to see where there are fewer than two. */
  show({ timeline = [], seconds, probabilities }) {
    const seen = timeline.length > 1 && seconds > SHORTEST;
    [this.#windows, this.#seconds] = [seen ? timeline : [], seconds];
    this.#emotions = Object.keys(probabilities).sort((a, b) => probabilities[b] - probabilities[a]);
    for (const id of ["rows", "timeline", "over-time"]) part(id).hidden = !seen;
    if (!seen) return;
    part("rows").replaceChildren(...this.#emotions.map((key) => element("span", "", sign(key), named(key))));
    part("course").textContent = course(this.#stretches());
    this.#canvas.setAttribute("aria-valuemin", "0");
    this.#canvas.setAttribute("aria-valuemax", String(timeline.length - 1));
    this.#point(0);
  }

  draw() {
    if (!this.#windows.length) return;
    const { pen, width, height, scale } = fitted(this.#canvas);
    const tall = height / this.#emotions.length;
    const [chosen, rest, line] = [colour("accent"), colour("rest"), colour("line")];
    this.#windows.forEach(({ emotion, probabilities }, index) => {
      const [from, to] = this.#span(index).map((time) => (time / this.#seconds) * width);
      this.#emotions.forEach((key, row) => {
        const bar = Math.max(probabilities[key] * (tall - 4 * scale), scale);
        pen.fillStyle = key === emotion ? chosen : rest;
        pen.fillRect(from, (row + 1) * tall - bar, Math.max(to - from - scale, scale), bar);
      });
    });
    pen.fillStyle = line;
    this.#emotions.forEach((_, row) => pen.fillRect(0, (row + 1) * tall - scale, width, scale));
  }

  /** Says what the window at a time holds. */
  at(time) {
    const last = this.#windows.length - 1;
    if (last < 0) return;
    const ends = (place) => this.#span(place)[1] - NEAR;
    const index = this.#windows.findIndex((_, place) => place === last || time < ends(place));
    this.#point(index);
    const [from, to] = this.#span(index);
    if (time < from - NEAR || time > to + NEAR) part("moment").textContent = `${clock(time)}: nothing is heard`;
  }

  #point(index) {
    this.#now = index;
    const { start, end } = this.#windows[index];
    const words = `${clock(start)} to ${clock(end)}: ${summed(this.#windows[index])}`;
    part("moment").textContent = words;
    this.#canvas.setAttribute("aria-valuenow", String(index));
    this.#canvas.setAttribute("aria-valuetext", words);
  }

  #target(key) {
    const last = this.#windows.length - 1;
    const to = {
      ArrowLeft: this.#now - 1, ArrowDown: this.#now - 1, ArrowRight: this.#now + 1, ArrowUp: this.#now + 1,
      PageUp: this.#now + JUMP, PageDown: this.#now - JUMP, Home: 0, End: last, Enter: this.#now, " ": this.#now,
    }[key];
    return to === undefined ? undefined : Math.min(Math.max(to, 0), last);
  }

  /** The time that a window stands for: they overlap, and each has what is nearest to its middle. */
  #span(index) {
    const middle = ({ start, end }) => (start + end) / 2;
    const [before, here, after] = [-1, 0, 1].map((step) => this.#windows[index + step]);
    return [
      Math.max(here.start, before ? (middle(before) + middle(here)) / 2 : 0),
      Math.min(here.end, after ? (middle(here) + middle(after)) / 2 : this.#seconds),
    ];
  }

  #stretches() {
    const found = [];
    this.#windows.forEach(({ emotion }, index) => {
      const [from, to] = this.#span(index);
      if (found.at(-1)?.emotion === emotion) found.at(-1).to = to;
      else found.push({ emotion, from, to });
    });
    return found;
  }
}

/** How the emotion goes from stretch to stretch, in a sentence. */
function course(stretches) {
  if (stretches.length === 1) return `It sounds like ${named(stretches[0].emotion)} throughout.`;
  const told = stretches.slice(0, STRETCHES).map(({ emotion, to }, index) =>
    (index === stretches.length - 1 ? named(emotion) : `${named(emotion)} until ${clock(to)}`));
  const more = stretches.length > STRETCHES ? `, and ${stretches.length - STRETCHES} more changes` : "";
  return `First ${told.join(", then ")}${more}.`;
}
