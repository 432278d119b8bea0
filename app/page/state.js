/** How the model is doing, and what to know about it. */
import { health } from "./api.js";
import { find } from "./dom.js";
import { onLanguage, put, say } from "./words.js";

const AGAIN_MS = 2000;

export class State {
  #known;
  #last = { status: "loading" };
  #watching = false;

  /** @param {(health: object) => void} known is told what the service says */
  constructor(known) {
    this.#known = known;
    onLanguage(() => this.#show());
  }

  /** Ask for the state until the model is ready. */
  async watch() {
    if (this.#watching) return;
    this.#watching = true;
    for (;;) {
      this.#last = await health().catch(() => ({ status: "unreachable" }));
      this.#show();
      this.#known(this.#last);
      if (this.#last.status === "healthy") break;
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
    this.#watching = false;
  }

  /** Tell what is known to somebody who could not listen before. */
  tellAgain() {
    this.#known(this.#last);
  }

  #show() {
    const { status, model_name: model, device, model_notice: notice } = this.#last;
    const state = find("#state");
    state.dataset.state = status;
    state.textContent = [say(`state.${status}`), model, device].filter(Boolean).join(" · ");
    const line = find("#notice");
    line.hidden = !notice;
    put(line, notice ?? "");
  }
}
