// The sliders below the picture: one row for every axis that is not shown, with a button that plays it.

import { element, icon, setText } from "./dom.js";

const DEFAULT_FPS = 10;
const MAX_FPS = 120;

export class Dims {
  #viewer;
  #list;
  #rows = new Map();
  #playing = new Map();

  constructor(viewer, list) {
    this.#viewer = viewer;
    this.#list = list;
  }

  /** Brings the rows up to date. */
  render() {
    const axes = this.#viewer.axes();
    const names = axes.map(({ axis, label }) => `${axis} ${label}`).join("\n");
    if (names !== this.#list.dataset.axes) {
      this.#list.dataset.axes = names;
      this.#rows = new Map(axes.map((slider) => [slider.axis, this.#row(slider)]));
      this.#list.replaceChildren(...[...this.#rows.values()].map(({ row }) => row));
      for (const axis of this.#playing.keys()) if (!this.#rows.has(axis)) this.#playing.delete(axis);
    }
    for (const slider of axes) this.#update(slider);
  }

  /** Plays an axis from where it stands, round and round, or stops it. */
  togglePlay(axis) {
    if (this.#playing.delete(axis)) {
      this.render();
      return;
    }
    if (!this.#rows.has(axis)) return;
    const state = { last: null };
    this.#playing.set(axis, state);
    this.render();
    requestAnimationFrame((now) => this.#play(axis, state, now));
  }

  #row({ axis, label }) {
    const viewer = this.#viewer;
    const focus = () => viewer.focusAxis(axis);
    const play = element("button", { class: "quiet play", type: "button", on: { click: () => this.togglePlay(axis) } }, icon("play"));
    const range = element("input", { type: "range", min: 0, step: 1, "aria-label": `index along ${label}`, "data-axis": axis });
    range.addEventListener("input", () => viewer.setIndex(axis, range.valueAsNumber));
    range.addEventListener("keydown", (event) => this.#moveFocus(event));
    const number = element("input", { class: "index", type: "number", min: 0, step: 1, "aria-label": `index along ${label} as a number` });
    number.addEventListener("change", () => {
      viewer.setIndex(axis, number.valueAsNumber);
      this.render();
    });
    const last = element("span", { class: "last" });
    const fps = element("input", {
      type: "number", min: 1, max: MAX_FPS, step: 1, value: DEFAULT_FPS, "aria-label": `frames per second along ${label}`,
    });
    const row = element(
      "li", { class: "axis", on: { pointerdown: focus, focusin: focus } },
      play, element("span", { class: "label", title: label }, label), range,
      element("span", { class: "position" }, number, last),
      element("label", { class: "fps", title: "speed of play" }, fps, "fps"),
    );
    return { row, play, range, number, last, fps, label };
  }

  #update({ axis, index, size }) {
    const { row, play, range, number, last, label } = this.#rows.get(axis);
    const playing = this.#playing.has(axis);
    row.classList.toggle("focused", axis === this.#viewer.focused);
    row.classList.toggle("playing", playing);
    range.max = size - 1;
    range.value = index;
    range.style.setProperty("--filled", size > 1 ? index / (size - 1) : 0);
    number.max = size - 1;
    number.style.setProperty("--digits", String(size - 1).length);
    if (document.activeElement !== number || playing) number.value = index;
    setText(last, `/ ${size - 1}`);
    const action = `${playing ? "pause" : "play"} ${label}`;
    if (play.title !== action) {
      play.title = action;
      play.setAttribute("aria-label", action);
      play.replaceChildren(icon(playing ? "pause" : "play"));
    }
  }

  /** Up and down change the slider instead of its value. */
  #moveFocus(event) {
    const delta = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (delta === undefined || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    this.#viewer.focusNext(delta);
    this.#rows.get(this.#viewer.focused)?.range.focus();
  }

  /** Steps when it is time, and never before the step under way was answered: every plane is shown, however slow the way. */
  #play(axis, state, now) {
    const row = this.#rows.get(axis);
    if (this.#playing.get(axis) !== state || !row) return;
    const fps = Math.min(Math.max(row.fps.valueAsNumber || DEFAULT_FPS, 1), MAX_FPS);
    const period = 1000 / fps;
    state.last ??= now;
    if (now - state.last >= period - 1 && !this.#viewer.stepping(axis)) {
      const slider = this.#viewer.axes().find((candidate) => candidate.axis === axis);
      if (slider) this.#viewer.setIndex(axis, (slider.index + 1) % slider.size);
      // Stay on the beat, but never make up for lost ones.
      state.last = Math.max(state.last + period, now - period);
    }
    requestAnimationFrame((next) => this.#play(axis, state, next));
  }
}
