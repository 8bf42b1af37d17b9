"""Writes the image that reading speed is measured on, once in each format.

    store_data.py FOLDER [--quick]

A volume of u16 with the look of a microscope's: smooth blobs on a background, with the noise of counted light, so that it halves when it
is compressed. Chunks are 64 along each axis, shards 256. Whatever is there already is kept.
"""

import argparse
import json
import pathlib
import shutil
import sys

import numpy as np
import tensorstore as ts

CHUNK, SHARD = 64, 256
BLOSC = {"cname": "lz4", "clevel": 5, "blocksize": 0}
BYTES = {"name": "bytes", "configuration": {"endian": "little"}}
BLOSC3 = {"name": "blosc", "configuration": {**BLOSC, "shuffle": "shuffle", "typesize": 2}}
ZSTD3 = {"name": "zstd", "configuration": {"level": 3, "checksum": False}}


def sharded(codec):
    index = [BYTES, {"name": "crc32c"}]
    inner = {"chunk_shape": [CHUNK] * 3, "codecs": [BYTES, codec], "index_codecs": index, "index_location": "end"}
    return [{"name": "sharding_indexed", "configuration": inner}]


def v3(shape, chunk, codecs):
    grid = {"name": "regular", "configuration": {"chunk_shape": [chunk] * 3}}
    return {"driver": "zarr3", "metadata": {"shape": shape, "data_type": "uint16", "chunk_grid": grid, "codecs": codecs}}


def formats(shape):
    """Name to tensorstore spec."""
    v2 = {"shape": shape, "chunks": [CHUNK] * 3, "dtype": "<u2", "dimension_separator": "/"}
    v2["compressor"] = {"id": "blosc", "shuffle": 1, **BLOSC}
    return {
        "v2-lz4": {"driver": "zarr", "metadata": v2},
        "v3-zstd": v3(shape, CHUNK, [BYTES, ZSTD3]),
        "v3-lz4-sharded": v3(shape, SHARD, sharded(BLOSC3)),
        "v3-zstd-sharded": v3(shape, SHARD, sharded(ZSTD3)),
    }


def blobs(random, shape):
    """Centres and widths; bright ones are few, as they are in most images."""
    count = int(np.prod([float(n) for n in shape]) / 200_000)
    centres = random.uniform(0, shape, (count, 3))
    return centres, random.uniform(6, 14, count), random.uniform(200, 2000, count)


def slab(z0, depth, shape, cells, random):
    """`depth` planes from `z0`, as expected counts with their noise."""
    light = np.full((depth, *shape[1:]), 110.0, np.float32)
    for centre, width, bright in zip(*cells):
        reach = 3 * width
        low = np.maximum(np.floor(centre - reach).astype(int), [z0, 0, 0])
        high = np.minimum(np.ceil(centre + reach).astype(int) + 1, [z0 + depth, *shape[1:]])
        if (low >= high).any():
            continue
        ramps = [np.exp(-0.5 * ((np.arange(a, b) - c) / width) ** 2) for a, b, c in zip(low, high, centre)]
        bell = np.einsum("i,j,k->ijk", *(ramp.astype(np.float32) for ramp in ramps))
        light[low[0] - z0 : high[0] - z0, low[1] : high[1], low[2] : high[2]] += bright * bell
    # A normal distribution as wide as the count's own stands for Poisson's, at a fraction of its cost.
    light += np.sqrt(light) * random.standard_normal(light.shape, np.float32)
    return np.clip(np.rint(light), 0, 65535).astype(np.uint16)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folder", type=pathlib.Path)
    arguments.add_argument("--quick", action="store_true", help="an eighth of the size")
    arguments = arguments.parse_args()
    shape = [128, 1024, 1024] if arguments.quick else [256, 2048, 2048]
    wanted = {"shape": shape, "version": 2}
    note = arguments.folder / "made.json"
    if note.exists() and json.loads(note.read_text()) == wanted:
        return
    raw = 2 * int(np.prod(shape))
    arguments.folder.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(arguments.folder.parent).free
    if free < 4 * raw:
        sys.exit(f"{arguments.folder}: {free >> 20} MiB free, {4 * raw >> 20} needed: make room or name another folder")
    shutil.rmtree(arguments.folder, ignore_errors=True)
    arguments.folder.mkdir()
    stores = []
    for name, spec in formats(shape).items():
        kvstore = {"driver": "file", "path": str(arguments.folder / name)}
        stores.append(ts.open({**spec, "kvstore": kvstore}, create=True).result())
    random = np.random.default_rng(4)
    cells = blobs(random, shape)
    depth = min(SHARD, shape[0])
    # By columns of shards, so that each shard is written once; noise is drawn by slab to bound the memory.
    whole = np.empty(shape, np.uint16)
    for z in range(0, depth, 16):
        whole[z : z + 16] = slab(z, 16, shape, cells, random)
    for store in stores:
        for y in range(0, shape[1], SHARD):
            store[:, y : y + SHARD].write(whole[:, y : y + SHARD]).result()
    stored = sum(f.stat().st_size for f in (arguments.folder / "v2-lz4").rglob("*") if f.is_file())
    print(f"{arguments.folder}: {raw >> 20} MiB in {len(stores)} formats, lz4 makes 1 / {raw / stored:.2f} of it")
    note.write_text(json.dumps(wanted))


if __name__ == "__main__":
    main()
