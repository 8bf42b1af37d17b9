// Mouse, pen, fingers and wheel on the picture. Turns them into drags, zooms and steps; knows nothing of what they do.

const WHEEL_BASE = 1.1;
const PIXELS_PER_NOTCH = 100;
const LINES_PER_NOTCH = 3;
const CLICK_ZOOM = 2;
const CLICK_ZOOM_FRAMES = 8;

/**
 * @param {HTMLElement} stage
 * @param {object} hands `toVideo(x, y)`: page point to video pixels, null without a picture;
 *   `drag(dx, dy, aside)`, aside with Shift held or two fingers; `zoom(factor, point)`; `step(delta)`; `hover(point | null)`
 */
export function listenToPointer(stage, hands) {
  listenToDrags(stage, hands);
  listenToWheel(stage, hands);
  stage.addEventListener("dblclick", (event) => {
    const point = hands.toVideo(event.clientX, event.clientY);
    if (point) zoomSmoothly(hands, event.altKey ? CLICK_ZOOM : 1 / CLICK_ZOOM, point);
  });
}

/** One finger or button drags; two fingers pinch and drag at once. */
function listenToDrags(stage, { toVideo, drag, zoom, hover }) {
  const down = new Map();

  stage.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" && event.button !== 0) return;
    if (!toVideo(event.clientX, event.clientY) || down.size >= 2) return;
    stage.setPointerCapture(event.pointerId);
    down.set(event.pointerId, event);
    stage.classList.add("dragging");
  });

  stage.addEventListener("pointermove", (event) => {
    const point = toVideo(event.clientX, event.clientY);
    if (!point) return;
    if (event.pointerType === "mouse") hover(point);
    if (!down.has(event.pointerId)) return;
    // Both on the picture as it lies now: it may have become another size meanwhile.
    const before = gesture(down, toVideo);
    down.set(event.pointerId, event);
    const after = gesture(down, toVideo);
    const dx = after.x - before.x;
    const dy = after.y - before.y;
    if (dx !== 0 || dy !== 0) drag(dx, dy, event.shiftKey || down.size === 2);
    if (before.spread > 0 && after.spread > 0) zoom(before.spread / after.spread, { x: after.x, y: after.y });
  });

  const up = (event) => {
    down.delete(event.pointerId);
    if (down.size === 0) stage.classList.remove("dragging");
  };
  stage.addEventListener("pointerup", up);
  stage.addEventListener("pointercancel", up);
  stage.addEventListener("pointerleave", () => hover(null));
}

/** Middle of the points that are down, and how far two of them are apart, on the picture. */
function gesture(down, toVideo) {
  const points = [...down.values()].map(({ clientX, clientY }) => toVideo(clientX, clientY));
  const x = points.reduce((sum, point) => sum + point.x, 0) / points.length;
  const y = points.reduce((sum, point) => sum + point.y, 0) / points.length;
  const spread = points.length === 2 ? Math.hypot(points[0].x - points[1].x, points[0].y - points[1].y) : 0;
  return { x, y, spread };
}

/** The wheel zooms at the cursor; with the Ctrl key held it steps. */
function listenToWheel(stage, { toVideo, zoom, step }) {
  // A pinch on a touchpad arrives as a wheel event that claims Ctrl without the key being down.
  let ctrlHeld = false;
  let stepped = 0;
  const trackCtrl = (event) => {
    ctrlHeld = event.ctrlKey || event.metaKey;
  };
  window.addEventListener("keydown", trackCtrl);
  window.addEventListener("keyup", trackCtrl);
  window.addEventListener("blur", () => {
    ctrlHeld = false;
  });

  const wheel = (event) => {
    const point = toVideo(event.clientX, event.clientY);
    if (!point) return;
    event.preventDefault();
    const notches = notchesOf(event);
    if (ctrlHeld) {
      stepped += notches;
      const whole = Math.trunc(stepped);
      stepped -= whole;
      if (whole !== 0) step(whole);
    } else if (event.ctrlKey) {
      zoom(Math.exp(event.deltaY / PIXELS_PER_NOTCH), point);
    } else if (notches !== 0) {
      zoom(WHEEL_BASE ** notches, point);
    }
  };
  stage.addEventListener("wheel", wheel, { passive: false });
}

function notchesOf({ deltaY, deltaMode }) {
  if (deltaMode === WheelEvent.DOM_DELTA_LINE) return deltaY / LINES_PER_NOTCH;
  if (deltaMode === WheelEvent.DOM_DELTA_PAGE) return deltaY;
  return deltaY / PIXELS_PER_NOTCH;
}

function zoomSmoothly({ zoom }, factor, point) {
  let frame = 0;
  const next = () => {
    zoom(factor ** (1 / CLICK_ZOOM_FRAMES), point);
    frame += 1;
    if (frame < CLICK_ZOOM_FRAMES) requestAnimationFrame(next);
  };
  next();
}
