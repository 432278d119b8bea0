/** One result: its sound, its numbers, the command that makes it again. */
import { curlCommand } from "./curl.js";
import { clock, copyOf, find, make, setIcon } from "./dom.js";
import { formatName } from "./form.js";
import { clipName } from "./order.js";
import { hush } from "./preview.js";
import { name, onLanguage, put, say, translate } from "./words.js";
import { Waveform } from "./waveform.js";

const STEP_SECONDS = 2;

export class Card {
  root = copyOf("result-template");
  track;
  #order;
  #player;
  #wave;
  #seconds = 0;
  #expected = 0;
  #leave = new AbortController();

  /**
   * @param {import("./order.js").Order} order
   * @param {import("./player.js").Track} track
   * @param {import("./player.js").Player} player
   */
  constructor(order, track, player) {
    this.track = track;
    this.#order = order;
    this.#player = player;
    this.#wave = new Waveform(find("canvas", this.root));
    const said = find(".said", this.root);
    said.textContent = order.text;
    said.dir = "auto";
    this.#describe();
    onLanguage(() => this.#describe(), this.#leave.signal);
    this.#listen();
    translate(this.root);
    this.#showState();
    this.#showTime();
  }

  /** More of the sound is there; `share` of the text (0 to 1) has been spoken. */
  grow(samples, rate, share) {
    this.#seconds += samples.length / rate;
    this.#expected = share > 0 ? this.#seconds / Math.min(1, share) : this.#seconds;
    this.#wave.add(samples, rate);
    this.#showTime();
    this.#showState();
  }

  /** The first sound is out. */
  first(seconds) {
    this.#number("first", "result.first", "result.seconds", { seconds });
  }

  /** The file is whole. */
  finish(url, summary) {
    this.root.classList.add("whole");
    this.#seconds = summary.audio_length;
    this.#expected = summary.audio_length;
    this.#number("rtf", "result.rtf", "", { text: summary.rtf.toFixed(2) }, "result.rtfMeaning");
    this.#number("length", "result.length", "result.seconds", { seconds: summary.audio_length });
    this.#number("seed", "result.seed", "", { text: String(summary.seed) });
    this.#warn(summary.warnings);
    this.#offerFile(url);
    this.#offerCommand(summary.seed);
    this.#showState();
    this.#showTime();
  }

  remove() {
    this.#leave.abort();
    this.root.remove();
  }

  #listen() {
    const { signal } = this.#leave;
    const wave = find(".wave", this.root);
    find(".toggle", this.root).addEventListener("click", () => {
      hush();
      this.#player.toggle(this.track);
    });
    this.#player.addEventListener("change", () => this.#showState(), { signal });
    this.#player.addEventListener("tick", () => this.#showTime(), { signal });
    wave.addEventListener("pointerdown", (event) => {
      const box = wave.getBoundingClientRect();
      this.#player.seek(this.track, ((event.clientX - box.left) / box.width) * this.#seconds);
    });
    wave.addEventListener("keydown", (event) => {
      const at = this.#player.position(this.track);
      const to = {
        ArrowLeft: at - STEP_SECONDS,
        ArrowDown: at - STEP_SECONDS,
        ArrowRight: at + STEP_SECONDS,
        ArrowUp: at + STEP_SECONDS,
        Home: 0,
        End: this.#seconds,
      }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      this.#player.seek(this.track, Math.min(this.#seconds, Math.max(0, to)));
    });
    find(".copy", this.root).addEventListener("click", ({ currentTarget }) => this.#copy(currentTarget));
  }

  #describe() {
    const { voice, emotion, speed, quality, format } = this.#order;
    const parts = [clipName(voice)];
    const what = {
      none: () => "",
      clip: () => clipName(emotion.clip),
      vector: () => say("emotion.vector"),
      text: () => emotion.text,
    }[emotion.kind]();
    if (what) parts.push(say("result.emotion", { what }));
    if (speed !== 1) parts.push(`${speed}×`);
    if (quality !== null) parts.push(say(`quality.${quality}`));
    parts.push(formatName(format));
    find(".how", this.root).textContent = parts.join(" · ");
    this.#showTime();
  }

  #showState() {
    const playing = this.#player.playing(this.track);
    const button = find(".toggle", this.root);
    button.disabled = this.#seconds === 0;
    setIcon(button, playing ? "pause" : "play");
    name(button, playing ? "result.pause" : "result.play");
    find(".wave", this.root).setAttribute("aria-disabled", String(!this.track.url));
  }

  #showTime() {
    const now = Math.min(this.#player.position(this.track), this.#seconds);
    this.#wave.show(now, this.#expected);
    find(".time", this.root).textContent = `${clock(now)} / ${clock(this.#seconds)}`;
    const wave = find(".wave", this.root);
    wave.setAttribute("aria-valuemax", this.#seconds.toFixed(1));
    wave.setAttribute("aria-valuenow", now.toFixed(1));
    const said = { now: clock(now), all: clock(this.#seconds) };
    wave.setAttribute("aria-valuetext", say("result.positionOf", said));
  }

  #number(kind, label, key, values, meaning = "") {
    const term = make("dt", {}, make("span", { "data-say": label }, say(label)));
    const value = make("dd");
    if (key) put(value, key, values);
    else value.textContent = values.text;
    const pair = make("div", { class: `number ${kind}` }, term, value);
    if (meaning) {
      pair.dataset.sayTitle = meaning;
      pair.title = say(meaning);
      term.append(make("span", { class: "unseen", "data-say": meaning }, say(meaning)));
    }
    find(".numbers", this.root).append(pair);
  }

  #warn(warnings) {
    const list = find(".warnings", this.root);
    list.hidden = warnings.length === 0;
    list.replaceChildren(...warnings.map((warning) => make("li", {}, warning)));
  }

  #offerFile(url) {
    const { format } = this.#order;
    const link = find(".save", this.root);
    link.href = url;
    link.download = `speech.${format}`;
    link.hidden = false;
    put(find("span", link), "result.save", { format: formatName(format) });
  }

  #offerCommand(seed) {
    find("code", this.root).textContent = curlCommand({ ...this.#order, seed });
    find(".command", this.root).hidden = false;
  }

  async #copy(button) {
    const code = find("code", this.root);
    try {
      await navigator.clipboard.writeText(code.textContent);
      put(button, "copied");
      setTimeout(() => put(button, "copy"), 2000);
    } catch {
      // No clipboard without HTTPS: mark it, so that one press of keys copies it.
      getSelection().selectAllChildren(code);
    }
  }
}
