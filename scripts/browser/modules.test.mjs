// The viewer's pure modules, without a browser: node --test scripts/browser/modules.test.mjs

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

// Loaded as data, because Node before 20.19 takes a .js file without a package.json beside it for CommonJS.
async function load(name) {
  const source = readFileSync(new URL(`../../server/web/${name}`, import.meta.url));
  return import(`data:text/javascript;base64,${source.toString("base64")}`);
}

const { codecString, configurationRecord, parsePacket } = await load("avc.js");
const { sliderExtent, sliderStep, readable } = await load("contrast.js");
const { CameraQueue, Lanes } = await load("intents.js");
const { Meter } = await load("meter.js");
const { emptyView, fold, sliderAxes } = await load("scene.js");
const { StageSize, devicePixels } = await load("stage_size.js");
const { cellOf, fieldOf, gridOf, pictureOf } = await load("wells.js");
const { fit, toVideo, visibleRect, wireAnchor, wireOrbit, wirePan, worldAt } = await load("viewport.js");

/** Animation frames that come when the test says so. */
function frames() {
  let waiting = [];
  return {
    request: (callback) => waiting.push(callback),
    next() {
      const due = waiting;
      waiting = [];
      for (const callback of due) callback();
    },
  };
}

// ---- camera

test("pans of one frame add up exactly, and the first leaves at once", () => {
  const { request, next } = frames();
  const sent = [];
  const camera = new CameraQueue(request, (key, value) => sent.push([key, value]));
  for (let n = 0; n < 5; n += 1) camera.pan({ dx_px: 1.25, dy_px: -0.5 });
  assert.deepEqual(sent, [["pan", { dx_px: 1.25, dy_px: -0.5 }]]);
  next();
  assert.deepEqual(sent.slice(1), [["pan", { dx_px: 5, dy_px: -2 }]]);
  next();
  next();
  assert.equal(sent.length, 2);
});

test("orbits add up, and a pan between keeps the order", () => {
  const { request, next } = frames();
  const sent = [];
  const camera = new CameraQueue(request, (key, value) => sent.push([key, value]));
  for (let n = 0; n < 4; n += 1) camera.orbit({ d_az_deg: 0.5, d_el_deg: -0.25 });
  camera.pan({ dx_px: 1, dy_px: 0 });
  camera.orbit({ d_az_deg: 1, d_el_deg: 0 });
  next();
  assert.deepEqual(sent, [
    ["orbit", { d_az_deg: 0.5, d_el_deg: -0.25 }],
    ["orbit", { d_az_deg: 1.5, d_el_deg: -0.75 }],
    ["pan", { dx_px: 1, dy_px: 0 }],
    ["orbit", { d_az_deg: 1, d_el_deg: 0 }],
  ]);
});

test("the near side of a volume follows the hand", () => {
  // To the right: the eye goes left, against the azimuth. Down: the eye rises.
  assert.deepEqual(wireOrbit(10, 0), { d_az_deg: -2, d_el_deg: 0 });
  assert.deepEqual(wireOrbit(0, 10), { d_az_deg: -0, d_el_deg: 2 });
});

test("zooms at one anchor multiply; another anchor or a pan between keeps the order", () => {
  const { request, next } = frames();
  const sent = [];
  const camera = new CameraQueue(request, (key, value) => sent.push([key, value]));
  camera.pan({ dx_px: 1, dy_px: 0 });
  camera.zoom(0.5, [1, 2]);
  camera.zoom(0.5, [1, 2]);
  camera.zoom(2, [3, 4]);
  camera.pan({ dx_px: 2, dy_px: 0 });
  next();
  assert.deepEqual(sent.slice(1), [
    ["zoom", { factor: 0.25, anchor_px: [1, 2] }],
    ["zoom", { factor: 2, anchor_px: [3, 4] }],
    ["pan", { dx_px: 2, dy_px: 0 }],
  ]);
});

test("a reset replaces what has not left yet", () => {
  const { request, next } = frames();
  const sent = [];
  const camera = new CameraQueue(request, (key) => sent.push(key));
  camera.pan({ dx_px: 1, dy_px: 0 });
  camera.pan({ dx_px: 1, dy_px: 0 });
  camera.reset();
  next();
  assert.deepEqual(sent, ["pan", "reset"]);
});

// ---- lanes

function lanes() {
  const { request, next } = frames();
  const sent = [];
  const timers = [];
  const made = new Lanes(
    request,
    (property, value) => `intent-${sent.push([property.key, value])}`,
    () => {},
    (callback) => timers.push(callback),
  );
  return { lanes: made, next, sent, expire: () => timers.splice(0).forEach((callback) => callback()) };
}

