"""What the desktop client's parsers accept, and no more: envelopes, closed payloads, legal values (PROTOCOL §§2-6).

Pure: knows no socket and no clock. `frame` checks one frame by itself, `Conversation` the order of all frames of one session.
"""

import base64

VERSION = 2
CONTROLS = {
    "visible", "opacity", "blending", "interpolation", "colormap", "rendering", "gamma", "contrast_limits", "iso_threshold",
    "attenuation",
}  # fmt: skip
BLENDINGS = {"opaque", "translucent", "translucent_no_depth", "additive", "minimum", "multiplicative"}
RENDERINGS = {"mip", "attenuated_mip", "translucent", "iso", "additive", "average", "minip"}
INTERPOLATIONS = {
    "nearest", "linear", "cubic", "bessel", "blackman", "catrom", "custom", "gaussian", "hamming", "hanning", "hermite", "kaiser",
    "lanczos", "mitchell", "spline16", "spline36",
}  # fmt: skip
DATA_KEYS = {
    "volume.render_mode", "volume.colormap", "volume.contrast_limits", "volume.opacity", "volume.sample_step", "multiscale.level",
    "multiscale.levels", "multiscale.level_shapes", "multiscale.downgraded",
}  # fmt: skip


class Violation(Exception):
    """A frame that the desktop client would drop, or stumble over."""


def ensure(holds, problem):
    if not holds:
        raise Violation(problem)


REQUIRED, OPTIONAL, FORBIDDEN = "required", "optional", "forbidden"
# session, frame_id, seq and delta_token, intent_id; the server's types only
ENVELOPES = {
    "session.welcome": (REQUIRED, REQUIRED, FORBIDDEN, FORBIDDEN),
    "session.reject": (FORBIDDEN, REQUIRED, FORBIDDEN, FORBIDDEN),
    "session.heartbeat": (REQUIRED, REQUIRED, FORBIDDEN, FORBIDDEN),
    "session.goodbye": (REQUIRED, REQUIRED, FORBIDDEN, FORBIDDEN),
    "notify.scene": (REQUIRED, OPTIONAL, REQUIRED, OPTIONAL),
    "notify.layers": (REQUIRED, OPTIONAL, REQUIRED, OPTIONAL),
    "notify.stream": (REQUIRED, OPTIONAL, REQUIRED, OPTIONAL),
    "notify.dims": (REQUIRED, OPTIONAL, FORBIDDEN, OPTIONAL),
    "notify.camera": (REQUIRED, OPTIONAL, FORBIDDEN, OPTIONAL),
    "notify.error": (REQUIRED, OPTIONAL, FORBIDDEN, FORBIDDEN),
    "ack.state": (REQUIRED, REQUIRED, FORBIDDEN, FORBIDDEN),
    "reply.command": (REQUIRED, REQUIRED, FORBIDDEN, FORBIDDEN),
    "error.command": (REQUIRED, REQUIRED, FORBIDDEN, FORBIDDEN),
}


def number(value):
    # JSON has no NaN, but Python's reader takes one.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value and abs(value) != float("inf")


def integer(value):
    return isinstance(value, int) and not isinstance(value, bool)


def numbers(value, count=None):
    return isinstance(value, list) and all(map(number, value)) and count in (None, len(value))


def sizes(value, count=None):
    return isinstance(value, list) and all(integer(n) and n >= 0 for n in value) and count in (None, len(value))


def closed(payload, required, optional=()):
    """Every required key is there, no other than these is, and none is null."""
    ensure(isinstance(payload, dict), "a payload that is no object")
    missing = set(required) - payload.keys()
    ensure(not missing, f"{sorted(missing)} missing")
    unknown = payload.keys() - set(required) - set(optional)
    ensure(not unknown, f"unknown keys {sorted(unknown)}")
    nulls = [key for key, value in payload.items() if value is None]
    ensure(not nulls, f"null in {nulls}")


