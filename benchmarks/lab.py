"""What the extension adds to JupyterLab's start, and how soon its sidebar shows an event.

Run `python -m benchmarks.lab --json FILE`. Two JupyterLabs, one with the extension, are loaded in
turns in headless Chromium, each in a fresh page with a warm cache of its own. Then a run that
trains in the background is paused and resumed; both clocks are this machine's.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.browser.conftest import FLAGS, new_page
from tests.browser.jupyter import Notebook, Server

WATCHED_S = 4
PREPARE = (
    "%load_ext maasnb\n%maas data digits;\nimport maasnb as mb\n"
    'net = mb.build([mb.Dense(32, "relu"), mb.Dense(10)], data=digits)\n'
    "run = mb.train(net, digits, epochs=10**6, name='timed', wait=False)"
)
WATCH = """() => {
    const row = document.querySelector(".maasnb-run[data-run='timed']");
    window.seen = [];
    window.updates = 0;
    let last = row.dataset.status;
    new MutationObserver(() => {
        window.updates += 1;
        if (row.dataset.status === last) return;
        last = row.dataset.status;
        window.seen.push([last, Date.now()]);
    }).observe(row, { attributes: true, attributeFilter: ["data-status"] });
}"""
STARTED = """async () => {
    const app = window.jupyterapp;
    await app.started;
    await app.restored;
    return performance.now();
}"""


def starts(browser: Browser, servers: dict[str, Server], pairs: int) -> dict[str, list[float]]:
    """Return how long each page took until JupyterLab was restored, in ms, in turns."""
    contexts = {name: browser.new_context() for name in servers}
    times: dict[str, list[float]] = {name: [] for name in servers}
    for turn in range(pairs + 2):
        for name, server in list(servers.items())[:: 1 if turn % 2 else -1]:
            page = contexts[name].new_page()
            page.goto(f"{server.url}/lab?reset")
            page.wait_for_function("() => window.jupyterapp !== undefined")
            taken = page.evaluate(STARTED)
            known = page.evaluate("() => window.jupyterapp.commands.hasCommand('maasnb:show')")
            assert known == (name == "with"), f"the page {name} the extension is not so"
            page.close()
            if turn >= 2:  # the first ones fill the caches
                times[name].append(taken)
    for context in contexts.values():
        context.close()
    return times


def sidebar(browser: Browser, server: Server, changes: int) -> tuple[list[float], float]:
    """Return how long after events in the kernel the sidebar showed them, in ms, and updates/s."""
    with new_page(browser) as page:
        notebook = Notebook(page, server, "timed").write(PREPARE).open()
        notebook.command("maasnb:show")
        notebook.run(0)
        page.locator(".maasnb-run[data-run='timed']").wait_for()
        page.evaluate(WATCH)
        page.wait_for_timeout(1000 * WATCHED_S)
        updates_s = page.evaluate("() => window.updates") / WATCHED_S
        for number in range(changes):
            notebook.ask("run.resume()" if number % 2 else "run.pause()")
            page.wait_for_function("(n) => window.seen.length > n", arg=number, polling=20)
            page.wait_for_timeout(1200)  # beyond the five frames of a second
        happened = json.loads(
            notebook.ask(
                "import json; print(json.dumps([e.time for e in run.history.interventions]))"
            )
        )
        shown = page.evaluate("() => window.seen")
        notebook.ask("run.stop()")
        notebook.end()
    return [at - 1000 * then for (_, at), then in zip(shown, happened, strict=True)], updates_s


def without_maasnb(place: Path) -> Path:
    """Return a folder with the other extensions of this environment."""
    place.mkdir()
    for each in (Path(sys.prefix) / "share/jupyter/labextensions").iterdir():
        if each.name != "maasnb":
            (place / each.name).symlink_to(each)
    return place


def measured(pairs: int, changes: int) -> dict[str, float]:
    """Return the figures, by what they are."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    folder = Path(tempfile.mkdtemp())
    others = without_maasnb(folder / "others")
    servers: dict[str, Server] = {}
    for name in ("without", "with"):
        (folder / name).mkdir()
        places = [str(others), str(folder / name / "jupyter/labextensions")]
        given = [f"--LabApp.labextensions_path={place}" for place in places[: 1 + (name == "with")]]
        servers[name] = Server(folder / name, "jupyterlab", arguments=given)
    try:
        for server in servers.values():
            server.wait_until_up()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
            times = starts(browser, servers, pairs)
            delays, updates_s = sidebar(browser, servers["with"], changes)
            browser.close()
    finally:
        for server in servers.values():
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    added = [one - other for one, other in zip(times["with"], times["without"], strict=True)]
    ratios = [one / other for one, other in zip(times["with"], times["without"], strict=True)]
    return {
        "start without, median ms": statistics.median(times["without"]),
        "start with, median ms": statistics.median(times["with"]),
        "added to the start, median of pairs ms": statistics.median(added),
        "start with / without, median of pairs": statistics.median(ratios),
        "event to sidebar, median ms": statistics.median(delays),
        "event to sidebar, worst ms": max(delays),
        "updates of the sidebar a second": updates_s,
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=Path)
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--changes", type=int, default=20)
    given = parser.parse_args()
    machine = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 1),
    }
    rows = measured(given.pairs, given.changes)
    for name, value in rows.items():
        print(f"{name:40} {value:.3g}")
    if given.json:
        given.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
