/** Small helpers for the document. */
const SVG = "http://www.w3.org/2000/svg";

export const find = (selector, root = document) => root.querySelector(selector);
export const findAll = (selector, root = document) => [...root.querySelectorAll(selector)];

/** An element with attributes and children. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** One of the symbols of index.html. */
export function icon(symbol) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#${symbol}`);
  svg.append(use);
  return svg;
}

/** Change the symbol of an element that shows one. */
export function setIcon(element, symbol) {
  find("use", element).setAttribute("href", `#${symbol}`);
}

/** A copy of a template's first element. */
export function copyOf(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}

/** Show only the panel of `root` that belongs to a choice. */
export function showPanel(root, choice) {
  for (const panel of root.children) {
    if (panel.dataset.panel) panel.hidden = panel.dataset.panel !== choice;
  }
}

/** Minutes and seconds: 1:05. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
