// The waveform and the log-mel spectrogram of an answer, over one time axis.

import { colour, element, part } from "./dom.js";
import { clock, duration } from "./words.js";

const STEPS = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300]; // seconds between marks of the axis
const ROOM = 56; // pixels that a mark needs

/** A canvas ready to be drawn in its own pixels, with its width and height there. */
export function fitted(canvas) {
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.round(canvas.clientWidth * scale);
  canvas.height = Math.round(canvas.clientHeight * scale);
  return { pen: canvas.getContext("2d"), width: canvas.width, height: canvas.height, scale };
}

/** Draws the picture, and says in words what it shows. */
export function drawPicture({ seconds, waveform, spectrogram }) {
  drawWaveform(part("waveform"), waveform);
  drawSpectrogram(part("spectrogram"), spectrogram);
  drawAxis(part("axis"), seconds);
  const heights = waveform.map(([low, high]) => high - low);
  const loudest = heights.indexOf(Math.max(...heights)) / Math.max(heights.length, 1);
  const [low, high] = [spectrogram.lowest, spectrogram.highest].map(Math.round);
  part("waveform").setAttribute("aria-label",
    `Waveform of ${duration(seconds)}, loudest at ${duration(loudest * seconds)}`);
  part("spectrogram").setAttribute("aria-label",
    `Log-mel spectrogram of ${duration(seconds)}, from ${low} to ${high} hertz`);
  [part("lowest").textContent, part("highest").textContent] = [hertz(low), hertz(high)];
}

const hertz = (value) => (value >= 1000 ? `${+(value / 1000).toFixed(1)} kHz` : `${value} Hz`);

function drawWaveform(canvas, pairs) {
  const { pen, width, height, scale } = fitted(canvas);
  const largest = Math.max(0.01, ...pairs.flat().map(Math.abs));
  const place = (value) => (height / 2) * (1 - (0.95 * value) / largest);
  const step = width / pairs.length;
  pen.fillStyle = colour("accent");
  pairs.forEach(([low, high], index) => {
    const tall = Math.max(place(low) - place(high), scale); // a line where it is silent
    pen.fillRect(index * step, place(high), Math.max(step, 1), tall);
  });
}

function drawSpectrogram(canvas, { bands, columns, levels }) {
  const { pen, width, height } = fitted(canvas);
  const bytes = Uint8Array.from(atob(levels), (letter) => letter.charCodeAt(0));
  const image = new ImageData(columns, bands);
  const shades = ramp(["surface", "accent", "ink"]);
  for (let band = 0; band < bands; band += 1) {
    for (let column = 0; column < columns; column += 1) {
      const shade = 4 * bytes[band * columns + column];
      const pixel = 4 * ((bands - 1 - band) * columns + column); // the lowest band lies at the bottom
      image.data.set(shades.subarray(shade, shade + 4), pixel);
    }
  }
  const small = Object.assign(document.createElement("canvas"), { width: columns, height: bands });
  small.getContext("2d").putImageData(image, 0, 0);
  pen.drawImage(small, 0, 0, width, height);
}

/** 256 shades from the first of some colours to the last, four bytes each. */
function ramp(names) {
  const strip = Object.assign(document.createElement("canvas"), { width: 256, height: 1 });
  const pen = strip.getContext("2d", { willReadFrequently: true });
  const gradient = pen.createLinearGradient(0, 0, 256, 0);
  names.forEach((name, index) => gradient.addColorStop(index / (names.length - 1), colour(name)));
  pen.fillStyle = gradient;
  pen.fillRect(0, 0, 256, 1);
  return pen.getImageData(0, 0, 256, 1).data;
}

function drawAxis(axis, seconds) {
  const most = Math.max(1, Math.floor(axis.clientWidth / ROOM));
  const step = STEPS.find((length) => seconds / length <= most) ?? STEPS.at(-1);
  const marks = Array.from({ length: Math.floor(seconds / step) + 1 }, (_, index) => index * step);
  const fitting = marks.filter((time) => (1 - time / seconds) * axis.clientWidth > ROOM / 2);
  axis.replaceChildren(...fitting.map((time) => {
    const mark = element("span", "mark", step < 1 ? `${time.toFixed(1)}` : clock(time));
    mark.style.left = `${(100 * time) / seconds}%`;
    return mark;
  }));
}
