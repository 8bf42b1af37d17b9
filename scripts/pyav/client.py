"""Serves an image and uses it as the Python desktop client does, strictly. Run by scripts/pyav/run: client.py BINARY DATA"""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from session import KEYFRAME, Pixels, Refused, Session
from wire import Violation, ensure

WIDTH, HEIGHT = 640, 360
# What the eye gets after a change at the latest (s), tried so often: other programs of the machine have their turn, too.
LATEST, TRIES = 0.1, 5
# Largest error of a channel's mean over an even colour: full range comes back within 1, its rate control costs a little more.
TOLERANCE = 4.0
# The last entry of a colormap, which data above the contrast limits are shown in.
TOP = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "cyan": (0, 255, 255), "magenta": (255, 0, 255),
       "yellow": (255, 255, 0), "gray": (255, 255, 255), "viridis": (253, 231, 37)}  # fmt: skip
# Limits below all data of the images: everything is shown in the last entry.
BELOW = [-2.0, -1.0]
FRAME = 1 / 60


class Server:
    """The server under test on free ports, with an environment that configures nothing."""

    def __init__(self, binary, data):
        flags = {"device": "cpu", "width": WIDTH, "height": HEIGHT, "state-port": 0, "pixel-port": 0, "http-port": 0}
        command = [binary, "serve", str(data), *(text for flag, value in flags.items() for text in (f"--{flag}", str(value)))]
        environment = {"PATH": os.environ["PATH"]}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        for line in self.process.stdout:
            if line.startswith("clients"):
                words = line.split()
                self.state, self.pixels = words[words.index("state") + 1], words[words.index("pixels") + 1]
                return
        raise Violation(f"the server did not start: {self.process.stderr.read().strip()}")

    def stop(self):
        self.process.terminate()
        try:
            _, log = self.process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Violation("the server does not stop") from None
        panics = [line for line in log.splitlines() if "panicked" in line]
        ensure(not panics, f"the server panicked: {panics[:1]}")


class Desk:
    """A client at work: its session, its pictures, and what is where in them."""

    def __init__(self, session, pixels):
        self.session, self.pixels = session, pixels

    @classmethod
    async def open(cls, server):
        session = await Session.open(server.state)
        pixels = await Pixels.open(server.pixels, session)
        await pixels.until("a picture", lambda: pixels.stream.decoded)
        return cls(session, pixels)

    async def close(self):
        await self.pixels.close()
        await self.session.close()

    async def colored(self, color, box=(0.25, 0.75, 0.25, 0.75), patience=10.0):
        """Waits until the box (rows from the bottom of the view, columns; in parts of the picture) is of one colour."""
        top, bottom, left, right = (round(part * edge) for part, edge in zip(box, (HEIGHT, HEIGHT, WIDTH, WIDTH)))

        def even(picture):
            inside = picture[top:bottom, left:right].astype(float)
            return np.abs(inside.mean(axis=(0, 1)) - color).max() <= TOLERANCE and np.abs(inside - color).mean() <= TOLERANCE

        return await self.pixels.shows(f"a picture of {color} in {box}", even, patience)

    async def only_first_layer(self):
        """One layer over all of the picture, in the last colour of its colormap."""
        first, *others = self.session.layers
        for other in others:
            await self.session.update("layer", other, "visible", False)
        await self.session.update("layer", first, "opacity", 1.0)
        await self.session.update("layer", first, "contrast_limits", BELOW)
        return first

    def home(self):
        """The rectangle of the data, as a fresh or reset view has it."""
        return self.session.pose["rect"] if self.session.pose else self.session.scene["viewer"]["camera"]["rect"]


