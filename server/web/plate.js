// The plate that the image was opened from: a grid of wells as small pictures, of which a click opens one. Only cells that can be seen
// ask for their picture, so a plate of a thousand wells costs what is on the screen.

import { element, icon, setText } from "./dom.js";
import { cellOf, fieldOf, gridOf, pictureOf } from "./wells.js";

export class Plate {
  #viewer;
  #parts;
  #open;
  #failed;
  /** The plate as the server told it, or null. */
  #plate = null;
  /** Which plate the grid was made of. */
  #shape = "";
  /** What the scene said of it last. */
  #told = "";
  #cells = new Map();
  #shown = false;
  #asked = 0;
  /** The `{well, field}` that was clicked and is not shown yet. */
  #wanted = null;
  #watcher = null;

  /**
   * @param {object} viewer whose `view.plate` is what the scene says, and `view.role` what this session may do
   * @param {{panel: Element, button: Element}} parts
   * @param {(kwargs: object) => void} open asks the server for a field
   * @param {(text: string) => void} failed tells people what went wrong
   */
  constructor(viewer, parts, open, failed) {
    this.#viewer = viewer;
    this.#parts = parts;
    this.#open = open;
    this.#failed = failed;
    parts.button.addEventListener("click", () => this.toggle());
  }

  /** Shows or hides the grid, where there is one. */
  toggle() {
    if (this.#plate) this.#show(!this.#shown);
  }

  /** What was asked for will not come. */
  forgetWish() {
    this.#wanted = null;
    this.render();
  }

  /** Brings the grid up to date. */
  render() {
    const told = this.#viewer.view.plate;
    if (!told) {
      this.#forget();
      return;
    }
    const name = JSON.stringify(told);
    if (name !== this.#told) {
      this.#told = name;
      this.#wanted = null;
      this.#load();
    }
    this.#mark();
  }

  #forget() {
    this.#asked += 1;
    this.#told = "";
    this.#parts.button.hidden = true;
    this.#plate = null;
    this.#shape = "";
    this.#wanted = null;
    this.#cells.clear();
    this.#watcher?.disconnect();
    this.#parts.panel.replaceChildren();
    this.#show(false);
  }

