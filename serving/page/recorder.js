// Recording: the level and the time that is left, then listen again, discard or send.

import { part, showOnly } from "./dom.js";
import { open, wav } from "./microphone.js";
import { clock, duration, sentence } from "./words.js";

const LIMIT = 30; // seconds
const SOON = 5; // seconds before the limit when it is said aloud
const FLOOR = -60; // dB of full scale: the meter's left end
const FAINT = -45; // dB: no voice near a microphone is so quiet
const STATES = ["record-idle", "record-asking", "record-live", "record-review"];

export class Recorder {
  #send;
  #microphone = null;
  #turn = 0; // a microphone that is allowed too late is closed again
  #blocks = [];
  #samples = 0;
  #peak = 0;
  #rate = 0;
  #file = null;
  #made = 0;

  /** `send(file)` is called with a recording that a person wants to be answered. */
  constructor(send) {
    this.#send = send;
    const does = (id, action) => part(id).addEventListener("click", action);
    does("record", () => this.#begin());
    does("record-forget", () => this.#discard());
    does("record-stop", () => this.#stop());
    does("record-abandon", () => this.#discard());
    does("record-discard", () => this.#discard());
    does("record-send", () => this.#sent());
  }

  async #begin() {
    this.#turn += 1;
    const turn = this.#turn;
    [this.#blocks, this.#samples, this.#peak] = [[], 0, 0];
    part("record-trouble").hidden = true;
    this.#show("record-asking", "record-forget");
    try {
      const microphone = await open((block, rate) => this.#heard(block, rate), () => this.#stop());
      if (turn !== this.#turn) {
        microphone.close();
        return;
      }
      this.#microphone = microphone;
      this.#meter();
      this.#show("record-live", "record-stop", `Recording, at most ${LIMIT} seconds.`);
    } catch (failure) {
      if (turn !== this.#turn) return;
      this.#show("record-idle", "record");
      part("record-trouble").textContent = `${sentence(failure.message)} ${sentence(failure.hint ?? "")}`;
      part("record-trouble").hidden = false;
    }
  }

  #heard(block, rate) {
    if (!this.#microphone) return;
    const before = this.#samples / rate;
    this.#blocks.push(block);
    this.#samples += block.length;
    this.#rate = rate;
    const peak = block.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
    this.#peak = Math.max(this.#peak, peak);
    const seconds = this.#samples / rate;
    if (Math.floor(before * 20) !== Math.floor(seconds * 20)) this.#meter(seconds, peak);
    if (before < LIMIT - SOON && seconds >= LIMIT - SOON) this.#say(`${SOON} seconds are left.`);
    if (seconds >= LIMIT) this.#stop();
  }

  #meter(seconds = 0, peak = 0) {
    const level = Math.max(FLOOR, decibels(peak));
    part("level").setAttribute("aria-valuenow", String(Math.round(level)));
    part("level").firstElementChild.style.transform = `scaleX(${1 - level / FLOOR})`;
    part("elapsed").textContent = clock(seconds);
    part("left").textContent = `${Math.ceil(LIMIT - seconds)} s left`;
  }

  #stop() {
    if (!this.#close()) return;
    if (!this.#samples) {
      this.#show("record-idle", "record", "Nothing was recorded.");
      return;
    }
    this.#made += 1;
    this.#file = wav(this.#blocks, this.#rate, `recording-${this.#made}.wav`);
    part("listen").src = URL.createObjectURL(this.#file);
    const faint = decibels(this.#peak) < FAINT ? " Hardly anything was heard: is it the right microphone?" : "";
    this.#show("record-review", "record-send", `${duration(this.#samples / this.#rate)} recorded.${faint}`);
  }

  #sent() {
    const file = this.#file;
    this.#forget();
    this.#show("record-idle", "record");
    this.#send(file);
  }

  #discard() {
    this.#turn += 1;
    this.#close();
    this.#forget();
    this.#show("record-idle", "record", "Discarded.");
  }

  #close() {
    const open = this.#microphone;
    open?.close();
    this.#microphone = null;
    return open !== null;
  }

  #forget() {
    URL.revokeObjectURL(part("listen").src);
    part("listen").removeAttribute("src");
    part("listen").load();
    [this.#file, this.#blocks] = [null, []];
  }

  #show(state, focus, words = "") {
    const inside = part("recorder").contains(document.activeElement);
    showOnly(state, ...STATES);
    if (inside) part(focus).focus();
    this.#say(words);
  }

  #say(words) {
    part("record-status").textContent = words;
  }
}

const decibels = (peak) => (peak > 0 ? 20 * Math.log10(peak) : -Infinity);
