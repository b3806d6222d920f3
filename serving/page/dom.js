// Short ways to say what the browser says at length.

export const part = (id) => document.getElementById(id);

/** Shows one of several parts and hides the others. */
export function showOnly(chosen, ...all) {
  for (const id of all) part(id).hidden = id !== chosen;
}

/** A new element with its class and what is in it: text or other elements. */
export function element(tag, className, ...inside) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...inside);
  return made;
}

/** A colour of the style sheet, as the present scheme has it. */
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
