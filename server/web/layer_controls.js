// The controls of the selected layer.

import { COLORMAPS, paintSwatch } from "./colormaps.js";
import { isWhole, readable, sliderExtent, sliderStep } from "./contrast.js";
import { element, setText } from "./dom.js";
import { RangeSlider } from "./range_slider.js";

/** How a volume can be drawn, as the wire names it, and the slider that goes with it. */
const RENDERINGS = {
  mip: {}, minip: {}, attenuated_mip: { slider: "attenuation" }, translucent: {}, iso: { slider: "iso_threshold" }, additive: {},
  average: {},
};
const ATTENUATION = { min: 0, max: 0.5, step: 0.001 };

/** How a layer joins those below, as the wire names it. */
const BLENDINGS = ["opaque", "translucent", "translucent_no_depth", "additive", "minimum", "multiplicative"];
const CONTOUR = { min: 0, max: 10, step: 1 };

const GAMMA = { min: 0.2, max: 2, step: 0.01 };

export class LayerControls {
  #viewer;
  #root;
  #opacity;
  #blending;
  #contour;
  #gamma;
  #contrast;
  #colormap;
  #rendering;
  #attenuation;
  #threshold;
  /** The fields that only a volume has. */
  #volume;
  /** The fields that only layers with values on a scale have, and that only labels in a plane have. */
  #scalar;
  #labels;
  /** The contrast limits with which each layer came. */
  #firstLimits = new Map();

