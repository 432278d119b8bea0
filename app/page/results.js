/** The last results: a card each, newest first. */
import { Card } from "./card.js";
import { find } from "./dom.js";

const KEPT = 10;

export class Results {
  #player;
  #list = find("#results");
  #cards = [];

  /** @param {import("./player.js").Player} player */
  constructor(player) {
    this.#player = player;
  }

  /** A card for what is about to be spoken. */
  add(order, track) {
    const card = new Card(order, track, this.#player);
    this.#cards.unshift(card);
    this.#list.prepend(card.root);
    for (const old of this.#cards.splice(KEPT)) this.remove(old);
    this.#show();
    return card;
  }

  /** Take a card away. */
  remove(card) {
    this.#cards = this.#cards.filter((other) => other !== card);
    this.#player.drop(card.track);
    card.remove();
    this.#show();
  }

  #show() {
    find("#results-empty").hidden = this.#cards.length > 0;
  }
}
