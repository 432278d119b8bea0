/** Strengths set by hand, toned down as the original's demo does it; the API takes them raw. */

// How much each emotion counts, in the API's order: some are heard sooner than others.
const SHARES = [0.9375, 0.875, 1, 1, 0.9375, 0.9375, 0.6875, 0.5625];
// Of what is heard the rest, a fifth at least, stays the voice's own.
const MOST = 0.8;

/**
 * What to send for the sliders.
 * @param {number[]} sliders eight, from 0 to 1
 * @returns {number[]}
 */
export function tonedDown(sliders) {
  const strengths = sliders.map((strength, index) => strength * SHARES[index]);
  const total = strengths.reduce((sum, strength) => sum + strength, 0);
  return total > MOST ? strengths.map((strength) => (strength * MOST) / total) : strengths;
}
