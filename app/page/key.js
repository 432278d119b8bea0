/** The API key: in this tab only. */
const KEPT = "indextts.key";
let held = recall();

function recall() {
  try {
    return sessionStorage.getItem(KEPT) ?? "";
  } catch {
    return ""; // storage may be forbidden; then the key lives as long as the page
  }
}

export function key() {
  return held;
}

export function useKey(text) {
  held = text;
  try {
    sessionStorage.setItem(KEPT, text);
  } catch {
    // It holds until the page is left.
  }
}
