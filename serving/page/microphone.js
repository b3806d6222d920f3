// Sound from the microphone as a WAV file of 16 bits at the device's own rate.
//
// Raw samples, not MediaRecorder: nothing is lost to a codec before the model hears it, every browser gives the
// same format, the level comes from the very samples, and a WAV file has a length, so that one can go to a place.

import { Failure } from "./service.js";

// What makes calls pleasant takes loudness and timbre away, which tell emotions apart.
const PLAIN = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false };
const ELSE = "choose a sound file instead";

/** Opens the microphone; `heard(samples, rate)` gets each block, `lost()` is called when it is taken away. */
export async function open(heard, lost) {
  if (!window.isSecureContext) {
    throw new Failure("the microphone works only where this page came over https or from this computer",
      `open it with https or as localhost, or ${ELSE}`);
  }
  if (!navigator.mediaDevices || !window.AudioWorkletNode) {
    throw new Failure("this browser cannot record", `use a newer one, or ${ELSE}`);
  }
  const stream = await navigator.mediaDevices.getUserMedia({ audio: PLAIN }).catch((error) => {
    throw refusal(error);
  });
  const [track] = stream.getAudioTracks();
  const context = new AudioContext();
  const close = () => {
    track.stop();
    context.close();
  };
  try {
    await context.audioWorklet.addModule(new URL("capture.js", import.meta.url));
    const capture = new AudioWorkletNode(context, "capture", { channelCount: 1, channelCountMode: "explicit" });
    capture.port.onmessage = ({ data }) => heard(data, context.sampleRate);
    context.createMediaStreamSource(stream).connect(capture);
    capture.connect(context.destination); // silent, but what leads nowhere may not be run
    await context.resume();
  } catch (error) {
    close();
    throw refusal(error);
  }
  track.addEventListener("ended", lost);
  return { close };
}

function refusal({ name }) {
  if (name === "NotAllowedError" || name === "SecurityError") {
    return new Failure("the microphone is not allowed here",
      `allow it in the browser's settings for this page and record again, or ${ELSE}`);
  }
  if (name === "NotFoundError" || name === "OverconstrainedError") {
    return new Failure("no microphone was found", `plug one in and record again, or ${ELSE}`);
  }
  return new Failure("the microphone cannot be used",
    `see whether another program has it, and record again, or ${ELSE}`);
}

/** Blocks of samples within [-1, 1] as a mono WAV file. */
export function wav(blocks, rate, name) {
  const length = blocks.reduce((sum, block) => sum + block.length, 0);
  const view = new DataView(new ArrayBuffer(44 + 2 * length));
  const text = (place, letters) => [...letters].forEach((l, i) => view.setUint8(place + i, l.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + 2 * length, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true); // bytes of this header
  view.setUint16(20, 1, true); // integers
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, 2 * length, true);
  let place = 44;
  for (const block of blocks) {
    for (const sample of block) {
      view.setInt16(place, Math.round(Math.max(-1, Math.min(1, sample)) * 32767), true);
      place += 2;
    }
  }
  return new File([view], name, { type: "audio/wav" });
}
