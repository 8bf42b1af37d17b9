// Where the video lies on the page, and how page pixels become the wire's pixels. Pure functions.
//
// The wire measures in video pixels with y from the bottom of its view, and encoded row 0 is that bottom. A picture drawn as it
// comes (2D) therefore has the wire's y = 0 at the top of the page; one that is turned over (3D) has it at the bottom.

/** The largest rectangle of the video's shape inside a box, centred. CSS pixels; `scale` is CSS pixels per video pixel. */
export function fit(box, video) {
  const scale = Math.min(box.width / video.width, box.height / video.height);
  const width = video.width * scale;
  const height = video.height * scale;
  return { left: box.left + (box.width - width) / 2, top: box.top + (box.height - height) / 2, width, height, scale };
}

/** A point of the page (CSS pixels) in video pixels from the top left of the drawn picture. May lie outside of it. */
export function toVideo(fitted, x, y) {
  return { x: (x - fitted.left) / fitted.scale, y: (y - fitted.top) / fitted.scale };
}

/** A point of the drawn picture as the wire's anchor, `[x, y from the bottom of the wire's view]`. */
export function wireAnchor(point, video, flip) {
  return [point.x, flip ? video.height - point.y : point.y];
}

/** A movement on the drawn picture (right and down positive, video pixels) as the wire's pan, which is down in its own view. */
export function wirePan(dx, dy, flip) {
  return { dx_px: dx, dy_px: flip ? dy : -dy };
}

/** Degrees that a volume turns when it is dragged by one video pixel. */
const ORBIT_DEG_PER_PX = 0.2;

/** A movement on the drawn picture as the wire's orbit: the near side of the volume follows the hand. */
export function wireOrbit(dx, dy) {
  return { d_az_deg: -dx * ORBIT_DEG_PER_PX, d_el_deg: dy * ORBIT_DEG_PER_PX };
}

/** The world rectangle that the canvas really shows: `rect` widened about its centre to the canvas's shape. */
export function visibleRect([left, bottom, width, height], video) {
  const aspect = video.width / video.height;
  if (width / height > aspect) {
    const taller = width / aspect;
    return { left, bottom: bottom - (taller - height) / 2, width, height: taller };
  }
  const wider = height * aspect;
  return { left: left - (wider - width) / 2, bottom, width: wider, height };
}

/** World position under a wire anchor. */
export function worldAt(rect, video, [x, y]) {
  const visible = visibleRect(rect, video);
  return {
    x: visible.left + (x / video.width) * visible.width,
    y: visible.bottom + (y / video.height) * visible.height,
  };
}