const Z = { scope: "dims", target: "0", key: "index" };

test("one intent is under way and the newest wish waits", () => {
  const { lanes: made, next, sent } = lanes();
  for (const index of [1, 2, 3, 4]) made.set(Z, index);
  next();
  next();
  assert.deepEqual(sent, [["index", 1]]);
  made.answer({ intent_id: "intent-1", status: "accepted", applied_value: 1 });
  next();
  assert.deepEqual(sent, [["index", 1], ["index", 4]]);
  assert.equal(made.shown(Z, 1), 4);
});

test("an accepted wish stays shown until the server shows it, however late an older value comes", () => {
  const { lanes: made } = lanes();
  made.set(Z, 7);
  made.answer({ intent_id: "intent-1", status: "accepted", applied_value: 5 });
  assert.equal(made.shown(Z, 3), 5, "the answer's value, which may be clamped");
  assert.equal(made.shown(Z, 4), 5);
  assert.equal(made.shown(Z, 5), 5);
  assert.equal(made.shown(Z, 2), 2, "from then on the server leads");
});

test("a rejected wish goes back to what the server shows", () => {
  const { lanes: made } = lanes();
  made.set(Z, 7);
  made.answer({ intent_id: "intent-1", status: "rejected" });
  assert.equal(made.shown(Z, 3), 3);
});

test("a wish whose applied value stays away is given up", () => {
  const { lanes: made, expire } = lanes();
  made.set(Z, 7);
  made.answer({ intent_id: "intent-1", status: "accepted", applied_value: 7 });
  expire();
  assert.equal(made.shown(Z, 3), 3);
});

test("answers to the intents of others change nothing", () => {
  const { lanes: made } = lanes();
  made.set(Z, 7);
  made.answer({ intent_id: "intent-9", status: "rejected" });
  assert.equal(made.shown(Z, 3), 7);
  assert.ok(made.busy(Z));
});

// ---- geometry

const VIDEO = { width: 1280, height: 720 };

test("the video is centred in its box, and points map back", () => {
  const fitted = fit({ left: 10, top: 20, width: 640, height: 640 }, VIDEO);
  assert.deepEqual(fitted, { left: 10, top: 160, width: 640, height: 360, scale: 0.5 });
  assert.deepEqual(toVideo(fitted, 10, 160), { x: 0, y: 0 });
  assert.deepEqual(toVideo(fitted, 650, 520), { x: 1280, y: 720 });
});

test("content follows the pointer whichever way up the picture is drawn", () => {
  // The server's pan and projection as PROTOCOL 17.1 has them, y from the top of the wire's view.
  const moved = ([left, bottom, width, height], { dx_px: dx, dy_px: dy }) => {
    const visible = visibleRect([left, bottom, width, height], VIDEO);
    return [left - (dx * visible.width) / VIDEO.width, bottom + (dy * visible.height) / VIDEO.height, width, height];
  };
  for (const flip of [false, true]) {
    const rect = [3, -5, 200, 90];
    const before = worldAt(rect, VIDEO, wireAnchor({ x: 100, y: 200 }, VIDEO, flip));
    const after = worldAt(moved(rect, wirePan(40, -25, flip)), VIDEO, wireAnchor({ x: 140, y: 175 }, VIDEO, flip));
    assert.ok(Math.hypot(after.x - before.x, after.y - before.y) < 1e-9, `flip ${flip}`);
  }
});

test("the visible rectangle has the canvas's shape and the same centre", () => {
  assert.deepEqual(visibleRect([0, 0, 1280, 360], VIDEO), { left: 0, bottom: -180, width: 1280, height: 720 });
  assert.deepEqual(visibleRect([0, 0, 640, 720], VIDEO), { left: -320, bottom: 0, width: 1280, height: 720 });
});

// ---- bytes

const SPS = [0x67, 0x42, 0xc0, 0x28, 0xda];
const PPS = [0x68, 0xce, 0x0f];

function message({ codec = 1, flags = 0, nals }) {
  const unit = nals.flatMap((nal) => [0, 0, 0, nal.length, ...nal]);
  const header = new DataView(new ArrayBuffer(24));
  header.setUint32(0, 0xffffffff);
  header.setFloat64(4, 1795167757.5);
  header.setUint32(12, 1280);
  header.setUint32(16, 720);
  header.setUint8(20, codec);
  header.setUint8(21, flags);
  return Uint8Array.from([...new Uint8Array(header.buffer), ...unit]).buffer;
}

