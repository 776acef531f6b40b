"""The process behind the gate: takes one artifact, loads and runs it, says whether it is accepted.

It reads one request from its standard input: a line of JSON (`manifest`, the size of the manifest
in bytes, and `formats`, those to check), the manifest, and the blobs in the manifest's order. It
answers with one line of JSON on its standard output: `{"passed": [formats]}` or `{"error": "why"}`.
Before it reads it gives up what it does not need: it has no folder, writes no file, and its memory
and time are limited. It ends when its input closes, which happens however the server ends.
"""

import contextlib
import json
import os
import random
import select
import tempfile
import threading
import time
from typing import Any, BinaryIO, NoReturn

from maasnb.artifacts.artifact import Artifact
from maasnb.artifacts.blobs import arrays_from_bytes
from maasnb.artifacts.manifest import Manifest
from maasnb.errors import ArtifactError, MaasError
from maasnb.runtimes.served import difference, load, read_golden, runtime_for

__all__ = ["CPU_S", "MEMORY_BYTES", "RUN_S", "UPLOAD_TOLERANCE", "main"]

UPLOAD_TOLERANCE = 1e-4
RUN_S = 15
"""Seconds to load and run one artifact, once everything is imported."""
CPU_S = 60
"""Seconds of all cores together, imports included."""
MEMORY_BYTES = 1 << 30
"""Memory beyond what the imports take and the artifact itself needs."""
MEMORY_BLOBS = 6
"""Bytes for each byte of the artifact: sent, parsed, in the runtime's own form, prepared by it."""
CORES = 2
LONGEST_REASON = 2000

_answering = threading.Lock()


def main() -> None:
    """Check the artifact that the standard input brings, answer, and end."""
    _give_up_cores()
    with contextlib.suppress(MaasError):  # not installed; then nothing needs it
        runtime_for("onnx")
    _give_up_files()
    source = os.fdopen(0, "rb", closefd=False)
    header = source.readline(1 << 16)
    if not header.endswith(b"\n"):
        os._exit(0)  # the server ended, or did not need this process
    answer: dict[str, Any]
    try:
        answer = {"passed": _checked(source, json.loads(header))}
    except MaasError as error:
        answer = {"error": str(error)[:LONGEST_REASON]}
    except MemoryError:
        answer = {"error": "The artifact needs more memory than the gate allows. Make it smaller."}
    _answer(answer)


def _checked(source: BinaryIO, header: dict[str, Any]) -> list[str]:
    manifest = Manifest.from_bytes(source.read(header["manifest"]))
    formats = [each.format for each in manifest.programs if each.format in header["formats"]]
    for each in formats:
        runtime_for(each)  # what its imports take is not the artifact's
    threading.Thread(target=_end_in_time, daemon=True).start()
    size_bytes = sum(blob.size_bytes for blob in manifest.blobs)
    # Writable memory, not addresses: a thread reserves far more of these than it uses.
    _limit("RLIMIT_DATA", _memory_bytes() + MEMORY_BYTES + MEMORY_BLOBS * size_bytes)
    contents = {blob.digest: source.read(blob.size_bytes) for blob in manifest.blobs}
    blobs = Artifact(manifest=manifest, blobs=contents).blobs  # checks sizes and digests
    arrays_from_bytes(blobs[manifest.weights.digest])
    golden = read_golden(manifest, blobs[manifest.golden.digest])
    for each in formats or header["formats"]:  # where none may run, `load` says so
        served = load(manifest, blobs, (each,) if formats else header["formats"])
        for rows in sorted({1, golden.count}):
            _compare(manifest.name, served, golden.rows(rows))
    return formats


def _compare(name: str, served: Any, golden: Any) -> None:  # noqa: ANN401
    try:
        found = difference(served, golden)
    except (ArtifactError, MemoryError):
        raise
    except Exception as error:
        message = (
            f"The program of {name!r} fails on its own golden examples ({error!s:.300}). Publish "
            "the run again."
        )
        raise ArtifactError(message) from error
    if found.largest > UPLOAD_TOLERANCE:
        message = (
            f"The program of {name!r} does not answer as the notebook did: {found.tensor!r} "
            f"differs by {found.largest:.3g} on its golden examples; expected at most "
            f"{UPLOAD_TOLERANCE:g}. Publish the run again."
        )
        raise ArtifactError(message)


def _answer(answer: dict[str, Any]) -> NoReturn:
    """Write the answer, once, and end without waiting for anybody."""
    with _answering:
        content = json.dumps(answer).encode() + b"\n"
        with contextlib.suppress(OSError):
            os.write(1, content)
        os._exit(0)


def _end_in_time() -> None:
    """End when the server does, and with a reason when the artifact takes too long.

    The standard input is looked at only for its end: what is in it belongs to the other thread.
    """
    end = time.monotonic() + RUN_S
    poll = select.poll()
    poll.register(0, 0)  # a closed pipe is reported without being asked for
    while (rest := end - time.monotonic()) > 0:
        if poll.poll(rest * 1000):
            os._exit(1)
    reason = (
        f"The program did not load and answer its golden examples within {RUN_S} seconds. Make the "
        "model smaller, or look for a loop in it that does not end."
    )
    _answer({"error": reason})


def _give_up_cores() -> None:
    """Keep to two cores: runtimes start threads for each, which count towards the memory."""
    if hasattr(os, "sched_setaffinity"):  # Linux has it
        usable = list(os.sched_getaffinity(0))
        os.sched_setaffinity(0, random.sample(usable, min(CORES, len(usable))))


def _give_up_files() -> None:
    """Have no folder that names could be relative to, and write no file from here on."""
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    with contextlib.suppress(OSError):  # some systems keep a folder that somebody is in
        os.rmdir(folder)
    _limit("RLIMIT_CORE", 0)
    _limit("RLIMIT_FSIZE", 0)
    _limit("RLIMIT_CPU", CPU_S)
    with contextlib.suppress(OSError):
        # Where memory is short all the same, this process ends and not the server.
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
            file.write("1000")


def _limit(name: str, value: int) -> None:
    """Set a limit where the system has it; Windows has none, macOS ignores that of memory."""
    try:
        import resource  # noqa: PLC0415 - not there on Windows
    except ImportError:
        return
    kind = getattr(resource, name, None)
    if kind is None:
        return
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(kind, (value, value))


def _memory_bytes() -> int:
    """Return the writable memory in use, much where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[5]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 8 << 30
