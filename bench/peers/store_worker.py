"""Reads boxes of zarr arrays with one of the libraries that we are compared with.

    store_worker.py tensorstore|zarr-python

A line of JSON on standard input names a box: {"path", "version": 2 or 3, "start": [...], "shape": [...]}. The array is opened anew and
without caches, outside the clock; then the box is read into a new NumPy array. A line on standard output answers {"ns", "crc32"}.
"""

import json
import os
import sys
import time
import zlib

import numpy as np


def tensorstore():
    import tensorstore as ts

    def opened(path, version):
        spec = {
            "driver": "zarr3" if version == 3 else "zarr",
            "kvstore": {"driver": "file", "path": path},
            "recheck_cached_data": "open",
            # A context of its own: no pool, no cache and no metadata is shared with the box before.
            "context": {"cache_pool": {"total_bytes_limit": 0}},
        }
        return ts.open(spec, read=True, context=ts.Context()).result()

    return opened, lambda array, box: array[box].read().result()


def zarr_python():
    import zarr

    zarr.config.set({"threading.max_workers": os.cpu_count()})
    return lambda path, version: zarr.open_array(path, mode="r", zarr_format=version), lambda array, box: array[box]


def main():
    opened, read = {"tensorstore": tensorstore, "zarr-python": zarr_python}[sys.argv[1]]()
    for line in sys.stdin:
        asked = json.loads(line)
        box = tuple(slice(start, start + n) for start, n in zip(asked["start"], asked["shape"]))
        array = opened(asked["path"], asked["version"])
        before = time.perf_counter_ns()
        answer = read(array, box)
        ns = time.perf_counter_ns() - before
        crc32 = zlib.crc32(np.ascontiguousarray(answer))
        print(json.dumps({"ns": ns, "crc32": crc32}), flush=True)
        del array, answer


if __name__ == "__main__":
    main()
