// Play speech in a browser while it is made: a module without dependencies.
//
// The server must allow your page: INDEXTTS_CORS_ORIGINS=https://your.page

const RATE = 24_000; // of `pcm`, always

/**
 * Speak a text aloud; call it from a click, or the browser keeps silent.
 *
 * Resolves when the last sample has been heard; rejects when there is no speech, or when it breaks
 * off. An AbortSignal stops sound and synthesis.
 */
export async function speakAloud(text, { url, key = "none", voice = "alloy", signal } = {}) {
  const context = new AudioContext({ sampleRate: RATE });
  signal?.addEventListener("abort", () => context.close(), { once: true });
  try {
    const answer = await fetch(`${url}/audio/speech`, {
      method: "POST",
      headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
      body: JSON.stringify({ model: "tts-1", input: text, voice, response_format: "pcm" }),
      signal,
    });
    if (!answer.ok) throw new Error((await answer.json()).error.message);
    await context.resume();
    let last = null;
    let end = 0; // of what is scheduled, in seconds of the context
    for await (const samples of samplesOf(answer.body)) {
      const buffer = context.createBuffer(1, samples.length, RATE);
      buffer.copyToChannel(samples, 0);
      last = context.createBufferSource();
      last.buffer = buffer;
      last.connect(context.destination);
      // A little room, so that the first pieces do not stumble; no gap between the others.
      const start = Math.max(end, context.currentTime + 0.1);
      last.start(start);
      end = start + buffer.duration;
    }
    if (last) await new Promise((heard) => last.addEventListener("ended", heard));
  } finally {
    if (context.state !== "closed") await context.close();
  }
}

/** Pieces of the body as floats; a piece may end in the middle of a sample. */
async function* samplesOf(body) {
  const reader = body.getReader();
  let odd = new Uint8Array(0);
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const bytes = new Uint8Array(odd.length + value.length);
    bytes.set(odd);
    bytes.set(value, odd.length);
    const whole = bytes.length - (bytes.length % 2);
    odd = bytes.slice(whole);
    const view = new DataView(bytes.buffer, 0, whole);
    if (whole) yield Float32Array.from({ length: whole / 2 }, (_, i) => view.getInt16(2 * i, true) / 32768);
  }
}
