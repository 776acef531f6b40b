"""How fast maasnb serves, as ratios to other servers of the same models in the same run.

Run `make bench-serve`, which installs the other projects before. Every server of a case runs from
the beginning and waits while another is asked; the rounds go around the servers in an order that
alternates, and a row's ratio is the median over the rounds. All answer the same request with the
same ONNX program and as many threads; maasnb checks a token and the request, and runs the recipe.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.servers.models import LARGE, SMALL, Model, make_model
from benchmarks.servers.processes import Server, ask
from maasnb.artifacts.artifact import Artifact
from maasnb.client.http import Connection
from maasnb.client.uploads import upload

THREADS = 1
PACKAGES = ("maasnb", "onnxruntime", "uvicorn", "uvloop", "httptools", "orjson", "numpy")
Measured = dict[str, list[dict[str, float]]]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """Say what a case is to reach: a ratio of ours to theirs, at least or at most."""

    metric: str
    against: str
    wanted: float
    at_most: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Hold one measured figure.

    Attributes:
        case: what was measured.
        metric: of what: `rps`, `p99`, `cpu` (seconds of processor for a request), or what the case
            is about.
        against: the other side; `limit` where the figure is none of two servers.
        ratio: the median over rounds of our figure by the other's, or the figure itself.
        quartiles: between which the middle half of the rounds lies.
        rounds: how many rounds that is of.
        ours: the median of our figures.
        other: the median of the other's figures.
        goal: what is wanted: at least, or where `at_most` is set at most.
        at_most: whether less is better.
        met: whether the goal is met.
    """

    case: str
    metric: str
    against: str
    ratio: float
    quartiles: tuple[float, float]
    rounds: int
    ours: float
    other: float | None
    goal: float
    at_most: bool
    met: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Say how servers are compared."""

    sizes: tuple[int, ...]
    connections: int
    goals: tuple[Goal, ...]
    batched: bool = False


def goals(*each: tuple[str, str, float]) -> tuple[Goal, ...]:
    """Return goals; where less is better at most, else at least."""
    return tuple(
        Goal(metric=metric, against=against, wanted=wanted, at_most=metric in ("p99", "cpu"))
        for metric, against, wanted in each
    )


JSON_GOALS = (
    ("rps", "mlserver", 5.0),
    ("rps", "litserve", 8.0),
    ("rps", "static", 0.3),
    ("cpu", "mlserver", 0.2),
    ("rps", "mlserver-default", 5.0),
    ("cpu", "mlserver-default", 0.2),
)
CASES = {
    "mlp-json-c1": Case(sizes=SMALL, connections=1, goals=goals(*JSON_GOALS)),
    "mlp-json-c16": Case(
        sizes=SMALL,
        connections=16,
        goals=goals(*JSON_GOALS, ("p99", "mlserver", 1.0), ("p99", "mlserver-default", 1.0)),
    ),
    "batch-c1": Case(
        sizes=LARGE, connections=1, goals=goals(("rps", "unbatched", 0.9)), batched=True
    ),
    "batch-c32": Case(
        sizes=LARGE,
        connections=32,
        goals=goals(
            ("rps", "unbatched", 3.0), ("rps", "mlserver", 4.0), ("rps", "mlserver-default", 4.0)
        ),
        batched=True,
    ),
}


def compared(name: str, case: Case, options: argparse.Namespace) -> Iterator[Row]:
    """Yield the rows of a case that compares servers."""
    wanted = [goal for goal in case.goals if goal.against in (options.against or [goal.against])]
    names = ["maasnb", *dict.fromkeys(goal.against for goal in wanted)]
    if len(names) == 1:
        return
    with contextlib.ExitStack() as ends:
        folder = Path(ends.enter_context(tempfile.TemporaryDirectory(prefix="bench-serve-")))
        model = make_model(case.sizes, batched=case.batched)
        servers = [
            ends.enter_context(Server(each, model, folder / each, options.peers, THREADS))
            for each in names
        ]
        found: Measured = {each: [] for each in names}
        for number in range(options.rounds):
            for server in servers if number % 2 else servers[::-1]:
                found[server.name].append(asked(server, case.connections, options.seconds))
    for goal in wanted:
        yield row_of(name, goal, found)


def asked(server: Server, connections: int, seconds: float) -> dict[str, float]:
    """Ask a server for some seconds and return what came of it."""
    before = server.cpu_s()
    process = ask(server, connections=connections, seconds=seconds)
    said, _ = process.communicate()
    result = json.loads(said)
    if result["failed"]:
        message = f"{server.name} failed {result['failed']} requests."
        raise RuntimeError(message)
    # The warm-up's requests are in the processor time, and in the time that it is divided by.
    share = seconds / (seconds + 0.3)
    cpu = (server.cpu_s() - before) * share / max(result["requests"], 1)
    return {"rps": result["rps"], "p99": result["p99"], "cpu": cpu}


def row_of(case: str, goal: Goal, found: Measured) -> Row:
    """Return the row of a goal."""
    ours = [each[goal.metric] for each in found["maasnb"]]
    other = [each[goal.metric] for each in found[goal.against]]
    ratios = [
        mine / theirs if theirs else float("inf") for mine, theirs in zip(ours, other, strict=True)
    ]
    ratio = statistics.median(ratios)
    low, _, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else [ratio] * 3
    return Row(
        case=case,
        metric=goal.metric,
        against=goal.against,
        ratio=round(ratio, 3),
        quartiles=(round(low, 3), round(high, 3)),
        rounds=len(ratios),
        ours=statistics.median(ours),
        other=statistics.median(other),
        goal=goal.wanted,
        at_most=goal.at_most,
        met=ratio <= goal.wanted if goal.at_most else ratio >= goal.wanted,
    )


def limited(case: str, metric: str, figures: list[float], limit: float) -> Row:
    """Return the row of a figure that has a limit."""
    middle = statistics.median(figures)
    return Row(
        case=case,
        metric=metric,
        against="limit",
        ratio=round(middle, 4),
        quartiles=(round(min(figures), 4), round(max(figures), 4)),
        rounds=len(figures),
        ours=middle,
        other=None,
        goal=limit,
        at_most=True,
        met=max(figures) <= limit,
    )


@contextlib.contextmanager
def our_server(model: Model, options: argparse.Namespace) -> Iterator[Server]:
    """Run maasnb's server with a model."""
    with tempfile.TemporaryDirectory(prefix="bench-serve-") as folder:
        with Server("maasnb", model, Path(folder) / "maasnb", options.peers, THREADS) as server:
            yield server


