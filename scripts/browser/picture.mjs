// Comparing what the canvas shows with what it should. A picture is `{width, height, data}` with 4 bytes per pixel, top row first.
// Pure functions; each comparison returns numbers in steps of 1/255, and the caller says what is good enough.

/** Mean absolute difference of a canvas and a colour function over a rectangle, and the share of pixels off by more than 16. */
export function difference(picture, area, expected) {
  let sum = 0;
  let off = 0;
  let count = 0;
  for (let y = Math.ceil(area.top); y < area.bottom; y += 1) {
    for (let x = Math.ceil(area.left); x < area.right; x += 1) {
      const colour = expected(x, y);
      let worst = 0;
      for (let c = 0; c < 3; c += 1) {
        const d = Math.abs(picture.data[4 * (y * picture.width + x) + c] - colour[c]);
        sum += d;
        worst = Math.max(worst, d);
      }
      off += worst > 16 ? 1 : 0;
      count += 1;
    }
  }
  return { mean: sum / (3 * count), off: off / count };
}

/** The colour of one pixel. */
export function colourAt({ width, data }, x, y) {
  const at = 4 * (y * width + x);
  return [data[at], data[at + 1], data[at + 2]];
}

/** Where an image of `width` by `height` samples lies when it is fitted into the canvas, its centre in the canvas's. */
export function fitted(canvas, width, height) {
  const scale = Math.min(canvas.width / width, canvas.height / height);
  const left = (canvas.width - width * scale) / 2;
  const top = (canvas.height - height * scale) / 2;
  return { left, top, right: left + width * scale, bottom: top + height * scale, scale };
}

/**
 * The colour of every canvas pixel when a plane of values is drawn fitted, sample centres at half steps, row 0 at the top.
 * @param {{width: number, height: number, data: ArrayLike<number>}} plane
 * @param {object} place from `fitted`
 * @param {"nearest" | "linear"} filter
 * @param {(value: number) => [number, number, number]} colour
 */
export function drawn(plane, place, filter, colour) {
  const at = (x, y) => {
    const column = Math.min(Math.max(x, 0), plane.width - 1);
    const row = Math.min(Math.max(y, 0), plane.height - 1);
    return plane.data[row * plane.width + column];
  };
  return (x, y) => {
    const u = (x + 0.5 - place.left) / place.scale - 0.5;
    const v = (y + 0.5 - place.top) / place.scale - 0.5;
    if (filter === "nearest") return colour(at(Math.floor(u + 0.5), Math.floor(v + 0.5)));
    const [i, j] = [Math.floor(u), Math.floor(v)];
    const [a, b] = [u - i, v - j];
    const upper = at(i, j) * (1 - a) + at(i + 1, j) * a;
    const lower = at(i, j + 1) * (1 - a) + at(i + 1, j + 1) * a;
    return colour(upper * (1 - b) + lower * b);
  };
}

/** A plane turned: `flipped` upside down, `mirrored` left to right, `transposed` rows for columns. */
export const TURNS = {
  flipped: ({ width, height, data }) => remap(width, height, (x, y) => data[(height - 1 - y) * width + x]),
  mirrored: ({ width, height, data }) => remap(width, height, (x, y) => data[y * width + width - 1 - x]),
  transposed: ({ width, height, data }) => remap(height, width, (x, y) => data[x * width + y]),
};

function remap(width, height, value) {
  return { width, height, data: Array.from({ length: width * height }, (_, i) => value(i % width, Math.floor(i / width))) };
}

/**
 * Mean and largest difference between a grid of mean colours and the means of the same blocks on the canvas.
 * `turn` maps block (row, column) to the block it is compared with; for checking that a wrong picture would be seen.
 */
export function blockDifference(picture, place, { count, rgb }, turn = (row, column) => [row, column]) {
  const side = (place.right - place.left) / count;
  let sum = 0;
  let worst = 0;
  for (let row = 0; row < count; row += 1) {
    for (let column = 0; column < count; column += 1) {
      const mean = meanColour(picture, place.left + column * side, place.top + row * side, side);
      const [r, c] = turn(row, column);
      for (let k = 0; k < 3; k += 1) {
        const d = Math.abs(mean[k] - rgb[3 * (r * count + c) + k]);
        sum += d;
        worst = Math.max(worst, d);
      }
    }
  }
  return { mean: sum / (3 * count * count), worst };
}

function meanColour({ width, data }, left, top, side) {
  const sum = [0, 0, 0];
  let count = 0;
  for (let y = Math.round(top); y < Math.round(top + side); y += 1) {
    for (let x = Math.round(left); x < Math.round(left + side); x += 1) {
      for (let c = 0; c < 3; c += 1) sum[c] += data[4 * (y * width + x) + c];
      count += 1;
    }
  }
  return sum.map((total) => total / count);
}

/**
 * Finds by how much the picture moved: the movement near `guess` at which `after`, taken back by it, is most like `before`.
 * The point (x, y) of `after` is compared with `source(x, y)` of `before`, moved by up to `reach` pixels.
 */
export function bestMatch(before, after, area, source, reach) {
  let best = { dx: NaN, dy: NaN, mean: Infinity };
  for (let dy = -reach; dy <= reach; dy += 1) {
    for (let dx = -reach; dx <= reach; dx += 1) {
      const mean = unlikeness(before, after, area, (x, y) => {
        const [u, v] = source(x, y);
        return [u + dx, v + dy];
      });
      if (mean < best.mean) best = { dx, dy, mean };
    }
  }
  return best;
}

function unlikeness(before, after, area, source) {
  let sum = 0;
  let count = 0;
  for (let y = area.top; y < area.bottom; y += 3) {
    for (let x = area.left; x < area.right; x += 3) {
      const [u, v] = source(x, y);
      if (u < 0 || v < 0 || u > before.width - 2 || v > before.height - 2) continue;
      for (let c = 0; c < 3; c += 1) sum += Math.abs(after.data[4 * (y * after.width + x) + c] - bilinear(before, u, v, c));
      count += 3;
    }
  }
  return count > 0 ? sum / count : Infinity;
}

function bilinear({ width, data }, u, v, c) {
  const [i, j] = [Math.floor(u), Math.floor(v)];
  const [a, b] = [u - i, v - j];
  const at = (x, y) => data[4 * (y * width + x) + c];
  if (a === 0 && b === 0) return at(i, j);
  return (at(i, j) * (1 - a) + at(i + 1, j) * a) * (1 - b) + (at(i, j + 1) * (1 - a) + at(i + 1, j + 1) * a) * b;
}
