"""Run the quickstart in a real kernel, with both backends, up to a prediction over HTTP.

`make demo` calls this. It leaves nothing behind: the workspace is a temporary folder, and the
server ends with the kernel that started it.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

NOTEBOOK = Path(__file__).with_name("00_quickstart.ipynb")

# The last cell of the demo: what its table shows, asked of the kernel that ran the notebook.
SUMMARY = """
import json, maasnb as mb
rows = []
for trained, version in ((run, 1), (jax_run, 2)):
    served = mb.connect("digits", version=version)
    x = digits.test.x
    rows.append({
        "backend": trained.backend.name,
        "test accuracy": f"{mb.evaluate(trained)['accuracy']:.3f}",
        "steps/s": f"{trained.history.steps_per_s:,.0f}",
        "endpoint": served.url,
        "endpoint - notebook": f"{abs(served.predict(x) - trained.predict(x)).max():.1e}",
    })
print(json.dumps(rows))
"""


def run_quickstart() -> list[dict[str, str]]:
    """Execute the notebook and return a row a backend."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(SUMMARY))
    count = sum(cell.cell_type == "code" for cell in notebook.cells)
    done = 0

    def show(cell: nbformat.NotebookNode, **_: object) -> None:
        nonlocal done
        if cell.cell_type == "code":
            done += 1
            first = next(line for line in cell.source.splitlines() if line.strip())
            sys.stderr.write(f"[{done:>2}/{count}] {first[:72]}\n")

    resources = {"metadata": {"path": str(NOTEBOOK.parent)}}
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources=resources, on_cell_start=show
    )
    client.execute()
    outputs = notebook.cells[-1].outputs
    text = "".join(output.text for output in outputs if output.output_type == "stream")
    return json.loads(text)


def print_table(rows: list[dict[str, str]]) -> None:
    """Print rows under their columns' names."""
    table = [list(rows[0]), *(list(row.values()) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for row in table:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )


def wait_for_server(workspace: Path) -> bool:
    """Return whether the server has ended, giving it ten seconds after its kernel."""
    address = workspace / "server.json"
    if not address.exists():
        return True
    pid = json.loads(address.read_text())["pid"]
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def main() -> int:
    """Run the demo; return the exit status."""
    began = time.perf_counter()
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    with tempfile.TemporaryDirectory(prefix="maasnb-demo-") as folder:
        os.environ["MAASNB_HOME"] = folder
        os.environ["MAASNB_PANEL"] = "static"
        try:
            rows = run_quickstart()
        except CellExecutionError as error:
            sys.stderr.write(f"The quickstart failed:\n{error}\n")
            return 1
        ended = wait_for_server(Path(folder))
    print_table(rows)
    print(f"done in {time.perf_counter() - began:.0f} s")
    if not ended:
        sys.stderr.write("The server did not end with its kernel.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
