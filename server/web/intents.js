// What the person wants, on its way to the server: paced to the screen, coalesced, answered.
// Camera deltas queue and merge, so their sum is exact. Absolute values (a slider, an opacity) go through lanes: one unanswered
// intent per property and the newest wish behind it. Knows nothing of sockets or of the page.

/** How long a lane waits for the applied value after its last answer before it shows the server's again. */
const SETTLE_MS = 1000;

/** Runs work when it is asked to, at most once per animation frame: at once if this frame had none of it yet, else with the next. */
class FramePacer {
  #requestFrame;
  #work;
  #closed = false;
  #due = false;

  constructor(requestFrame, work) {
    this.#requestFrame = requestFrame;
    this.#work = work;
  }

  request() {
    if (this.#closed) {
      this.#due = true;
      return;
    }
    this.#closed = true;
    this.#requestFrame(() => this.#open());
    this.#work();
  }

  #open() {
    this.#closed = false;
    if (!this.#due) return;
    this.#due = false;
    this.request();
  }
}

/** Camera deltas in order. Neighbours merge: pans and orbits add, zooms at one anchor multiply. */
export class CameraQueue {
  #deltas = [];
  #pacer;
  #send;

  /**
   * @param {(callback: () => void) => void} requestFrame
   * @param {(key: string, value: object) => void} send
   */
  constructor(requestFrame, send) {
    this.#pacer = new FramePacer(requestFrame, () => this.flush());
    this.#send = send;
  }

  /** `pan` is `{dx_px, dy_px}` as on the wire. */
  pan(pan) {
    const last = this.#deltas.at(-1);
    if (last?.key === "pan") {
      last.value.dx_px += pan.dx_px;
      last.value.dy_px += pan.dy_px;
    } else {
      this.#deltas.push({ key: "pan", value: { ...pan } });
    }
    this.#pacer.request();
  }

  /** `orbit` is `{d_az_deg, d_el_deg}` as on the wire. */
  orbit(orbit) {
    const last = this.#deltas.at(-1);
    if (last?.key === "orbit") {
      last.value.d_az_deg += orbit.d_az_deg;
      last.value.d_el_deg += orbit.d_el_deg;
    } else {
      this.#deltas.push({ key: "orbit", value: { ...orbit } });
    }
    this.#pacer.request();
  }

  /** A factor below 1 is nearer. `anchor` is as on the wire. */
  zoom(factor, anchor) {
    const last = this.#deltas.at(-1);
    if (last?.key === "zoom" && last.value.anchor_px[0] === anchor[0] && last.value.anchor_px[1] === anchor[1]) {
      last.value.factor *= factor;
    } else {
      this.#deltas.push({ key: "zoom", value: { factor, anchor_px: anchor } });
    }
    this.#pacer.request();
  }

  /** Forgets what has not been sent: it would only be undone. */
  reset() {
    this.#deltas = [{ key: "reset", value: { reason: "viewer" } }];
    this.#pacer.request();
  }

  /** Sends everything that waits. */
  flush() {
    const due = this.#deltas;
    this.#deltas = [];
    for (const { key, value } of due) this.#send(key, value);
  }

  /** Drops what waits; for a connection that is gone. */
  clear() {
    this.#deltas = [];
  }
}

/**
 * Properties with an absolute value. A lane shows the wish from the moment it is made until the server's applied value equals
 * it, an answer rejects it, or the applied value stays away for a second after the last answer.
 */
export class Lanes {
  #lanes = new Map();
  #byIntent = new Map();
  #pacer;
  #send;
  #changed;
  #setTimer;

  /**
   * @param {(callback: () => void) => void} requestFrame
   * @param {(property: object, value: any) => string | null} send returns the intent's id, or null where nothing could be sent
   * @param {() => void} changed called when what is shown changed without the server's view changing
   * @param {(callback: () => void, ms: number) => any} setTimer
   */
  constructor(requestFrame, send, changed, setTimer) {
    this.#pacer = new FramePacer(requestFrame, () => this.#sendWaiting());
    this.#send = send;
    this.#changed = changed;
    this.#setTimer = setTimer;
  }

  /** Wishes `value` for a property `{scope, target, key}`. */
  set(property, value) {
    const name = nameOf(property);
    const lane = this.#lanes.get(name) ?? { property, inFlight: null, waiting: false, shown: undefined, answered: 0 };
    this.#lanes.set(name, lane);
    lane.shown = value;
    lane.waiting = true;
    this.#pacer.request();
    this.#changed();
  }

  /** What to show for a property whose applied value is `applied`. */
  shown(property, applied) {
    const lane = this.#lanes.get(nameOf(property));
    if (!lane) return applied;
    if (!lane.inFlight && !lane.waiting && sameValue(lane.shown, applied)) {
      this.#lanes.delete(nameOf(property));
      return applied;
    }
    return lane.shown;
  }

  /** Whether an intent of this property is unanswered. */
  busy(property) {
    const lane = this.#lanes.get(nameOf(property));
    return lane !== undefined && (lane.inFlight !== null || lane.waiting);
  }

  /** Takes the answer to an intent. Answers to intents of others are none of its business. */
  answer({ intent_id: intentId, status, applied_value: appliedValue }) {
    const name = this.#byIntent.get(intentId);
    if (name === undefined) return;
    this.#byIntent.delete(intentId);
    const lane = this.#lanes.get(name);
    if (lane?.inFlight !== intentId) return;
    lane.inFlight = null;
    lane.answered += 1;
    if (lane.waiting) {
      this.#pacer.request();
    } else if (status === "accepted") {
      if (appliedValue !== undefined) lane.shown = appliedValue;
      this.#settleLater(name, lane);
    } else {
      this.#lanes.delete(name);
    }
    this.#changed();
  }

  /** Forgets every wish; for a connection that is gone. */
  clear() {
    this.#lanes.clear();
    this.#byIntent.clear();
  }

  #sendWaiting() {
    for (const [name, lane] of this.#lanes) {
      if (!lane.waiting || lane.inFlight) continue;
      lane.waiting = false;
      lane.inFlight = this.#send(lane.property, lane.shown);
      if (lane.inFlight === null) this.#lanes.delete(name);
      else this.#byIntent.set(lane.inFlight, name);
    }
  }

  #settleLater(name, lane) {
    const answered = lane.answered;
    this.#setTimer(() => {
      const unchanged = this.#lanes.get(name) === lane && lane.answered === answered;
      if (!unchanged || lane.inFlight || lane.waiting) return;
      this.#lanes.delete(name);
      this.#changed();
    }, SETTLE_MS);
  }
}

function nameOf({ scope, target, key }) {
  return `${scope}\u0000${target}\u0000${key}`;
}

function sameValue(a, b) {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}
