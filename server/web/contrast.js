// What a contrast slider spans and how its numbers read. Pure functions.

const INTEGERS = { uint8: [0, 255], int8: [-128, 127], uint16: [0, 65535], int16: [-32768, 32767] };

/** Whether values of this type are whole. */
export function isWhole(dtype) {
  return /^u?int/.test(dtype ?? "");
}

/**
 * The extent of the slider: all of an 8-bit type; of wider types, zero or the first lower limit to twice the first upper one,
 * within the type. Always holds `limits`.
 * @param {string | null} dtype numpy's name
 * @param {[number, number]} first the limits with which the layer came
 * @param {[number, number]} limits the limits now
 */
export function sliderExtent(dtype, first, limits) {
  const type = INTEGERS[dtype];
  const span = first[1] - first[0];
  let [low, high] = [Math.min(0, first[0]), first[1] + span];
  if (type && type[1] - type[0] <= 255) [low, high] = type;
  else if (type) [low, high] = [Math.max(low, type[0]), Math.min(high, type[1])];
  return [Math.min(low, limits[0]), Math.max(high, limits[1])];
}

/** How far a thumb moves at least: a whole number for whole types, else a thousandth of the extent, rounded to a power of ten. */
export function sliderStep(dtype, [low, high]) {
  if (isWhole(dtype)) return 1;
  return 10 ** Math.floor(Math.log10((high - low) / 1000));
}

/** A limit as people read it: whole, or four significant digits. */
export function readable(value) {
  if (Number.isInteger(value) || Math.abs(value) >= 10000) return String(Math.round(value));
  return String(Number(value.toPrecision(4)));
}
