// What things are called on the page, and how numbers are written.

const NAMES = {
  anger: "anger",
  calm: "calm",
  disgust: "disgust",
  fear: "fear",
  happy: "happiness",
  neutral: "neutral",
  sad: "sadness",
  surprise: "surprise",
};

/** The name of an emotion or of a group of them. */
export const named = (key) => NAMES[key] ?? key;

/** The same in a sentence: "it sounds like …". */
export const spoken = (key) => (key === "neutral" ? "no particular emotion" : named(key));

/** A sentence from the lower-case words of the service. */
export const sentence = (text) =>
  text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

export const percent = (share) => `${Math.round(share * 100)}\u00a0%`;

/** A place in a recording: 0:07. */
export function clock(seconds) {
  const whole = Math.floor(seconds + 1e-6);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** How long something is: 3.1 s, 2 min 5 s. */
export function duration(seconds) {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** Probabilities as whole percentages that sum to 100, by largest remainders; the likeliest comes first. */
export function percentages(probabilities) {
  const ranked = Object.entries(probabilities).sort((a, b) => b[1] - a[1]);
  const shares = ranked.map(([key, chance]) =>
    ({ key, whole: Math.floor(chance * 100), rest: (chance * 100) % 1 }));
  const missing = Math.round(100 - shares.reduce((sum, { whole }) => sum + whole, 0));
  shares.toSorted((a, b) => b.rest - a.rest).slice(0, missing).forEach((share) => { share.whole += 1; });
  return Object.fromEntries(shares.map(({ key, whole }) => [key, whole]));
}

/** An answer in short: anger, 81 %. */
export function summed({ emotion, probabilities, unsure }) {
  return `${unsure ? "not sure, perhaps " : ""}${named(emotion)}, ${percentages(probabilities)[emotion]}\u00a0%`;
}
