"""A desktop client's two sockets: the state channel with hello, acks and pings, and the bare pixel channel (PROTOCOL §§3, 6-8, 11)."""

import asyncio
import json
import time
import uuid

import websockets

from pixels import Stream
from wire import Conversation, Violation, ensure

PATIENCE = 10.0
PING = 2.0
# Without anything new for so long the server has told all there was; thumbnails come at most twice a second.
QUIET = 0.6
# How often the client asks for a keyframe by itself, at most.
BACKOFF = 1.0
TOPICS = ("notify.scene", "notify.layers", "notify.stream", "notify.dims", "notify.camera")
RESUMABLE = TOPICS[:3]
KEYFRAME = "napari.pixel.request_keyframe"


class Refused(Exception):
    """A command or an intent that the server refused: code and message."""

    def __init__(self, error):
        super().__init__(f"{error['code']}: {error['message']}")
        self.code, self.details = error["code"], error.get("details")


class Waiting:
    """Reads a socket in the background; `until` waits for what came of it, and ends when the reading fails."""

    def __init__(self, socket):
        self.socket = socket
        self.failure = None
        self.changed = asyncio.Event()
        self.task = asyncio.create_task(self._run())

    async def _run(self):
        try:
            async for message in self.socket:
                self._take(message)
                self.changed.set()
            self.failure = Violation(f"the server closed the socket: {self.socket.close_code} {self.socket.close_reason}")
        except (Violation, KeyError, TypeError, ValueError, IndexError, websockets.WebSocketException) as error:
            self.failure = error if isinstance(error, Violation) else Violation(f"{type(error).__name__}: {error}")
        self.changed.set()

    async def until(self, what, holds, patience=PATIENCE):
        """Waits until `holds()` is true and returns its value."""
        deadline = time.monotonic() + patience
        while True:
            value = holds()
            if value:
                return value
            if self.failure:
                raise self.failure
            self.changed.clear()
            try:
                await asyncio.wait_for(self.changed.wait(), max(0.0, deadline - time.monotonic()))
            except TimeoutError:
                raise Violation(f"{what}: nothing within {patience:g} s") from None

    async def close(self):
        self.task.cancel()
        await self.socket.close()


async def connect(url):
    """Opens a socket as the client's library does: it offers compression, which the server declines."""
    socket = await websockets.connect(url, max_size=None)
    ensure(not socket.protocol.extensions, "the server compresses")
    return socket


