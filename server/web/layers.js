// The layer list: top of the list is drawn last. Eye, thumbnail, name. Clicking selects.

import { paintLabelsSwatch, paintSwatch } from "./colormaps.js";
import { element, icon, setText } from "./dom.js";

export class Layers {
  #viewer;
  #list;
  #rows = new Map();

  constructor(viewer, list) {
    this.#viewer = viewer;
    this.#list = list;
  }

  /** Brings the list up to date. */
  render() {
    const { layers } = this.#viewer.view;
    const ids = layers.map(({ id }) => id).join("\n");
    if (ids !== this.#list.dataset.layers) {
      this.#list.dataset.layers = ids;
      this.#rows = new Map(layers.map((layer) => [layer.id, this.#row(layer.id)]));
      this.#list.replaceChildren(...[...this.#rows.values()].reverse().map(({ row }) => row));
    }
    for (const layer of layers) this.#update(layer);
  }

  #row(id) {
    const viewer = this.#viewer;
    const eye = element("button", { class: "quiet eye", type: "button", on: { click: () => viewer.toggleVisible(id) } });
    const thumbnail = element("canvas", { class: "thumbnail", width: 32, height: 32, "aria-hidden": "true" });
    const name = element("span", { class: "name" });
    const colors = element("span", { class: "swatch", "aria-hidden": "true" });
    const select = element("button", { class: "select", type: "button", on: { click: () => viewer.select(id) } }, thumbnail, name, colors);
    const row = element("li", { class: "layer", "data-layer": id }, eye, select);
    return { row, eye, select, thumbnail, name, colors, painted: null };
  }

  #update(layer) {
    const { dims } = this.#viewer.view;
    const parts = this.#rows.get(layer.id);
    const visible = this.#viewer.control(layer, "visible");
    const selected = layer.id === this.#viewer.selected;
    parts.row.classList.toggle("selected", selected);
    parts.row.classList.toggle("hidden", !visible);
    parts.select.setAttribute("aria-pressed", selected);
    setText(parts.name, layer.name);
    parts.name.title = layer.name;
    if (layer.isLabels) paintLabelsSwatch(parts.colors);
    else paintSwatch(parts.colors, this.#viewer.control(layer, "colormap"));
    if (parts.eye.getAttribute("aria-pressed") !== String(visible) || parts.eye.title === "") {
      parts.eye.setAttribute("aria-pressed", visible);
      parts.eye.title = visible ? "hide" : "show";
      parts.eye.setAttribute("aria-label", `${layer.name} visible`);
      parts.eye.replaceChildren(icon(visible ? "eye" : "eye-off"));
    }
    if (parts.painted !== layer.thumbnail) {
      parts.painted = layer.thumbnail;
      paintThumbnail(parts.thumbnail, layer.thumbnail, dims?.ndisplay !== 3);
    }
  }
}

/** Paints rows of RGB or RGBA in 0..1. The wire's are upright in its own view, whose y is up; data in 2D is drawn the other way. */
function paintThumbnail(canvas, rows, turnOver) {
  if (!rows?.length) return;
  const height = rows.length;
  const width = rows[0].length;
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  rows.forEach((row, y) => {
    const line = turnOver ? height - 1 - y : y;
    row.forEach(([red, green, blue, alpha = 1], x) => {
      image.data.set([255 * red, 255 * green, 255 * blue, 255 * alpha], 4 * (line * width + x));
    });
  });
  canvas.getContext("2d").putImageData(image, 0, 0);
}
