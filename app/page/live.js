/** Sound that is played while it is being made: WebAudio through a MediaStream into an element. */

// From when samples come until they sound: their neighbours must be queued by then.
const LEAD_SECONDS = 0.1;
// What has left WebAudio takes a moment to be heard.
const TAIL_MS = 250;

export class Live {
  /** Called when the first sound is queued, and when all has been heard. */
  onStart = () => {};
  onEnd = () => {};
  /** Whether sound is going out, or will as soon as there is some. */
  running = false;

  #audio;
  #context = new AudioContext();
  #output;
  #spans = []; // {from: context time, at: second of the sound, seconds}
  #queued = 0;
  #next = 0;
  #whole = false;
  #closed = false;

  /**
   * Browsers let a page make sound after a press of a button, so this is called from one.
   * @param {HTMLAudioElement} audio is given the stream
   */
  constructor(audio) {
    this.#audio = audio;
    this.#output = this.#context.createMediaStreamDestination();
    void this.#context.resume();
    audio.removeAttribute("src");
    audio.srcObject = this.#output.stream;
    // Some browsers let an element play later only if it was told to play now.
    audio.play().catch(() => {});
    audio.pause();
  }

  /** Seconds that have been heard. */
  get position() {
    const now = this.#context.currentTime;
    const span = this.#spans.findLast(({ from }) => from <= now);
    return span ? span.at + Math.min(now - span.from, span.seconds) : 0;
  }

  /** Seconds of sound that are still to be heard. */
  get ahead() {
    return Math.max(0, this.#next - this.#context.currentTime);
  }

  /** Queue the next samples. */
  push(samples, rate) {
    if (this.#closed || samples.length === 0) return;
    const buffer = this.#context.createBuffer(1, samples.length, rate);
    buffer.copyToChannel(samples, 0);
    const node = new AudioBufferSourceNode(this.#context, { buffer });
    node.connect(this.#output);
    const from = Math.max(this.#next, this.#context.currentTime + LEAD_SECONDS);
    node.start(from);
    node.addEventListener("ended", () => this.#ended());
    this.#spans.push({ from, at: this.#queued, seconds: buffer.duration });
    this.#next = from + buffer.duration;
    this.#queued += buffer.duration;
    if (this.#spans.length === 1) {
      this.running = true;
      this.#audio.play().catch(() => {});
      this.onStart();
    }
  }

  /** No more samples will come. */
  finish() {
    this.#whole = true;
    this.#ended();
  }

  pause() {
    this.running = false;
    this.#audio.pause();
    void this.#context.suspend();
  }

  resume() {
    this.running = true;
    this.#audio.play().catch(() => {});
    void this.#context.resume();
  }

  close() {
    this.running = false;
    if (this.#closed) return;
    this.#closed = true;
    void this.#context.close();
  }

  #ended() {
    if (this.#closed || !this.#whole || this.#context.currentTime < this.#next) return;
    setTimeout(() => {
      if (this.#closed) return;
      this.running = false;
      this.onEnd();
    }, TAIL_MS);
  }
}
