"""What it costs to steer a run: in the background of a notebook, by its learning rate, by a pause.

Run `python benchmarks/control.py background`, `... retraces` or `... latency`.

`background` compares, in a real Jupyter kernel, a run that a cell waits for with the same run in
the background of an idle kernel that is sent five messages a second, each of which sets the
learning rate. `retraces` counts what JAX traces and compiles while the learning rate is set 100
times. `latency` measures how long `run.pause()` takes, and `run.stop()` until the run has ended.
"""

import argparse
import os
import random
import statistics
import subprocess
import tempfile
import threading
import time
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("MAASNB_PANEL", "static")

import maasnb as mb
from benchmarks.sides.workloads import Workload, load
from maasnb.events import Event, Stepped

MESSAGES_A_SECOND = 5
PATIENCE_S = 600

SETUP = """
import maasnb as mb
from benchmarks import control
from maasnb.records.control import steering_from
from IPython import get_ipython

workload, data = control.subject({workload!r}, {framework!r})

def train(**options):
    model = control.model_of(workload, {framework!r})
    return mb.train(model, data, epochs={epochs}, batch=workload.batch, **options)

def steer(comm, opening):
    def heard(message):
        with steering_from("button"):
            if run.status == "running":
                run.set(lr=message["content"]["data"]["lr"])
        comm.send({{"status": run.status, "seconds": run.seconds}})
    comm.on_msg(heard)

get_ipython().kernel.comm_manager.register_target("steer", steer)
train()
"""


def subject(name: str, framework: str) -> tuple[Workload, mb.Data]:
    """Return a workload, and its rows as maasnb's data."""
    workload = load(name, framework)
    labels = [str(number) for number in range(workload.classes)]
    return workload, mb.data(workload.inputs, workload.targets, labels=labels, split=(1, 0, 0))


def model_of(workload: Workload, framework: str) -> Any:
    """Return a fresh model."""
    if framework == "torch":
        from benchmarks.sides.torch_models import make_model
    else:
        from benchmarks.sides.flax_models import make_model
    return make_model(workload)


class Kernel:
    """Hold a real Jupyter kernel, and talk to it as a notebook does."""

    def __init__(self) -> None:
        """Start it."""
        from jupyter_client.manager import start_new_kernel

        self._manager, self._client = start_new_kernel(
            kernel_name="python3", startup_timeout=PATIENCE_S, stderr=subprocess.DEVNULL
        )

    def execute(self, code: str) -> str:
        """Run a cell; return what it printed.

        Raises:
            RuntimeError: the cell failed.
        """
        printed: list[str] = []

        def hear(message: dict[str, Any]) -> None:
            if message["msg_type"] == "stream":
                printed.append(message["content"]["text"])

        reply = self._client.execute_interactive(code, output_hook=hear, timeout=PATIENCE_S)
        if reply["content"]["status"] != "ok":
            raise RuntimeError("\n".join(reply["content"]["traceback"]))
        return "".join(printed)

    def steer(self) -> float:
        """Send messages until the run in the background has ended; return its seconds."""
        self._send("comm_open", {"target_name": "steer"})
        while True:
            began = time.monotonic()
            self._send("comm_msg", {"data": {"lr": random.uniform(0.9e-3, 1.1e-3)}})
            answer = self._answer()
            if answer["status"] != "running":
                return answer["seconds"]
            time.sleep(max(0.0, 1 / MESSAGES_A_SECOND - (time.monotonic() - began)))

    def _send(self, kind: str, content: dict[str, Any]) -> None:
        session, channel = self._client.session, self._client.shell_channel
        channel.send(session.msg(kind, {"comm_id": "benchmark", "data": {}, **content}))

    def _answer(self) -> dict[str, Any]:
        while True:
            message = self._client.get_iopub_msg(timeout=PATIENCE_S)
            if message["msg_type"] == "comm_msg":
                return message["content"]["data"]

    def close(self) -> None:
        """End it."""
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)


