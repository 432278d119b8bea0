/** One audio element for everything that is spoken: live while it is made, then from its file. */
import { find } from "./dom.js";
import { Live } from "./live.js";

const END_SECONDS = 0.05; // so near to its end a file counts as heard

/**
 * Something to play: `live` while it is being made, `url` once it is whole.
 * @typedef {{live: Live|null, url: string|null, seconds: number}} Track
 */

/** Plays one track at a time.  Events: "change" (play, pause, end), "tick" (the time goes on). */
export class Player extends EventTarget {
  #audio = find("#audio");
  #track = null;
  #ticking = false;

  constructor() {
    super();
    for (const kind of ["play", "pause", "ended"]) {
      this.#audio.addEventListener(kind, () => this.#changed());
    }
    this.#audio.addEventListener("seeked", () => this.#tick());
  }

  /** A track that sounds as it grows; to be called where the user has just pressed a button. */
  live() {
    this.stop();
    const track = { live: new Live(this.#audio), url: null, seconds: 0 };
    track.live.onStart = () => this.#changed();
    track.live.onEnd = () => this.#toFile(track);
    this.#track = track;
    return track;
  }

  /** Whether a track is the one that sounds. */
  playing(track) {
    if (track !== this.#track) return false;
    return track.live ? track.live.running : !this.#audio.paused;
  }

  /** Seconds into a track. */
  position(track) {
    if (track !== this.#track) return 0;
    return track.live ? track.live.position : this.#audio.currentTime;
  }

  /** Play or pause. */
  toggle(track) {
    if (this.playing(track)) {
      this.pause();
    } else if (track === this.#track && track.live) {
      track.live.resume();
      this.#changed();
    } else if (track.url) {
      if (track !== this.#track) this.#load(track, 0);
      if (this.#audio.currentTime >= track.seconds - END_SECONDS) this.#audio.currentTime = 0;
      void this.#play();
    }
  }

  pause() {
    if (this.#track?.live) {
      this.#track.live.pause();
      this.#changed();
    } else {
      this.#audio.pause();
    }
  }

  /** Go to a second of a track whose file is there. */
  seek(track, seconds) {
    if (!track.url) return;
    const sounding = this.playing(track);
    if (track !== this.#track || track.live) this.#load(track, seconds);
    else this.#audio.currentTime = seconds;
    if (sounding && seconds < track.seconds - END_SECONDS) void this.#play();
    this.#tick();
  }

  /** A track's file is whole. */
  complete(track, url, seconds) {
    track.url = url;
    track.seconds = seconds;
    if (!track.live) return;
    if (track !== this.#track) track.live = null;
    else track.live.finish();
  }

  /** A track is given up. */
  drop(track) {
    if (track === this.#track) this.stop();
    if (track.url) URL.revokeObjectURL(track.url);
  }

  /** Silence, and no track. */
  stop() {
    const track = this.#track;
    this.#track = null;
    if (track?.live) {
      track.live.close();
      track.live = null;
    }
    this.#audio.pause();
    this.#audio.srcObject = null;
    this.#audio.removeAttribute("src");
    this.#changed();
  }

  /** All has been heard live: from now on the file is played. */
  #toFile(track) {
    if (track === this.#track && track.url) this.#load(track, track.seconds);
    this.#changed();
  }

  #load(track, seconds) {
    if (track !== this.#track) this.stop();
    track.live?.close();
    track.live = null;
    this.#track = track;
    this.#audio.srcObject = null;
    this.#audio.src = track.url;
    this.#audio.currentTime = seconds;
  }

  async #play() {
    try {
      await this.#audio.play();
    } catch (error) {
      if (error.name !== "AbortError") this.dispatchEvent(new Event("unplayable"));
    }
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
    this.#tick();
  }

  #tick() {
    this.dispatchEvent(new Event("tick"));
    if (this.#ticking || this.#track === null || !this.playing(this.#track)) return;
    this.#ticking = true;
    requestAnimationFrame(() => {
      this.#ticking = false;
      this.#tick();
    });
  }
}
