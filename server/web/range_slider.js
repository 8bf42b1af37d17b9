// A slider with two thumbs: two native range inputs on one track, so that keyboard and screen readers work as they do everywhere.

import { element } from "./dom.js";

export class RangeSlider {
  #low;
  #high;
  #limits = [0, 1];
  #extent = [0, 1];
  #step = 1;

  /** The element to place. */
  root;

  /**
   * @param {string} label what the two values are the limits of
   * @param {(limits: [number, number]) => void} changed
   */
  constructor(label, changed) {
    const input = (name) => element("input", { type: "range", "aria-label": `${name} limit of ${label}` });
    this.#low = input("lower");
    this.#high = input("upper");
    this.root = element("div", { class: "range-slider" }, element("div", { class: "track" }), this.#low, this.#high);
    this.#low.addEventListener("input", () => {
      this.#low.value = Math.min(this.#low.valueAsNumber, this.#limits[1] - this.#step);
      this.#moved(0, this.#low, changed);
    });
    this.#high.addEventListener("input", () => {
      this.#high.value = Math.max(this.#high.valueAsNumber, this.#limits[0] + this.#step);
      this.#moved(1, this.#high, changed);
    });
  }

  /** Shows `limits` on a track from `extent[0]` to `extent[1]` with thumbs that move by `step`. */
  show(limits, extent, step) {
    this.#limits = limits;
    this.#extent = extent;
    this.#step = step;
    for (const [input, value] of [[this.#low, limits[0]], [this.#high, limits[1]]]) {
      input.min = extent[0];
      input.max = extent[1];
      input.step = step;
      input.value = value;
    }
    this.#fill();
  }

  /** Only the thumb that moved gives its value: the other one's input may have rounded what it was shown. */
  #moved(which, input, changed) {
    this.#limits = this.#limits.map((limit, at) => (at === which ? input.valueAsNumber : limit));
    this.#fill();
    changed(this.#limits);
  }

  #fill() {
    const [from, to] = this.#extent;
    const [low, high] = this.#limits.map((limit) => (limit - from) / (to - from));
    this.root.style.setProperty("--from", low);
    this.root.style.setProperty("--to", high);
    // Where both thumbs meet at the upper end only the lower one can still move.
    this.#low.classList.toggle("above", low > 0.5);
  }
}
