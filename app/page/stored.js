/** The voices that the server has stored, for everything that shows them. */
import { voices } from "./api.js";

/** Events: "change". */
export class StoredVoices extends EventTarget {
  /** [{name, language, description}] */
  list = [];
  /** Why the list is empty: a key of the words. */
  why = "clip.none";

  /** Nobody may see them without a key. */
  lock() {
    this.#set([], "clip.keyFirst");
  }

  /** Read the list again; throws what the service says against it. */
  async load() {
    try {
      this.#set(await voices(), "clip.none");
    } catch (error) {
      this.#set([], error.code === "unauthorized" ? "clip.keyFirst" : "clip.unread");
      throw error;
    }
  }

  #set(list, why) {
    this.list = list;
    this.why = why;
    this.dispatchEvent(new Event("change"));
  }
}