test("a packet's header is read, and what is no H.264 is not", () => {
  const packet = parsePacket(message({ flags: 3, nals: [SPS, PPS, [0x65, 1]] }));
  const { accessUnit, ...header } = packet;
  assert.deepEqual(header, { seq: 0xffffffff, timestamp: 1795167757.5, width: 1280, height: 720, keyframe: true, flip: true });
  assert.equal(accessUnit.length, 4 + 5 + 4 + 3 + 4 + 2);
  assert.equal(parsePacket(message({ codec: 2, nals: [SPS] })), null);
  assert.equal(parsePacket(new ArrayBuffer(24)), null);
});

test("the configuration record is made from the parameter sets in band", () => {
  const { accessUnit } = parsePacket(message({ flags: 1, nals: [[0x09, 0x10], SPS, PPS, [0x65, 1]] }));
  const record = configurationRecord(accessUnit);
  assert.deepEqual([...record], [1, 0x42, 0xc0, 0x28, 0xff, 0xe1, 0, 5, ...SPS, 1, 0, 3, ...PPS]);
  assert.equal(codecString(record), "avc1.42C028");
});

test("an access unit without parameter sets, or cut off, gives no record", () => {
  const { accessUnit } = parsePacket(message({ nals: [[0x41, 1, 2]] }));
  assert.equal(configurationRecord(accessUnit), null);
  assert.equal(configurationRecord(Uint8Array.from([0, 0, 1, 0, 0x67, 0x42])), null);
});

// ---- the view

const DIMS = {
  step: [4, 9, 0, 0], current_step: [4, 9, 0, 0], levels: [], current_level: 1, mode: "plane", ndisplay: 2,
  level_shapes: [[1, 40, 64, 64], [1, 20, 32, 32]], axis_labels: ["t", "z", "y", "x"], order: [0, 1, 2, 3], displayed: [2, 3],
};

function sceneOf(...ids) {
  return {
    viewer: { settings: { canvas_size: [1280, 720] }, dims: DIMS, camera: { ndisplay: 2, rect: [0, 0, 1, 1] } },
    layers: ids.map((layer_id) => ({
      layer_id, layer_type: "image", name: layer_id, ndim: 4, controls: { visible: true, opacity: 1 },
      contrast_limits: [2, 9], dtype: "uint16", metadata: { thumbnail: [[[0, 0, 0, 1]]] },
    })),
    metadata: { status: "ready", source_path: "/data/a.ome.zarr" },
  };
}

test("sliders are the axes that are not shown and have more than one index at this level", () => {
  const view = emptyView();
  fold(view, { type: "notify.dims", payload: DIMS });
  assert.deepEqual(sliderAxes(view.dims), [{ axis: 1, label: "z", size: 20, index: 9 }]);
});

test("layer deltas change what they name; a removed layer is gone; an unknown one is ignored", () => {
  const view = emptyView();
  fold(view, { type: "notify.scene", payload: sceneOf("layer-0", "layer-1") });
  fold(view, { type: "notify.layers", payload: { layer_id: "layer-1", controls: { opacity: 0.5 } } });
  fold(view, { type: "notify.layers", payload: { layer_id: "layer-7", controls: { opacity: 0.1 } } });
  assert.deepEqual(view.layers[1].controls, { visible: true, opacity: 0.5, contrast_limits: [2, 9] });
  assert.equal(view.layers[0].controls.opacity, 1);
  fold(view, { type: "notify.layers", payload: { layer_id: "layer-0", removed: true } });
  assert.deepEqual(view.layers.map(({ id }) => id), ["layer-1"]);
});

test("a layer of labels is known as one, keeps its outline, and starts over with the next scene", () => {
  const view = emptyView();
  fold(view, { type: "notify.scene", payload: sceneOf("layer-0", "layer-1") });
  assert.ok(fold(view, { type: "x.labels", payload: { layer_id: "layer-1", contour: 2 } }));
  fold(view, { type: "notify.layers", payload: { layer_id: "layer-1", controls: { opacity: 0.7 } } });
  assert.deepEqual(view.layers.map(({ isLabels }) => isLabels), [false, true]);
  assert.deepEqual([view.layers[1].controls.contour, view.layers[1].controls.opacity], [2, 0.7]);
  fold(view, { type: "notify.scene", payload: sceneOf("layer-0", "layer-1") });
  assert.equal(view.layers[1].isLabels, false);
});

test("a pose changes the camera, an echo does not", () => {
  const view = emptyView();
  fold(view, { type: "notify.camera", payload: { mode: "pan", origin: "state.update", delta: { dx_px: 1, dy_px: 0 } } });
  assert.equal(view.camera, null);
  fold(view, { type: "notify.camera", payload: { mode: "pose", origin: "worker.state.camera", state: { rect: [1, 2, 3, 4] } } });
  assert.deepEqual(view.camera.rect, [1, 2, 3, 4]);
});

// ---- numbers

