"""A step of a recipe: what is done to raw examples, and how its numbers are kept as JSON."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np

__all__ = ["Array", "Raw", "Step"]

Array = np.ndarray[Any, np.dtype[Any]]
Raw = Literal["numbers", "text", "rows"]
"""What raw examples are: numbers [n, ...], texts [n], or a table's rows of texts [n, columns]."""


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """Be the parent of all steps of a recipe; a step without numbers is not fitted yet.

    What a step takes and returns is an array, or the columns of a table, `maasnb.datasets.columns`.
    """

    kind: ClassVar[str] = "step"
    reads_text: ClassVar[bool] = False
    """Whether it takes texts [n], as the first step of a recipe."""
    fills: ClassVar[bool] = False
    """Whether it puts values in the place of missing ones."""

    def fit(self, x: Any, y: Array) -> "Step":  # noqa: ANN401 - an array or columns
        """Return the step with the numbers learnt from the training split."""
        raise NotImplementedError

    def inputs(self, x: Any) -> Any:  # noqa: ANN401 - likewise
        """Turn inputs [n, ...] into prepared inputs."""
        return x

    def targets(self, y: Array) -> Array:
        """Turn targets [n, outputs] into what the model is trained on."""
        return y

    def outputs(self, outputs: Array) -> Array:
        """Turn the model's outputs [n, outputs] back into the targets' own unit."""
        return outputs

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON data."""
        return {field.name: list(getattr(self, field.name)) for field in dataclasses.fields(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the step that `to_json` wrote; the data may come from anybody.

        Raises:
            TypeError: a field is missing or too many.
            ValueError: a value is none of this step's.
        """
        return cls(**{name: tuple(float(each) for each in value) for name, value in data.items()})
