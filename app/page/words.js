/** The page's language: its words, and the elements that show them. */
import en from "./words-en.js";
import zh from "./words-zh.js";

const WORDS = { en, zh };
const TAGS = { en: "en", zh: "zh-Hans" };
const KEPT = "indextts.language";
const ATTRIBUTES = {
  sayLabel: "aria-label",
  sayPlaceholder: "placeholder",
  sayTitle: "title",
};

const given = new WeakMap();
const changes = new EventTarget();
let current = chosen();

function chosen() {
  const kept = recall();
  if (kept in WORDS) return kept;
  const first = navigator.languages.find((tag) => tag.slice(0, 2) in WORDS);
  return first ? first.slice(0, 2) : "en";
}

function recall() {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null; // storage may be forbidden
  }
}

/** "en" or "zh". */
export function language() {
  return current;
}

/** A text with its places `{name}` filled; a key that nobody knows is the text itself. */
export function say(key, values = {}) {
  const text = WORDS[current][key] ?? en[key] ?? key;
  // What the service says may hold braces of its own.
  return text.replace(/\{(\w+)\}/g, (place, part) => (part in values ? shown(values[part]) : place));
}

function shown(value) {
  if (typeof value !== "number") return String(value ?? "");
  return new Intl.NumberFormat(TAGS[current], { maximumFractionDigits: 2 }).format(value);
}

/** Show a text in an element, now and after a change of the language. */
export function put(element, key, values = {}) {
  given.set(element, values);
  element.dataset.say = key;
  element.textContent = key ? say(key, values) : "";
}

/** The same for what an element is called by a screen reader. */
export function name(element, key, values = {}) {
  given.set(element, values);
  element.dataset.sayLabel = key;
  element.setAttribute("aria-label", say(key, values));
}

/** Fill in the words of everything below `root`. */
export function translate(root = document.documentElement) {
  const selector = "[data-say], [data-say-label], [data-say-placeholder], [data-say-title]";
  for (const element of root.querySelectorAll(selector)) {
    const values = given.get(element);
    const { say: key } = element.dataset;
    if (key) element.textContent = say(key, values);
    for (const [data, attribute] of Object.entries(ATTRIBUTES)) {
      if (element.dataset[data]) element.setAttribute(attribute, say(element.dataset[data], values));
    }
  }
}

/** Call `change` after every change of the language, until `signal` says that it is over. */
export function onLanguage(change, signal) {
  changes.addEventListener("change", change, { signal });
}

/** Speak another language; none given: only show the one that holds. */
export function useLanguage(wanted = current) {
  if (wanted !== current) {
    current = wanted;
    try {
      localStorage.setItem(KEPT, wanted);
    } catch {
      // It holds for this visit.
    }
  }
  document.documentElement.lang = TAGS[current];
  document.title = say("title");
  translate();
  changes.dispatchEvent(new Event("change"));
}