class Session(Waiting):
    """A state socket and the fold of what came over it."""

    @classmethod
    async def open(cls, url, tokens=None):
        session = cls(await connect(url), tokens or dict.fromkeys(RESUMABLE))
        await session.until("welcome", lambda: session.welcome)
        await session.until("notify.dims", lambda: session.dims)
        return session

    def __init__(self, socket, tokens):
        self.conversation = Conversation()
        self.tokens = tokens
        self.welcome = self.scene = self.dims = self.pose = self.stream = None
        self.layers = {}  # layer id → controls
        self.kinds = []  # types of all frames
        self.streams = 0
        self.heartbeats = 0
        self.errors = []  # notify.error
        self.echoes = []  # of the camera, with their intent's id
        self.intents = 0
        self.answers = {}  # intent id or command's frame id → payload
        self.on_stream = lambda stream: None
        self.asked_at = None  # when the last automatic keyframe command was sent
        self.pings = asyncio.create_task(self._ping())
        self.outgoing = []
        super().__init__(socket)
        self._send("session.hello", "hello", {
            "protocols": [2],
            "client": {"name": "napari-cuda-client", "version": "0.1.0", "platform": "Linux-6.1-x86_64-with-glibc2.36"},
            "features": dict.fromkeys(TOPICS, True),
            "resume_tokens": tokens,
        })  # fmt: skip

    def _send(self, kind, prefix, payload, frame_id=None, **more):
        frame_id = frame_id or f"{prefix}-{uuid.uuid4().hex}"
        frame = {"type": kind, "version": 2, "frame_id": frame_id, "timestamp": time.time(), **more, "payload": payload}
        if self.conversation.session:
            frame["session"] = self.conversation.session
        self._text(json.dumps(frame, separators=(",", ":")))
        return frame_id

    def _text(self, text):
        # Kept, so that it is not collected before it has run; sends of one socket keep their order.
        task = asyncio.ensure_future(self.socket.send(text))
        self.outgoing = [*(t for t in self.outgoing if not t.done()), task]

    async def _ping(self):
        while True:
            await asyncio.sleep(PING)
            self._text('{"type":"ping"}')

    def _take(self, message):
        ensure(isinstance(message, str), "a binary message on the state channel")
        frame = json.loads(message)
        kind, payload = self.conversation.take(frame), frame["payload"]
        self.kinds.append(kind)
        if "delta_token" in frame:
            self.tokens[kind] = frame["delta_token"]
        match kind:
            case "session.welcome":
                self.welcome = payload
            case "session.reject" | "session.goodbye":
                raise Violation(f"{kind}: {payload.get('code')} {payload.get('message')}")
            case "session.heartbeat":
                self.heartbeats += 1
                self._send("session.ack", "ack", {})
            case "notify.scene":
                self.scene, self.layers = payload, {block["layer_id"]: dict(block["controls"]) for block in payload["layers"]}
            case "notify.dims":
                self.dims = payload
            case "notify.camera" if payload["mode"] == "pose":
                self.pose = payload["state"]
            case "notify.camera":
                self.echoes.append((frame.get("intent_id"), payload["mode"], payload["delta"]))
            case "notify.layers":
                # A change of a layer that it does not know is ignored.
                self.layers.get(payload["layer_id"], {}).update(payload.get("controls", {}))
            case "notify.stream":
                self.stream, self.streams = payload, self.streams + 1
                self.on_stream(payload)
                # The client does this on every notify.stream, even an identical one.
                self.ask_for_keyframe("auto.notify.stream")
            case "notify.error":
                self.errors.append(payload)
            case "ack.state":
                self.answers[payload["intent_id"]] = payload
            case "reply.command" | "error.command":
                self.answers[payload["in_reply_to"]] = payload

    async def rest(self):
        """Waits until nothing was told for a while."""
        frames = -1
        while frames != len(self.kinds):
            frames = len(self.kinds)
            await asyncio.sleep(QUIET)

    def commands(self):
        """The commands that may be sent."""
        return self.welcome["features"]["call.command"].get("commands", [])

    def ask_for_keyframe(self, origin):
        """What the client does by itself, at most once a second."""
        now = time.monotonic()
        if self.asked_at is None or now - self.asked_at > BACKOFF:
            self.asked_at = now
            self._send("call.command", "cmd", {"command": KEYFRAME, "origin": origin})

    def intend(self, scope, target, key, value):
        """Sends an intent; returns its id."""
        self.intents += 1
        intent_id, frame_id = f"intent-{self.intents:08x}", f"state-{self.intents:08x}"
        self.conversation.intent(intent_id, frame_id)
        payload = {"scope": scope, "target": target, "key": key, "value": value}
        self._send("state.update", "state", payload, frame_id, intent_id=intent_id)
        return intent_id

    async def settled(self, intent_id):
        """The applied value of an intent, once it is acknowledged."""
        answer = await self.until(f"ack of {intent_id}", lambda: self.answers.get(intent_id))
        if answer["status"] == "rejected":
            raise Refused(answer["error"])
        return answer.get("applied_value")

    async def update(self, scope, target, key, value):
        """Sends an intent and waits for its applied value."""
        return await self.settled(self.intend(scope, target, key, value))

    async def call(self, command, **kwargs):
        """Calls a command and waits for its result."""
        frame_id = self._send("call.command", "cmd", {"command": command, "kwargs": kwargs, "origin": "ui"})
        answer = await self.until(f"reply to {command}", lambda: self.answers.get(frame_id))
        if answer["status"] == "error":
            raise Refused(answer)
        return answer.get("result")

    async def close(self):
        self.pings.cancel()
        await self.socket.send('{"type":"shutdown"}')
        await super().close()


class Pixels(Waiting):
    """A bare pixel socket; its pictures belong to `session`."""

    @classmethod
    async def open(cls, url, session):
        return cls(await connect(url), session)

    def __init__(self, socket, session):
        self.stream = Stream()
        self.arrived = 0.0  # when the newest picture came
        self.session = session
        if session.stream:
            self.stream.configure(session.stream)
        session.on_stream = self.stream.configure
        super().__init__(socket)
        session.ask_for_keyframe("auto.pixel.connect")

    def _take(self, message):
        if isinstance(message, str):
            return  # ignored, as in the client
        # The time before decoding: how long that takes is no fault of the server.
        arrived = time.monotonic()
        self.stream.take(message)
        self.arrived = arrived

    async def shows(self, what, holds, patience=PATIENCE):
        """Waits for a picture that `holds`; returns when its packet came."""
        picture = lambda: self.stream.picture is not None and holds(self.stream.picture)  # noqa: E731
        await self.until(what, picture, patience)
        return self.arrived

    async def keyframe(self, what, since):
        """Waits for a keyframe after the `since`-th."""
        await self.until(what, lambda: self.stream.keyframes > since)
