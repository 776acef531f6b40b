"""What the live panel costs: training with it against training without, and its frames one by one.

Run `python benchmarks/panel.py --json FILE`. Everything happens in a real kernel, whose messages
this process reads as a front end does. Runs with the panel and without alternate in that kernel;
the ratio is the median over the pairs. Frames are timed at 10,000 steps, where each tells of 300
new steps and one measurement, and sized as they go over the wire, head included.
"""

import argparse
import json
import os
import platform
from pathlib import Path

from jupyter_client.manager import KernelManager

PREPARE = """
import os, statistics, tempfile, time
os.environ["MAASNB_HOME"] = tempfile.mkdtemp()
import maasnb as mb
from maasnb.panels import progress
from maasnb.panels.feed import Feed
from maasnb.panels.training import PROTOCOL, TrainingPanel
from maasnb.records.run import observe

HELLO = {"type": "hello", "protocol": PROTOCOL, "page": "benchmark", "request": 1}
digits = mb.data("digits")
layers = [mb.Dense(64, "relu"), mb.Dense(32, "relu"), mb.Dense(10)]
mb.train  # attaches the progress, which is taken away again
progress.detach()

def watch(run):
    feed = Feed(run)
    run.subscribe(feed.take)
    TrainingPanel(feed)._heard(None, HELLO, [])

def steps_a_second(backend, with_panel):
    net = mb.build(layers, backend=backend, data=digits)
    leave = observe(watch) if with_panel else (lambda: None)
    began = time.perf_counter()
    run = mb.train(net, digits, epochs=EPOCHS)
    leave()
    return run.steps / (time.perf_counter() - began)

def ratio(backend):
    steps_a_second(backend, True), steps_a_second(backend, False)
    ratios = []
    for pair in range(PAIRS):
        order = (True, False) if pair % 2 else (False, True)
        speed = {on: steps_a_second(backend, on) for on in order}
        ratios.append(speed[True] / speed[False])
    return statistics.median(ratios)
"""

FRAMES = """
import json
import numpy as np
from types import SimpleNamespace
from maasnb.events import Measured, Stepped
from maasnb.records.history import History
from ipykernel.kernelbase import Kernel

run = SimpleNamespace(
    name="frames", status="running", steps=0, total_steps=10**6, steps_per_epoch=100, epochs=10**4,
    seconds=1.0, history=History(), settings={"lr": 1e-3}, origin=None, folder=None,
    task=SimpleNamespace(metrics=("accuracy",)), data=SimpleNamespace(name="d"),
    backend=SimpleNamespace(name="torch"),
)
feed = Feed(run)
panel = TrainingPanel(feed)
panel._heard(None, HELLO, [])

def tell(event):
    run.history.add(event)
    run.steps = event.step
    feed.take(event, run)

names = [f"dense{layer}.{part}" for layer in (1, 2, 3) for part in ("weight", "bias")]
tell(
    Stepped(
        step=10_000, time=0.0, losses=tuple(np.random.rand(10_000)), lr=1e-3, samples=32, seconds=1
    )
)
frames = []
feed.connect(frames.append)
times = []
for update in range(200):
    step = run.steps + 300
    norms = dict.fromkeys(names, 1 / 3)
    feed._next = float("inf")  # wait with the frame until the losses are there
    tell(Measured(step=step, time=0.0, gradient_norm=norms, update_ratio=norms))
    event = Stepped(
        step=step, time=0.0, losses=tuple(np.random.rand(300)), lr=1 / 3e3, samples=9600, seconds=1
    )
    run.history.add(event)
    run.steps = step
    feed._next = 0.0
    began = time.perf_counter()
    feed.take(event, run)
    times.append(time.perf_counter() - began)
frame = frames[0]
session = Kernel.instance().session
data = {"method": "custom", "content": frame.content}
message = session.msg("comm_msg", {"data": data, "comm_id": panel.comm.comm_id})
buffers = sum(map(len, frame.buffers))
print(json.dumps({
    "frame ms": 1000 * statistics.median(times),
    "frame bytes": len(json.dumps(frame.content)) + buffers,
    "wire bytes": sum(map(len, session.serialize(message))) + buffers,
}))
"""


class Kernel:
    """Run code in a kernel, and read everything that it says meanwhile."""

    def __init__(self) -> None:
        """Start the kernel."""
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"})
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def run(self, code: str) -> str:
        """Return what a cell printed."""
        said: list[str] = []

        def hook(message: dict) -> None:
            if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
                said.append(message["content"]["text"])
            if message["msg_type"] == "error":
                raise RuntimeError("\n".join(message["content"]["traceback"]))

        self.client.execute_interactive(code, output_hook=hook, timeout=600)
        return "".join(said)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=9)
    # Long enough that a run's beginning, which costs a few milliseconds more, is not what is seen.
    parser.add_argument("--epochs", type=int, default=600)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    kernel = Kernel()
    try:
        kernel.run(f"PAIRS, EPOCHS = {given.pairs}, {given.epochs}\n{PREPARE}")
        rows = {
            f"{backend}, panel on / off": float(kernel.run(f"print(ratio({backend!r}))"))
            for backend in ("torch", "jax")
        }
        rows.update(json.loads(kernel.run(FRAMES)))
    finally:
        kernel.manager.shutdown_kernel(now=True)
    for name, value in rows.items():
        print(f"{name:24} {value:.3f}")
    if given.json:
        machine = {"cores": os.cpu_count(), "python": platform.python_version()}
        given.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
