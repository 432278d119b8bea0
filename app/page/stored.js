/** The voices that the server has stored, for everything that shows them. */
import { voices } from "./api.js";

/** Events: "change". */
export class StoredVoices extends EventTarget {
  /** [{name, language, description, purpose}] */
  list = [];
  /** The name of the voice that the server takes by itself, or null. */
  usual = null;
  /** Why the list is empty: a key of the words. */
  why = "clip.none";

  /** Nobody may see them without a key. */
  lock() {
    this.#set([], null, "clip.keyFirst");
  }

  /** Read the list again; throws what the service says against it. */
  async load() {
    try {
      const { details, default: usual } = await voices();
      this.#set(details, usual, "clip.none");
    } catch (error) {
      this.#set([], null, error.code === "unauthorized" ? "clip.keyFirst" : "clip.unread");
      throw error;
    }
  }

  /**
   * The voices: those first that are meant for this, then those that speak a language, and the
   * usual one before its like.
   * @param {string} language
   * @param {string} purpose "emotion", or empty for voices
   */
  sorted(language, purpose) {
    const rank = (voice) =>
      (voice.purpose === purpose ? 0 : 4) +
      (voice.language.toLowerCase().startsWith(language) ? 0 : 2) +
      (voice.name === this.usual ? 0 : 1);
    return [...this.list].sort((one, other) => rank(one) - rank(other));
  }

  #set(list, usual, why) {
    this.list = list;
    this.usual = usual;
    this.why = why;
    this.dispatchEvent(new Event("change"));
  }
}
