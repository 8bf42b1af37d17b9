"""The pixel channel as the desktop client reads it (PROTOCOL §10): header, AVCC access unit, PyAV, RGB. Pure: is fed messages."""

import base64
import struct

import av

from wire import ensure

HEADER = struct.Struct("!IdIIBBH")
SLICE, IDR, SPS, PPS = 1, 5, 7, 8


def units(access_unit):
    """The NAL units of an AVCC access unit with 4-byte lengths."""
    found, at = [], 0
    while at < len(access_unit):
        ensure(at + 4 <= len(access_unit), "an access unit ends inside a length")
        size = int.from_bytes(access_unit[at : at + 4], "big")
        # Every consumer sniffs for Annex B: a first length of 1 would be read as a start code.
        ensure(size > (1 if at == 0 else 0), "a NAL unit of no or one byte")
        ensure(at + 4 + size <= len(access_unit), "an access unit ends inside a NAL unit")
        found.append(access_unit[at + 4 : at + 4 + size])
        at += 4 + size
    return found


class Stream:
    """One pixel socket and its decoder.

    As in the client, everything before the first keyframe is dropped, and the decoder is made when both a `notify.stream` and a
    keyframe are there; it is never made anew for an unchanged configuration.
    """

    def __init__(self):
        self.packets = 0
        self.decoded = 0
        self.keyframes = 0
        self.size = None  # of the newest packet
        self.picture = None  # (rows, columns, 3), row 0 is the first that was encoded
        self.record = None  # avcC
        self.early = []  # packets before the configuration
        self.decoder = None
        self.next_seq = None
        self.timestamp = 0.0

    def configure(self, stream):
        """A `notify.stream` came."""
        record = base64.b64decode(stream["avcc"])
        if record == self.record:
            return
        self.record, self.decoder = record, None
        waiting, self.early = self.early, []
        for keyframe, unit in waiting:
            self._decode(keyframe, unit)

    def take(self, message):
        """A message came on the socket. Returns whether it is a keyframe."""
        ensure(len(message) > HEADER.size, "a packet without an access unit")
        seq, timestamp, width, height, codec, flags, reserved = HEADER.unpack_from(message)
        ensure((codec, reserved) == (1, 0), f"codec {codec}, reserved {reserved}")
        ensure(flags & ~1 == 0, f"flags {flags:#x}, of which this client knows bit 0 alone")
        ensure(self.next_seq in (None, seq), f"packet {seq} where {self.next_seq} should come")
        ensure(timestamp >= self.timestamp, f"time goes back from {self.timestamp:.6f} to {timestamp:.6f}")
        self.next_seq, self.timestamp, self.size = (seq + 1) % 2**32, timestamp, [width, height]
        unit = message[HEADER.size :]
        keyframe = bool(flags & 1)
        types = [nal[0] & 31 for nal in units(unit)]
        if keyframe:
            ensure(IDR in types and SPS in types[: types.index(IDR)] and PPS in types[: types.index(IDR)], f"a keyframe of {types}")
        else:
            ensure(IDR not in types, "an IDR without the keyframe flag")
        ensure(len({kind for kind in types if kind in (SLICE, IDR)}) == 1, f"slices of {types}")
        ensure(self.packets > 0 or keyframe, "the first packet is no keyframe")
        self.packets += 1
        self.keyframes += keyframe
        if self.record is None:
            self.early.append((keyframe, unit))
        else:
            self._decode(keyframe, unit)
        return keyframe

    def _decode(self, keyframe, unit):
        if self.decoder is None:
            ensure(keyframe, "a new configuration before a packet that is no keyframe")
            self.decoder = av.CodecContext.create("h264", "r")
            self.decoder.extradata = self.record
            # Neither low delay nor a number of threads is asked for: the client asks for none, and no picture may be held back.
        if keyframe:
            sets = [nal for nal in units(unit) if nal[0] & 31 == SPS]
            told = int.from_bytes(self.record[6:8], "big")
            ensure(sets == [self.record[8 : 8 + told]], "the SPS in band is not that of notify.stream")
        frames = self.decoder.decode(av.Packet(unit))
        ensure(len(frames) == 1, f"an access unit that decodes to {len(frames)} pictures")
        ensure([frames[0].width, frames[0].height] == self.size, "header and picture differ in size")
        self.decoded += 1
        self.picture = frames[0].to_ndarray(format="rgb24")
