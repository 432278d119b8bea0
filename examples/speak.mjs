// Speak a text with fetch, and write the file while it is made; Node 20 or later:
//
//     node speak.mjs "Good morning." speech.mp3
import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

const url = process.env.INDEXTTS_URL ?? "http://127.0.0.1:8000/v1";
const key = process.env.INDEXTTS_API_KEY ?? "none";
const [text = "Good morning. How did you sleep?", file = "speech.mp3"] = process.argv.slice(2);

const answer = await fetch(`${url}/audio/speech`, {
  method: "POST",
  headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" },
  body: JSON.stringify({ model: "tts-1", voice: "alloy", input: text }),
});
if (!answer.ok) throw new Error((await answer.json()).error.message);
// Fails when the speech breaks off: half a sentence never looks whole.
await pipeline(Readable.fromWeb(answer.body), createWriteStream(file));
