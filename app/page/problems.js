/** Show what went wrong, in words, beside what it concerns. */
import { find, findAll } from "./dom.js";
import { put, say } from "./words.js";

const PLACES = [
  "text", "spk_audio", "emo_audio", "emo_vector", "emo_text", "emo_alpha", "speed", "quality",
  "format", "seed",
];
const INPUTS = {
  text: "#text", emo_text: "#emo-text", emo_alpha: "#emo-alpha",
  speed: "#speed", quality: "#quality", format: "#format", seed: "#seed",
};
const GROUPS = {
  spk_audio: "#voice input:checked",
  emo_audio: "#emotion-clip input:checked",
  emo_vector: "#sliders input",
};

/** The form cannot be sent as it stands. */
export class FormProblem extends Error {
  /** @param {Object<string, [string, object?]>} fields words by field */
  constructor(fields) {
    super("the form is not complete");
    this.fields = fields;
  }
}

/** Take all complaints back. */
export function clearProblems() {
  for (const place of findAll("main .error")) {
    place.hidden = true;
    put(place, "");
  }
  for (const input of findAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
}

/** Show an error, and put the focus where it can be mended. */
export function showProblem(error) {
  const schema = ours("refused", error.codes?._schema);
  const { fields, rest } = error instanceof FormProblem ? error : sorted(error);
  const names = PLACES.filter((field) => field in fields);
  for (const field of names) {
    showAt(find(`#error-${field}`), ...fields[field]);
    if (INPUTS[field]) find(INPUTS[field]).setAttribute("aria-invalid", "true");
  }
  if (names.length > 0) find(INPUTS[names[0]] ?? GROUPS[names[0]]).focus();
  // "Validation failed" adds nothing to the page's own words.
  else if (schema) showAt(find("#error-general"), schema);
  else showAt(find("#error-general"), [inWords(error), ...rest].join(say("gap")));
}

/** Show a sentence in a place for errors. */
export function showAt(place, key, values) {
  put(place, key, values);
  place.hidden = false;
}

/** What the service says, in the page's language. @param {import("./api.js").ServiceError} error */
export function inWords({ code = "other", detail, message, id, retryAfter = null }) {
  const what = say(ours("problem", code) ?? "told.server", { detail: bare(detail || message), id });
  return retryAfter === null ? what : what + say("gap") + say("told.retry", { seconds: retryAfter });
}

/** The key of the page's own words for the code of an error or of a field; null where it has none. */
function ours(kind, code) {
  const key = `${kind}.${code}`;
  return say(key) === key ? null : key;
}

/**
 * What the service refuses of fields of the form, as words by field, and the rest as sentences: in
 * words of the page where the service gives a code, else in the service's.
 */
function sorted(error) {
  const fields = {};
  const rest = [];
  for (const [field, reasons] of Object.entries(error.fields ?? {})) {
    const reason = [reasons].flat(2).map(sentence).join(" ");
    const theirs = error.code === "invalid_audio" ? ["told.clip", { reason: bare(reason) }] : [reason];
    const key = ours("refused", error.codes[field]) ?? ours("problem", error.code);
    const words = key ? [key, { id: error.id }] : theirs;
    if (PLACES.includes(field)) fields[field] = words;
    else rest.push(say(...words));
  }
  return { fields, rest };
}

function sentence(reason) {
  const text = String(reason).trim();
  return /[.!?。！？]$/.test(text) ? text : `${text}.`;
}

function bare(text) {
  return String(text).replace(/[.。]$/, "");
}
