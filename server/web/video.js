// Decodes the pixel channel and paints it. Starts on a keyframe only, and waits for the next one after a gap, an error or a
// backlog. Knows nothing of sessions or of what the picture shows.

import { codecString, configurationRecord, parsePacket, sameBytes } from "./avc.js";

/** Access units in the decoder's queue beyond which the picture would lag behind the hand. */
const MAX_QUEUE = 4;
/** Decoders that may fail in a row, with no picture between, before the page says so. */
const MAX_FAILURES = 3;

export class Video {
  #canvas;
  #context;
  #listener;
  #decoder = null;
  #record = null;
  #announced = null;
  #needsKeyframe = true;
  #lastSeq = null;
  #lastTimestamp = 0;
  #failures = 0;
  #painted = false;
  #underWay = new Map();

  /** Whether the last painted picture was turned over. */
  flip = false;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {object} listener `painted(packet)` after every picture, where a packet also has `arrived` (`performance.now()`);
   *   `starved(origin)` when only a keyframe helps; `failed(message)` when this browser cannot decode the stream
   */
  constructor(canvas, listener) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d", { alpha: false });
    this.#listener = listener;
  }

  /** Size of the picture in pixels, or null before the first. */
  get size() {
    return this.#painted ? { width: this.#canvas.width, height: this.#canvas.height } : null;
  }

  /** Takes the configuration record of `notify.stream`, for keyframes that do not carry their own parameter sets. */
  announce(record) {
    this.#announced = record;
  }

  /** Forgets the stream; the last picture stays. */
  restart() {
    this.#closeDecoder();
    this.#announced = null;
    this.#lastSeq = null;
  }

  /** Takes a message of the pixel channel. */
  accept(message, arrived) {
    const packet = parsePacket(message);
    if (!packet) return;
    const follows = this.#lastSeq !== null && packet.seq === (this.#lastSeq + 1) >>> 0;
    this.#lastSeq = packet.seq;
    if (packet.keyframe) {
      if (!this.#start(packet.accessUnit)) return;
    } else if (this.#needsKeyframe) {
      this.#listener.starved("web.waiting");
      return;
    } else if (!follows) {
      this.#wait("web.gap");
      return;
    } else if (this.#decoder.decodeQueueSize > MAX_QUEUE) {
      this.#wait("web.backlog");
      return;
    }
    this.#decode(packet, arrived);
  }

  /** Makes the decoder ready for a keyframe. The sockets race, so the keyframe's own parameter sets win over the announced. */
  #start(accessUnit) {
    const record = configurationRecord(accessUnit) ?? this.#announced;
    if (!record) return false;
    const backlog = this.#decoder?.decodeQueueSize > MAX_QUEUE;
    if (!this.#decoder || backlog || !sameBytes(record, this.#record)) {
      this.#closeDecoder();
      this.#openDecoder(record);
    }
    this.#needsKeyframe = this.#decoder === null;
    return !this.#needsKeyframe;
  }

  #openDecoder(record) {
    const decoder = new VideoDecoder({
      output: (frame) => this.#paint(frame, decoder),
      error: (error) => this.#fail(decoder, error),
    });
    this.#decoder = decoder;
    this.#record = record;
    try {
      decoder.configure({ codec: codecString(record), description: record, optimizeForLatency: true });
    } catch (error) {
      this.#fail(decoder, error);
    }
  }

  #closeDecoder() {
    if (this.#decoder && this.#decoder.state !== "closed") this.#decoder.close();
    this.#decoder = null;
    this.#needsKeyframe = true;
    this.#underWay.clear();
  }

  #decode(packet, arrived) {
    // The decoder hands the timestamp back with the picture, so it must be unique.
    const timestamp = Math.max(this.#lastTimestamp + 1, Math.round(arrived * 1000));
    this.#lastTimestamp = timestamp;
    this.#underWay.set(timestamp, { ...packet, accessUnit: null, bytes: packet.accessUnit.length, arrived });
    const type = packet.keyframe ? "key" : "delta";
    this.#decoder.decode(new EncodedVideoChunk({ type, timestamp, data: packet.accessUnit }));
  }

  #paint(frame, decoder) {
    const packet = this.#underWay.get(frame.timestamp);
    this.#underWay.delete(frame.timestamp);
    if (decoder !== this.#decoder || !packet) {
      frame.close();
      return;
    }
    const { displayWidth: width, displayHeight: height } = frame;
    if (this.#canvas.width !== width || this.#canvas.height !== height) {
      this.#canvas.width = width;
      this.#canvas.height = height;
    }
    if (packet.flip) this.#context.setTransform(1, 0, 0, -1, 0, height);
    else this.#context.resetTransform();
    this.#context.drawImage(frame, 0, 0);
    frame.close();
    this.flip = packet.flip;
    this.#failures = 0;
    this.#painted = true;
    this.#listener.painted(packet);
  }

  #wait(origin) {
    this.#needsKeyframe = true;
    this.#listener.starved(origin);
  }

  #fail(decoder, error) {
    if (decoder !== this.#decoder) return;
    const codec = codecString(this.#record);
    this.#closeDecoder();
    this.#failures += 1;
    if (this.#failures >= MAX_FAILURES) this.#listener.failed(`This browser does not decode ${codec} (${error.message}).`);
    this.#listener.starved("web.decoder_error");
  }
}
