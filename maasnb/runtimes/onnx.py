"""Run ONNX programs by onnxruntime, on the CPU.

A program is loaded from bytes and has no folder, so it cannot name other files; operators outside
the standard sets are not registered, so a program that needs them is refused.
"""

import functools
import os
import time
from typing import cast

import numpy as np
import onnxruntime

from maasnb.errors import ArtifactError, DeadlineError
from maasnb.runtimes.deadlines import Deadlines
from maasnb.runtimes.graphs import read_graph
from maasnb.runtimes.memory import memory_bytes
from maasnb.runtimes.protocol import Array

__all__ = ["OnnxRuntime", "OnnxSession"]

# Below this size a model's run takes some 10 us, less than waking a second thread.
ONE_THREAD_BYTES = 4 << 20
MEMORY_SHARE = 0.6


_DEADLINES = Deadlines()
_INPUT_TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(int32)": np.int32}


class OnnxSession:
    """A loaded ONNX program with one input and one output."""

    def __init__(self, session: onnxruntime.InferenceSession, *, loops: bool = False) -> None:
        """Take a session of onnxruntime, and whether its time depends on the numbers it gets."""
        self._session = session
        self._loops = loops
        given = session.get_inputs()[0]
        self._input, self._dtype = given.name, _INPUT_TYPES[given.type]

    def prompt(self, rows: int) -> bool:  # noqa: ARG002 - onnxruntime compiles nothing
        """Say whether a batch can run at once: of any size, but for a loop that may not end."""
        return not self._loops

    def run(self, inputs: Array, deadline_s: float | None = None) -> Array:
        """Return the outputs [n, outputs] for prepared inputs [n, ...].

        Raises:
            DeadlineError: after `deadline_s` seconds the run was stopped.
        """
        given = {self._input: inputs.astype(self._dtype, copy=False)}
        if deadline_s is None:
            return cast(Array, self._session.run(None, given)[0])
        options = onnxruntime.RunOptions()
        key = _DEADLINES.enter(options, time.monotonic() + deadline_s)
        try:
            return cast(Array, self._session.run(None, given, options)[0])
        except Exception as error:
            if not options.terminate:
                raise
            message = (
                f"The model was stopped after {deadline_s:.3g} seconds for {len(inputs)} examples. "
                "Give fewer examples, or a longer time."
            )
            raise DeadlineError(message) from error
        finally:
            _DEADLINES.leave(key)


class OnnxRuntime:
    """Execute ONNX programs."""

    format = "onnx"

    def load(self, content: bytes) -> OnnxSession:
        """Load a program from its bytes.

        Raises:
            ArtifactError: it is not accepted, onnxruntime refuses it, or it is not one tensor to
                another.
        """
        facts = read_graph(content)
        options = onnxruntime.SessionOptions()
        # Never onnxruntime's own format, which could hold what the graph above does not show.
        options.add_session_config_entry("session.load_model_format", "ONNX")
        if _memory_is_limited():
            options.add_session_config_entry("session.use_env_allocators", "1")
        options.log_severity_level = 4
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        options.intra_op_num_threads = 1 if len(content) < ONE_THREAD_BYTES else cores or 1
        options.inter_op_num_threads = 1
        # Waiting threads that spin take the cores that the training run beside them needs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            session = onnxruntime.InferenceSession(
                content, sess_options=options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            message = (
                f"onnxruntime cannot load the program: {error!s:.300} Expected an ONNX model of "
                "standard operators with its weights inside. Publish the run again."
            )
            raise ArtifactError(message) from error
        sides = (session.get_inputs(), session.get_outputs())
        fits = all(len(side) == 1 for side in sides)
        if not fits or sides[0][0].type not in _INPUT_TYPES or sides[1][0].type != "tensor(float)":
            found = [[f"{each.name}: {each.type}" for each in side] for side in sides]
            message = (
                f"The program takes and returns {found}; expected one tensor of numbers or "
                "tokens, and one float32 tensor. Publish the run again."
            )
            raise ArtifactError(message)
        return OnnxSession(session, loops=facts.loops)


@functools.cache
def _memory_is_limited() -> bool:
    """Let all programs of this process take at most a part of the memory, together.

    What a program takes grows with the rows of a request. Where it grows too far a run fails,
    instead of the process being ended by the system.
    """
    place = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    limits = {
        "max_mem": int(memory_bytes() * MEMORY_SHARE),
        "arena_extend_strategy": 1,  # as much as is asked for
        "initial_chunk_size_bytes": -1,
        "max_dead_bytes_per_chunk": -1,
    }
    try:
        onnxruntime.create_and_register_allocator(place, onnxruntime.OrtArenaCfg(limits))
    except Exception:  # noqa: BLE001 - other code of this process has set up its own
        return False
    return True
