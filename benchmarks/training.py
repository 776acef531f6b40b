"""How fast maasnb trains, as ratios to hand-written loops and to other projects' trainers.

Run `python benchmarks/training.py --json FILE`, or `make bench`, which installs the peers before. A
ratio above 1 says that maasnb is faster. Each pair is one run of maasnb and one of the other side,
right after each other, in an order that alternates; the ratio of a row is the median over the
pairs. Each side has a process of its own, and is timed from a fresh model to the final weights, the
first run of each left out, because it compiles.
"""

import argparse
import dataclasses
import json
import os
import platform
import statistics
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from benchmarks.sides.goals import AGAINST, BY_HAND, goal_of
from benchmarks.sides.processes import Side
from benchmarks.sides.workloads import WORKLOADS, load

PACKAGES = (
    "maasnb",
    "torch",
    "jax",
    "flax",
    "optax",
    "lightning",
    "transformers",
    "fastai",
    "skorch",
    "keras",
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Hold one measured ratio.

    Attributes:
        ratio: the median over pairs of the other side's seconds by ours.
        pairs: how many pairs that is of.
        quartiles: between which the middle half of the pairs lies.
        seconds: the median of our runs.
        other_seconds: the median of the other side's runs.
        steps: how many steps a run has.
        goal: the ratio that is wanted.
        met: whether the ratio is that high.
    """

    workload: str
    framework: str
    subject: str = "maasnb"
    against: str
    ratio: float
    pairs: int
    quartiles: tuple[float, float]
    seconds: float
    other_seconds: float
    steps: int
    goal: float
    met: bool


def compare(ours: Side, other: Side, pairs: int) -> list[tuple[float, float]]:
    """Return the seconds of both sides in each pair, after one that is not counted."""
    found = []
    for number in range(pairs + 1):
        first, second = (ours, other) if number % 2 else (other, ours)
        seconds = {first: first.run(), second: second.run()}
        found.append((seconds[ours], seconds[other]))
    return found[1:]


def measure(
    workload: str, framework: str, others: list[str], pairs: int, options: dict[str, bool]
) -> Iterator[Row]:
    """Yield a row for each other side."""
    steps = load(workload, framework, quick=options["quick"]).steps
    with Side(framework, "maasnb", workload, options) as ours:
        for against in others:
            plain = {**options, "validate": False}
            with Side(framework, against, workload, plain) as other:
                seconds = compare(ours, other, pairs)
            ratios = [theirs / mine for mine, theirs in seconds]
            ratio = round(statistics.median(ratios), 3)
            goal = goal_of(workload, framework, against)
            low, _, high = statistics.quantiles(ratios, n=4) if pairs > 1 else [ratio] * 3
            yield Row(
                workload=workload,
                framework=framework,
                against=against,
                ratio=ratio,
                pairs=pairs,
                quartiles=(round(low, 3), round(high, 3)),
                seconds=round(statistics.median(mine for mine, _ in seconds), 3),
                other_seconds=round(statistics.median(theirs for _, theirs in seconds), 3),
                steps=steps,
                goal=goal,
                met=ratio >= goal,
            )


def machine() -> dict[str, object]:
    """Return what the figures were measured on."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "omp_wait_policy": "PASSIVE",
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
        "versions": versions,
    }


def _cpu() -> str:
    """Return the processor's name, where the system says it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def shown(row: Row) -> str:
    """Return a row as a line of the table."""
    spread = f"{row.quartiles[0]:.2f}-{row.quartiles[1]:.2f}"
    verdict = "yes" if row.met else "no"
    names = f"{row.workload:<11} {row.framework:<9} {row.against:<18}"
    times = f"{row.pairs:>5} {row.seconds:>9.3f} {row.other_seconds:>8.3f}"
    return f"{names} {row.ratio:>6.2f} {spread:>12} {times} {row.goal:>6.2f} {verdict:>4}"


HEAD = (
    f"{'workload':<11} {'framework':<9} {'maasnb against':<18} {'ratio':>6} {'middle half':>12} "
    f"{'pairs':>5} {'maasnb s':>9} {'other s':>8} {'goal':>6} {'met':>4}"
)


def by_hand(rows: list[Row]) -> list[str]:
    """Return the ratios to the hand-written loops as a table, each workload's in a line."""
    found = {(row.workload, row.framework, row.against): row for row in rows}
    columns = [(framework, against) for framework in AGAINST for against in BY_HAND]
    names = [f"{framework} {against}" for framework, against in columns]
    lines = ["| workload | " + " | ".join(names) + " |", "| --- |" + " --- |" * len(names)]
    for workload in dict.fromkeys(row.workload for row in rows):
        cells = []
        for framework, against in columns:
            row = found.get((workload, framework, against))
            cells.append(f"{row.ratio:.2f} (goal {row.goal:.2f})" if row else "-")
        lines.append(f"| {workload} | " + " | ".join(cells) + " |")
    return lines


def write(path: Path, described: object, modes: object, rows: list[Row]) -> None:
    """Write the rows as JSON."""
    found = [dataclasses.asdict(row) for row in rows]
    result = {"machine": described, "options": modes, "rows": found}
    path.write_text(json.dumps(result, indent=1) + "\n")


def options_of(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    names = list(dict.fromkeys(name for others in AGAINST.values() for name in others))
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--json", type=Path, help="write the rows to this file")
    add("--pairs", type=int, default=9, help="how many pairs a row (default 9)")
    add("--workload", choices=WORKLOADS, action="append", help="may be repeated; default all")
    add("--framework", choices=list(AGAINST), action="append", help="likewise")
    add("--against", choices=names, action="append", help="likewise")
    add("--quick", action="store_true", help="one epoch of 96 rows: only to see that all runs")
    add("--validate", action="store_true", help="maasnb validates each epoch; the others do not")
    return parser.parse_args(words)


def main() -> None:
    """Measure, print a table, and write JSON where asked to."""
    options = options_of()
    described, rows = machine(), []
    modes = {"quick": options.quick, "validate": options.validate}
    print(HEAD)
    for workload in options.workload or WORKLOADS:
        for framework in options.framework or AGAINST:
            others = [a for a in AGAINST[framework] if a in (options.against or [a])]
            for row in measure(workload, framework, others, options.pairs, modes):
                rows.append(row)
                print(shown(row), flush=True)
                if options.json:  # after each row: a measurement that is ended keeps what it has
                    write(options.json, described, modes, rows)
    print("", *by_hand(rows), "", sep="\n")
    print(f"{sum(row.met for row in rows)} of {len(rows)} goals met.")
    if options.quick:
        print("A quick run is far too short for its figures to mean anything.")


if __name__ == "__main__":
    main()
