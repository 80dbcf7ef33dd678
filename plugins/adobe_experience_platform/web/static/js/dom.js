// Builds the page. Text only ever becomes text nodes and attributes: nothing here parses HTML.

/**
 * Make an element.
 * @param {string} name tag, with classes after dots: "p.hint"
 * @param {object} [attributes] attributes; `on…` are listeners, `style` sets custom properties, null leaves out
 * @param {...any} children nodes, text, lists of them; null and false are left out
 */
export function h(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  fill(element, attributes);
  element.append(...nodes(children));
  return element;
}

/** Foreign text as it is shown: signs that turn or hide what stands beside them become visible. */
const CONTROLS = /[^\P{Cc}\t\n\r]|[\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu;
const shownText = (value) =>
  (typeof value === "object" ? JSON.stringify(value) : String(value)).replace(CONTROLS, "\ufffd");

/** Make an SVG icon of one path. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [key, value] of Object.entries({
    viewBox: "0 0 24 24",
    class: `icon icon-${name}`,
    "aria-hidden": "true",
  })) {
    svg.setAttribute(key, value);
  }
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name] ?? ICONS.dot);
  svg.append(path);
  return svg;
}

const ICONS = {
  check: "m5 12.5 4.5 4.5L19 7.5",
  cross: "m6.5 6.5 11 11m0-11-11 11",
  warning: "M12 8v5m0 3.5v.1M10.4 4 2.9 17a1.8 1.8 0 0 0 1.6 2.7h15a1.8 1.8 0 0 0 1.6-2.7L13.6 4a1.8 1.8 0 0 0-3.2 0Z",
  running: "M21 12a9 9 0 1 1-6.2-8.6",
  clock: "M12 7v5l3 2m6-2a9 9 0 1 1-18 0 9 9 0 0 1 18 0Z",
  pause: "M9 6v12M15 6v12",
  skip: "M6 12h12",
  dot: "M12 12v.01",
  question: "M9 9a3 3 0 1 1 4 2.8c-.7.3-1 .8-1 1.7m0 3.4v.1",
  out: "M14 4h6v6m0-6-9 9m-3-8H6a2 2 0 0 0-2 2v11a2 2 0 0 0 2 2h11a2 2 0 0 0 2-2v-2",
  next: "m9 6 6 6-6 6",
  download: "M12 4v11m-4.5-4 4.5 4.5L16.5 11M5 20h14",
  search: "m20 20-4.5-4.5M17 10.5a6.5 6.5 0 1 1-13 0 6.5 6.5 0 0 1 13 0Z",
  again: "M20 11a8 8 0 1 0-.6 4M20 5v6h-6",
  send: "M21.5 2.5 10.8 13.2m10.7-10.7-6.8 19-3.9-8.3-8.3-3.9z",
  copy: "M9 9h10.5v10.5H9zM5 15H4.5V4.5H15V6",
  person: "M5 20c0-3.5 3-6 7-6s7 2.5 7 6M15.5 7.5a3.5 3.5 0 1 1-7 0 3.5 3.5 0 0 1 7 0Z",
  calendar:
    "M7 3v4m10-4v4M4 10h16M5.5 5h13A1.5 1.5 0 0 1 20 6.5v12a1.5 1.5 0 0 1-1.5 1.5h-13A1.5 1.5 0 0 1 4 18.5v-12A1.5 1.5 0 0 1 5.5 5Z",
};

/**
 * Rebuild a part of the page, only if what it shows has changed; the focus stays where it was.
 * @param {Element} place the part
 * @param {any} shown all that the part is made of, as plain values
 * @param {() => any} build makes the children
 */
export function update(place, shown, build) {
  const signature = JSON.stringify(shown);
  if (place.shownSignature === signature) return false;
  place.shownSignature = signature;
  const isInside = place.contains(document.activeElement);
  // A button that was pressed may be off for a while: it gets the focus back, unless it went elsewhere.
  const focused = isInside
    ? document.activeElement.dataset.key
    : document.activeElement === document.body && place.left;
  const open = new Set([...place.querySelectorAll("details[open][data-key]")].map((item) => item.dataset.key));
  place.replaceChildren(...nodes([build()]));
  for (const item of place.querySelectorAll("details[data-key]")) if (open.has(item.dataset.key)) item.open = true;
  const again = focused ? place.querySelector(`[data-key="${CSS.escape(focused)}"]`) : null;
  again?.focus({ preventScroll: true });
  place.left = again && document.activeElement !== again ? focused : null;
  return true;
}

function nodes(children) {
  const found = [];
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false || child === "") continue;
    found.push(child instanceof Node ? child : document.createTextNode(shownText(child)));
  }
  return found;
}

function fill(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, item] of Object.entries(value)) element.style.setProperty(key, item);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "value" || name === "checked" || name === "selected") element[name] = value;
    else element.setAttribute(name, value === true ? "" : shownText(value));
  }
}
