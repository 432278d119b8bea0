/** What is to be spoken, and how; what the form makes and the service is sent. */
import { toBase64 } from "./bytes.js";

/**
 * A clip: a stored voice by its name, or a file.
 * @typedef {{stored: string}|{file: File}} Clip
 *
 * An order.
 * @typedef {{
 *   text: string, voice: Clip, format: string, speed: number, seed: number|null,
 *   quality: "exact"|"fast"|null,
 *   emotion: {kind: "none"} | {kind: "clip", clip: Clip, strength: number}
 *     | {kind: "vector", vector: number[], strength: number}
 *     | {kind: "text", text: string, strength: number}
 * }} Order
 */

/** The body for /tts/stream. */
export async function bodyOf(order) {
  return {
    text: order.text,
    spk_audio: await clipValue(order.voice),
    ...(await emotionFields(order.emotion)),
    ...settings(order),
    format: order.format,
  };
}

/** What differs from the service's own. */
export function settings({ speed, seed, quality }) {
  return {
    ...(speed !== 1 && { speed }), ...(seed !== null && { seed }), ...(quality !== null && { quality }),
  };
}

/** What a clip is called. */
export function clipName(clip) {
  return clip.stored ?? clip.file.name;
}

async function clipValue(clip) {
  if (clip.stored !== undefined) return `voice:${clip.stored}`;
  // The service goes by the content; a type that the browser guessed could only be in the way.
  return `data:application/octet-stream;base64,${await toBase64(clip.file)}`;
}

async function emotionFields(emotion) {
  if (emotion.kind === "none") return {};
  const emo_alpha = emotion.strength;
  if (emotion.kind === "clip") return { emo_audio: await clipValue(emotion.clip), emo_alpha };
  if (emotion.kind === "vector") return { emo_vector: emotion.vector, emo_alpha };
  return { emo_text: emotion.text, emo_alpha };
}
