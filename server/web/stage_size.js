// The size that the picture should have: the stage's, in the screen's own pixels. Asked for when the window has come to rest, and when a
// session begins. Knows nothing of sockets.

/** How long the window must be still. */
const SETTLES_MS = 150;

/** A box in device pixels, both sides even; null while it is not laid out. */
export function devicePixels(box, ratio) {
  const even = (length) => Math.floor((length * ratio) / 2) * 2;
  const size = [even(box.width), even(box.height)];
  return size.every((side) => side > 0) ? size : null;
}

export class StageSize {
  #measure;
  #ask;
  #later;
  #waits = 0;

  /**
   * @param {() => [number, number] | null} measure see {@link devicePixels}
   * @param {(size: [number, number]) => boolean} ask false if it has to be asked again later
   * @param {(callback: () => void, ms: number) => void} later
   */
  constructor(measure, ask, later) {
    this.#measure = measure;
    this.#ask = ask;
    this.#later = later;
  }

  /** The window, the screen that it is on or the session is another. */
  changed() {
    this.#waits += 1;
    this.#later(() => this.#settle(), SETTLES_MS);
  }

  /** Whether the window is not still yet. */
  get waiting() {
    return this.#waits > 0;
  }

  #settle() {
    this.#waits -= 1;
    if (this.#waits > 0) return;
    const size = this.#measure();
    if (size && !this.#ask(size)) this.changed();
  }
}
