/** The form: what it offers, and the order that it makes. */
import { ClipPicker } from "./clip.js";
import { find, make } from "./dom.js";
import { Emotion, showNumber } from "./emotion.js";
import { FormProblem } from "./problems.js";
import { onLanguage, put, say } from "./words.js";

const FORMATS = { wav: "WAV", mp3: "MP3", opus: "Opus", flac: "FLAC", ogg: "Ogg Vorbis" };

/** A format's name for people. */
export const formatName = (format) => FORMATS[format] ?? format.toUpperCase();

export class Form {
  emotion;
  #text = find("#text");
  #example = "";
  #voice;
  #quality; // the server's own
  #most;

  /**
   * @param {import("./stored.js").StoredVoices} stored
   * @param {object} facts of the page
   */
  constructor(stored, facts) {
    this.#most = facts.max_text_chars;
    this.#voice = new ClipPicker(find("#voice"), "spk_audio", stored, facts);
    this.emotion = new Emotion(stored, facts);
    find("#format").append(
      ...facts.formats.map((format) => make("option", { value: format }, formatName(format))),
    );
    this.#offerSpeed(facts.speed);
    this.#quality = find("#quality").value = facts.quality;
    this.#text.addEventListener("input", () => this.#count());
    this.#text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        find("#composer").requestSubmit();
      }
    });
    onLanguage(() => this.#showExample());
    this.#showExample();
  }

  /** Ends when it is known how long the clips are. */
  async measured() {
    await Promise.all([this.#voice.measured, this.emotion.measured]);
  }

  /** What the form says; throws FormProblem. @returns {import("./order.js").Order} */
  read() {
    const text = this.#text.value;
    const fields = {};
    if (!text.trim()) fields.text = ["text.missing"];
    if (length(text) > this.#most) fields.text = ["text.long", { most: this.#most }];
    const voice = this.#voice.chosen;
    if (voice === null) fields.spk_audio = this.#voice.refused ?? ["voice.missing"];
    const seed = find("#seed").value.trim();
    if (seed && !(/^\d+$/.test(seed) && Number.isSafeInteger(Number(seed)))) {
      fields.seed = ["seed.bad"];
    }
    let emotion;
    try {
      emotion = this.emotion.read();
    } catch (problem) {
      Object.assign(fields, problem.fields);
    }
    if (Object.keys(fields).length > 0) throw new FormProblem(fields);
    return {
      text,
      voice,
      emotion,
      speed: Number(find("#speed").value),
      quality: find("#quality").value === this.#quality ? null : find("#quality").value,
      seed: seed ? Number(seed) : null,
      format: find("#format").value,
    };
  }

  #offerSpeed({ min, max }) {
    const input = find("#speed");
    Object.assign(input, { min, max, value: 1 });
    showNumber(input, "×");
  }

  /** A newcomer finds something to speak; what somebody has written stays. */
  #showExample() {
    if (this.#text.value === this.#example) {
      this.#example = say("text.example");
      this.#text.value = this.#example;
    }
    this.#count();
  }

  #count() {
    put(find("#text-count"), "text.count", { count: length(this.#text.value), most: this.#most });
  }
}

/** In characters, as the service counts. */
function length(text) {
  return [...text].length;
}
