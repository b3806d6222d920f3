// The clips of this visit, sent one after the other; each ends with an answer or a failure.

import { detect, Failure } from "./service.js";

export class Queue {
  clips = [];
  batch = []; // those that were given since nothing waited
  #control = null;
  #changed;

  /** `changed(clip)` is called when a clip is sent, and when it ends. */
  constructor(changed) {
    this.#changed = changed;
  }

  /** Takes files to the end of the queue, and returns their clips. */
  add(files) {
    const added = [...files].map((file) => ({ file, sent: false, answer: null, failure: null }));
    this.#join(added);
    this.clips.push(...added);
    this.#run();
    return added;
  }

  /** Sends a clip that failed once more. */
  again(clip) {
    this.#join([clip]);
    clip.failure = null;
    this.#run();
  }

  #join(clips) {
    this.batch = this.waiting.length ? [...new Set([...this.batch, ...clips])] : clips;
  }

  /** Stops what is sent and whatever waits; each may be tried again. */
  cancel() {
    this.#stop();
    for (const clip of this.waiting) {
      clip.sent = false;
      clip.failure = new Failure("this was cancelled", "try again when you like", true);
      this.#changed(clip);
    }
  }

  /** Forgets every clip. */
  clear() {
    this.#stop();
    [this.clips, this.batch] = [[], []];
  }

  #stop() {
    this.#control?.abort();
    this.#control = null;
  }

  get waiting() {
    return this.clips.filter((clip) => !clip.answer && !clip.failure);
  }

  async #run() {
    if (this.#control) return;
    this.#control = new AbortController();
    const { signal } = this.#control;
    for (let [clip] = this.waiting; clip; [clip] = this.waiting) {
      clip.sent = true;
      this.#changed(clip);
      const outcome = await answered(clip.file, signal);
      if (signal.aborted) return;
      Object.assign(clip, { sent: false, ...outcome });
      this.#changed(clip);
    }
    this.#control = null;
  }
}

async function answered(file, signal) {
  try {
    return { answer: await detect(file, signal) };
  } catch (failure) {
    return { failure };
  }
}
