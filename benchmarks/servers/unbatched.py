"""maasnb's own server without its queue: each request runs alone, as soon as it is read."""

import sys
from collections.abc import Callable, Mapping
from typing import Any

from maasnb import cli
from maasnb.serve.batching import Batcher


def run_alone(
    batcher: Batcher,
    inputs: Mapping[str, Any],
    rows: int,
    _timeout_s: float,
    _gone: Callable[[], bool],
    tell: Callable[[Any], None],
) -> None:
    """Answer a request without waiting for others."""
    outputs = batcher._served.answer(inputs)
    batcher.counts.ran(rows)
    tell(outputs)


if __name__ == "__main__":
    Batcher.join = run_alone
    sys.exit(cli.main(["serve", *sys.argv[1:]]))