def frame(frame):
    """Checks one frame of the server by itself."""
    ensure(isinstance(frame, dict), "a frame that is no object")
    kind = frame.get("type")
    ensure(kind in ENVELOPES, f"a type that the client did not ask for: {kind!r}")
    try:
        ensure(frame.get("version") == VERSION and integer(frame["version"]), "version is not the integer 2")
        ensure(isinstance(frame.get("timestamp"), float), "timestamp is no float")
        ensure(isinstance(frame.get("payload"), dict), "payload is no object")
        ensure(not [key for key in frame if frame[key] is None], "null in the envelope")
        session, frame_id, sequence, intent_id = ENVELOPES[kind]
        for key, rule in (("session", session), ("frame_id", frame_id), ("intent_id", intent_id), ("delta_token", sequence)):
            ensure(rule != REQUIRED or isinstance(frame.get(key), str), f"{key} is required")
            ensure(rule != FORBIDDEN or key not in frame, f"{key} is forbidden")
        ensure((sequence == REQUIRED) == ("seq" in frame), "seq belongs to scene, layers and stream")
        ensure("seq" not in frame or integer(frame["seq"]) and frame["seq"] >= 0, "seq is no integer")
        PAYLOADS[kind](frame["payload"], frame)
    except Violation as violation:
        raise Violation(f"{kind}: {violation}") from None
    return kind


def welcome(payload, frame):
    closed(payload, ("protocol_version", "session", "features"))
    ensure(payload["protocol_version"] == VERSION, "protocol_version is not 2")
    closed(payload["session"], ("id", "heartbeat_s"), ("ack_timeout_ms",))
    ensure(payload["session"]["id"] == frame["session"], "session.id is not the envelope's")
    ensure(payload["session"]["heartbeat_s"] > 0, "no heartbeat")
    for name, toggle in payload["features"].items():
        closed(toggle, ("enabled",), ("version", "resume", "commands", "resume_state"))
        ensure(not name.startswith("x."), f"{name} was not asked for")
        if "resume_state" in toggle:
            closed(toggle["resume_state"], ("seq", "delta_token"))
    for topic in ("notify.scene", "notify.layers", "notify.stream", "notify.dims", "notify.camera", "call.command"):
        ensure(payload["features"].get(topic, {}).get("enabled") is True, f"{topic} is not enabled")


def reject(payload, _):
    ensure(isinstance(payload.get("code"), str) and isinstance(payload.get("message"), str), "no code or message")


def empty(payload, _):
    closed(payload, ())


def goodbye(payload, _):
    closed(payload, (), ("code", "message", "reason"))


def picture(thumbnail):
    """A colour picture in 0..1: without one the client cannot make the layer at all."""
    ensure(isinstance(thumbnail, list) and thumbnail and thumbnail[0], "a thumbnail without pixels")
    width = len(thumbnail[0])
    ensure(all(len(row) == width for row in thumbnail), "a thumbnail of uneven rows")
    pixels = [pixel for row in thumbnail for pixel in row]
    ensure(all(numbers(pixel) and len(pixel) in (3, 4) for pixel in pixels), "a thumbnail without colour")
    ensure(all(0 <= channel <= 1 for pixel in pixels for channel in pixel), "a thumbnail beyond 0..1")


def limits(value):
    ensure(numbers(value, 2) and value[1] > value[0], f"contrast limits {value}")


def controls(block):
    closed(block, (), CONTROLS)
    legal = {
        "visible": lambda v: isinstance(v, bool),
        "opacity": lambda v: number(v) and 0 <= v <= 1,
        "gamma": lambda v: number(v) and v > 0,
        "blending": BLENDINGS.__contains__,
        "interpolation": INTERPOLATIONS.__contains__,
        "rendering": RENDERINGS.__contains__,
        "colormap": lambda v: isinstance(v, str) and v != "",
        "iso_threshold": number,
        "attenuation": lambda v: number(v) and v >= 0,
        "contrast_limits": lambda v: numbers(v, 2) and v[1] > v[0],
    }
    for key, value in block.items():
        ensure(legal[key](value), f"controls.{key} is {value!r}")


def layer(block):
    for key in ("layer_id", "layer_type", "name", "ndim", "shape", "axis_labels", "controls", "metadata", "contrast_limits"):
        ensure(block.get(key) is not None, f"a layer without {key}")
    ensure(block["layer_type"] in ("image", "volume"), f"layer_type {block['layer_type']!r}")
    ndim = block["ndim"]
    ensure(sizes(block["shape"], ndim) and len(block["axis_labels"]) == ndim, "shape or axis_labels do not have ndim entries")
    for key in ("scale", "translate"):
        ensure(key not in block or numbers(block[key], ndim), f"{key} does not have ndim entries")
    controls(block["controls"])
    limits(block["contrast_limits"])
    picture(block["metadata"].get("thumbnail"))
    if "multiscale" in block:
        multiscale = block["multiscale"]
        ensure(0 <= multiscale["current_level"] < len(multiscale["levels"]), "multiscale.current_level is no level")
        for level in multiscale["levels"]:
            ensure(sizes(level["shape"], ndim) and numbers(level["downsample"], ndim), "a level of another ndim")