async def baseline(server):
    """The order of the first frames, and what the client needs of them."""
    desk = await Desk.open(server)
    session = desk.session
    await session.until("notify.stream", lambda: session.stream)
    order = list(dict.fromkeys(session.kinds))
    wanted = ["session.welcome", "notify.scene", "notify.dims", "notify.layers", "notify.stream"]
    ensure([kind for kind in order if kind in wanted] == wanted, f"the baseline came as {order}")
    ensure(session.welcome["session"]["heartbeat_s"] == 15.0, "the heartbeat is not 15 s")
    ensure(KEYFRAME in session.commands(), "the keyframe command is not offered")
    size = [WIDTH, HEIGHT]
    ensure(session.stream["frame_size"] == desk.pixels.stream.size == session.scene["viewer"]["settings"]["canvas_size"] == size,
           "the three sizes of the video differ")  # fmt: skip
    return desk


async def keyframes(desk):
    """Every automatic command is answered, and none of them with a notify.stream, or they would never end (§11.3)."""
    session, pixels = desk.session, desk.pixels
    before, streams = pixels.stream.keyframes, session.streams
    await session.call(KEYFRAME)
    await pixels.keyframe("a keyframe after the command", before)
    await asyncio.sleep(2.5)
    ensure(session.streams == streams, f"{session.streams - streams} notify.stream in answer to keyframe commands")


async def colors(desk):
    """What is shown is the colour of the colormap."""
    first = await desk.only_first_layer()
    await desk.session.update("camera", "main", "reset", {"reason": "test"})
    left, bottom, width, height = desk.home()
    # Data everywhere: a quarter of their rectangle, around its middle.
    await desk.session.update("camera", "main", "set", {"rect": [left + width * 0.4, bottom + height * 0.4, width / 5, height / 5]})
    for name, color in TOP.items():
        ensure(await desk.session.update("layer", first, "colormap", name) == name, f"the colormap {name} became another")
        await desk.colored(color, (0, 1, 0, 1))
        await desk.session.until("the layer's colormap", lambda: desk.session.layers[first]["colormap"] == name)


async def rows(desk):
    """Row 0 of the picture is the bottom of the view; columns run as they should."""
    session = desk.session
    await session.update("layer", next(iter(session.layers)), "colormap", "yellow")
    before = desk.pixels.stream.keyframes
    await session.update("camera", "main", "reset", {"reason": "test"})
    await desk.pixels.keyframe("a keyframe after a reset", before)
    # From a square view the rectangle of the data follows, whatever the home was.
    left, bottom, width, height = session.scene["viewer"]["camera"]["rect"]
    mid_x, mid_y = left + width / 2, bottom + height / 2
    high, wide = height * 0.6, height * 0.6 * WIDTH / HEIGHT
    # The middle of the data lies at the lower edge of the view, so its upper half is in the lower half of the picture.
    await session.update("camera", "main", "set", {"rect": [mid_x - wide / 2, mid_y, wide, high * 2]})
    yellow, black = TOP["yellow"], (0, 0, 0)
    await desk.colored(yellow, (0.05, 0.35, 0.45, 0.55))
    await desk.colored(black, (0.6, 0.95, 0.1, 0.9))
    # The middle at the left edge: the data's right half is on the left.
    await session.update("camera", "main", "set", {"rect": [mid_x, mid_y - high, wide * 2, high * 2]})
    await desk.colored(yellow, (0.45, 0.55, 0.02, 0.1))
    await desk.colored(black, (0.1, 0.9, 0.8, 0.98))
    # A drag by a tenth of the picture to the right and down takes the content along.
    rect = session.pose["rect"]
    dx, dy = WIDTH / 10, HEIGHT / 10
    ensure(await session.update("camera", "main", "pan", {"dx_px": dx, "dy_px": dy}) == {"dx_px": dx, "dy_px": dy}, "pan's value")
    await session.until("the pose", lambda: abs(session.pose["rect"][0] - (rect[0] - rect[2] / 10)) < 1e-6 * rect[2])
    ensure(abs(session.pose["rect"][1] - (rect[1] + rect[3] / 10)) < 1e-6 * rect[3], "a drag down moves the view up")


