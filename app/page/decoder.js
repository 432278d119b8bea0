/** Samples out of the bytes of a file that is still growing. */
import { join, waveHead } from "./bytes.js";

// A codec and a resampler may still change the last samples of what has come so far.
const HELD_SECONDS = 0.02;
// While so much is still to be heard, decoding may wait until the file has grown by a quarter: a long
// one would be decoded a hundred times.
const AHEAD_SECONDS = 30;
const GROWTH = 1.25;
const NOTHING = new Float32Array(0);

/**
 * The decoder for a format.
 * @param {string} format
 * @returns {{rate: number, add: (bytes: Uint8Array, last: boolean, ahead: number) => Promise<Float32Array>}}
 *   `add` takes the next bytes and gives the samples that they add; `ahead` is how many seconds are
 *   still to be heard.
 */
export function decoderFor(format) {
  return format === "wav" ? new WaveDecoder() : new GrowingDecoder();
}

/** 16-bit WAV. */
class WaveDecoder {
  rate = 0;
  #left = new Uint8Array(0);

  async add(bytes) {
    let all = join([this.#left, bytes]);
    if (!this.rate) {
      const head = waveHead(all);
      if (head === null) {
        this.#left = all;
        return NOTHING;
      }
      this.rate = head.rate;
      all = all.slice(head.start);
    }
    const count = all.length >> 1;
    this.#left = all.slice(2 * count);
    const view = new DataView(all.buffer);
    return Float32Array.from({ length: count }, (_, i) => view.getInt16(2 * i, true) / 32768);
  }
}

/** Whatever the browser can decode: the beginning of a file is a file, decoded anew each time. */
class GrowingDecoder {
  rate = 48000; // every codec's sound fits into it
  #context = new OfflineAudioContext(1, 1, this.rate);
  #parts = [];
  #bytes = 0;
  #decoded = 0; // bytes, the last time
  #given = 0; // samples

  async add(bytes, last, ahead) {
    this.#parts.push(bytes);
    this.#bytes += bytes.length;
    if (!last && ahead > AHEAD_SECONDS && this.#bytes < GROWTH * this.#decoded) return NOTHING;
    this.#decoded = this.#bytes;
    let sound;
    try {
      sound = (await this.#context.decodeAudioData(join(this.#parts).buffer)).getChannelData(0);
    } catch {
      return NOTHING; // too little yet, or a format that this browser does not know
    }
    const ready = last ? sound.length : sound.length - Math.round(HELD_SECONDS * this.rate);
    const fresh = sound.slice(this.#given, Math.max(this.#given, ready));
    this.#given += fresh.length;
    return fresh;
  }
}
