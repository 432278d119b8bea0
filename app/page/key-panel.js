/** Ask for the API key, where the server wants one. */
import { find } from "./dom.js";
import { key, useKey } from "./key.js";
import { inWords, showAt } from "./problems.js";

export class KeyPanel {
  #panel = find("#key-panel");
  #button = find("#key-button");
  #input = find("#key");
  #error = find("#error-key");

  /** @param {() => Promise<void>} tried asks the server for something with the new key */
  constructor(tried) {
    this.#button.addEventListener("click", () => this.#show(this.#panel.hidden));
    this.#panel.addEventListener("submit", async (event) => {
      event.preventDefault();
      const text = this.#input.value.trim();
      this.#error.hidden = true;
      if (!text) {
        showAt(this.#error, "key.missing");
        this.#input.focus();
        return;
      }
      useKey(text);
      try {
        await tried();
        this.#show(false);
        this.#input.value = "";
        this.#button.focus();
      } catch (error) {
        if (error.code === "unauthorized") this.refused();
        else showAt(this.#error, inWords(error));
      }
    });
  }

  /** The server has keys. */
  offer() {
    this.#button.hidden = false;
    if (!key()) this.#show(true, false);
  }

  /** The server does not accept the key, or there is none. */
  refused() {
    this.#button.hidden = false;
    this.#show(true);
    showAt(this.#error, key() ? "key.bad" : "key.missing");
  }

  #show(open, focus = open) {
    this.#panel.hidden = !open;
    this.#button.setAttribute("aria-expanded", String(open));
    if (focus) this.#input.focus();
  }
}
