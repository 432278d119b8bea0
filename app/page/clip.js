/** Choose a clip: a stored voice, a file, or a recording. */
import { copyOf, find, findAll, icon, make, showPanel } from "./dom.js";
import { showAt } from "./problems.js";
import { RecordPanel } from "./record-panel.js";
import { listenButton, VoiceList } from "./voice-list.js";
import { name, put, translate } from "./words.js";

const GOOD_SECONDS = { least: 3, most: 15 };

export class ClipPicker {
  #root = copyOf("clip-template");
  #voices;
  #files = { upload: null, record: null };
  #refused = { upload: null, record: null }; // why: words with their values
  #measured = Promise.resolve();
  #modes;
  #touched = false;
  #error;
  #maxBytes;
  #maxSeconds;
  #padding; // what coders may add to it

  /**
   * @param {HTMLElement} host gets the picker
   * @param {string} field of the service that the clip is for
   * @param {import("./stored.js").StoredVoices} stored
   * @param {{max_clip_bytes: number, max_clip_seconds: number, clip_padding_seconds: number}} facts
   */
  constructor(host, field, stored, facts) {
    this.#error = find(`#error-${field}`);
    this.#maxBytes = facts.max_clip_bytes;
    this.#maxSeconds = facts.max_clip_seconds;
    this.#padding = facts.clip_padding_seconds;
    host.insertBefore(this.#root, this.#error);
    this.#modes = findAll(".switch input", this.#root);
    for (const input of this.#modes) {
      input.name = `${field}-mode`;
      input.addEventListener("change", () => {
        this.#touched = true;
        this.#error.hidden = true;
        this.#show(input.value);
      });
    }
    const panel = (mode) => find(`[data-panel="${mode}"]`, this.#root);
    const purpose = field === "emo_audio" ? "emotion" : "";
    this.#voices = new VoiceList(panel("stored"), stored, `${field}-voice`, purpose, () =>
      showAt(this.#error, "clip.unheard"),
    );
    new RecordPanel(panel("record"), facts.max_clip_seconds, (file) => this.#take("record", file));
    this.#listenForFiles();
    stored.addEventListener("change", () => this.#suggest(stored));
    this.#suggest(stored);
    translate(this.#root);
  }

  /** The chosen clip, or null. */
  get chosen() {
    const mode = this.#mode;
    if (mode !== "stored") return this.#files[mode] && { file: this.#files[mode] };
    return this.#voices.chosen === null ? null : { stored: this.#voices.chosen };
  }

  /** Why there is no chosen clip, if one was refused here: words with their values; else null. */
  get refused() {
    return this.#refused[this.#mode] ?? null;
  }

  /** Ends when it is known, as far as the browser can know it, how long the files are. */
  get measured() {
    return this.#measured;
  }

  get #mode() {
    return this.#modes.find((input) => input.checked).value;
  }

  /** Stored voices first, where there are some, until somebody has chosen otherwise. */
  #suggest({ list, why }) {
    if (!this.#touched) this.#show(list.length > 0 || why !== "clip.none" ? "stored" : "upload");
  }

  #show(mode) {
    this.#modes.find((input) => input.value === mode).checked = true;
    showPanel(this.#root, mode);
  }

  #listenForFiles() {
    const drop = find(".drop", this.#root);
    const input = find("input", drop);
    input.addEventListener("change", () => {
      if (input.files.length > 0) this.#take("upload", input.files[0]);
      input.value = ""; // the same file may be chosen again
    });
    for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
      drop.addEventListener(kind, (event) => {
        event.preventDefault();
        drop.classList.toggle("over", kind === "dragenter" || kind === "dragover");
        if (kind === "drop" && event.dataTransfer.files.length > 0) {
          this.#take("upload", event.dataTransfer.files[0]);
        }
      });
    }
  }

  #take(mode, file) {
    this.#error.hidden = true;
    if (file && file.size > this.#maxBytes) {
      this.#refuse(mode, "clip.large", { most: this.#maxBytes / 1e6 });
    } else if (file && file.size === 0) {
      this.#refuse(mode, "clip.empty");
    } else {
      this.#refused[mode] = null;
      this.#put(mode, file);
    }
  }

  #refuse(mode, ...words) {
    this.#refused[mode] = words;
    this.#put(mode, null);
    if (mode === this.#mode) showAt(this.#error, ...words);
  }

  #put(mode, file) {
    this.#files[mode] = file;
    const place = find(`.file[data-of="${mode}"]`, this.#root);
    for (const link of place.querySelectorAll("a")) URL.revokeObjectURL(link.href);
    place.hidden = file === null;
    place.replaceChildren(...(file ? this.#fileRow(mode, file) : []));
  }

  #fileRow(mode, file) {
    const note = make("p", { class: "hint note", role: "status" });
    const length = make("span", { class: "hint" });
    const remove = make("button", { type: "button", class: "round small" }, icon("close"));
    name(remove, "clip.remove", { name: file.name });
    remove.addEventListener("click", () => {
      this.#take(mode, null);
      find(mode === "upload" ? ".drop input" : ".record", this.#root).focus();
    });
    const unplayable = () => put(note, "clip.unplayable");
    const row = make("div", { class: "file-row" });
    row.append(
      listenButton(file.name, async () => file, unplayable),
      make("span", { class: "file-name", dir: "auto" }, file.name),
      length,
    );
    if (mode === "record") row.append(saveLink(file));
    row.append(remove);
    const measured = secondsOf(file).then((seconds) => {
      if (this.#files[mode] !== file) return; // another was chosen meanwhile
      if (seconds > this.#maxSeconds + this.#padding) {
        const values = { seconds: Math.round(seconds), most: this.#maxSeconds };
        this.#refuse(mode, "clip.tooLong", values);
        return;
      }
      put(length, "clip.seconds", { seconds: Math.round(seconds * 10) / 10 });
      if (seconds < GOOD_SECONDS.least) put(note, "clip.short");
      if (seconds > GOOD_SECONDS.most) put(note, "clip.long");
    }, unplayable);
    this.#measured = Promise.all([this.#measured, measured]);
    return [row, note];
  }
}

function saveLink(file) {
  const link = make(
    "a",
    { class: "round small", href: URL.createObjectURL(file), download: file.name },
    icon("download"),
  );
  name(link, "clip.save", { name: file.name });
  return link;
}

async function secondsOf(file) {
  const context = new OfflineAudioContext(1, 1, 48000);
  return (await context.decodeAudioData(await file.arrayBuffer())).duration;
}
