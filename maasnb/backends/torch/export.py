"""A torch model as an ONNX program of any batch, head included, made by torch's exporter."""

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from maasnb.backends.protocol import Array, ProgramFile
from maasnb.backends.torch.calls import as_tensors, call
from maasnb.backends.torch.losses import head
from maasnb.backends.torch.recurrence import RecurrentOperators
from maasnb.errors import ExportError, missing_package
from maasnb.tasks import Task

__all__ = ["export_onnx"]


class _WithHead(nn.Module):
    """Join a model and its head, so that the program answers what `predict` does."""

    def __init__(self, model: nn.Module, task: Task) -> None:
        super().__init__()
        self.model = model
        self.task = task

    def forward(self, inputs: Tensor) -> Tensor:
        return head(self.task, call(self.model, inputs, self.task.kind))


def export_onnx(model: nn.Module, task: Task, inputs: Array) -> ProgramFile:
    """Return the model as ONNX; the input is named `inputs`, the output as the task says.

    Args:
        model: the trained module; it is not changed.
        task: what it was trained for.
        inputs: at least two prepared examples [n, ...], of one part.

    Raises:
        ExportError: torch cannot export the model; carries torch's reason.
        MissingPackageError: `onnxscript` is not installed.
    """
    try:
        import onnxscript  # noqa: F401, PLC0415 - torch's exporter needs it
    except ImportError as error:
        raise missing_package("Exporting to ONNX", "onnxscript", "torch") from error
    program = _WithHead(copy.deepcopy(model).cpu().eval(), task)
    try:
        with _quiet(), RecurrentOperators():
            exported = torch.onnx.export(
                program,
                (as_tensors(inputs[:2], task.takes, torch.device("cpu")),),
                dynamo=True,
                input_names=["inputs"],
                output_names=[task.output_name],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                verbose=False,
            )
    except Exception as error:
        message = (
            f"This {type(model).__name__} cannot be exported to ONNX: {_reason(error)} "
            "The forward method must be free of Python branches on tensor values and keep the "
            "batch as its first axis; use torch.where instead of if."
        )
        raise ExportError(message) from error
    assert exported is not None
    _forget_sources(exported.model)
    return ProgramFile(format="onnx", content=exported.model_proto.SerializeToString())


def _forget_sources(model: Any) -> None:  # noqa: ANN401 - onnx_ir has no type that torch exposes
    """Take out what differs from export to export: stack traces with files and lines, symbols."""
    model.metadata_props.clear()
    for graph in (model.graph, *(function.graph for function in model.functions.values())):
        graph.metadata_props.clear()
        for node in graph.all_nodes():
            node.metadata_props.clear()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's prints, logs and warnings out of the notebook; its error says enough."""
    loggers = [logging.getLogger(name) for name in ("torch", "torch.onnx")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _reason(error: BaseException) -> str:
    """Return the line of torch's long report that says what went wrong."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    first = lines[0] if lines else type(error).__name__
    return f"{first[:300].rstrip('.')}."
