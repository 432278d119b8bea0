/** Bytes: base64, joining, and the heads of files whose length was not known at the start. */

/** @returns {Uint8Array} */
export function fromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** The base64 of a Blob. */
export function toBase64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

/** @param {Uint8Array[]} parts */
export function join(parts) {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Where the samples of a RIFF WAVE file begin, and their rate; null while the head is cut off. */
export function waveHead(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let rate = 0;
  for (let at = 12; at + 8 <= bytes.length; at += 8 + view.getUint32(at + 4, true)) {
    const kind = String.fromCharCode(...bytes.subarray(at, at + 4));
    if (kind === "fmt ") rate = view.getUint32(at + 12, true);
    if (kind === "data") return { rate, start: at + 8 };
  }
  return null;
}

/**
 * Write the true length into the head of a file that was streamed.
 * @param {Uint8Array} file changed in place
 * @param {string} format
 * @param {number} samples of the sound
 */
export function setLength(file, format, samples) {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (format === "wav") {
    const { start } = waveHead(file);
    view.setUint32(4, file.length - 8, true);
    view.setUint32(start - 4, file.length - start, true);
  }
  if (format === "flac") {
    // STREAMINFO is the first block, behind "fLaC" and a head of 4 bytes; the number of samples has
    // 36 bits there, from the middle of its byte 13 on (RFC 9639, 8.2).
    const at = 8 + 13;
    view.setUint8(at, (view.getUint8(at) & 0xf0) | Math.floor(samples / 2 ** 32));
    view.setUint32(at + 1, samples % 2 ** 32);
  }
}
