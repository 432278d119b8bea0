/** Show what went wrong, in words, beside what it concerns. */
import { find, findAll } from "./dom.js";
import { put, say } from "./words.js";

const PLACES = [
  "text", "spk_audio", "emo_audio", "emo_vector", "emo_text", "emo_alpha", "speed", "format", "seed",
];
const INPUTS = {
  text: "#text", emo_text: "#emo-text", emo_alpha: "#emo-alpha",
  speed: "#speed", format: "#format", seed: "#seed",
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
  if (error instanceof FormProblem) {
    showFields(error.fields);
    return;
  }
  const fields = {};
  const others = [];
  for (const [field, reasons] of Object.entries(error.fields ?? {})) {
    const reason = [reasons].flat(2).map(sentence).join(" ");
    const clip = error.code === "invalid_audio" || error.code === "download_timeout";
    if (PLACES.includes(field)) {
      fields[field] = [clip ? "problem.clip" : "problem.field", { reason: clip ? bare(reason) : reason }];
    } else {
      others.push(reason);
    }
  }
  if (error.code === "unknown_voice" && !fields.spk_audio) fields.spk_audio = ["problem.unknown_voice"];
  showFields(fields);
  if (Object.keys(fields).length === 0) showGeneral(error, others);
}

/** Show a sentence in a place for errors. */
export function showAt(place, key, values) {
  put(place, key, values);
  place.hidden = false;
}

function showFields(fields) {
  const names = PLACES.filter((name) => name in fields);
  for (const name of names) {
    showAt(find(`#error-${name}`), ...fields[name]);
    if (INPUTS[name]) find(INPUTS[name]).setAttribute("aria-invalid", "true");
  }
  if (names.length === 0) return;
  const [first] = names;
  find(INPUTS[first] ?? GROUPS[first]).focus();
}

function showGeneral(error, others) {
  const place = find("#error-general");
  const known = `problem.${error.code ?? "other"}`;
  const has = say(known) !== known;
  const parts = [say(has ? known : "problem.other", { detail: bare(error.detail || error.message), id: error.id })];
  parts.push(...others);
  if (error.retryAfter !== null && error.retryAfter !== undefined) {
    parts.push(say("problem.retry", { seconds: error.retryAfter }));
  }
  showAt(place, parts.join(" "));
}

function sentence(reason) {
  const text = String(reason).trim();
  return text && !/[.!?。！？]$/.test(text) ? `${text}.` : text;
}

function bare(text) {
  return String(text).replace(/[.。]$/, "");
}
