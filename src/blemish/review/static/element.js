/** Elements made of text only: nothing here ever parses HTML. */

/** @type {(id: string) => any} the elements of our own template, whatever their tag */
export const find = (id) => document.getElementById(id);

/** @type {(selector: string) => NodeListOf<any>} */
export const findAll = (selector) => document.querySelectorAll(selector);

/** make("td", {class: "number"}, "3", child, …); properties that are functions are listeners. */
export function make(tag, properties = {}, ...children) {
  const element = tag.startsWith("svg:")
    ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4))
    : document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** A value of the data: whole numbers as they are, others rounded to `digits` significant ones. */
export const cellText = (value, digits) => (Number.isSafeInteger(value) ? String(value) : number(value, digits));

export const number = (value, digits = 3) =>
  value === null || value === undefined ? "–" : typeof value === "number" ? String(Number(value.toPrecision(digits))) : String(value);

export const percent = (value) => (value === null || value === undefined ? "–" : `${Math.round(100 * value)} %`);

/** Announce to screen readers. */
export function say(words) {
  find("said").textContent = words;
}
