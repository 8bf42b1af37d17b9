// A slider with two thumbs: two native range inputs on one track, so that keyboard and screen readers work as they do everywhere.

import { element } from "./dom.js";

export class RangeSlider {
  #low;
  #high;
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
      this.#low.value = Math.min(this.#low.valueAsNumber, this.#high.valueAsNumber - this.#step);
      this.#moved(changed);
    });
    this.#high.addEventListener("input", () => {
      this.#high.value = Math.max(this.#high.valueAsNumber, this.#low.valueAsNumber + this.#step);
      this.#moved(changed);
    });
  }

  /** Shows `limits` on a track from `extent[0]` to `extent[1]` with thumbs that move by `step`. */
  show(limits, extent, step) {
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

  #moved(changed) {
    this.#fill();
    changed([this.#low.valueAsNumber, this.#high.valueAsNumber]);
  }

  #fill() {
    const [from, to] = this.#extent;
    const share = (input) => (input.valueAsNumber - from) / (to - from);
    this.root.style.setProperty("--from", share(this.#low));
    this.root.style.setProperty("--to", share(this.#high));
    // Where both thumbs meet at the upper end only the lower one can still move.
    this.#low.classList.toggle("above", share(this.#low) > 0.5);
  }
}