  constructor(viewer, root) {
    this.#viewer = viewer;
    this.#root = root;
    this.#opacity = this.#slider("opacity", { min: 0, max: 1, step: 0.01 }, 1);
    this.#blending = this.#choice("blending", BLENDINGS);
    this.#contour = this.#slider("contour", CONTOUR, 0);
    this.#contrast = this.#contrastControl();
    this.#gamma = this.#slider("gamma", GAMMA, 1);
    this.#colormap = this.#colormapControl();
    this.#rendering = this.#choice("rendering", Object.keys(RENDERINGS));
    this.#attenuation = this.#slider("attenuation", ATTENUATION, 0.05);
    this.#threshold = this.#slider("iso_threshold", { min: 0, max: 1, step: "any" });
    this.#volume = {
      rendering: field("rendering", this.#rendering, ""),
      attenuation: field("attenuation", this.#attenuation.input, this.#attenuation.value),
      iso_threshold: field("threshold", this.#threshold.input, this.#threshold.value),
    };
    this.#scalar = [
      field("contrast", this.#contrast.slider.root, this.#contrast.numbers),
      field("gamma", this.#gamma.input, this.#gamma.value),
      field("colormap", this.#colormap.swatch, this.#colormap.select),
    ];
    this.#labels = field("contour", this.#contour.input, this.#contour.value);
    root.replaceChildren(
      field("opacity", this.#opacity.input, this.#opacity.value),
      field("blending", this.#blending, ""),
      this.#labels,
      ...this.#scalar,
      ...Object.values(this.#volume),
    );
  }

  /** Brings the controls up to date with the selected layer. */
  render() {
    const layer = this.#viewer.selectedLayer();
    this.#root.hidden = layer === null;
    for (const { id, controls } of this.#viewer.view.layers) {
      if (!this.#firstLimits.has(id)) this.#firstLimits.set(id, controls.contrast_limits);
    }
    if (!layer) return;
    for (const [key, { input, value }] of [["opacity", this.#opacity], ["gamma", this.#gamma]]) {
      const shown = this.#viewer.control(layer, key) ?? 1;
      input.value = shown;
      fill(input);
      setText(value, shown.toFixed(2));
    }
    const blending = this.#viewer.control(layer, "blending");
    if (this.#blending.value !== blending) this.#blending.value = blending;
    for (const node of this.#scalar) node.hidden = layer.isLabels;
    this.#labels.hidden = !layer.isLabels || this.#viewer.mode() === 3;
    if (layer.isLabels) {
      this.#renderContour(layer);
    } else {
      this.#renderContrast(layer);
      this.#renderColormap(layer);
    }
    this.#renderVolume(layer);
  }

  /** Forgets what it knows of the layers' ranges; for another dataset. */
  forget() {
    this.#firstLimits.clear();
  }

  #set(key, value) {
    const layer = this.#viewer.selectedLayer();
    if (layer) this.#viewer.setControl(layer.id, key, value);
  }

  /** A slider of one number; a double click sets it to its usual value, if it has one. */
  #slider(key, { min, max, step }, usual) {
    const input = element("input", { type: "range", min, max, step, "aria-label": key, "data-control": key });
    input.addEventListener("input", () => this.#set(key, input.valueAsNumber));
    if (usual !== undefined) input.addEventListener("dblclick", () => this.#set(key, usual));
    return { input, value: element("output", { class: "value" }) };
  }

  #contrastControl() {
    const set = (limits) => this.#set("contrast_limits", limits);
    const slider = new RangeSlider("contrast", set);
    slider.root.addEventListener("dblclick", () => set(this.#firstLimits.get(this.#viewer.selected)));
    slider.root.title = "double click for the first limits";
    const number = (name) => element("input", { type: "number", step: "any", "aria-label": `${name} contrast limit` });
    const [low, high] = [number("lower"), number("upper")];
    for (const input of [low, high]) {
      input.addEventListener("change", () => {
        const limits = [low.valueAsNumber, high.valueAsNumber];
        if (limits.every(Number.isFinite) && limits[0] !== limits[1]) set(limits.sort((a, b) => a - b));
        this.render();
      });
    }
    return { slider, low, high, numbers: element("span", { class: "numbers" }, low, high) };
  }

  #renderContrast(layer) {
    const { slider, low, high } = this.#contrast;
    const limits = this.#viewer.control(layer, "contrast_limits");
    const extent = sliderExtent(layer.dtype, this.#firstLimits.get(layer.id), limits);
    slider.show(limits, extent, sliderStep(layer.dtype, extent));
    for (const [input, limit] of [[low, limits[0]], [high, limits[1]]]) {
      input.step = isWhole(layer.dtype) ? 1 : "any";
      if (document.activeElement !== input) input.value = readable(limit);
    }
  }

  #colormapControl() {
    const select = element("select", { "aria-label": "colormap", "data-control": "colormap" });
    select.append(...COLORMAPS.map((name) => element("option", { value: name }, name)));
    select.addEventListener("change", () => this.#set("colormap", select.value));
    return { select, swatch: element("div", { class: "swatch wide", "aria-hidden": "true" }) };
  }

  /** One of several words. */
  #choice(key, names) {
    const select = element("select", { "aria-label": key, "data-control": key });
    select.append(...names.map((name) => element("option", { value: name }, name.replaceAll("_", " "))));
    select.addEventListener("change", () => this.#set(key, select.value));
    return select;
  }

  #renderContour(layer) {
    const { input, value } = this.#contour;
    const shown = this.#viewer.control(layer, "contour");
    input.value = shown;
    fill(input);
    setText(value, shown === 0 ? "off" : `${shown} px`);
  }

  #renderVolume(layer) {
    const rendering = this.#viewer.control(layer, "rendering");
    const { slider } = RENDERINGS[rendering] ?? {};
    const volume = this.#viewer.mode() === 3;
    for (const [key, node] of Object.entries(this.#volume)) node.hidden = !volume || (key !== "rendering" && key !== slider);
    if (!volume) return;
    if (this.#rendering.value !== rendering) this.#rendering.value = rendering;
    const limits = this.#viewer.control(layer, "contrast_limits");
    const extent = sliderExtent(layer.dtype, this.#firstLimits.get(layer.id), limits);
    [this.#threshold.input.min, this.#threshold.input.max] = extent;
    for (const [key, { input, value }] of [["attenuation", this.#attenuation], ["iso_threshold", this.#threshold]]) {
      const shown = this.#viewer.control(layer, key);
      if (shown === undefined) continue;
      input.value = shown;
      fill(input);
      setText(value, readable(shown));
    }
  }

  #renderColormap(layer) {
    const { select, swatch: strip } = this.#colormap;
    const name = this.#viewer.control(layer, "colormap");
    if (![...select.options].some(({ value }) => value === name)) select.append(element("option", { value: name }, name));
    if (select.value !== name) select.value = name;
    paintSwatch(strip, name);
  }
}

function field(label, control, value) {
  return element("div", { class: `field ${label}` }, element("span", { class: "label" }, label), control, value);
}

/** Tells the style sheet how far a slider is filled. */
function fill(input) {
  const [min, max] = [Number(input.min), Number(input.max)];
  input.style.setProperty("--filled", (input.valueAsNumber - min) / (max - min));
}
