// The status line: where the pointer is, and how the stream does.

import { setText } from "./dom.js";

export class Status {
  #viewer;
  #meter;
  #parts;
  #hovered = null;

  /** @param {{position: Element, level: Element, rate: Element, latency: Element, bits: Element}} parts */
  constructor(viewer, meter, parts) {
    this.#viewer = viewer;
    this.#meter = meter;
    this.#parts = parts;
  }

  /** The pointer is over this point of the picture; null when it left. */
  hover(point) {
    this.#hovered = point;
    this.render();
  }

  render() {
    const { dims, layers } = this.#viewer.view;
    const world = this.#hovered && this.#viewer.worldAt(this.#hovered);
    const [yAxis, xAxis] = dims?.displayed.slice(-2).map((axis) => dims.labels[axis]) ?? [];
    setText(this.#parts.position, world && layers.length > 0 ? `${yAxis} ${coordinate(world.y)}   ${xAxis} ${coordinate(world.x)}` : "");
    setText(this.#parts.level, dims && dims.levelShapes.length > 1 ? `level ${dims.level}${dims.downgraded ? " (limited)" : ""}` : "");
    const { fps, bitsPerSecond, latencyMs } = this.#meter.read(performance.now());
    setText(this.#parts.rate, this.#meter.frames === 0 ? "" : fps > 1 ? `${fps} fps` : "at rest");
    setText(this.#parts.latency, latencyMs === null ? "" : `${latencyMs.toFixed(latencyMs < 10 ? 1 : 0)} ms`);
    setText(this.#parts.bits, fps > 1 ? bits(bitsPerSecond) : "");
  }
}

function coordinate(value) {
  return value.toFixed(Math.abs(value) < 100 ? 2 : 1);
}

function bits(perSecond) {
  return perSecond < 1e6 ? `${Math.round(perSecond / 1e3)} kbit/s` : `${(perSecond / 1e6).toFixed(1)} Mbit/s`;
}
