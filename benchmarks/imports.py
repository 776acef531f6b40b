"""How long `import maasnb` takes in a new process, next to a process that imports nothing.

Run `python benchmarks/imports.py`. Printed are medians over interleaved runs: of an empty process,
of one that imports maasnb, and of one that imports numpy, as a yardstick.
"""

import argparse
import statistics
import subprocess
import sys
import time

PROGRAMS = {"nothing": "", "import maasnb": "import maasnb", "import numpy": "import numpy"}


def seconds(program: str) -> float:
    """Return the wall time of a new process that runs a program."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True)
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9, help="how many runs of each (default 9)")
    runs = parser.parse_args().runs
    for program in PROGRAMS.values():  # the first run of each reads from the disk
        seconds(program)
    times: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for _ in range(runs):
        for name, program in PROGRAMS.items():
            times[name].append(seconds(program))
    empty = statistics.median(times["nothing"])
    for name, each in times.items():
        median = statistics.median(each)
        print(f"{name:<14} {median:.3f} s, {median - empty:+.3f} s over an empty process")


if __name__ == "__main__":
    main()
