/** Record a clip with the microphone, and tell how loud it is. */

const KINDS = ["audio/webm;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus", "audio/webm"];
const ENDINGS = { "audio/webm": "webm", "audio/mp4": "m4a", "audio/ogg": "ogg" };
const FLOOR_DB = -60;

/** Why the microphone cannot be used at all, as a key of the words; null if it can. */
export function obstacle() {
  return window.isSecureContext && navigator.mediaDevices && window.MediaRecorder
    ? null
    : "clip.insecure";
}

/** One recording. */
export class Recording {
  /** Loudest level so far, in dB of full scale. */
  peak = -Infinity;

  #stream;
  #recorder;
  #context = new AudioContext();
  #parts = [];
  #started = performance.now();
  #frame = 0;

  /**
   * Ask for the microphone and begin.
   * @param {(level: number, seconds: number) => void} onLevel is told, many times a second, the
   *   level (0 to 1) and how long it has lasted
   * @throws {DOMException} NotAllowedError, NotFoundError
   */
  static async start(onLevel) {
    // Echo cancellation is for calls: it thins a voice out.
    const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false } });
    return new Recording(stream, onLevel);
  }

  constructor(stream, onLevel) {
    this.#stream = stream;
    const mimeType = KINDS.find((kind) => MediaRecorder.isTypeSupported(kind));
    this.#recorder = new MediaRecorder(stream, mimeType ? { mimeType } : {});
    this.#recorder.addEventListener("dataavailable", ({ data }) => this.#parts.push(data));
    this.#recorder.start();
    this.#watch(onLevel);
  }

  get seconds() {
    return (performance.now() - this.#started) / 1000;
  }

  /** End it; the clip as a file. */
  stop() {
    return new Promise((resolve) => {
      this.#recorder.addEventListener("stop", () => {
        const kind = this.#recorder.mimeType.split(";")[0];
        resolve(new File(this.#parts, `recording.${ENDINGS[kind] ?? "webm"}`, { type: kind }));
      });
      this.#recorder.stop();
      this.#release();
    });
  }

  /** Leave it. */
  abandon() {
    if (this.#recorder.state !== "inactive") this.#recorder.stop();
    this.#release();
  }

  #release() {
    cancelAnimationFrame(this.#frame);
    for (const part of this.#stream.getTracks()) part.stop();
    if (this.#context.state !== "closed") void this.#context.close();
  }

  #watch(onLevel) {
    const analyser = this.#context.createAnalyser();
    analyser.fftSize = 2048;
    this.#context.createMediaStreamSource(this.#stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const look = () => {
      analyser.getFloatTimeDomainData(samples);
      const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
      const level = 10 * Math.log10(power + 1e-12);
      this.peak = Math.max(this.peak, level);
      onLevel(Math.min(1, Math.max(0, 1 - level / FLOOR_DB)), this.seconds);
      this.#frame = requestAnimationFrame(look);
    };
    look();
  }
}
