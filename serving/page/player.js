// Playback of the clip whose answer is shown: a cursor goes along its picture, and a click listens there.

import { part } from "./dom.js";
import { drawPicture } from "./picture.js";
import { Timeline } from "./timeline.js";

const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class Player {
  #sound = part("sound");
  #answer = null;
  #address = "";
  #timeline = new Timeline((time) => this.listen(time), (time) => this.seek(time));

  constructor() {
    for (const id of ["waveform", "spectrogram", "timeline"]) {
      part(id).addEventListener("click", ({ offsetX, currentTarget }) => {
        this.listen((offsetX / currentTarget.clientWidth) * this.#answer.seconds);
      });
    }
    this.#sound.addEventListener("error", () => this.#playable(false));
    this.#sound.addEventListener("timeupdate", () => this.#move());
    this.#sound.addEventListener("seeking", () => this.#move());
    this.#sound.addEventListener("play", () => this.#follow());
    new ResizeObserver(() => this.#draw()).observe(part("picture"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
  }

  /** Takes a clip with its answer. */
  show({ file, answer }) {
    this.close();
    this.#answer = answer;
    this.#address = URL.createObjectURL(file);
    this.#playable(true);
    this.#sound.src = this.#address;
    part("picture").hidden = !answer.picture;
    this.#timeline.show(answer);
    this.#draw();
  }

  /** Lets go of the sound. */
  close() {
    if (!this.#address) return;
    this.#sound.removeAttribute("src");
    this.#sound.load();
    URL.revokeObjectURL(this.#address);
    [this.#answer, this.#address] = [null, ""];
  }

  /** Plays from a place, in seconds. */
  listen(time) {
    this.seek(time);
    this.#sound.play().catch(() => {}); // that it cannot be played was said
  }

  seek(time) {
    this.#sound.currentTime = time;
    this.#place(time);
  }

  #playable(able) {
    this.#sound.hidden = !able;
    part("unplayable").hidden = able;
    part("cursor").hidden = true;
  }

  #follow() {
    if (this.#sound.paused || calm.matches) return;
    this.#move();
    requestAnimationFrame(() => this.#follow());
  }

  #move() {
    if (!this.#answer) return;
    this.#place(this.#sound.currentTime);
    this.#timeline.at(this.#sound.currentTime);
  }

  #place(time) {
    part("cursor").hidden = false;
    part("cursor").style.left = `${Math.min(100, (100 * time) / this.#answer.seconds)}%`;
  }

  #draw() {
    if (!this.#answer?.picture || !part("picture").clientWidth) return;
    drawPicture(this.#answer.picture);
    this.#timeline.draw();
  }
}
