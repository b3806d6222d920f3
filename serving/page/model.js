// Which model answers, how good it is, and what a person should know of it beforehand.

import { part } from "./dom.js";
import { percent } from "./words.js";

/** Shows what /model or an answer tells; an answer tells less. */
export function showModel(model) {
  const { name, version, note, licence } = model;
  part("note").textContent = note ?? "";
  part("note").hidden = !note;
  part("model").textContent = [`${name}, version ${version}`, dated(model), licence && `licence ${licence}`]
    .filter(Boolean).join(", ") + ".";
  part("accuracy").textContent = accuracy(model);
}

function dated({ date }) {
  if (!date) return "";
  const day = new Date(date);
  if (Number.isNaN(day.valueOf())) return `of ${date}`;
  const style = { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" };
  return `of ${day.toLocaleDateString("en-GB", style)}`;
}

function accuracy({ trained_on: learned, metrics = {}, classes = [], protocol }) {
  const uar = metrics["test.uar"];
  if (learned === "sample") {
    return "It learned from synthetic voices: how good it is with real ones was not measured.";
  }
  if (uar === undefined) return "How good it is, its card says.";
  const [low, high, speakers] = ["test.uar_low", "test.uar_high", "test.speakers"].map((key) => metrics[key]);
  const interval = low === undefined || high === undefined ? ""
    : ` (95\u00a0% interval: ${percent(low)} to ${percent(high)})`;
  const who = speakers === undefined ? "speakers"
    : speakers === 1 ? "one speaker" : `${speakers} speakers`;
  const known = protocol === "clips" ? "whom it had heard before" : "whom it had never heard";
  const chance = classes.length ? ` Guessing would reach ${percent(1 / classes.length)}.` : "";
  return `It learned from actors who speak English. Tried on recordings of ${who} ${known}, it named the emotion `
    + `rightly in ${percent(uar)} of them, averaged over the emotions${interval}.${chance}`;
}
