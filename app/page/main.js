/** The page: its parts, put together. */
import { facts as readFacts } from "./api.js";
import { find } from "./dom.js";
import { Form } from "./form.js";
import { key } from "./key.js";
import { KeyPanel } from "./key-panel.js";
import { Player } from "./player.js";
import { beforeListening, hush } from "./preview.js";
import { clearProblems, showProblem } from "./problems.js";
import { Results } from "./results.js";
import { speak } from "./speak.js";
import { State } from "./state.js";
import { StoredVoices } from "./stored.js";
import { language, put, useLanguage } from "./words.js";

const stored = new StoredVoices();
const player = new Player();
const results = new Results(player);
const state = new State(({ emotion_text: words = false }) => form?.emotion.allowText(words));
const keys = new KeyPanel(() => stored.load());
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
let form = null;
let running = null; // AbortController of what is being spoken

async function start() {
  useLanguage();
  put(find("#language"), "otherLanguage");
  find("#language").addEventListener("click", () => useLanguage(language() === "zh" ? "en" : "zh"));
  beforeListening(() => player.pause());
  player.addEventListener("unplayable", () => put(find("#status"), "result.unplayable"));
  void state.watch();
  const facts = readFacts();
  find("#docs-link").hidden = !facts.docs;
  form = new Form(stored, facts);
  find("#composer").addEventListener("submit", (event) => {
    event.preventDefault();
    void submit();
  });
  find("#cancel").addEventListener("click", () => running?.abort());
  useLanguage();
  state.tellAgain();
  if (facts.needs_key) keys.offer();
  if (facts.needs_key && !key()) stored.lock();
  else await stored.load().catch(voicesFailed);
}

function voicesFailed(error) {
  if (error.code === "unauthorized") keys.refused();
}

async function submit() {
  // A clip that is too long is refused here, also where somebody is quick.
  await form.measured();
  if (running) return;
  clearProblems();
  hush();
  let order;
  try {
    order = form.read();
  } catch (problem) {
    showProblem(problem);
    return;
  }
  running = new AbortController();
  busy(true);
  put(find("#status"), "status.waiting");
  const card = results.add(order, player.live());
  bringIntoView(card.root);
  try {
    const done = await speak(order, player, card, running.signal, (seconds) => {
      put(find("#status"), "status.speaking", { seconds });
    });
    put(find("#status"), "status.finished", { seconds: done.audio_length });
  } catch (error) {
    results.remove(card);
    failed(error);
  } finally {
    running = null;
    busy(false);
  }
}

function failed(error) {
  put(find("#status"), error.name === "AbortError" ? "status.cancelled" : "");
  if (error.name === "AbortError") return;
  if (error.code === "unauthorized") keys.refused();
  if (error.code === "unknown_voice") void stored.load().catch(voicesFailed);
  if (error.code === "model_not_loaded") void state.watch();
  showProblem(error);
}

/** On a phone the results are below the form. */
function bringIntoView(element) {
  const { top, bottom } = element.getBoundingClientRect();
  const bar = find(".act").getBoundingClientRect().top;
  if (top >= 0 && bottom <= Math.min(bar, window.innerHeight)) return;
  element.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
}

function busy(is) {
  const focused = document.activeElement === find(is ? "#speak" : "#cancel");
  find("#speak").hidden = is;
  find("#cancel").hidden = !is;
  find("#composer").setAttribute("aria-busy", String(is));
  // A button that goes away must not take the focus with it.
  if (focused) find(is ? "#cancel" : "#speak").focus({ preventScroll: true });
}

await start();
