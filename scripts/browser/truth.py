"""Writes truth.json: what the pictures in golden/data hold, read by zarr-python, which shares no code with the server.

    pip install numpy==2.4.6 zarr==3.1.6
    python scripts/browser/truth.py golden/data > scripts/browser/truth.json

For each image the colours of a grid of blocks as they are to appear with the display windows and channel colours of the file,
added up, and for the time lapse whole planes. All as base64 of bytes, row 0 first.
"""

import base64
import json
import sys
from pathlib import Path

import numpy as np
import zarr

DROPLET_PLANES = [(0, 8), (0, 9), (0, 3), (1, 3)]


def packed(values):
    return base64.b64encode(np.ascontiguousarray(values, dtype=np.uint8).tobytes()).decode()


def blocks(folder, level, count, channels=None):
    """Mean colours of count x count blocks; `channels` picks some, default all."""
    group = zarr.open_group(folder, mode="r")
    data = group[level][:].astype(np.float64)
    picture = np.zeros((*data.shape[1:], 3))
    for index, channel in enumerate(group.attrs["ome"]["omero"]["channels"]):
        if channels is not None and index not in channels:
            continue
        low, high = channel["window"]["start"], channel["window"]["end"]
        colour = np.array([int(channel["color"][i : i + 2], 16) / 255 for i in (0, 2, 4)])
        picture += np.clip((data[index] - low) / (high - low), 0, 1)[..., None] * colour
    height, width = data.shape[1] // count, data.shape[2] // count
    means = np.clip(picture, 0, 1).reshape(count, height, count, width, 3).mean((1, 3))
    return {"count": count, "rgb": packed(np.round(255 * means))}


def main(data):
    fish = data / "fish4c_u16_v05_sharded_blosc.ome.zarr"
    droplet = zarr.open_array(data / "droplet_tzyx_v05_ngffzarr.ome.zarr" / "scale0" / "image", mode="r")[:]
    truth = {
        "ihc": blocks(data / "ihc_rgb_v05_zstd.ome.zarr", "s0", 32),
        "fish": blocks(fish, "s1", 32),
        "fish_ch0": blocks(fish, "s1", 32, [0]),
        "droplet": {
            "shape": droplet.shape[2:],
            "planes": {f"{t},{z}": packed(droplet[t, z]) for t, z in DROPLET_PLANES},
        },
    }
    json.dump(truth, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