def published(options: argparse.Namespace) -> Iterator[Row]:
    """Publish a model of about 10 MB again and again, each time with weights of its own."""
    first = make_model(LARGE)
    seconds, again = [], []
    with our_server(first, options) as server:
        for number in range(options.rounds):
            artifact = make_model(LARGE, seed=number + 1).artifact
            seconds.append(timed(server, artifact))
            again.append(float(sent_again(server, artifact)))
    yield limited("publish", "seconds", seconds, 1.0)
    yield limited("publish", "bytes-sent-again", again, 0.0)


def timed(server: Server, artifact: Artifact) -> float:
    """Return how long it takes to publish an artifact."""
    connection = Connection(server.url, server.token)
    began = time.perf_counter()
    upload(artifact, connection)
    took = time.perf_counter() - began
    connection.close()
    return took


def sent_again(server: Server, artifact: Artifact) -> int:
    """Publish once more, and return how many bytes of blobs were sent."""
    connection = Connection(server.url, server.token)
    sent: list[int] = []
    request = connection._client.send

    def counting(asked: httpx.Request, **more: Any) -> httpx.Response:
        if asked.method == "PUT":
            sent.append(int(asked.headers.get("content-length", 0)))
        return request(asked, **more)

    connection._client.send = counting
    upload(artifact, connection)
    connection.close()
    return sum(sent)


def promoted(options: argparse.Namespace) -> Iterator[Row]:
    """Move the alias `prod` to a new version and back while 200 requests come each second."""
    failed, seconds = [], []
    with our_server(make_model(SMALL), options) as server:
        connection = Connection(server.url, server.token)
        upload(make_model(SMALL, seed=1).artifact, connection)
        connection.close()
        move(server, 1)
        for number in range(options.rounds):
            version = 2 - number % 2
            mark = f'"model_version":"{version}"'
            load = ask(server, connections=4, seconds=options.seconds, rate=200.0, mark=mark)
            time.sleep(0.3 + options.seconds / 2)
            began = time.time()
            move(server, version)
            said, _ = load.communicate()
            result = json.loads(said)
            failed.append(float(result["failed"]))
            seconds.append((result["mark"] or float("inf")) - began)
    yield limited("promote", "failed", failed, 0.0)
    yield limited("promote", "seconds", seconds, 0.25)


