/** Stored voices to choose from: a row each, with a button to listen to it. */
import { sample } from "./api.js";
import { find, icon, make, setIcon } from "./dom.js";
import { hush, listen } from "./preview.js";
import { language, name, onLanguage, put } from "./words.js";

const FILTER_FROM = 9; // so many voices are worth a search

export class VoiceList {
  #root;
  #stored;
  #group;
  #purpose;
  #failed;
  #chosen = null;

  /**
   * @param {HTMLElement} root the panel of the clip template
   * @param {import("./stored.js").StoredVoices} stored
   * @param {string} group name of the radio buttons
   * @param {string} purpose of the clips that come first
   * @param {() => void} failed is told when a voice cannot be heard
   */
  constructor(root, stored, group, purpose, failed) {
    this.#root = root;
    this.#failed = failed;
    this.#stored = stored;
    this.#group = group;
    this.#purpose = purpose;
    stored.addEventListener("change", () => this.#draw());
    find(".filter", root).addEventListener("input", () => this.#filter());
    onLanguage(() => this.#draw());
    this.#draw();
  }

  /** The name of the chosen voice, or null. */
  get chosen() {
    return this.#stored.list.some((voice) => voice.name === this.#chosen) ? this.#chosen : null;
  }

  #draw() {
    hush();
    const { list, why } = this.#stored;
    if (this.chosen === null) this.#chosen = this.#stored.sorted(language(), this.#purpose)[0]?.name ?? null;
    const filter = find(".filter", this.#root);
    filter.hidden = list.length < FILTER_FROM;
    if (filter.hidden) filter.value = "";
    const rows = this.#stored.sorted(language(), this.#purpose).map((voice) => this.#row(voice));
    find(".voices", this.#root).replaceChildren(...rows);
    find(".voices", this.#root).hidden = list.length === 0;
    this.#filter(why);
  }

  #filter(why = this.#stored.why) {
    const words = find(".filter", this.#root).value.toLowerCase().split(/\s+/);
    let shown = 0;
    for (const row of find(".voices", this.#root).children) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    const none = find(".none", this.#root);
    none.hidden = shown > 0;
    put(none, this.#stored.list.length > 0 ? "clip.noMatch" : why);
  }

  #row(voice) {
    const radio = make("input", { type: "radio", name: this.#group, value: voice.name });
    radio.checked = voice.name === this.#chosen;
    radio.addEventListener("change", () => {
      this.#chosen = voice.name;
    });
    const label = make(
      "label",
      {},
      radio,
      make("span", { class: "voice-name", dir: "auto" }, voice.name),
      " ",
      make("span", { class: "voice-note" }, languageName(voice.language)),
      make("span", { class: "voice-note about", dir: "auto" }, voice.description),
    );
    const button = listenButton(voice.name, () => sample(voice.name), this.#failed);
    return make("div", { class: "voice" }, label, button);
  }
}

/** A round button that plays a clip. */
export function listenButton(called, clip, failed) {
  const button = make("button", { type: "button", class: "round small listen" }, icon("play"));
  const show = (playing) => {
    setIcon(button, playing ? "stop" : "play");
    name(button, playing ? "clip.quit" : "clip.listen", { name: called });
  };
  show(false);
  button.addEventListener("click", () => listen(clip, show).catch(failed));
  return button;
}

function languageName(tag) {
  if (!tag) return "";
  try {
    return new Intl.DisplayNames([language()], { type: "language" }).of(tag);
  } catch {
    return tag; // not a language tag: as it was written
  }
}
