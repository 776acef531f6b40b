"""What a cell shows of a model that it built: its layers and how many numbers each of them learns."""

import dataclasses
from typing import ClassVar

from maasnb.backends import backend_of
from maasnb.tables import aligned

__all__ = ["ModelSummary", "model_summary"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ModelSummary:
    """Describe a model in words.

    Attributes:
        title: its variable, backend and size.
        rows: parameter, shape and count.
    """

    columns: ClassVar[tuple[str, ...]] = ("parameter", "shape", "numbers")

    title: str
    rows: tuple[tuple[str, str, str], ...]

    def table(self) -> tuple[tuple[str, ...], ...]:
        """Return the parameters as rows of words, in the order of `columns`."""
        return self.rows

    def __str__(self) -> str:
        """Return the title and an aligned table."""
        return f"{self.title}\n{aligned(self.rows, self.columns)}" if self.rows else self.title

    __repr__ = __str__


def model_summary(name: str, model: object, remark: str = "") -> ModelSummary:
    """Return what a cell shows of a model.

    Args:
        name: the variable that holds it.
        model: a native module.
        remark: what else is to be said in the title.
    """
    backend = backend_of(model)
    parameters = backend.parameters(model)
    total = sum(parameter.count for parameter in parameters)
    title = f"{name}: {backend.name} model, {total:,} parameters" + (f", {remark}" if remark else "")
    rows = tuple(
        (each.name, " x ".join(str(size) for size in each.shape) or "1", f"{each.count:,}")
        for each in parameters
    )
    return ModelSummary(title=title, rows=rows)
