// One clip goes to /predict; the answer, or what is wrong with the clip, comes back in words.

const NAMES = {
  anger: "anger",
  disgust: "disgust",
  fear: "fear",
  happy: "happiness",
  neutral: "no particular emotion",
  sad: "sadness",
};
const SHORT = { ...NAMES, neutral: "neutral" };

const part = (id) => document.getElementById(id);
const name = (key) => SHORT[key] ?? key;

let latest = 0; // only the clip that was chosen last may show its answer

/** Whole percentages that sum to 100, by largest remainders. */
function percentages(chances) {
  const exact = chances.map((chance) => chance * 100);
  const whole = exact.map(Math.floor);
  const missing = Math.round(100 - whole.reduce((sum, value) => sum + value, 0));
  exact
    .map((value, index) => [value - whole[index], index])
    .sort((a, b) => b[0] - a[0])
    .slice(0, missing)
    .forEach(([, index]) => { whole[index] += 1; });
  return whole;
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function bar([key, , percent], chosen) {
  const row = element("li", key === chosen ? "chosen" : "", "");
  const track = element("span", "track", "");
  const fill = element("span", "fill", "");
  fill.style.width = `${percent}%`;
  track.setAttribute("aria-hidden", "true");
  track.append(fill);
  row.append(element("span", "name", name(key)), track, element("span", "percent", `${percent} %`));
  return row;
}

function showAnswer(answer) {
  const ranked = Object.entries(answer.probabilities).sort((a, b) => b[1] - a[1]);
  const percents = percentages(ranked.map(([, chance]) => chance));
  const rows = ranked.map(([key, chance], index) => [key, chance, percents[index]]);
  part("clip").textContent = answer.file ?? "";
  part("emotion").textContent = `It sounds like ${NAMES[answer.emotion] ?? answer.emotion}.`;
  part("bars").replaceChildren(...rows.map((row) => bar(row, answer.emotion)));
  part("path").replaceChildren(...answer.path.map((step) => {
    // The last step is the emotion itself: it shows the number of its bar, which may be rounded otherwise.
    const percent = step.node === answer.emotion ? percents[0] : Math.round(step.probability * 100);
    const item = element("li", "", "");
    item.append(element("span", "step", `${name(step.node)} ${percent} %`));
    return item;
  }));
  showModel(answer.model);
  part("answer").hidden = false;
  part("answer").focus({ preventScroll: true });
}

function showModel(model) {
  part("model").textContent = `Model: ${model.name}, version ${model.version}.`;
  part("note").textContent = model.note ?? "";
  part("note").hidden = !model.note;
}

function showError({ message, hint }) {
  const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
  part("error-message").textContent = sentence(message);
  part("error-hint").textContent = sentence(hint);
  part("error").hidden = false;
}

/** The service's JSON; an Error with `message` and `hint` where there is none. */
async function ask(address, options) {
  let reply;
  try {
    reply = await fetch(address, options);
  } catch {
    throw { message: "the service does not answer", hint: "see whether it runs, and try again" };
  }
  const body = await reply.json().catch(() => ({}));
  if (reply.ok) return body;
  throw body.error?.message
    ? body.error
    : { message: `the service failed with status ${reply.status}`, hint: "try again in a moment" };
}

async function detect(file) {
  const turn = ++latest;
  const form = new FormData();
  form.append("audio", file, file.name);
  part("answer").hidden = true;
  part("error").hidden = true;
  part("status").textContent = `Listening to ${file.name} …`;
  part("drop").setAttribute("aria-busy", "true");
  try {
    const answer = await ask("predict", { method: "POST", body: form });
    if (turn === latest) showAnswer(answer);
  } catch (error) {
    if (turn === latest) showError(error);
  } finally {
    if (turn === latest) {
      part("status").textContent = "";
      part("drop").removeAttribute("aria-busy");
    }
  }
}

part("file").addEventListener("change", ({ target }) => {
  if (target.files.length) detect(target.files[0]);
  target.value = ""; // so that the same file can be chosen again
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
  const [file, ...others] = event.dataTransfer.files;
  if (others.length) {
    part("answer").hidden = true;
    showError({ message: "these are several files", hint: "drop one at a time" });
  } else if (file) {
    detect(file);
  }
});

ask("model").then(showModel, showError);
