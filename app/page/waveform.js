/** The outline of a sound, drawn on a canvas while it grows. */

const PEAKS_PER_SECOND = 50;
const BAR = 3; // CSS pixels, and as many between two bars
const GAP = 2;

/** Loudness over time. */
export class Waveform {
  #canvas;
  #peaks = [];
  #highest = 0.05; // silence is not blown up
  #open = 0; // samples in the last peak
  #played = 0;
  #expected = 0;

  constructor(canvas) {
    this.#canvas = canvas;
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  /** Add samples. */
  add(samples, rate) {
    const width = Math.round(rate / PEAKS_PER_SECOND);
    for (const sample of samples) {
      if (this.#open === 0) this.#peaks.push(0);
      const last = this.#peaks.length - 1;
      const level = Math.abs(sample);
      if (level > this.#peaks[last]) this.#peaks[last] = level;
      if (level > this.#highest) this.#highest = level;
      this.#open = (this.#open + 1) % width;
    }
    this.draw();
  }

  /** Show how much has been heard, and how long the sound will be: both in seconds. */
  show(played, expected) {
    this.#played = played;
    this.#expected = expected;
    this.draw();
  }

  draw() {
    const canvas = this.#canvas;
    const { clientWidth: width, clientHeight: height } = canvas;
    if (!width || !height) return;
    const scale = window.devicePixelRatio || 1;
    canvas.width = width * scale;
    canvas.height = height * scale;
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    const style = getComputedStyle(canvas);
    const bars = Math.floor((width + GAP) / (BAR + GAP));
    const seconds = Math.max(this.#expected, this.#peaks.length / PEAKS_PER_SECOND, 0.1);
    const heard = (this.#played / seconds) * bars;
    for (let bar = 0; bar < bars; bar += 1) {
      const from = Math.floor((bar / bars) * seconds * PEAKS_PER_SECOND);
      const to = Math.max(from + 1, Math.floor(((bar + 1) / bars) * seconds * PEAKS_PER_SECOND));
      const there = from < this.#peaks.length;
      const level = there ? Math.max(...this.#peaks.slice(from, to)) / this.#highest : 0;
      const tall = Math.max(BAR, level * height);
      pen.fillStyle = style.getPropertyValue(bar < heard ? "--wave-heard" : "--wave");
      pen.globalAlpha = there ? 1 : 0.45;
      pen.beginPath();
      pen.roundRect(bar * (BAR + GAP), (height - tall) / 2, BAR, tall, BAR / 2);
      pen.fill();
    }
  }
}