test("the contrast slider spans the type where it is small, else twice the first limits, and always the limits", () => {
  assert.deepEqual(sliderExtent("uint8", [10, 200], [10, 200]), [0, 255]);
  assert.deepEqual(sliderExtent("uint16", [0, 348], [0, 348]), [0, 696]);
  assert.deepEqual(sliderExtent("uint16", [100, 60000], [100, 60000]), [0, 65535]);
  assert.deepEqual(sliderExtent("uint16", [0, 348], [0, 9000]), [0, 9000]);
  assert.deepEqual(sliderExtent("float32", [-1, 1], [-1, 1]), [-1, 3]);
  assert.equal(sliderStep("uint16", [0, 696]), 1);
  assert.equal(sliderStep("float32", [-1, 3]), 0.001);
  assert.deepEqual([0.123456, 9897.712, 33501.426, 0].map(readable), ["0.1235", "9898", "33501", "0"]);
});

test("latency runs from an intent to the first picture that arrived after its answer", () => {
  const meter = new Meter();
  meter.sent("a", 100);
  meter.answer("a", true, 104);
  meter.paint(103, 105);
  assert.equal(meter.read(105).latencyMs, null, "that picture was already on its way");
  meter.paint(110, 113);
  assert.equal(meter.read(113).latencyMs, 13);
  meter.sent("b", 200);
  meter.answer("b", false, 201);
  meter.paint(210, 211);
  assert.equal(meter.read(211).latencyMs, 13, "a rejected intent shows nothing");
});

test("rates cover the last second", () => {
  const meter = new Meter();
  for (let now = 0; now < 2000; now += 100) {
    meter.arrive(1000, now);
    meter.paint(now, now);
  }
  assert.deepEqual(meter.read(1900), { fps: 10, bitsPerSecond: 80_000, latencyMs: null });
  assert.equal(meter.read(5000).fps, 0);
  assert.equal(meter.frames, 20);
});

// ---- plate

const PLATE = {
  id: 3, rows: ["A", "B"], columns: ["01", "02", "03"], field_count: 4,
  wells: [{ path: "A/01", row: 0, column: 0 }, { path: "B/03", row: 1, column: 2 }, { path: "Z/99", row: 25, column: 98 }],
};

test("wells lie where the plate says, and the rest of the grid is empty", () => {
  assert.deepEqual(gridOf(PLATE), [[PLATE.wells[0], null, null], [null, null, PLATE.wells[1]]]);
  assert.ok(cellOf(PLATE) > cellOf({ columns: Array(24).fill("") }));
});

test("the picture of a well is asked for by place, relative to the page", () => {
  assert.equal(pictureOf(PLATE, PLATE.wells[1], 2), "plate/thumb?plate=3&row=1&column=2&field=2");
});

test("another well keeps the field as far as the plate has so many", () => {
  assert.deepEqual([0, 3, 4, 9].map((field) => fieldOf(PLATE, field)), [0, 3, 3, 3]);
  assert.equal(fieldOf({ ...PLATE, field_count: null }, 9), 9);
  assert.equal(fieldOf({ ...PLATE, field_count: 0 }, 2), 0);
});

test("the scene says where in a plate its image lies, or that it lies in none", () => {
  const view = emptyView();
  const scene = sceneOf("layer-0");
  fold(view, { type: "notify.scene", payload: scene });
  assert.equal(view.plate, null);
  const plate = { name: "screen", well: "B/03", field: 1 };
  fold(view, { type: "notify.scene", payload: { ...scene, metadata: { ...scene.metadata, plate } } });
  assert.deepEqual(view.plate, plate);
  fold(view, { type: "notify.scene", payload: scene });
  assert.equal(view.plate, null);
});

// ---- the size of the picture

test("a stage is measured in even device pixels", () => {
  assert.deepEqual(devicePixels({ width: 401, height: 300.5 }, 1), [400, 300]);
  assert.deepEqual(devicePixels({ width: 401, height: 300.5 }, 1.5), [600, 450]);
  assert.equal(devicePixels({ width: 401, height: 0 }, 2), null);
});

test("a size is asked for when the window is still, and again while nobody can be asked", () => {
  let due = [];
  const asked = [];
  let answer = false;
  const size = new StageSize(() => [10, 20], (wanted) => asked.push(wanted) && answer, (callback) => due.push(callback));
  const pass = () => due.splice(0).forEach((callback) => callback());
  size.changed();
  size.changed();
  assert.ok(size.waiting);
  pass();
  assert.deepEqual(asked, [[10, 20]]);
  assert.ok(size.waiting, "nobody was there");
  answer = true;
  pass();
  assert.equal(asked.length, 2);
  assert.ok(!size.waiting);
});