  #show(shown) {
    this.#shown = shown;
    this.#parts.panel.hidden = !shown;
    this.#parts.button.setAttribute("aria-pressed", String(shown));
  }

  /** Asks for the plate: which wells it has, and how many fields the one that is shown. */
  async #load() {
    this.#asked += 1;
    const asked = this.#asked;
    let plate;
    try {
      const answer = await fetch("plate.json");
      // A field that was opened by its own path: the server knows where it lies, and nothing of its neighbours.
      if (answer.status === 404 && asked === this.#asked) {
        this.#show(false);
        this.#parts.button.hidden = true;
        this.#plate = null;
        this.#shape = "";
        return;
      }
      if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
      plate = await answer.json();
    } catch (error) {
      if (asked === this.#asked) this.#failed(`the plate could not be asked for: ${error.message}`);
      return;
    }
    if (asked !== this.#asked) return;
    // Of another server a plate may have the same number.
    const shape = JSON.stringify({ ...plate, well: null, field: null, fields: null });
    const another = shape !== this.#shape;
    const built = !another && this.#plate?.field === plate.field;
    this.#plate = plate;
    this.#shape = shape;
    this.#parts.button.hidden = false;
    if (!built) this.#build();
    if (another) this.#show(true);
    this.#mark();
  }

  #build() {
    const plate = this.#plate;
    const size = cellOf(plate);
    this.#cells.clear();
    this.#watcher?.disconnect();
    const corner = element("th", { "aria-hidden": "true" });
    const head = element("tr", {}, corner, ...plate.columns.map((name) => element("th", { scope: "col" }, name)));
    const rows = gridOf(plate).map((wells, row) =>
      element("tr", {}, element("th", { scope: "row" }, plate.rows[row]), ...wells.map((well) => this.#cell(well))));
    const table = element("table", { class: "wells", "data-cell": size }, element("thead", {}, head), element("tbody", {}, ...rows));
    table.style.setProperty("--cell", `${size}px`);
    const scroll = element("div", { class: "scroll" }, table);
    this.#parts.panel.replaceChildren(this.#header(), scroll);
    // A little beyond the edge, so that a slow scroll finds them there.
    this.#watcher = new IntersectionObserver((entries) => entries.forEach((entry) => this.#seen(entry)), { root: scroll, rootMargin: "40px" });
    for (const { picture } of this.#cells.values()) this.#watcher.observe(picture);
  }

  #header() {
    const close = element("button", { class: "quiet", type: "button", title: "close", "aria-label": "close the plate", on: { click: () => this.#show(false) } }, "×");
    const step = (by, label) =>
      element("button", { class: "quiet", type: "button", "data-step": by, title: label, "aria-label": label, on: { click: () => this.#step(by) } }, by < 0 ? "‹" : "›");
    const field = element("span", { class: "field-of" }, step(-1, "previous field"), element("span", { class: "which" }), step(1, "next field"));
    return element("header", {}, icon("plate"), element("h2", {}, this.#plate.name), field, close);
  }

  #cell(well) {
    if (!well) return element("td", { class: "none" });
    const picture = element("img", { alt: "", draggable: "false", decoding: "async" });
    const button = element("button", { class: "well", type: "button", "data-well": well.path, on: { click: () => this.#choose(well.path, this.#plate.field) } }, picture);
    picture.addEventListener("load", () => button.classList.add("pictured"));
    picture.addEventListener("error", () => {
      // Without an address it is asked for again when it is next seen.
      if (picture.getAttribute("src")) button.classList.add("failed");
      picture.removeAttribute("src");
    });
    this.#cells.set(well.path, { well, button, picture });
    return element("td", {}, button);
  }

  /** A cell came into view, or left it before its picture came. */
  #seen({ target, isIntersecting }) {
    const asked = target.hasAttribute("src");
    if (isIntersecting && !asked) {
      const cell = [...this.#cells.values()].find(({ picture }) => picture === target);
      if (cell) target.setAttribute("src", pictureOf(this.#plate, cell.well, fieldOf(this.#plate, this.#plate.field)));
    } else if (!isIntersecting && asked && !target.complete) {
      target.removeAttribute("src");
    }
  }

  #step(by) {
    const { fields, field } = this.#plate;
    const next = field + by;
    if (next >= 0 && next < fields) this.#choose(this.#viewer.view.plate.well, next);
  }

  #choose(well, field) {
    if (!this.#mayChoose() || (this.#wanted?.well === well && this.#wanted.field === field)) return;
    this.#wanted = { well, field };
    this.#open({ well, field: fieldOf(this.#plate, field) });
    this.#mark();
  }

  #mayChoose() {
    return this.#viewer.view.role !== "observer";
  }

  /** Lights the well that is shown and the one that is on its way. */
  #mark() {
    const told = this.#viewer.view.plate;
    if (!this.#plate || !told) return;
    const may = this.#mayChoose();
    for (const [path, { button }] of this.#cells) {
      const lit = path === told.well;
      button.classList.toggle("lit", lit);
      button.classList.toggle("wanted", path === this.#wanted?.well);
      button.setAttribute("aria-pressed", String(lit));
      button.disabled = !may;
      button.title = may ? path : `${path} (this session only watches)`;
      button.setAttribute("aria-label", `well ${path}`);
    }
    const { panel } = this.#parts;
    const { fields, field } = this.#plate;
    const header = panel.querySelector(".field-of");
    header.hidden = fields < 2;
    setText(header.querySelector(".which"), `${told.well}   field ${field + 1} of ${fields}`);
    for (const button of header.querySelectorAll("[data-step]")) {
      const next = field + Number(button.dataset.step);
      button.disabled = !may || next < 0 || next >= fields;
    }
  }
}
