/** Listen to a clip before it is used; one at a time. */

const audio = new Audio();
let playing = null; // {show, address} of the clip that is heard, or about to be
let before = () => {};

/** Call `hook` before a clip is heard: whatever else sounds is to fall silent. */
export function beforeListening(hook) {
  before = hook;
}

/**
 * Play a clip, or stop it if it is the one that plays.
 * @param {() => Promise<Blob>} clip
 * @param {(playing: boolean) => void} show
 * @throws {Error} the clip cannot be had or played
 */
export async function listen(clip, show) {
  const again = playing?.show === show;
  hush();
  if (again) return;
  before();
  const mine = { show, address: "" };
  playing = mine;
  show(true);
  try {
    const blob = await clip();
    if (playing !== mine) return; // another was chosen meanwhile
    mine.address = URL.createObjectURL(blob);
    audio.src = mine.address;
    await audio.play();
  } catch (error) {
    if (playing === mine) hush();
    if (error.name !== "AbortError") throw error;
  }
}

/** Stop whatever plays. */
export function hush() {
  if (playing === null) return;
  const { show, address } = playing;
  playing = null;
  audio.pause();
  if (address) URL.revokeObjectURL(address);
  show(false);
}

audio.addEventListener("ended", hush);
