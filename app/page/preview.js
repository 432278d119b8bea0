/** Listen to a clip before it is used; one at a time. */

const audio = new Audio();
let stopLast = () => {};
let address = "";

/** What is to fall silent when a clip is heard. */
export const preview = { before: () => {} };

/**
 * Play a clip, or stop it if it is the one that plays.
 * @param {() => Promise<Blob>} clip
 * @param {(playing: boolean) => void} show
 * @throws {Error} the clip cannot be had or played
 */
export async function listen(clip, show) {
  if (stopLast.show === show) {
    hush();
    return;
  }
  hush();
  preview.before();
  stopLast = () => show(false);
  stopLast.show = show;
  show(true);
  try {
    const blob = await clip();
    if (stopLast.show !== show) return; // another was chosen meanwhile
    address = URL.createObjectURL(blob);
    audio.src = address;
    await audio.play();
  } catch (error) {
    if (stopLast.show === show) hush();
    if (error.name !== "AbortError") throw error;
  }
}

/** Stop whatever plays. */
export function hush() {
  audio.pause();
  if (address) URL.revokeObjectURL(address);
  address = "";
  stopLast();
  stopLast = () => {};
}

audio.addEventListener("ended", hush);
