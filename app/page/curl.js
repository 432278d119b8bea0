/** The command that does what the page did. */
import { key } from "./key.js";
import { clipName, settings } from "./order.js";

/**
 * @param {import("./order.js").Order} order with the seed that was used
 */
export function curlCommand(order) {
  const lines = [`curl -N ${quoted(new URL("tts/stream", document.baseURI).href)}`];
  // The key itself stays out of what people copy.
  if (key()) lines.push('-H "Authorization: Bearer $INDEXTTS_KEY"');
  lines.push(`--form-string ${quoted(`text=${order.text}`)}`, clip("spk_audio", order.voice));
  const { emotion } = order;
  if (emotion.kind === "clip") lines.push(clip("emo_audio", emotion.clip));
  if (emotion.kind === "vector") lines.push(`-F emo_vector=${emotion.vector.join(",")}`);
  if (emotion.kind === "text") lines.push(`--form-string ${quoted(`emo_text=${emotion.text}`)}`);
  if (emotion.kind !== "none") lines.push(`-F emo_alpha=${emotion.strength}`);
  for (const [name, value] of Object.entries(settings(order))) lines.push(`-F ${name}=${value}`);
  lines.push(`-F format=${order.format}`, `-o speech.${order.format}`);
  return lines.join(" \\\n  ");
}

function clip(field, value) {
  if (value.stored !== undefined) return `--form-string ${quoted(`${field}=voice:${value.stored}`)}`;
  // In quotes of curl's own, a name may hold commas and semicolons.
  const name = clipName(value).replace(/[\\"]/g, "\\$&");
  return `-F ${quoted(`${field}=@"${name}"`)}`;
}

/** For a POSIX shell. */
function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
