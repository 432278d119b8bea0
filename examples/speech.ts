// Speech as a stream of typed events. Node 22.18 or later, Deno and Bun run this as it is:
//
//     node speech.ts "Good morning." speech.pcm
import { appendFile, writeFile } from "node:fs/promises";

/** What the server sends, one after another; `error` or `speech.audio.done` is the last. */
export type SpeechEvent =
  | { type: "speech.audio.delta"; audio: string }
  | { type: "speech.audio.done"; usage: Usage }
  | { type: "error"; error: { message: string; type: string; code: string | null } };

export interface Usage {
  input_tokens: number;
  output_tokens: number;
  total_tokens: number;
}

export interface SpeechOptions {
  url?: string;
  key?: string;
  voice?: string;
  signal?: AbortSignal;
}

/** Speak, and give 24 kHz, 16 bit, mono samples as they are made; returns what it took. */
export async function* speak(
  input: string,
  options: SpeechOptions = {},
): AsyncGenerator<Uint8Array, Usage> {
  const { url = "http://127.0.0.1:8000/v1", key = "none", voice = "alloy", signal } = options;
  const answer = await fetch(`${url}/audio/speech`, {
    method: "POST",
    headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
    body: JSON.stringify({ model: "tts-1", input, voice, response_format: "pcm", stream_format: "sse" }),
    signal,
  });
  if (!answer.ok || answer.body === null) throw new Error((await answer.json()).error.message);
  for await (const event of events(answer.body)) {
    if (event.type === "error") throw new Error(event.error.message);
    if (event.type === "speech.audio.done") return event.usage;
    yield Uint8Array.from(atob(event.audio), (character) => character.charCodeAt(0));
  }
  throw new Error("the speech broke off");
}

async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<SpeechEvent> {
  const decoder = new TextDecoder();
  let waiting = "";
  for await (const piece of body as unknown as AsyncIterable<Uint8Array>) {
    const lines = (waiting + decoder.decode(piece, { stream: true })).split("\n");
    waiting = lines.pop() ?? "";
    for (const line of lines) {
      if (line.startsWith("data: ")) yield JSON.parse(line.slice("data: ".length)) as SpeechEvent;
    }
  }
}

if (import.meta.main) {
  const [text = "Good morning. How did you sleep?", file = "speech.pcm"] = process.argv.slice(2);
  await writeFile(file, "");
  const speech = speak(text, { url: process.env.INDEXTTS_URL, key: process.env.INDEXTTS_API_KEY });
  for await (const samples of speech) await appendFile(file, samples);
}
