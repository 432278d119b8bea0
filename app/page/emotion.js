/** The emotion: none, that of a clip, eight strengths, or words. */
import { ClipPicker } from "./clip.js";
import { find, findAll, make, showPanel } from "./dom.js";
import { FormProblem } from "./problems.js";
import { tonedDown } from "./strengths.js";

export class Emotion {
  #root = find("#emotion");
  #clip;
  #sliders;

  /**
   * @param {import("./stored.js").StoredVoices} stored
   * @param {object} facts of the page
   */
  constructor(stored, facts) {
    this.#clip = new ClipPicker(find("#emotion-clip"), "emo_audio", stored, facts);
    this.#sliders = facts.emotions.map(slider);
    find("#sliders").append(...this.#sliders);
    for (const input of findAll('input[name="emotion"]', this.#root)) {
      input.addEventListener("change", () => this.#show());
    }
    for (const input of findAll('input[type="range"]', this.#root)) showNumber(input);
    this.#show();
  }

  /** Whether words can be offered. */
  allowText(allowed) {
    find("#emotion-text-choice").hidden = !allowed;
    if (!allowed && this.#kind === "text") {
      find('input[name="emotion"][value="none"]').checked = true;
      this.#show();
    }
  }

  /** Ends when it is known how long the clip is. */
  get measured() {
    return this.#clip.measured;
  }

  /** The emotion of an order; throws FormProblem. */
  read() {
    const kind = this.#kind;
    const strength = Number(find("#emo-alpha").value);
    if (kind === "clip") {
      const clip = this.#clip.chosen;
      if (clip === null) {
        throw new FormProblem({ emo_audio: this.#clip.refused ?? ["emotion.clipMissing"] });
      }
      return { kind, clip, strength };
    }
    if (kind === "vector") {
      const set = this.#sliders.map((row) => Number(find("input", row).value));
      if (!set.some(Boolean)) throw new FormProblem({ emo_vector: ["emotion.vectorMissing"] });
      return { kind, vector: tonedDown(set), strength };
    }
    if (kind === "text") {
      const text = find("#emo-text").value.trim();
      if (!text) throw new FormProblem({ emo_text: ["emotion.textMissing"] });
      return { kind, text, strength };
    }
    return { kind: "none" };
  }

  get #kind() {
    return find('input[name="emotion"]:checked', this.#root).value;
  }

  #show() {
    showPanel(this.#root, this.#kind);
    find("#strength").hidden = this.#kind === "none";
  }
}

function slider(emotion) {
  const id = `emotion-${emotion}`;
  return make(
    "div",
    { class: "slider" },
    make("label", { for: id, "data-say": `emotion.${emotion}` }),
    make("input", { id, type: "range", min: 0, max: 1, step: 0.05, value: 0 }),
    make("output", { for: id }),
  );
}

/** Keep the number beside a slider. */
export function showNumber(input, unit = "") {
  const output = find(`output[for="${input.id}"]`);
  const show = () => {
    output.textContent = Number(input.value).toFixed(2) + unit;
    input.style.setProperty("--at", (input.value - input.min) / (input.max - input.min));
  };
  input.addEventListener("input", show);
  show();
}
