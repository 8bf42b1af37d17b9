// Measures what the person feels: pictures per second, bits per second, and the time from an intent to the first picture that
// was painted after its answer. Logic without a clock: every call says when it is (milliseconds).

const WINDOW_MS = 1000;
const LATENCIES_KEPT = 15;

export class Meter {
  #sent = new Map();
  #answered = [];
  #painted = [];
  #arrived = [];
  #latencies = [];

  /** Pictures painted so far. */
  frames = 0;
  /** When the last picture was painted. */
  lastPaint = 0;

  /** An intent left. */
  sent(intentId, now) {
    this.#sent.set(intentId, now);
  }

  /** The answer to an intent came. */
  answer(intentId, accepted, now) {
    const since = this.#sent.get(intentId);
    this.#sent.delete(intentId);
    if (since !== undefined && accepted) this.#answered.push({ since, answered: now });
  }

  /** A picture of `bytes` arrived. */
  arrive(bytes, now) {
    this.#arrived.push({ at: now, bytes });
    forget(this.#arrived, now);
  }

  /** A picture that had arrived at `arrived` was painted. Only one that came after an answer can be its effect. */
  paint(arrived, now) {
    this.frames += 1;
    this.lastPaint = now;
    this.#painted.push({ at: now });
    forget(this.#painted, now);
    const shown = this.#answered.filter(({ answered }) => answered <= arrived);
    if (shown.length === 0) return;
    this.#answered = this.#answered.filter(({ answered }) => answered > arrived);
    this.#latencies.push(now - Math.min(...shown.map(({ since }) => since)));
    this.#latencies.splice(0, this.#latencies.length - LATENCIES_KEPT);
  }

  /** Forgets what is under way; for a connection that is gone. */
  clear() {
    this.#sent.clear();
    this.#answered = [];
  }

  /** Pictures and bits of the last second; `latencyMs` is the median of the last intents, null before the first. */
  read(now) {
    forget(this.#painted, now);
    forget(this.#arrived, now);
    const bytes = this.#arrived.reduce((sum, packet) => sum + packet.bytes, 0);
    return { fps: this.#painted.length, bitsPerSecond: 8 * bytes, latencyMs: median(this.#latencies) };
  }
}

function forget(events, now) {
  const kept = events.findIndex(({ at }) => at > now - WINDOW_MS);
  events.splice(0, kept < 0 ? events.length : kept);
}

function median(values) {
  if (values.length === 0) return null;
  return [...values].sort((a, b) => a - b)[values.length >> 1];
}
