"""What a runtime must do: take a program's bytes and return something that runs."""

from typing import Any, Protocol

import numpy as np

__all__ = ["Array", "Runtime", "Session"]

Array = np.ndarray[Any, np.dtype[Any]]


class Session(Protocol):
    """A loaded program."""

    def prompt(self, rows: int) -> bool:
        """Say whether a batch of this many rows can run without a compilation first."""
        ...

    def run(self, inputs: Array, deadline_s: float | None = None) -> Array:
        """Return the outputs [n, outputs] for prepared inputs [n, ...].

        Args:
            inputs: what the program takes.
            deadline_s: after so many seconds the run is stopped, where the runtime can stop one;
                None lets it run.

        Raises:
            DeadlineError: it was stopped.
        """
        ...


class Runtime(Protocol):
    """What executes programs of one format."""

    @property
    def format(self) -> str:
        """Return the format, one of `maasnb.artifacts.manifest.FORMATS`."""
        ...

    def load(self, content: bytes) -> Session:
        """Load a program.

        Raises:
            ArtifactError: the bytes are no program of this format, or one that is not accepted.
        """
        ...
