// The page's picture of the server: folds notifications into one view. The view holds what the server said was applied and
// nothing else; wishes that are still on their way live in `intents.js`. Knows nothing of sockets or of the page.

/** A view of a server that has said nothing yet. */
export function emptyView() {
  return {
    known: false,
    status: "unknown",
    source: "",
    canvas: null,
    dims: null,
    camera: null,
    layers: [],
    stream: null,
    /** Where in a plate the image lies: its name, the well and the field; null if it lies in none. */
    plate: null,
    /** What this session may do: "driver" or "observer". */
    role: "driver",
  };
}

/**
 * Takes one frame that says what is shown into the view.
 * @returns {boolean} whether the frame was one that the view understands.
 */
export function fold(view, { type, payload }) {
  switch (type) {
    case "notify.scene":
      foldScene(view, payload);
      return true;
    case "notify.dims":
      view.dims = dimsFrom(payload);
      return true;
    case "notify.camera":
      if (payload.state) view.camera = { ...view.camera, ...payload.state };
      return true;
    case "notify.layers":
      foldLayer(view, payload);
      return true;
    case "x.labels":
      view.layers = view.layers.map((layer) => (layer.id === payload.layer_id ? labelsLayer(layer, payload) : layer));
      return true;
    case "notify.stream":
      view.stream = {
        fps: payload.fps,
        frameSize: payload.frame_size,
        record: Uint8Array.from(atob(payload.avcc), (char) => char.charCodeAt(0)),
      };
      return true;
    case "notify.scene.level":
      if (view.dims) view.dims = { ...view.dims, level: payload.current_level, downgraded: payload.downgraded ?? false };
      return true;
    default:
      return false;
  }
}

function foldScene(view, payload) {
  const { viewer, layers, metadata = {} } = payload;
  view.known = true;
  view.status = metadata.status ?? (layers.length > 0 ? "ready" : "idle");
  view.source = metadata.source_path ?? "";
  view.plate = metadata.plate ?? null;
  view.canvas = viewer.settings?.canvas_size ?? view.canvas;
  view.camera = viewer.camera ?? view.camera;
  if (viewer.dims) view.dims = dimsFrom(viewer.dims);
  view.layers = layers.map(layerFrom);
}

function dimsFrom(payload) {
  const step = payload.current_step ?? payload.step;
  const order = payload.order ?? step.map((_, axis) => axis);
  const ndisplay = payload.ndisplay ?? 2;
  return {
    step,
    order,
    ndisplay,
    displayed: payload.displayed ?? order.slice(-ndisplay),
    labels: payload.axis_labels ?? step.map((_, axis) => String(axis)),
    levelShapes: payload.level_shapes,
    level: payload.current_level,
    downgraded: payload.downgraded ?? false,
  };
}

function layerFrom(block) {
  return {
    id: block.layer_id ?? block.id,
    name: block.name,
    dtype: block.dtype ?? null,
    /** Whether its samples are ids, each with a colour of its own. */
    isLabels: false,
    controls: { contrast_limits: block.contrast_limits ?? [0, 1], ...block.controls },
    thumbnail: block.metadata?.thumbnail ?? null,
  };
}

function foldLayer(view, payload) {
  if (payload.removed) {
    view.layers = view.layers.filter((layer) => layer.id !== payload.layer_id);
    return;
  }
  view.layers = view.layers.map((layer) => (layer.id === payload.layer_id ? changedLayer(layer, payload) : layer));
}

function changedLayer(layer, { controls, thumbnail, metadata }) {
  return {
    ...layer,
    controls: { ...layer.controls, ...controls },
    thumbnail: thumbnail?.array ?? metadata?.thumbnail ?? layer.thumbnail,
  };
}

/** A layer of labels. How wide they are outlined is a control like the others. */
function labelsLayer(layer, { contour }) {
  return { ...layer, isLabels: true, controls: { ...layer.controls, contour } };
}

/** The axes that have a slider: not shown, and with more than one index. In the order of `order`. */
export function sliderAxes(dims) {
  if (!dims) return [];
  return dims.order
    .filter((axis) => !dims.displayed.includes(axis) && sizeOf(dims, axis) > 1)
    .map((axis) => ({ axis, label: dims.labels[axis], size: sizeOf(dims, axis), index: dims.step[axis] }));
}

function sizeOf(dims, axis) {
  return dims.levelShapes[dims.level]?.[axis] ?? 1;
}
