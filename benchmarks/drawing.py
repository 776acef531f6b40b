"""How long a browser takes to draw an update of a long run, by the browser's own performance API.

Run `python benchmarks/drawing.py --json FILE`. The panel's own bundle is loaded in headless
Chromium without a GPU and told of a run of 100,000 steps with 512 validations, then of 300 new
steps at a time. What is measured is all that the panel does in one animation frame.
"""

import argparse
import http.server
import json
import os
import platform
import shutil
import threading
from pathlib import Path

from playwright.sync_api import sync_playwright

STATIC = Path(__file__).parents[1] / "maasnb" / "panels" / "static"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"]

PAGE = """
<!doctype html><link rel="stylesheet" href="training.css">
<body data-jp-theme-light="true"><div id="host" style="width: 1000px"></div>
<script type="module">
import make from "./training.js";
const heard = {};
const model = { get: () => "x", send() {}, on(kind, take) { heard[kind] = take; }, off() {} };
const widget = make();
widget.initialize({ model });
widget.render({ el: document.getElementById("host") });
const tell = (content, buffers) => heard["msg:custom"](content, buffers);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const STEPS = 100_000, WIDTH = 128, UPDATES = 100;
const buckets = (count) => {
  const numbers = new Float32Array(3 * count);
  for (let i = 0; i < count; i++) {
    const mean = 2 / (1 + i / 50) + Math.random() / 10;
    numbers.set([mean - 0.1, mean, mean + 0.1], 3 * i);
  }
  return new DataView(numbers.buffer);
};
const now = (step) => ({
  step, status: "running", loss: 1, lr: 1e-3, seconds: 9, steps_s: 99, samples_s: 999, memory: 9,
});
const validated = Array.from({ length: 512 }, (_, i) => [
  Math.round(((i + 1) * STEPS) / 512), i, { loss: 1 / (1 + i / 30), accuracy: i / 512 },
]);
tell({
  type: "reset", number: 1, now: now(STEPS), width: WIDTH, count: STEPS, validated,
  run: {
    name: "long", backend: "torch", data: "digits", steps: 2 * STEPS, steps_per_epoch: 200,
    epochs: 1000, metrics: ["accuracy"], origin: null,
  },
  rates: [[1, 1e-3], [STEPS, 1e-3]], interventions: [], warnings: [], parameters: [], measured: [],
}, [buckets(Math.ceil(STEPS / WIDTH))]);
await pause(1000);
performance.clearMeasures();
for (let number = 2, count = STEPS; number < UPDATES + 2; number++) {
  const first = Math.floor(count / WIDTH);
  count += 300;
  tell({ type: "append", number, now: now(count), width: WIDTH, count, first },
    [buckets(Math.ceil(count / WIDTH) - first)]);
  await pause(60);
}
document.title = JSON.stringify(
  performance.getEntriesByName("maasnb:draw").map((each) => each.duration).sort((a, b) => a - b),
);
</script>
"""


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serve the page and the bundle."""

    def __init__(self, *args: object) -> None:
        """Serve the bundle's folder."""
        super().__init__(*args, directory=str(STATIC))

    def do_GET(self) -> None:
        """Answer with the page at the root, else with a file."""
        if self.path != "/":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(PAGE.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def durations() -> list[float]:
    """Return how long each update took, in ms, sorted."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        page.wait_for_function("document.title.startsWith('[')", timeout=60_000)
        times = json.loads(page.title())
        browser.close()
    server.shutdown()
    server.server_close()
    return times


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    times = durations()
    rows = {"median ms": times[len(times) // 2], "95 of 100 ms": times[int(0.95 * len(times))]}
    for name, value in rows.items():
        print(f"{name:14} {value:.1f}")
    if given.json:
        machine = {"cores": os.cpu_count(), "python": platform.python_version()}
        given.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
