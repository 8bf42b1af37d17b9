// Puts the page together: connection to viewer, video to meter, pieces to elements.

import { Connection } from "./connection.js";
import { Dims } from "./dims.js";
import { setText } from "./dom.js";
import { listenToKeys } from "./keys.js";
import { LayerControls } from "./layer_controls.js";
import { Layers } from "./layers.js";
import { Meter } from "./meter.js";
import { Notices } from "./notices.js";
import { Plate } from "./plate.js";
import { listenToPointer } from "./pointer.js";
import { StageSize, devicePixels } from "./stage_size.js";
import { Status } from "./status.js";
import { unsupported } from "./support.js";
import { Video } from "./video.js";
import { Viewer } from "./viewer.js";
import { fit, toVideo } from "./viewport.js";

const KEYFRAME_SPACING_MS = 1000;
const STATUS_MS = 250;

const at = (id) => document.getElementById(id);
const canvas = at("picture");
const stage = at("stage");

const meter = new Meter();
const notices = new Notices({ notice: at("notice"), message: at("message"), warnings: at("warnings") });
let keyframeAsked = -Infinity;
let trouble = unsupported();
// Behind the "#", which browsers send to nobody: the token of `serve --drive token`.
const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";

const video = new Video(canvas, {
  painted(packet) {
    trouble = null;
    if (meter.frames === 0) invalidate();
    meter.paint(packet.arrived, performance.now());
  },
  starved(origin) {
    const now = performance.now();
    if (now - keyframeAsked < KEYFRAME_SPACING_MS) return;
    keyframeAsked = now;
    connection.command("napari.pixel.request_keyframe", origin);
  },
  failed(text) {
    trouble = { heading: "The stream cannot be decoded", lines: [text] };
    invalidate();
  },
});

const connection = new Connection({
  status({ phase, reason, retryMs }) {
    document.body.dataset.phase = phase;
    // Whatever was on its way belonged to another session.
    viewer.forgetWishes();
    meter.clear();
    if (phase === "live") {
      video.restart();
      notices.notice("");
      stageSize.changed();
    } else if (phase === "waiting") {
      notices.notice(`Not connected: ${reason}. Trying again${retryMs > 1500 ? ` in ${Math.round(retryMs / 1000)} s` : ""} …`);
    }
  },
  notify(frame) {
    if (frame.type === "notify.error") notices.warn(frame.payload);
    const source = viewer.view.source;
    viewer.notify(frame);
    if (viewer.view.source !== source) controls.forget();
    if (frame.type === "notify.stream") video.announce(viewer.view.stream.record);
  },
  refused({ message, code }) {
    plate.forgetWish();
    notices.warn({ domain: "command", code, severity: "warning", message });
  },
  answer(payload) {
    meter.answer(payload.intent_id, payload.status === "accepted", performance.now());
    viewer.answer(payload);
    if (payload.status === "rejected") notices.warn({ domain: "intent", severity: "warning", ...payload.error });
  },
  role(role) {
    viewer.role(role);
    stageSize.changed();
    const watching = role === "observer";
    document.body.dataset.role = role;
    setText(at("role"), watching ? "watching" : "");
    for (const id of ["controls", "layers", "dims", "mode", "fit"]) at(id).inert = watching;
    viewer.forgetWishes();
  },
  packet(message) {
    const now = performance.now();
    meter.arrive(message.byteLength, now);
    video.accept(message, now);
  },
}, token);

const viewer = new Viewer(
  video,
  (scope, target, key, value) => {
    if (viewer.view.role === "observer") return null;
    const intentId = connection.intent(scope, target, key, value);
    if (intentId !== null) meter.sent(intentId, performance.now());
    return intentId;
  },
  () => invalidate(),
);

