import os

import numpy as np
import pytest

from maasnb.runtimes import onnx as runtime
from maasnb.runtimes.memory import memory_bytes
from tests.server.hostile import node, stored, summed

PHYSICAL = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.parametrize("name", ["memory.max", "memory/memory.limit_in_bytes"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [("1000000\n", 1_000_000), ("max\n", PHYSICAL), (f"{2**63 - 4096}\n", PHYSICAL)],
)
def test_a_container_has_less_memory_than_its_machine(tmp_path, name, text, expected):
    path = tmp_path / "sys/fs/cgroup" / name
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert memory_bytes(tmp_path) == expected


def wide():
    """Return a program that makes 64 MiB of each example, in one piece."""
    nodes = [
        node("Unsqueeze", ["inputs", "last"], ["column"]),
        node("Expand", ["column", "shape"], ["bomb"]),
    ]
    return summed(*nodes, tensors=[stored("last", [2]), stored("shape", [1, 1, 1 << 18])])


def test_a_run_that_needs_more_than_there_is_fails_and_the_next_one_works():
    session = runtime.OnnxRuntime().load(wide())
    rows = int(PHYSICAL * runtime.MEMORY_SHARE / (64 << 20)) + 1
    for _ in range(2):
        with pytest.raises(Exception, match=r"(?i)memory|alloc"):
            session.run(np.ones((rows, 64), np.float32))
        assert session.run(np.ones((1, 64), np.float32)).shape == (1, 64)
