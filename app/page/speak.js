/** From an order to a sound: sent, heard while it comes, kept when it is whole. */
import { ServiceError, speak as send, told } from "./api.js";
import { fromBase64, join, setLength } from "./bytes.js";
import { decoderFor } from "./decoder.js";
import { events } from "./events.js";
import { bodyOf } from "./order.js";

/**
 * Carry an order out.
 * @param {import("./order.js").Order} order
 * @param {import("./player.js").Player} player
 * @param {import("./card.js").Card} card whose track is live
 * @param {AbortSignal} signal ends it
 * @param {(seconds: number) => void} onFirst is told when the first sound is there
 * @returns what the service says of the finished speech
 * @throws {ServiceError}
 */
export async function speak(order, player, card, signal, onFirst) {
  const started = performance.now();
  const body = await send(await bodyOf(order), signal);
  const decoder = decoderFor(order.format);
  const parts = [];
  let spoken = 0;
  let heard = false;
  let type = "";

  async function take({ audio, text = "" }, last) {
    const bytes = fromBase64(audio);
    parts.push(bytes);
    const samples = await decoder.add(bytes, last, card.track.live?.ahead ?? Infinity);
    spoken += text.length;
    if (samples.length === 0) return;
    card.track.live?.push(samples, decoder.rate);
    card.grow(samples, decoder.rate, last ? 1 : spoken / order.text.length);
    if (!heard) {
      heard = true;
      const seconds = (performance.now() - started) / 1000;
      card.first(seconds);
      onFirst(seconds);
    }
  }

  for await (const { name, data } of unbroken(events(body))) {
    if (name === "error") throw told(data);
    if (name === "start") type = data.content_type;
    if (["start", "sound", "segment"].includes(name)) await take(data, false);
    if (name === "finished") {
      await take(data, true);
      const file = join(parts);
      setLength(file, order.format, Math.round(data.audio_length * data.sample_rate));
      const url = URL.createObjectURL(new Blob([file], { type }));
      player.complete(card.track, url, data.audio_length);
      card.finish(url, data);
      return data;
    }
  }
  throw new ServiceError("broken");
}

async function* unbroken(stream) {
  try {
    yield* stream;
  } catch (error) {
    throw error.name === "AbortError" ? error : new ServiceError("broken");
  }
}
