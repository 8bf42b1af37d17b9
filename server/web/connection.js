// The two channels to the server: handshake, heartbeat, reconnecting. The pixel channel is bound to the state channel's session,
// so the two live and die together. Knows the envelope of a frame; what a frame means is for others.

const PROTOCOL = 2;
const TOPICS = ["notify.scene", "notify.layers", "notify.stream", "notify.dims", "notify.camera"];
const BOUND_PIXEL = "x.bound_pixel";
const ROLE = "x.role";
const LABELS = "x.labels";
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 5000;
const WELCOME_TIMEOUT_MS = 5000;

/** The address of a channel beside the page, whatever path the page lies under. */
function channelUrl(path) {
  const url = new URL(path, document.baseURI);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.hash = "";
  return url;
}

/**
 * @typedef {object} Listener
 * @property {(status: {phase: "connecting" | "live" | "waiting", reason: string, retryMs: number}) => void} status
 * @property {(frame: {type: string, payload: object}) => void} notify every frame that says what is shown
 * @property {(payload: object) => void} answer the payload of every `ack.state`
 * @property {(role: "driver" | "observer") => void} role whether this session may change anything; told anew by every session
 * @property {(payload: object) => void} refused the payload of every `error.command`
 * @property {(message: ArrayBuffer) => void} packet every message of the pixel channel
 */

export class Connection {
  #listener;
  #token;
  #state = null;
  #pixel = null;
  #session = null;
  #intents = 0;
  #frames = 0;
  #retryMs = FIRST_RETRY_MS;
  #retryTimer = 0;
  #silenceTimer = 0;
  #silenceMs = 0;
  #stopped = true;

  /**
   * @param {Listener} listener
   * @param {string} token what the server asks of who may drive; empty for none
   */
  constructor(listener, token) {
    this.#listener = listener;
    this.#token = token;
  }

  /** Whether the session is open. */
  get live() {
    return this.#session !== null;
  }

  /** Connects, and from then on keeps connecting. */
  start() {
    this.#stopped = false;
    this.#connect();
  }

  /** Closes both channels for good. */
  stop() {
    this.#stopped = true;
    clearTimeout(this.#retryTimer);
    this.#drop("");
  }

  /** Tries again now if the next attempt is still to come. */
  retryNow() {
    if (this.#stopped || this.#state) return;
    clearTimeout(this.#retryTimer);
    this.#connect();
  }

  /** Sends an intent and returns its id, or null while there is no session. */
  intent(scope, target, key, value) {
    if (!this.live) return null;
    this.#intents += 1;
    const intentId = `intent-${hex8(this.#intents)}`;
    this.#send("state.update", { scope, target, key, value }, { frame_id: `state-${hex8(this.#intents)}`, intent_id: intentId });
    return intentId;
  }

  /** Sends a command. Its effects tell that it worked; an error is told. */
  command(command, origin, kwargs) {
    if (this.live) this.#send("call.command", { command, origin, kwargs });
  }

  #connect() {
    this.#listener.status({ phase: "connecting", reason: "", retryMs: 0 });
    const socket = new WebSocket(channelUrl("ws/state"));
    this.#state = socket;
    this.#expectWithin(WELCOME_TIMEOUT_MS);
    socket.onopen = () => this.#hello();
    socket.onclose = (event) => this.#closed(socket, event);
    socket.onmessage = (event) => {
      if (socket === this.#state && typeof event.data === "string") this.#receive(event.data);
    };
  }

  #hello() {
    this.#send("session.hello", {
      protocols: [PROTOCOL],
      client: { name: "napari-cuda-web", version: "1", platform: navigator.userAgent },
      features: Object.fromEntries([...TOPICS, BOUND_PIXEL, ROLE, LABELS].map((topic) => [topic, true])),
      // A whole snapshot is small and never stale, so the page resumes nothing.
      resume_tokens: { "notify.scene": null, "notify.layers": null, "notify.stream": null },
      ...(this.#token && { auth: { type: "token", token: this.#token } }),
    });
  }

  #receive(text) {
    let frame;
    try {
      frame = JSON.parse(text);
    } catch {
      return;
    }
    if (frame?.version !== PROTOCOL || typeof frame.type !== "string" || typeof frame.payload !== "object") return;
    if (this.live) this.#expectWithin(this.#silenceMs);
    const { type, payload } = frame;
    if (type === "session.welcome") this.#welcome(payload);
    else if (type === "session.reject") this.#drop(`the server refused: ${payload.message}`);
    else if (type === "session.heartbeat") this.#send("session.ack", {});
    else if (type === "session.goodbye") this.#drop(payload.message ?? "the server said goodbye");
    else if (type === ROLE) this.#listener.role(payload.role);
    else if (type === "ack.state") this.#listener.answer(payload);
    else if (type === "error.command") this.#listener.refused(payload);
    else if (type === LABELS || type.startsWith("notify.")) this.#listener.notify(frame);
  }

  #welcome({ session, features }) {
    const { enabled, key } = features[BOUND_PIXEL] ?? {};
    if (!enabled) {
      this.#drop("the server has no pixel channel for browsers");
      return;
    }
    this.#session = session.id;
    this.#intents = 0;
    this.#retryMs = FIRST_RETRY_MS;
    this.#silenceMs = session.heartbeat_s > 0 ? 1000 * Math.max(session.heartbeat_s + 1, 1.5 * session.heartbeat_s) : 0;
    this.#expectWithin(this.#silenceMs);
    this.#openPixel(key);
    this.#listener.status({ phase: "live", reason: "", retryMs: 0 });
  }

  #openPixel(key) {
    const url = channelUrl("ws/pixel");
    url.search = new URLSearchParams({ session: this.#session, key });
    const socket = new WebSocket(url);
    this.#pixel = socket;
    socket.binaryType = "arraybuffer";
    socket.onclose = (event) => this.#closed(socket, event);
    socket.onmessage = (event) => {
      if (socket === this.#pixel && event.data instanceof ArrayBuffer) this.#listener.packet(event.data);
    };
  }

  #send(type, payload, ids = {}) {
    if (this.#state?.readyState !== WebSocket.OPEN) return;
    this.#frames += 1;
    const frame = { type, version: PROTOCOL, frame_id: `${type}-${hex8(this.#frames)}`, timestamp: Date.now() / 1000, payload };
    if (this.#session) frame.session = this.#session;
    this.#state.send(JSON.stringify({ ...frame, ...ids }));
  }

  /** Gives the connection up if nothing at all arrives for `ms`; 0 waits for ever. */
  #expectWithin(ms) {
    clearTimeout(this.#silenceTimer);
    if (ms > 0) this.#silenceTimer = setTimeout(() => this.#drop("the server went silent"), ms);
  }

  #closed(socket, { reason }) {
    if (socket === this.#state || socket === this.#pixel) this.#drop(reason || "the connection is gone");
  }

  #drop(reason) {
    clearTimeout(this.#silenceTimer);
    const sockets = [this.#state, this.#pixel];
    this.#state = this.#pixel = this.#session = null;
    for (const socket of sockets) socket?.close();
    if (this.#stopped) return;
    // Jitter, so that the pages of a room do not come back all at once.
    const retryMs = this.#retryMs * (0.8 + 0.4 * Math.random());
    this.#retryMs = Math.min(2 * this.#retryMs, LAST_RETRY_MS);
    this.#retryTimer = setTimeout(() => this.#connect(), retryMs);
    this.#listener.status({ phase: "waiting", reason, retryMs });
  }
}

function hex8(number) {
  return number.toString(16).padStart(8, "0");
}
