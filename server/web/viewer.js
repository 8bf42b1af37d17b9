// What a person can do here, as verbs: every button, key and gesture ends in one of these. Holds the server's view, the wishes on
// their way, and what is selected. Knows nothing of elements.

import { CameraQueue, Lanes } from "./intents.js";
import { emptyView, fold, sliderAxes } from "./scene.js";
import { wireAnchor, wireOrbit, wirePan, worldAt } from "./viewport.js";

export class Viewer {
  #send;
  #changed;
  #camera;
  #lanes;
  #video;

  view = emptyView();
  /** Id of the selected layer, or null. */
  selected = null;
  /** Number of the axis that arrow keys move, or null. */
  focused = null;

  /**
   * @param {{size: {width: number, height: number} | null, flip: boolean}} video what is on the screen
   * @param {(scope: string, target: string, key: string, value: any) => string | null} send
   * @param {() => void} changed called whenever something on the page may have to change
   */
  constructor(video, send, changed) {
    const requestFrame = (callback) => requestAnimationFrame(callback);
    this.#video = video;
    this.#send = send;
    this.#changed = changed;
    this.#camera = new CameraQueue(requestFrame, (key, value) => send("camera", "main", key, value));
    this.#lanes = new Lanes(
      requestFrame,
      ({ scope, target, key }, value) => send(scope, target, key, value),
      changed,
      (callback, ms) => setTimeout(callback, ms),
    );
  }

  /** Takes a notification. */
  notify(frame) {
    if (!fold(this.view, frame)) return;
    if (!this.view.layers.some((layer) => layer.id === this.selected)) this.selected = this.view.layers.at(-1)?.id ?? null;
    const axes = sliderAxes(this.view.dims);
    if (!axes.some(({ axis }) => axis === this.focused)) this.focused = axes.at(-1)?.axis ?? null;
    this.#changed();
  }

  /** Takes what this session may do. */
  role(role) {
    this.view.role = role;
    this.#changed();
  }

  /** Takes the answer to an intent. */
  answer(payload) {
    this.#lanes.answer(payload);
  }

  /** Forgets what was on its way; the view stays until the next session replaces it. */
  forgetWishes() {
    this.#camera.clear();
    this.#lanes.clear();
    this.#changed();
  }

  // ---- dims

  /** The axes that have a slider, with the index to show. */
  axes() {
    return sliderAxes(this.view.dims).map((slider) => {
      const index = this.#lanes.shown(indexOf(slider.axis), slider.index);
      return { ...slider, index: Math.min(index, slider.size - 1) };
    });
  }

  setIndex(axis, index) {
    const slider = this.axes().find((candidate) => candidate.axis === axis);
    if (!slider || !Number.isFinite(index)) return;
    const clamped = Math.min(Math.max(Math.round(index), 0), slider.size - 1);
    if (clamped !== slider.index) this.#lanes.set(indexOf(axis), clamped);
  }

  /** Moves an axis by `delta`; the focused one if none is named. */
  step(delta, axis = this.focused) {
    const slider = this.axes().find((candidate) => candidate.axis === axis);
    if (slider) this.setIndex(axis, slider.index + delta);
  }

  /** Whether a step of this axis still waits for its answer. */
  stepping(axis) {
    return this.#lanes.busy(indexOf(axis));
  }

  focusAxis(axis) {
    this.focused = axis;
    this.#changed();
  }

  /** Focuses the slider `delta` below the focused one, round the end. */
  focusNext(delta) {
    const axes = this.axes();
    if (axes.length === 0) return;
    const at = axes.findIndex(({ axis }) => axis === this.focused);
    this.focusAxis(axes[(at + delta + axes.length) % axes.length].axis);
  }

  // ---- layers

  /** A layer's control as it is to be shown. */
  control(layer, key) {
    return this.#lanes.shown({ scope: "layer", target: layer.id, key }, layer.controls[key]);
  }

  setControl(layerId, key, value) {
    this.#lanes.set({ scope: "layer", target: layerId, key }, value);
  }

  selectedLayer() {
    return this.view.layers.find((layer) => layer.id === this.selected) ?? null;
  }

  select(layerId) {
    this.selected = layerId;
    this.#changed();
  }

  /** Selects the layer `delta` above the selected one; the last of `view.layers` is the top of the list. */
  selectNext(delta) {
    const { layers } = this.view;
    const at = layers.findIndex((layer) => layer.id === this.selected);
    const next = layers[at + delta];
    if (next) this.select(next.id);
  }

  toggleVisible(layerId) {
    const layer = this.view.layers.find((candidate) => candidate.id === layerId);
    if (layer) this.setControl(layerId, "visible", !this.control(layer, "visible"));
  }

  toggleOthers() {
    for (const layer of this.view.layers) if (layer.id !== this.selected) this.toggleVisible(layer.id);
  }

  // ---- mode

  /** How many axes the picture shows: 2, or 3 for a volume. */
  mode() {
    return this.#lanes.shown(NDISPLAY, this.view.dims?.ndisplay ?? 2);
  }

  /** Whether the image has enough axes for a volume. */
  hasVolume() {
    return (this.view.dims?.order.length ?? 0) >= 3;
  }

  /** Asks for a picture of so many pixels, if it has not got them; false if nobody can be asked yet. */
  resize(size) {
    const { known, role } = this.view;
    if (known && role === "driver" && String(this.#canvasWish()) !== String(size)) this.#lanes.set(CANVAS_SIZE, size);
    return known;
  }

  /** Whether another size was asked for and is on its way. */
  resizing() {
    return String(this.#canvasWish()) !== String(this.view.canvas);
  }

  #canvasWish() {
    return this.#lanes.shown(CANVAS_SIZE, this.view.canvas);
  }

  toggleMode() {
    if (this.hasVolume()) this.#lanes.set(NDISPLAY, this.mode() === 3 ? 2 : 3);
  }

  // ---- camera; points and movements are on the drawn picture, in video pixels from its top left

  /** A drag moves a plane and turns a volume; `aside` it moves a volume, too. `scale` is the page's pixels per video pixel. */
  drag(dx, dy, aside, scale) {
    // What is on the screen counts, not what was asked for. A hand turns as far on a screen of finer pixels.
    if (this.view.dims?.ndisplay === 3 && !aside) this.orbit(dx * scale, dy * scale);
    else this.pan(dx, dy);
  }

  orbit(dx, dy) {
    if (this.#video.size) this.#camera.orbit(wireOrbit(dx, dy));
  }

  pan(dx, dy) {
    if (this.#video.size) this.#camera.pan(wirePan(dx, dy, this.#video.flip));
  }

  /** A factor below 1 is nearer. Without a point, about the centre. */
  zoom(factor, point) {
    const { size, flip } = this.#video;
    if (!size) return;
    this.#camera.zoom(factor, wireAnchor(point ?? { x: size.width / 2, y: size.height / 2 }, size, flip));
  }

  resetCamera() {
    this.#camera.reset();
  }

  /** World position under a point of the picture, or null where there is none. */
  worldAt(point) {
    const { size, flip } = this.#video;
    const rect = this.view.camera?.rect;
    if (!size || !rect || this.view.dims?.ndisplay !== 2) return null;
    return worldAt(rect, size, wireAnchor(point, size, flip));
  }
}

const NDISPLAY = { scope: "view", target: "main", key: "ndisplay" };
const CANVAS_SIZE = { scope: "view", target: "main", key: "canvas_size" };

function indexOf(axis) {
  return { scope: "dims", target: String(axis), key: "index" };
}
