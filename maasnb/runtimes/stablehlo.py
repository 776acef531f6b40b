"""Run StableHLO programs, as `jax.export` writes them, by JAX.

XLA compiles a program once for every batch size. To keep that bounded a batch is padded to the next
power of two with zeros, and the padding is cut off the outputs.
"""

import jax
import jax.export
import numpy as np

from maasnb.errors import ArtifactError
from maasnb.runtimes.protocol import Array

__all__ = ["StableHLORuntime", "StableHLOSession"]


class StableHLOSession:
    """A loaded StableHLO program with one input and one output."""

    def __init__(self, exported: jax.export.Exported) -> None:
        """Take what `jax.export.deserialize` returned."""
        self._call = jax.jit(exported.call)
        self._dtype = exported.in_avals[0].dtype
        self._compiled: set[int] = set()

    def prompt(self, rows: int) -> bool:
        """Say whether a batch of this padded size was compiled already."""
        return _padded(rows) in self._compiled

    def run(self, inputs: Array, deadline_s: float | None = None) -> Array:  # noqa: ARG002 - XLA cannot be stopped
        """Return the outputs [n, outputs] for prepared inputs [n, ...]; a run cannot be stopped."""
        rows, inputs = len(inputs), inputs.astype(self._dtype, copy=False)
        padded = _padded(rows)
        if padded != rows:
            filler = np.zeros((padded - rows, *inputs.shape[1:]), dtype=inputs.dtype)
            inputs = np.concatenate([inputs, filler])
        result = self._call(inputs)
        leaves = jax.tree_util.tree_leaves(result)
        outputs = np.asarray(leaves[0])[:rows]
        self._compiled.add(padded)
        return outputs


class StableHLORuntime:
    """Execute StableHLO programs; for programs of publishers that one trusts."""

    format = "stablehlo"

    def load(self, content: bytes) -> StableHLOSession:
        """Load a program from its bytes.

        Raises:
            ArtifactError: JAX refuses it, or it is not one tensor to another.
        """
        try:
            exported = jax.export.deserialize(bytearray(content))
        except Exception as error:
            message = (
                f"jax cannot load the program: {error!s:.300} Expected what jax.export wrote, by "
                f"the same or an older jax than {jax.__version__}. Publish the run again."
            )
            raise ArtifactError(message) from error
        sides = (exported.in_avals, exported.out_avals)
        fits = all(len(side) == 1 for side in sides)
        fits = fits and exported.in_avals[0].dtype in (np.float32, np.int32)
        if not fits or exported.out_avals[0].dtype != np.float32:
            found = [[str(each) for each in side] for side in sides]
            message = (
                f"The program takes and returns {found}; expected one tensor of numbers or "
                "tokens, and one float32 tensor. Publish the run again."
            )
            raise ArtifactError(message)
        return StableHLOSession(exported)


def _padded(rows: int) -> int:
    return 1 << max(rows - 1, 0).bit_length()
