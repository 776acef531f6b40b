"""How much memory a training on shards takes: a set of 2 GB in a kernel of a few hundred MB.

python benchmarks/shards.py [gigabytes]

The set is written from a generator, then a process of its own trains one epoch on it. Told are its
memory (the largest resident set) above that of the same process after it has trained on a small set
in memory, so that the framework's own memory is left out, and the time of an epoch.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import maasnb as mb

COLUMNS, ROWS = 784, 1024
TRAIN = """
import json, resource, sys, time
import numpy as np
import maasnb as mb

def peak_mb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024

x = np.random.default_rng(0).normal(size=(2048, 784)).astype(np.float32)
small = mb.data(x, np.arange(2048) % 10)
layers = [mb.Dense(32, "relu"), mb.Dense(10)]
mb.train(mb.build(layers, data=small, backend=sys.argv[2]), small, epochs=1, batch=256)
before, began = peak_mb(), time.perf_counter()
data = mb.data(sys.argv[1] + "/")
run = mb.train(mb.build(layers, data=data, backend=sys.argv[2]), data, epochs=1, batch=256)
print(json.dumps({"framework_mb": round(before), "above_mb": round(peak_mb() - before),
                  "steps": run.steps, "seconds": round(time.perf_counter() - began, 1)}))
"""


def batches(count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield batches of pixels that compress as photographs of digits do: mostly background."""
    random = np.random.default_rng(0)
    for _ in range(count):
        y = random.integers(0, 10, ROWS)
        x = random.random((ROWS, COLUMNS), np.float32) * (random.random((ROWS, COLUMNS)) < 0.2)
        x[np.arange(ROWS), y] = 5
        yield x.astype(np.float32), y


def main(gigabytes: float = 2.0) -> None:
    """Write, train with both backends, and tell."""
    count = round(gigabytes * 1e9 / (ROWS * COLUMNS * 4))
    with tempfile.TemporaryDirectory() as folder:
        held = next(iter(batches(1)))
        began = time.perf_counter()
        source = mb.data(lambda: batches(count), validation=held, labels=list("0123456789"))
        shards = source.to_shards(Path(folder) / "shards")
        packed = sum(each.stat().st_size for each in shards.iterdir())
        print(
            f"{count * ROWS * COLUMNS * 4 / 1e9:.2f} GB written as {packed / 1e9:.2f} GB "
            f"in {time.perf_counter() - began:.0f} s"
        )
        for backend in ("torch", "jax"):
            done = subprocess.run(
                [sys.executable, "-P", "-c", TRAIN, str(shards), backend],
                capture_output=True,
                text=True,
                check=True,
                env={**os.environ, "MAASNB_HOME": folder, "OMP_WAIT_POLICY": "PASSIVE"},
            )
            found = json.loads(done.stdout.splitlines()[-1])
            print(
                f"{backend}: {found['above_mb']} MB above the {found['framework_mb']} MB of the "
                f"framework; {found['steps']} steps in {found['seconds']} s"
            )


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