async def latency(desk):
    """The last picture of a motion is there within 100 ms of its last change."""
    session, best = desk.session, None
    first = await desk.only_first_layer()
    await session.update("camera", "main", "reset", {"reason": "test"})
    rect = session.scene["viewer"]["camera"]["rect"]
    await session.update("camera", "main", "set", {"rect": [rect[0] + rect[2] * 0.4, rect[1] + rect[3] * 0.4, rect[2] / 5, rect[3] / 5]})
    for turn in range(TRIES):
        # Something that can be told from what was shown before, in the turn before too.
        last = ("red", "green")[turn % 2]
        for step in range(30):
            session.intend("layer", first, "colormap", ("blue", "gray")[step % 2])
            await asyncio.sleep(FRAME)
        changed = time.monotonic()
        session.intend("layer", first, "colormap", last)
        took = await desk.colored(TOP[last]) - changed
        best = took if best is None else min(best, took)
        if best <= LATEST:
            return f"{best * 1000:.0f} ms"
    raise Violation(f"the last picture came {best * 1000:.0f} ms after the last change, at best of {TRIES} tries")


async def gestures(desk):
    """What wheel, drag and keys of the client send; every intent is acknowledged, every echo is its own (§11.9)."""
    session = desk.session
    sent, anchor = [], [WIDTH / 2, HEIGHT / 2]
    order, shape = session.dims["order"], session.dims["level_shapes"][session.dims["current_level"]]
    primary = session.dims["axis_labels"][order[0]] if len(order) > session.dims["ndisplay"] else None
    for step in range(20):
        sent.append(session.intend("camera", "main", "pan", {"dx_px": 3.0, "dy_px": -2.0}))
        sent.append(session.intend("camera", "main", "zoom", {"factor": 1.1 if step % 2 else 1 / 1.1, "anchor_px": anchor}))
        if primary is not None:
            sent.append(session.intend("dims", primary, "step", 1 if step < 10 else -1))
        sent.append(session.intend("layer", next(iter(session.layers)), "gamma", 0.5 + step / 20))
        await asyncio.sleep(FRAME)
    for intent in sent:
        await session.settled(intent)
    echoes = [intent for intent, _, _ in session.echoes if intent is not None]
    ensure(len(echoes) == len(set(echoes)), "an echo came twice")
    if primary is not None:
        top = shape[order[0]] - 1
        ensure(await session.update("dims", primary, "index", 10**6) == top, "an index beyond the end is not clamped")
        await session.until("the step", lambda: session.dims["step"][order[0]] == top)
        for value in (0.5, "1"):
            try:
                await session.update("dims", primary, "step", value)
                raise Violation(f"a step of {value!r} is accepted")
            except Refused as refused:
                ensure(refused.code == "state.invalid", f"a step of {value!r} is {refused.code}")
        await session.update("dims", primary, "index", top // 2)
    ensure(await session.update("camera", "main", "reset", "state.update") == {"reason": "state.update"}, "reset's value")


async def volume(desk):
    """To 3D and back: dims, pose, level and step as they were, and keyframes both ways."""
    session, pixels = desk.session, desk.pixels
    await session.rest()
    plane = (session.dims["step"], session.dims["current_level"], session.pose["rect"])
    before, decoded = pixels.stream.keyframes, pixels.stream.decoded
    try:
        shown = await session.update("view", "main", "ndisplay", 3)
    except Refused as refused:
        ensure(refused.code == "state.unsupported", f"3D is refused with {refused.code}")
        return "skipped: the server refuses 3D"
    ensure(shown == (3 if len(session.dims["order"]) > 2 else 2), f"ndisplay became {shown}")
    if shown == 2:
        return "skipped: the image has no third axis"
    await session.until("dims of 3D", lambda: session.dims["mode"] == "volume" and session.dims["ndisplay"] == 3)
    await session.until("a pose of 3D", lambda: "angles" in session.pose)
    await pixels.keyframe("a keyframe in 3D", before)
    await pixels.until("a picture of 3D", lambda: pixels.stream.decoded > decoded)
    level = session.dims["current_level"]
    ensure(level == len(session.dims["level_shapes"]) - 1, f"3D starts at level {level}, which is not the coarsest")
    azimuth, elevation, _ = session.pose["angles"]
    ensure(await session.update("camera", "main", "orbit", {"d_az_deg": 10.0, "d_el_deg": -5.0})
           == {"d_az_deg": 10.0, "d_el_deg": -5.0}, "orbit's value")  # fmt: skip
    turned = lambda: [round(angle, 6) for angle in session.pose["angles"][:2]] == [round(azimuth + 10, 6), round(elevation - 5, 6)]  # noqa: E731
    await session.until("the turned pose", turned)
    distance = session.pose["distance"]
    await session.update("camera", "main", "zoom", {"factor": 1.25, "anchor_px": [1.0, 1.0]})
    await session.until("the farther pose", lambda: abs(session.pose["distance"] - 1.25 * distance) < 1e-6 * distance)
    before = pixels.stream.keyframes
    ensure(await session.update("view", "main", "ndisplay", 2) == 2, "ndisplay did not become 2")
    await session.until("dims of 2D", lambda: session.dims["mode"] == "plane" and session.dims["ndisplay"] == 2)
    await session.until("a pose of 2D", lambda: "rect" in session.pose)
    await pixels.keyframe("a keyframe back in 2D", before)
    after = (session.dims["step"], session.dims["current_level"], session.pose["rect"])
    await session.rest()
    ensure(after == plane, f"2D came back as {after}, it was {plane}")
    return None


async def reconnect(server, desk):
    """A second client disturbs nobody; with its tokens it comes back to the same view."""
    await desk.session.rest()
    frames = len(desk.session.kinds)
    other = await Session.open(server.state)
    await other.until("notify.stream", lambda: other.stream)
    await other.until("its layers", lambda: other.kinds.count("notify.layers") >= len(other.layers))
    await desk.session.update("layer", next(iter(desk.session.layers)), "opacity", 0.75)
    await other.until("the other's change", lambda: next(iter(other.layers.values()))["opacity"] == 0.75)
    told = desk.session.kinds[frames:]
    ensure(not {"notify.scene", "notify.stream", "notify.dims"} & set(told), f"a second client made the first hear {told}")
    await other.close()
    again = await Session.open(server.state, other.tokens)
    await again.until("the same layers", lambda: again.layers == desk.session.layers)
    ensure(again.dims == desk.session.dims, "a resumed client has other dims")
    await again.close()


async def files(desk, data):
    """The dataset dialog: listing, loading, what is refused; the image that was served first comes back at the end."""
    session, pixels = desk.session, desk.pixels
    if not {"fs.listdir", "napari.load_zarr"} <= set(session.commands()):
        return "skipped: the server offers no fs.listdir and napari.load_zarr"
    listing = await session.call("fs.listdir", path=None, show_hidden=False)
    ensure(listing.keys() == {"path", "entries", "has_more"}, f"a listing of {sorted(listing)}")
    names = [entry["name"] for entry in listing["entries"]]
    ensure(names == sorted(names, key=str.lower), "the listing is not sorted")
    for entry in listing["entries"]:
        ensure(entry.keys() == {"name", "path", "is_dir", "size", "mtime", "zarr_metadata"}, f"an entry of {sorted(entry)}")
        ensure(isinstance(entry["size"], int) and isinstance(entry["mtime"], float), "size or mtime")
        ensure(entry["path"].startswith("/") and (entry["is_dir"] or entry["zarr_metadata"] is None), "path or zarr_metadata")
    sets = [entry for entry in listing["entries"] if entry["zarr_metadata"] and entry["zarr_metadata"]["is_dataset"]]
    others = [entry["path"] for entry in sets if Path(entry["path"]).resolve() != data.resolve()]
    ensure(others, f"no other dataset beside {data}")
    refusals = [
        ("fs.listdir", {"path": "/nowhere/at/all"}, {"fs.forbidden"}),
        ("fs.listdir", {"path": "not there"}, {"fs.not_found"}),
        ("fs.listdir", {"path": None, "only": 5}, {"command.invalid"}),
        ("napari.load_zarr", {}, {"command.invalid"}),
        ("napari.load_zarr", {"path": "../../../../etc"}, {"fs.forbidden"}),
        ("napari.load_zarr", {"path": "http://example.org/a.zarr"}, {"fs.forbidden"}),
        ("napari.load_zarr", {"path": "not there"}, {"fs.not_found"}),
    ]
    for command, kwargs, codes in refusals:
        try:
            await session.call(command, **kwargs)
            raise Violation(f"{command} {kwargs} is accepted")
        except Refused as refused:
            ensure(refused.code in codes, f"{command} {kwargs}: {refused}")
    for path in (others[0], str(data.resolve())):
        scenes, before, known = session.kinds.count("notify.scene"), pixels.stream.keyframes, len(session.kinds)
        ensure(await session.call("napari.load_zarr", path=path) == {"ok": True}, "load_zarr's result")
        await session.until("the scene of the other dataset", lambda: session.kinds.count("notify.scene") > scenes)
        await session.until("its stream", lambda: "notify.stream" in session.kinds[known:])
        order = [kind for kind in dict.fromkeys(session.kinds[known:]) if kind not in ("notify.camera", "notify.error")]
        ensure(order[-4:] == ["notify.scene", "notify.dims", "notify.layers", "notify.stream"], f"a switch came as {order}")
        await pixels.keyframe("a keyframe of the other dataset", before)
        named = session.scene["metadata"]["source_path"]
        ensure(Path(named).resolve() == Path(path).resolve(), f"{path} was loaded, the scene names {named}")
    return None


async def heartbeat(desk):
    """One heartbeat comes within 16 s of the welcome, as the client's own watchdog demands."""
    await desk.session.until("a heartbeat", lambda: desk.session.heartbeats, 16.0)


async def check(server, data):
    desk = await baseline(server)
    parts = {
        "keyframe commands": keyframes(desk),
        "colours": colors(desk),
        "rows": rows(desk),
        "last picture after the last change": latency(desk),
        "gestures": gestures(desk),
        "to 3D and back": volume(desk),
        "a second client, and resume": reconnect(server, desk),
        "files": files(desk, data),
        "heartbeat": heartbeat(desk),
    }
    try:
        for name, part in parts.items():
            start = time.monotonic()
            try:
                said = await part
            except (Violation, Refused) as problem:
                raise Violation(f"{name}: {problem}") from None
            print(f"  {name:<36}{time.monotonic() - start:5.1f} s  {said or 'ok'}")
        for waiting in (desk.session, desk.pixels):
            if waiting.failure:
                raise waiting.failure
        ensure(not desk.session.conversation.open, f"intents without an ack: {sorted(desk.session.conversation.open)}")
        faults = [error for error in desk.session.errors if error["severity"] != "info"]
        ensure(not faults, f"the server reports {faults[:1]}")
        stream = desk.pixels.stream
        ensure(stream.decoded == stream.packets, f"{stream.packets - stream.decoded} of {stream.packets} packets were not decoded")
        print(f"  {stream.packets} packets, {stream.keyframes} keyframes, {len(desk.session.kinds)} frames, all as they should be")
    finally:
        for part in parts.values():
            part.close()
        await desk.close()


def main():
    binary, data = sys.argv[1], Path(sys.argv[2])
    server = None
    try:
        server = Server(binary, data)
        asyncio.run(check(server, data))
    except (Violation, Refused, OSError) as problem:
        print(f"pyav: {problem}", file=sys.stderr)
        sys.exit(1)
    finally:
        if server is not None:
            server.stop()


main()