def background(framework: str, name: str, pairs: int) -> None:
    """Compare a run in the background with one in the foreground."""
    epochs = 3 * load(name, framework).epochs
    kernel = Kernel()
    try:
        kernel.execute(SETUP.format(workload=name, framework=framework, epochs=epochs))
        found = []
        for number in range(pairs):
            seconds = {}
            for behind in (number % 2 == 0, number % 2 == 1):
                if behind:
                    kernel.execute("run = train(wait=False)")
                    seconds[behind] = kernel.steer()
                else:
                    seconds[behind] = float(kernel.execute("run = train()\nprint(run.seconds)"))
            found.append(seconds[False] / seconds[True])
            print(f"  in front {seconds[False]:.2f} s, behind {seconds[True]:.2f} s", flush=True)
    finally:
        kernel.close()
    print(
        f"{framework} {name}: in the background at {statistics.median(found):.3f} of the speed in "
        f"the foreground (median of {pairs} pairs; goal 0.95)"
    )


def retraces(name: str, changes: int) -> None:
    """Count what JAX traces and compiles while the learning rate changes."""
    import jax

    counted: list[str] = []
    rates = iter([1e-3 * random.uniform(0.5, 1.5) for _ in range(changes)])
    workload, data = subject(name, "jax")

    def change(event: Event, run: mb.Run) -> None:
        rate = next(rates, None) if isinstance(event, Stepped) else None
        if rate is not None:
            run.set(lr=rate)

    def train(on_event: Any) -> mb.Run:
        model = model_of(workload, "jax")
        epochs = 3 * workload.epochs
        return mb.train(model, data, epochs=epochs, batch=workload.batch, on_event=on_event)

    jax.monitoring.register_event_duration_secs_listener(
        lambda event, _, **__: counted.append(event)
    )
    train(None)
    counts = []
    for on_event in (None, change):
        counted.clear()
        run = train(on_event)
        kinds = ("jaxpr_trace", "backend_compile")
        counts.append([sum(kind in event for event in counted) for kind in kinds])
    (traced, compiled), (traced_more, compiled_more) = counts
    print(
        f"jax {name}: {len(run.history.interventions)} changes of the learning rate, "
        f"{traced_more - traced} retraces and {compiled_more - compiled} compilations more than a "
        f"run without (which traces {traced} and compiles {compiled}; goal 0)"
    )


def latency(framework: str, name: str, times: int) -> None:
    """Measure pauses at random moments, and stops."""
    workload, data = subject(name, framework)
    moments, pauses, stops = random.Random(0), [], []
    for _ in range(max(times // 5, 1)):
        stepped = threading.Semaphore(0)

        def hear(event: Event, run: mb.Run, stepped: Any = stepped) -> None:
            if isinstance(event, Stepped):
                stepped.release()

        model = model_of(workload, framework)
        run = mb.train(
            model,
            data,
            epochs=100 * workload.epochs,
            batch=workload.batch,
            wait=False,
            on_event=hear,
        )
        for number in range(6):
            for _ in range(moments.randint(5, 15)):
                stepped.acquire(timeout=PATIENCE_S)
            began = time.perf_counter()
            if number == 5:
                run.stop()
                run.wait()
                stops.append(time.perf_counter() - began)
            else:
                run.pause()
                pauses.append(time.perf_counter() - began)
                run.resume()
                while stepped.acquire(blocking=False):
                    pass
    for what, found in (("pause", pauses), ("stop and final checkpoint", stops)):
        print(
            f"{framework} {name}: {what} {statistics.median(found) * 1e3:.0f} ms (median of "
            f"{len(found)}), {max(found) * 1e3:.0f} ms (longest; goal 250 ms)"
        )


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("background", "retraces", "latency"))
    parser.add_argument("--framework", choices=("torch", "jax"), help="by default both")
    parser.add_argument("--workload", default="digits-mlp", help="default digits-mlp")
    parser.add_argument("--times", type=int, help="pairs (5), changes (100) or pauses (20)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["MAASNB_HOME"] = home
        if options.what == "retraces":
            retraces(options.workload, options.times or 100)
            return
        for framework in [options.framework] if options.framework else ["torch", "jax"]:
            if options.what == "background":
                background(framework, options.workload, options.times or 5)
            else:
                latency(framework, options.workload, options.times or 20)


if __name__ == "__main__":
    main()
