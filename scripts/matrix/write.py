"""Writes the matrix of formats: arrays of every element type through every codec, order, separator, version and kind of shard, and a few
whole images, next to raw copies of what is in them.

    write.py OUT             folders, as zarr writes them
    write.py --small FILE    a few of them, small, with all their files in one JSON document

OUT/manifest.json lists them: {"arrays": [{"path", "dtype", "shape", "chunk", "truth"}], "images": [{"path", "dtype", "levels": [...]}]}.
A truth is the array in C order and little-endian, nothing else.
"""

import argparse
import base64
import itertools
import json
import shutil
import tempfile
import warnings
from pathlib import Path

import numcodecs
import numpy as np
import zarr
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, ShardingCodec, TransposeCodec, ZstdCodec

warnings.filterwarnings("ignore")

DTYPES = ["bool", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]
FILL = 3


def truth_of(dtype, shape):
    """Values over the whole range of the type that compress a little, and a corner of the fill value, large enough that whole chunks of
    it are not written."""
    dtype = np.dtype(dtype)
    random = np.random.default_rng(DTYPES.index(dtype.name if dtype.kind == "b" else f"{dtype.kind}{dtype.itemsize}"))
    if dtype.kind == "b":
        values = random.integers(0, 2, shape).astype(bool)
    elif dtype.kind == "f":
        info = np.finfo(dtype)
        values = (random.standard_normal(shape) * 1000).astype(dtype)
        special = [np.nan, np.inf, -np.inf, info.max, info.tiny, info.smallest_subnormal, -0.0]
        values.reshape(-1)[: len(special)] = special
    else:
        info = np.iinfo(dtype)
        values = random.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
        # Runs, so that codecs have something to do.
        values[..., ::2] = values[..., :1]
        values.reshape(-1)[:2] = [info.min, info.max]
    cut = tuple(slice(n // 2, None) for n in shape)
    values[cut] = FILL
    return values


def v2_codecs(dtype):
    """Name, filters and compressor, of those that v2 knows and that take this type."""
    dtype = np.dtype(dtype)
    yield "raw", None, None
    for cname, shuffle in itertools.product(["lz4", "lz4hc", "zstd", "zlib", "blosclz"], [0, 1, 2]):
        yield f"blosc-{cname}-{shuffle}", None, numcodecs.Blosc(cname, 5, shuffle)
    yield "gzip", None, numcodecs.GZip(5)
    yield "zlib", None, numcodecs.Zlib(5)
    yield "zstd", None, numcodecs.Zstd(3)
    yield "zstd-checksum", None, numcodecs.Zstd(3, checksum=True)
    yield "bz2", None, numcodecs.BZ2(5)
    yield "lz4", None, numcodecs.LZ4()
    yield "lzma", None, numcodecs.LZMA(preset=1)
    yield "shuffle-zlib", [numcodecs.Shuffle(dtype.itemsize)], numcodecs.Zlib(1)
    yield "fletcher32", [numcodecs.Fletcher32()], None
    yield "adler32", [numcodecs.Adler32()], numcodecs.Zstd(1)
    if dtype.kind in "iu":
        yield "delta-zstd", [numcodecs.Delta(dtype)], numcodecs.Zstd(3)
        yield "delta-raw", [numcodecs.Delta(dtype)], None
    # Of single bytes, which have no byte order, the codec library reads nothing wider.
    if dtype.kind in "iu" and 1 < dtype.itemsize < 8:
        wide = np.dtype(f"{dtype.byteorder}{dtype.kind}{dtype.itemsize * 2}")
        yield "delta-wide", [numcodecs.Delta(dtype, astype=wide)], numcodecs.Blosc("lz4")


def v3_codecs(dtype):
    """Name, array-to-array codecs, byte order and bytes-to-bytes codecs."""
    dtype = np.dtype(dtype)
    little = "little"
    yield "raw", [], little, []
    yield "big", [], "big", []
    shuffles = ["noshuffle", "shuffle", "bitshuffle"]
    for cname, shuffle in itertools.product(["lz4", "lz4hc", "zstd", "zlib", "blosclz"], shuffles):
        yield f"blosc-{cname}-{shuffle}", [], little, [BloscCodec(cname=cname, clevel=5, shuffle=shuffle, typesize=dtype.itemsize)]
    yield "gzip", [], little, [GzipCodec(level=5)]
    yield "zstd", [], little, [ZstdCodec(level=3)]
    yield "zstd-checksum", [], "big", [ZstdCodec(level=3, checksum=True)]
    yield "crc32c", [], little, [Crc32cCodec()]
    yield "zstd-crc32c", [], little, [ZstdCodec(level=1), Crc32cCodec()]
    yield "transposed", [TransposeCodec(order=(2, 1, 0))], little, [ZstdCodec(level=1)]
    yield "turned", [TransposeCodec(order=(1, 2, 0))], "big", [BloscCodec(cname="lz4", clevel=3, shuffle="shuffle", typesize=dtype.itemsize)]
    for name in ["zlib", "bz2", "lz4"]:
        codec = {"zlib": zarr.codecs.numcodecs.Zlib, "bz2": zarr.codecs.numcodecs.BZ2, "lz4": zarr.codecs.numcodecs.LZ4}[name]
        yield f"numcodecs-{name}", [], little, [codec()]
    if dtype.kind in "iu":
        yield "numcodecs-delta", [zarr.codecs.numcodecs.Delta(dtype=dtype.str)], little, [ZstdCodec(level=1)]


class Writer:
    def __init__(self, out, shape, chunk, shard):
        self.out, self.shape, self.chunk, self.shard = out, shape, chunk, shard
        self.arrays, self.images, self.truths = [], [], {}

    def truth(self, dtype):
        """The values, in native byte order, and the file that holds them."""
        dtype = np.dtype(dtype).newbyteorder("=")
        if dtype.name not in self.truths:
            values = truth_of(dtype, self.shape)
            file = f"truth/{dtype.name}.raw"
            (self.out / "truth").mkdir(exist_ok=True)
            (self.out / file).write_bytes(values.astype(dtype.newbyteorder("<")).tobytes())
            self.truths[dtype.name] = values, file
        return self.truths[dtype.name]

    def note(self, path, dtype, chunk):
        dtype = np.dtype(dtype)
        self.arrays.append({"path": path, "dtype": dtype.name, "shape": self.shape, "chunk": chunk, "truth": self.truth(dtype)[1]})

    def v2(self, dtype, codec, order, separator, fill):
        name, filters, compressor = codec
        dtype = np.dtype(dtype)
        path = f"v2/{dtype.name}-{'big' if dtype.str[0] == '>' else 'le'}-{name}-{order}-{'dot' if separator == '.' else 'slash'}-{fill}"
        array = zarr.create_array(
            str(self.out / path),
            shape=self.shape,
            chunks=self.chunk,
            dtype=dtype,
            filters=filters,
            compressors=compressor,
            order=order,
            fill_value=fill,
            zarr_format=2,
            chunk_key_encoding={"name": "v2", "separator": separator},
            config={"write_empty_chunks": False},
        )
        self.write(array, path, dtype, self.chunk)

    def v3(self, dtype, codec, encoding, separator, shards, fill):
        name, before, endian, after = codec
        dtype = np.dtype(dtype)
        path = f"v3/{dtype.name}-{name}-{encoding}-{'dot' if separator == '.' else 'slash'}-{shards or 'chunks'}-{fill}"
        serializer, filters, compressors, chunk = BytesCodec(endian=endian), before, after, self.chunk
        if shards:
            location = "start" if shards == "start" else "end"
            inner = [*before, serializer, *after]
            serializer = ShardingCodec(chunk_shape=self.shard, codecs=inner, index_location=location)
            filters, compressors, chunk = [], [], self.shard
        array = zarr.create_array(
            str(self.out / path),
            shape=self.shape,
            chunks=self.chunk,
            dtype=dtype,
            filters=filters or None,
            serializer=serializer,
            compressors=compressors or None,
            fill_value=fill if dtype.kind != "b" else bool(fill),
            zarr_format=3,
            chunk_key_encoding={"name": encoding, "separator": separator},
            config={"write_empty_chunks": False},
        )
        self.write(array, path, dtype, chunk)

    def write(self, array, path, dtype, chunk):
        values, _ = self.truth(dtype)
        array[...] = values
        # What is compared with must be what they read, too.
        assert array[...].tobytes() == values.astype(array.dtype).tobytes(), path
        self.note(path, dtype, chunk)

    def image(self, path, version, shape, axes, **more):
        """An image as ome-zarr writes it, with its own downscaling."""
        from ome_zarr.format import format_from_version
        from ome_zarr.scale import Scaler
        from ome_zarr.writer import write_image

        values = truth_of("u2", shape)
        group = zarr.open_group(str(self.out / path), mode="w", zarr_format=2 if version == "0.4" else 3)
        scaler = Scaler(max_layer=2)
        write_image(values, group, axes=axes, scaler=scaler, fmt=format_from_version(version), **more)
        levels = []
        for dataset in sorted(p.name for p in (self.out / path).iterdir() if p.is_dir()):
            level = zarr.open_array(str(self.out / path / dataset), mode="r")
            file = f"truth/{path.replace('/', '-')}-{dataset}.raw"
            (self.out / file).write_bytes(level[...].astype("<u2").tobytes())
            levels.append({"path": dataset, "shape": level.shape, "truth": file})
        self.images.append({"path": path, "version": version, "axes": axes, "dtype": "uint16", "levels": levels})

    def finish(self):
        manifest = {"arrays": self.arrays, "images": self.images}
        (self.out / "manifest.json").write_text(json.dumps(manifest, indent=1))


def endian(dtype, big):
    dtype = np.dtype(dtype)
    return dtype.newbyteorder(">" if big else "<") if dtype.itemsize > 1 else dtype


def everything(out):
    """Every codec with several types, orders and separators: the other choices go round, at different lengths, so that each meets each."""
    writer = Writer(out, [5, 40, 50], [2, 16, 20], [1, 8, 10])
    orders, separators, fills = itertools.cycle("CCF"), itertools.cycle(".//."), itertools.cycle([0, FILL, None, 0, FILL])
    for i, dtype in enumerate(DTYPES):
        for j, codec in enumerate(v2_codecs(endian(dtype, False))):
            big = (i + j) % 3 == 0
            codec = list(v2_codecs(endian(dtype, big)))[j]
            if (i + j) % 2 == 0 or codec[0] == "raw" or codec[0].startswith(("delta", "lz")):
                writer.v2(endian(dtype, big), codec, next(orders), next(separators), next(fills))
    encodings = itertools.cycle([("default", "/"), ("v2", "."), ("default", "."), ("v2", "/"), ("default", "/")])
    shards, fills = itertools.cycle([None, "end", "start", None, "end", None, "start"]), itertools.cycle([0, FILL, 0])
    for i, dtype in enumerate(DTYPES):
        for j, codec in enumerate(v3_codecs(dtype)):
            if (i + j) % 2 == 0 or codec[0] in ("raw", "big", "zstd") or codec[0].startswith("numcodecs"):
                writer.v3(dtype, codec, *next(encodings), next(shards), next(fills))
    for version, suffix in [("0.4", "v04"), ("0.5", "v05")]:
        writer.image(f"images/zyx-{suffix}", version, [6, 40, 50], "zyx")
        writer.image(f"images/tczyx-{suffix}", version, [2, 3, 4, 40, 50], "tczyx")
        writer.image(f"images/yx-{suffix}", version, [64, 48], "yx")
    writer.finish()
    print(f"{len(writer.arrays)} arrays, {len(writer.images)} images")


def small(file):
    """One array of every type, and every kind of codec once."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        writer = Writer(out, [3, 9, 11], [2, 5, 6], [1, 5, 2])
        v2 = [
            ("bool", "blosc-lz4-1", "C", "/"), ("u1", "lz4", "C", "."), (">u2", "zlib", "F", "/"), ("<u4", "delta-zstd", "C", "."),
            (">u8", "blosc-zstd-2", "F", "."), ("i1", "bz2", "C", "/"), ("<i2", "delta-wide", "F", "/"), (">i4", "gzip", "C", "."),
            ("<i8", "shuffle-zlib", "C", "/"), (">f2", "raw", "F", "."), ("<f4", "lz4", "C", "/"), (">f8", "zstd-checksum", "F", "/"),
            ("<u2", "lzma", "C", "."), ("<u2", "blosc-blosclz-1", "C", "/"),
        ]
        for i, (dtype, codec, order, separator) in enumerate(v2):
            chosen = [c for c in v2_codecs(np.dtype(dtype)) if c[0] == codec]
            writer.v2(np.dtype(dtype), chosen[0], order, separator, [0, FILL, None][i % 3])
        v3 = [
            ("bool", "zstd", "default", "/", "end"), ("u1", "crc32c", "v2", ".", None), ("u2", "blosc-lz4-shuffle", "default", "/", "end"),
            ("u4", "turned", "default", ".", None), ("u8", "big", "v2", "/", None), ("i1", "gzip", "default", "/", "start"),
            ("i2", "transposed", "default", "/", "end"), ("i4", "zstd-crc32c", "default", "/", None), ("i8", "raw", "default", "/", "start"),
            ("f2", "zstd-checksum", "default", "/", None), ("f4", "blosc-zstd-bitshuffle", "default", "/", "start"), ("f8", "raw", "default", "/", None),
            ("u2", "numcodecs-lz4", "default", "/", None), ("i2", "numcodecs-delta", "default", "/", None),
        ]
        for i, (dtype, codec, encoding, separator, shards) in enumerate(v3):
            chosen = [c for c in v3_codecs(dtype) if c[0] == codec]
            writer.v3(dtype, chosen[0], encoding, separator, shards, [0, FILL][i % 2])
        writer.finish()
        files = {str(p.relative_to(out)): base64.b64encode(p.read_bytes()).decode() for p in sorted(out.rglob("*")) if p.is_file()}
        Path(file).write_text(json.dumps(files, indent=0, sort_keys=True) + "\n")
        print(f"{len(writer.arrays)} arrays, {Path(file).stat().st_size} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    if args.small:
        small(args.out)
    else:
        shutil.rmtree(args.out, ignore_errors=True)
        args.out.mkdir(parents=True)
        everything(args.out)


if __name__ == "__main__":
    main()