def move(server: Server, version: int) -> None:
    """Point the alias `prod` to a version."""
    answer = httpx.put(
        f"{server.url}/maas/v1/models/mlp/aliases/prod",
        json={"version": version},
        headers={"authorization": f"Bearer {server.token}"},
    )
    answer.raise_for_status()


def soaked(options: argparse.Namespace) -> Iterator[Row]:
    """Ask at four fifths of what the server can do, and see whether its memory stays."""
    with our_server(make_model(SMALL), options) as server:
        most = asked(server, 16, options.seconds)["rps"]
        minute = options.soak_s / 10
        load = ask(server, connections=16, seconds=options.soak_s, rate=0.8 * most)
        memory: list[tuple[float, int]] = []
        began = time.monotonic()
        while load.poll() is None:
            memory.append((time.monotonic() - began, server.resident_bytes()))
            time.sleep(minute / 20)
        assert load.stdout is not None
        result = json.loads(load.stdout.read())
    second = np.mean([held for when, held in memory if minute <= when < 2 * minute])
    last = np.mean([held for when, held in memory if when >= options.soak_s - minute])
    yield limited("soak", "memory-growth", [float(last / second - 1)], 0.05)
    yield limited("soak", "failed", [float(result["failed"])], 0.0)


Measure = Callable[[argparse.Namespace], Iterator[Row]]
ALONE: dict[str, Measure] = {"publish": published, "promote": promoted, "soak": soaked}


def machine(peers: Path) -> dict[str, object]:
    """Return what the figures were measured on."""
    versions = {name: metadata.version(name) for name in PACKAGES}
    for name in ("mlserver", "litserve"):
        found = list(peers.parent.parent.glob(f"lib/python*/site-packages/{name}-*.dist-info"))
        versions |= (
            {name: found[0].name.removesuffix(".dist-info").partition("-")[2]} if found else {}
        )
    lines = (
        Path("/proc/cpuinfo").read_text().splitlines() if os.path.exists("/proc/cpuinfo") else []
    )
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.machine(),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "omp_wait_policy": "PASSIVE",
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
        "threads_of_a_run": THREADS,
        "versions": versions,
    }


HEAD = (
    f"{'case':<13} {'metric':<17} {'against':<16} {'ratio':>9} {'middle half':>17} {'ours':>11} "
    f"{'other':>11} {'goal':>8} {'met':>4}"
)


def shown(row: Row) -> str:
    """Return a row as a line of the table."""
    spread = f"{row.quartiles[0]:.3f}-{row.quartiles[1]:.3f}"
    other = "-" if row.other is None else f"{row.other:.5g}"
    goal = f"{'<=' if row.at_most else '>='}{row.goal:g}"
    names = f"{row.case:<13} {row.metric:<17} {row.against:<16}"
    figures = f"{row.ratio:>9.3f} {spread:>17} {row.ours:>11.5g} {other:>11}"
    return f"{names} {figures} {goal:>8} {'yes' if row.met else 'no':>4}"


def options_of(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    names = sorted({goal.against for case in CASES.values() for goal in case.goals})
    peers = Path(".venv-bench-serve/bin/python")
    add("--peers", type=Path, default=peers, help="the Python of the other projects (%(default)s)")
    add("--json", type=Path, help="write the rows to this file")
    add("--rounds", type=int, default=7, help="how many rounds a case (default 7)")
    add("--seconds", type=float, default=4.0, help="how long a server is asked in a round")
    add("--soak-s", type=float, default=600.0, help="how long the soak lasts")
    add("--case", choices=[*CASES, *ALONE], action="append", help="may be repeated; default all")
    add("--against", choices=names, action="append", help="likewise")
    add("--quick", action="store_true", help="one short round: only to see that all runs")
    options = parser.parse_args(words)
    options.peers = options.peers.absolute()
    if options.quick:
        options.rounds, options.seconds, options.soak_s = 1, 0.5, 5.0
    return options


def main() -> None:
    """Measure, print a table, and write JSON where asked to."""
    options = options_of()
    described, rows = machine(options.peers), []
    print(HEAD)
    for name in options.case or [*CASES, *ALONE]:
        found = ALONE[name](options) if name in ALONE else compared(name, CASES[name], options)
        for row in found:
            rows.append(row)
            print(shown(row), flush=True)
    print(f"\n{sum(row.met for row in rows)} of {len(rows)} goals met.")
    if options.quick:
        print("A quick run is far too short for its figures to mean anything.")
    if options.json:
        result = {
            "machine": described,
            "options": {"rounds": options.rounds, "seconds": options.seconds},
            "rows": [dataclasses.asdict(row) for row in rows],
        }
        options.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