const layers = new Layers(viewer, at("layers"));
const controls = new LayerControls(viewer, at("controls"));
const dims = new Dims(viewer, at("dims"));
const plate = new Plate(
  viewer,
  { panel: at("plate"), button: at("wells") },
  (kwargs) => connection.command("napari.load_zarr", "plate", kwargs),
  (message) => notices.warn({ domain: "plate", code: "plate.unknown", severity: "warning", message }),
);
const status = new Status(viewer, meter, {
  position: at("position"), level: at("level"), rate: at("rate"), latency: at("latency"), bits: at("bits"),
});

// Whoever drives says how large the picture is; where all may, the last who asked.
const stageSize = new StageSize(
  () => devicePixels(stage.getBoundingClientRect(), devicePixelRatio),
  (size) => viewer.resize(size),
  (callback, ms) => setTimeout(callback, ms),
);
new ResizeObserver(() => stageSize.changed()).observe(stage);

let due = false;
function invalidate() {
  if (due) return;
  due = true;
  requestAnimationFrame(render);
}

function render() {
  due = false;
  const { view } = viewer;
  const name = view.plate ? `${view.plate.name} ${view.plate.well}` : nameOf(view.source);
  document.title = name ? `${name} · napari-cuda` : "napari-cuda";
  at("source").textContent = name;
  at("source").title = view.source;
  layers.render();
  controls.render();
  dims.render();
  plate.render();
  renderMode();
  status.render();
  notices.message(message(view));
}

/** The button says what is shown, and does the other. */
function renderMode() {
  const button = at("mode");
  const volume = viewer.mode() === 3;
  button.disabled = !viewer.hasVolume();
  button.setAttribute("aria-pressed", String(volume));
  setText(button, volume ? "3D" : "2D");
  button.title = button.disabled ? "this image has no third axis" : `show ${volume ? "a plane" : "the volume"} (D)`;
}

/** The last part of a path, without the endings of an image folder. */
function nameOf(source) {
  const last = source.split(/[/\\]/).filter(Boolean).at(-1) ?? "";
  return last.replace(/\.zarr$/i, "").replace(/\.ome$/i, "");
}

function message(view) {
  if (trouble) return trouble;
  if (view.status === "idle") {
    return { heading: "No image is open", lines: ["Start the server with one:", { code: "napari-cuda serve IMAGE.ome.zarr" }] };
  }
  if (meter.frames === 0) return { heading: view.known ? "Waiting for the first picture …" : "Connecting …", lines: [] };
  return null;
}

const boxOf = (node) => node.getBoundingClientRect();
listenToPointer(stage, {
  toVideo: (x, y) => (video.size ? toVideo(fit(boxOf(canvas), video.size), x, y) : null),
  drag: (dx, dy, aside) => viewer.drag(dx, dy, aside, fit(boxOf(canvas), video.size).scale),
  zoom: (factor, point) => viewer.zoom(factor, point),
  step: (delta) => viewer.step(delta),
  hover: (point) => status.hover(point),
});
const help = listenToKeys(viewer, dims, plate, at("shortcuts"));
at("mode").addEventListener("click", () => viewer.toggleMode());
at("fit").addEventListener("click", () => viewer.resetCamera());
at("help").addEventListener("click", help);
at("fullscreen").hidden = !document.fullscreenEnabled;
at("fullscreen").addEventListener("click", () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else stage.requestFullscreen();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) connection.retryNow();
});
window.addEventListener("online", () => connection.retryNow());
window.addEventListener("pagehide", () => connection.stop());
window.addEventListener("pageshow", (event) => {
  if (event.persisted) connection.start();
});

// For tests and for the curious: what the page knows, to be read only.
window.__viewer = Object.freeze({
  canvas,
  get connected() {
    return connection.live;
  },
  get frames() {
    return meter.frames;
  },
  get resizing() {
    return stageSize.waiting || viewer.resizing();
  },
  get lastPaint() {
    return meter.lastPaint;
  },
  get view() {
    return structuredClone(viewer.view);
  },
  get stats() {
    return meter.read(performance.now());
  },
});

render();
if (!trouble) {
  connection.start();
  setInterval(() => status.render(), STATUS_MS);
}
