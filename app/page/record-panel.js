/** Record with the microphone: a button, a level, a clock. */
import { clock, find, setIcon } from "./dom.js";
import { hush } from "./preview.js";
import { obstacle, Recording } from "./recorder.js";
import { put } from "./words.js";

const ENOUGH_SECONDS = 15;
const QUIET_DB = -40;
const FAULTS = {
  NotAllowedError: "clip.denied",
  NotFoundError: "clip.noMicrophone",
  NotReadableError: "clip.noMicrophone",
};

export class RecordPanel {
  #button;
  #level;
  #clock;
  #note;
  #maxSeconds;
  #done;
  #recording = null;

  /**
   * @param {HTMLElement} root the panel of the clip template
   * @param {number} maxSeconds where the recording ends by itself
   * @param {(file: File|null) => void} done is given the recording; null when a new one begins
   */
  constructor(root, maxSeconds, done) {
    this.#button = find(".record", root);
    this.#level = find(".meter span", root);
    this.#clock = find(".clock", root);
    this.#note = find(".record-note", root);
    this.#maxSeconds = maxSeconds;
    this.#done = done;
    this.#button.addEventListener("click", () => this.#press());
    window.addEventListener("pagehide", () => this.#recording?.abandon());
    const why = obstacle();
    if (why) {
      this.#button.disabled = true;
      put(this.#note, why);
    }
  }

  async #press() {
    this.#button.disabled = true;
    try {
      if (this.#recording === null) await this.#start();
      else await this.#stop();
    } catch (error) {
      put(this.#note, FAULTS[error.name] ?? "clip.noMicrophone");
    } finally {
      this.#button.disabled = false;
    }
  }

  async #start() {
    hush();
    this.#recording = await Recording.start((level, seconds) => this.#show(level, seconds));
    this.#done(null);
    put(this.#note, "clip.running");
    this.#face("stop", "clip.stop");
  }

  async #stop() {
    const recording = this.#recording;
    this.#recording = null;
    const file = await recording.stop();
    this.#level.style.transform = "scaleX(0)";
    this.#face("microphone", "clip.start");
    put(this.#note, recording.peak < QUIET_DB ? "clip.quiet" : "clip.good");
    this.#done(file);
  }

  #show(level, seconds) {
    this.#level.style.transform = `scaleX(${level})`;
    this.#clock.textContent = clock(seconds);
    if (seconds >= ENOUGH_SECONDS && this.#note.dataset.say !== "clip.enough") {
      put(this.#note, "clip.enough");
    }
    if (seconds >= this.#maxSeconds - 0.5 && this.#recording && !this.#button.disabled) {
      void this.#press();
    }
  }

  #face(symbol, key) {
    setIcon(this.#button, symbol);
    this.#button.classList.toggle("running", symbol === "stop");
    put(find("span", this.#button), key);
  }
}
