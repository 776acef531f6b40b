"""How much memory this process may take: that of the machine, or of the container around it."""

import contextlib
import os
from pathlib import Path

__all__ = ["memory_bytes"]

UNKNOWN_BYTES = 4 << 30
CONTAINER_FILES = (
    "sys/fs/cgroup/memory.max",  # version 2 of cgroups
    "sys/fs/cgroup/memory/memory.limit_in_bytes",  # version 1
)


def memory_bytes(root: Path = Path("/")) -> int:
    """Return the memory of this machine or container.

    Args:
        root: where the system's files are.
    """
    sizes = []
    with contextlib.suppress(AttributeError, OSError, ValueError):  # not there on Windows
        sizes.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for name in CONTAINER_FILES:
        with contextlib.suppress(OSError, ValueError):  # "max" where there is no limit
            sizes.append(int((root / name).read_text()))
    return min((size for size in sizes if size > 0), default=UNKNOWN_BYTES)