def scene(payload, frame):
    closed(payload, ("viewer", "layers"), ("metadata", "policies"))
    ensure(frame["seq"] == 0, "seq is not 0")
    ids = [block.get("layer_id") for block in payload["layers"]]
    ensure(len(set(ids)) == len(ids), "layer ids are not unique")
    for block in payload["layers"]:
        layer(block)
    settings, axes = payload["viewer"]["settings"], payload["viewer"]["dims"]
    ensure(sizes(settings["canvas_size"], 2), "canvas_size")
    ensure(settings["volume_enabled"] == (axes["ndisplay"] == 3), "volume_enabled does not follow ndisplay")


def dims(payload, frame):
    required = ("step", "current_step", "levels", "current_level", "level_shapes", "mode", "ndisplay")
    closed(payload, required, ("downgraded", "axis_labels", "order", "displayed", "labels"))
    ensure(len(frame.get("frame_id", "")) == 8 and "intent_id" not in frame, "not exactly an 8-hex frame_id")
    shapes, ndisplay = payload["level_shapes"], payload["ndisplay"]
    ensure(0 <= payload["current_level"] < len(shapes), "current_level is no level")
    ndim = len(shapes[payload["current_level"]])
    ensure(all(sizes(shape, ndim) for shape in shapes), "level_shapes of different ndim")
    inside = all(0 <= step < size for step, size in zip(payload["step"], shapes[payload["current_level"]]))
    ensure(sizes(payload["step"], ndim) and inside, "step lies outside its level")
    ensure(payload["current_step"] == payload["step"], "current_step is not step")
    ensure([level["shape"] for level in payload["levels"]] == shapes, "levels and level_shapes differ")
    for position, level in enumerate(payload["levels"]):
        closed(level, ("index", "shape", "downsample", "path"))
        ensure(level["index"] == position and numbers(level["downsample"], ndim), "a level out of place")
    ensure(ndisplay in (2, 3) and payload["mode"] == ("volume" if ndisplay == 3 else "plane"), "mode does not follow ndisplay")
    ensure(len(payload["axis_labels"]) == ndim, "axis_labels do not have ndim entries")
    ensure(sorted(payload["order"]) == list(range(ndim)), "order is no permutation")
    ensure(payload["displayed"] == payload["order"][max(0, ndim - ndisplay) :], "displayed is not the tail of order")


def camera(payload, frame):
    closed(payload, ("mode", "origin"), ("delta", "state"))
    if payload["mode"] == "pose":
        ensure(payload["origin"] == "worker.state.camera" and "state" in payload, "a pose without state")
        ensure(len(frame.get("frame_id", "")) == 8 and "intent_id" not in frame, "not exactly an 8-hex frame_id")
        state = payload["state"]
        if "angles" in state:
            closed(state, ("center", "angles", "distance", "fov"))
            ensure(numbers(state["center"], 3) and numbers(state["angles"], 3), "center and angles have 3 numbers")
            ensure(number(state["distance"]) and number(state["fov"]), "distance and fov are numbers")
        else:
            closed(state, ("center", "zoom", "rect"))
            ensure(numbers(state["center"], 2) and numbers(state["rect"], 4) and state["zoom"] > 0, "a plane pose")
    else:
        ensure(payload["mode"] in ("zoom", "pan", "orbit", "reset", "set"), f"mode {payload['mode']!r}")
        ensure(payload["origin"] == "state.update" and "delta" in payload, "an echo without delta")
        ensure("intent_id" in frame or "frame_id" in frame, "neither frame_id nor intent_id")


def layers(payload, _):
    closed(payload, ("layer_id",), ("controls", "metadata", "data", "thumbnail", "removed"))
    ensure(len(payload) > 1, "nothing but a layer_id")
    if "controls" in payload:
        controls(payload["controls"])
    if "thumbnail" in payload:
        thumbnail = payload["thumbnail"]
        closed(thumbnail, ("array", "shape", "dtype", "generated_at"))
        picture(thumbnail["array"])
        ensure(thumbnail["dtype"] == "float32", "a thumbnail that is not float32")
    if "metadata" in payload:
        picture(payload["metadata"].get("thumbnail"))
    if "data" in payload:
        closed(payload["data"], (), DATA_KEYS)


def stream(payload, _):
    closed(payload, ("codec", "format", "fps", "frame_size", "nal_length_size", "avcc", "latency_policy"), ("vt_hint",))
    ensure((payload["codec"], payload["format"], payload["nal_length_size"]) == ("h264", "avcc", 4), "not H.264 in AVCC")
    ensure(isinstance(payload["fps"], float) and sizes(payload["frame_size"], 2), "fps or frame_size")
    record = base64.b64decode(payload["avcc"], validate=True)
    ensure(record[0] == 1 and record[4] == 0xFF and record[5] == 0xE1, "not an avcC of one SPS and 4-byte lengths")
    ensure(record[1:4] == record[9:12], "profile, compatibility and level are not the SPS's")


def error(payload, _):
    closed(payload, ("domain", "code", "message", "severity"), ("context",))
    ensure(payload["severity"] in ("info", "warning", "critical"), "severity")


def ack(payload, _):
    for key in ("intent_id", "in_reply_to"):
        ensure(isinstance(payload.get(key), str), f"no {key}")
    if payload["status"] == "accepted":
        ensure(integer(payload.get("version")) and "error" not in payload, "accepted without an integer version, or with an error")
    else:
        ensure(payload["status"] == "rejected" and "applied_value" not in payload, f"status {payload['status']!r}")
        ensure(isinstance(payload["error"]["code"], str) and isinstance(payload["error"]["message"], str), "no code or message")


def reply(payload, _):
    ensure(isinstance(payload.get("in_reply_to"), str) and payload.get("status") == "ok", "in_reply_to or status")
    ensure(payload.get("result", 0) is not None, "a null result")


def command_error(payload, _):
    ensure(isinstance(payload.get("in_reply_to"), str) and payload.get("status") == "error", "in_reply_to or status")
    ensure(isinstance(payload.get("code"), str) and isinstance(payload.get("message"), str), "no code or message")


PAYLOADS = {
    "session.welcome": welcome,
    "session.reject": reject,
    "session.heartbeat": empty,
    "session.goodbye": goodbye,
    "notify.scene": scene,
    "notify.layers": layers,
    "notify.stream": stream,
    "notify.dims": dims,
    "notify.camera": camera,
    "notify.error": error,
    "ack.state": ack,
    "reply.command": reply,
    "error.command": command_error,
}


class Conversation:
    """The order of all frames of one session (PROTOCOL §12)."""

    def __init__(self):
        self.session = None
        self.seen = set()
        self.next = {}
        self.open = {}  # intent id → frame id, until its ack
        self.canvas = None

    def intent(self, intent_id, frame_id):
        self.open[intent_id] = frame_id

    def take(self, frame_):
        """Checks the next frame; returns its type."""
        kind, payload = frame(frame_), frame_["payload"]
        if self.session is None:
            ensure(kind in ("session.welcome", "session.reject"), f"{kind} before the welcome")
            self.session = frame_.get("session")
        else:
            ensure(kind not in ("session.welcome", "session.reject"), "a second welcome")
            ensure(frame_["session"] == self.session, "another session's frame")
        if kind in ("notify.layers", "notify.stream", "notify.camera", "notify.dims"):
            ensure("notify.scene" in self.seen, f"{kind} before the scene")
        if kind in ("notify.layers", "notify.stream"):
            ensure("notify.dims" in self.seen, f"{kind} before the dims")
            expected = self.next.get(kind)
            fits = frame_["seq"] in (0, 1) if expected is None else frame_["seq"] == expected
            ensure(fits, f"{kind}: seq {frame_['seq']} where {expected} should come")
            self.next[kind] = frame_["seq"] + 1
        if kind == "notify.scene":
            self.next.clear()  # a new epoch
            self.canvas = payload["viewer"]["settings"]["canvas_size"]
        if kind == "notify.stream":
            ensure(payload["frame_size"] == self.canvas, "frame_size is not the scene's canvas_size")
        if kind == "ack.state":
            frame_id = self.open.pop(payload["intent_id"], None)
            ensure(frame_id is not None, f"an ack of {payload['intent_id']}, which is not open")
            ensure(payload["in_reply_to"] == frame_id, "in_reply_to is not the update's frame_id")
        if kind.startswith("notify.") and "intent_id" in frame_:
            ensure(frame_["intent_id"] not in self.open, f"{kind} of {frame_['intent_id']} before its ack")
        self.seen.add(kind)
        return kind
