"""A served model: raw examples in, named outputs out.

The one piece of code that joins recipe and program. The notebook checks an export with it before
sending, the server checks an upload with it before listing, and then answers with it; so all three
mean the same by a model's answer.
"""

import dataclasses
import importlib
import importlib.util
import math
from collections.abc import Mapping, Sequence

import numpy as np

from maasnb.artifacts.blobs import arrays_from_bytes
from maasnb.artifacts.manifest import FORMATS, Manifest
from maasnb.errors import ArtifactError, MissingPackageError, missing_package, unknown_name
from maasnb.runtimes.choosing import measure
from maasnb.runtimes.protocol import Array, Runtime, Session
from maasnb.tensors import unpacked_texts

__all__ = [
    "RUNTIMES",
    "Difference",
    "Golden",
    "ServedModel",
    "difference",
    "load",
    "read_golden",
    "runtime_for",
]

RUNTIMES = {
    "onnx": ("onnxruntime", "maasnb.runtimes.onnx", "OnnxRuntime", "serve"),
    "stablehlo": ("jax", "maasnb.runtimes.stablehlo", "StableHLORuntime", "jax"),
}
"""Format -> package that must be installed, module, class, and the extra with the package."""

MOST_GOLDEN_ROWS = 64


@dataclasses.dataclass(frozen=True, slots=True)
class ServedModel:
    """A manifest and its loaded program.

    Attributes:
        manifest: what it is.
        session: the program.
        format: the program's format.
        measured_us: by format, what one answer took in the mean of several sizes of batch; empty
            where there was nothing to choose.
    """

    manifest: Manifest
    session: Session
    format: str = ""
    measured_us: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def answer(
        self, inputs: Mapping[str, Array], deadline_s: float | None = None
    ) -> dict[str, Array]:
        """Return named outputs for named raw inputs that fit the signature.

        Args:
            inputs: the arrays [n, ...] by the signature's input names.
            deadline_s: after so many seconds the program is stopped, where its runtime can stop
                one; None lets it run.

        Returns:
            The arrays [n, outputs] float32 by the signature's output names.

        Raises:
            ArtifactError: the program returns another shape than the signature promises.
            DeadlineError: it was stopped.
        """
        manifest = self.manifest
        raw = inputs[manifest.input.name]
        result = self.session.run(manifest.recipe.inputs(raw), deadline_s)
        output = manifest.output
        if len(result) != len(raw) or not output.fits(result.shape):
            message = (
                f"The program returned an array of shape {result.shape} for {len(raw)} examples; "
                f"the signature promises {list(output.shape)}. Publish the run again."
            )
            raise ArtifactError(message)
        return {output.name: manifest.recipe.outputs(result)}

    def prompt(self, rows: int) -> bool:
        """Say whether a batch of this many rows can run without a compilation first."""
        return self.session.prompt(rows)


@dataclasses.dataclass(frozen=True, slots=True)
class Golden:
    """Raw examples and the outputs that the notebook computed for them, by tensor name."""

    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]

    def rows(self, count: int) -> "Golden":
        """Return the first examples only."""
        return Golden(
            {name: array[:count] for name, array in self.inputs.items()},
            {name: array[:count] for name, array in self.outputs.items()},
        )

    @property
    def count(self) -> int:
        """Return the number of examples."""
        return min(len(array) for array in self.inputs.values())


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Say where two answers differ most; relative for numbers above 1, absolute below."""

    tensor: str
    largest: float


def runtime_for(format_name: str) -> Runtime:
    """Return the runtime of a format, importing what it needs.

    Raises:
        UnknownNameError: there is no such format.
        MissingPackageError: its package is not installed; names the pip command.
    """
    if format_name not in RUNTIMES:
        raise unknown_name("program format", format_name, RUNTIMES)
    package, module, name, extra = RUNTIMES[format_name]
    if not importlib.util.find_spec(package):
        raise missing_package(f"Running a model in the format {format_name}", package, extra)
    return getattr(importlib.import_module(module), name)()


def load(
    manifest: Manifest, blobs: Mapping[str, bytes], formats: Sequence[str] = FORMATS
) -> ServedModel:
    """Load the program of an artifact that is in one of these formats; of several the fastest.

    Raises:
        ArtifactError: none is, or the program is refused.
        MissingPackageError: no runtime that could run one is installed.
    """
    programs = [each for each in manifest.programs if each.format in formats]
    if not programs:
        raise _none_runs(manifest, formats)
    sessions: dict[str, Session] = {}
    absent: MissingPackageError | None = None
    for each in programs:
        try:
            sessions[each.format] = runtime_for(each.format).load(blobs[each.blob.digest])
        except MissingPackageError as error:
            absent = absent or error
    if absent is not None and not sessions:
        raise absent
    if len(sessions) == 1:
        ((name, session),) = sessions.items()
        return ServedModel(manifest, session, name)
    golden = read_golden(manifest, blobs[manifest.golden.digest])
    inputs = manifest.recipe.inputs(golden.inputs[manifest.input.name])
    measured = measure(sessions, inputs)
    name = min(measured, key=lambda each: measured[each])
    return ServedModel(manifest, sessions[name], name, measured)


def _none_runs(manifest: Manifest, formats: Sequence[str]) -> ArtifactError:
    has = [each.format for each in manifest.programs]
    missing = manifest.provenance.get("not_exported")
    reasons = missing if isinstance(missing, dict) else {}
    why = " ".join(
        f"It is not {name} because: {str(reasons[name])[:500]}"
        for name in formats
        if name in reasons
    )
    message = (
        f"The model {manifest.name!r} is a {' and '.join(has)} program, but here only "
        f"{' and '.join(formats)} may run. {why}{' Or type' if why else 'Type'}: "
        f"maasnb serve --runtimes {','.join(dict.fromkeys([*formats, *has]))}"
    )
    return ArtifactError(message)


def read_golden(manifest: Manifest, content: bytes) -> Golden:
    """Read the golden pairs of an artifact and check that they fit its signature.

    Raises:
        ArtifactError: they do not.
    """
    arrays = _unpacked(arrays_from_bytes(content), manifest)
    tensors = (*manifest.signature.inputs, *manifest.signature.outputs)
    fits = set(arrays) == {tensor.name for tensor in tensors} and all(
        arrays[tensor.name].dtype == tensor.dtype and tensor.fits(arrays[tensor.name].shape)
        for tensor in tensors
    )
    counts = {len(array) for array in arrays.values()} if fits else set()
    if len(counts) != 1 or not 1 <= min(counts) <= MOST_GOLDEN_ROWS:
        found = {name: [str(array.dtype), *array.shape] for name, array in arrays.items()}
        message = (
            f"The golden pairs {found!s:.200} do not fit the signature; expected 1 to "
            f"{MOST_GOLDEN_ROWS} rows of each tensor. Publish the run again."
        )
        raise ArtifactError(message)
    return Golden(
        {tensor.name: arrays[tensor.name] for tensor in manifest.signature.inputs},
        {tensor.name: arrays[tensor.name] for tensor in manifest.signature.outputs},
    )


def _unpacked(arrays: dict[str, Array], manifest: Manifest) -> dict[str, Array]:
    """Return golden arrays with the texts in place of their packed bytes."""
    for tensor in manifest.signature.inputs:
        packed = arrays.get(tensor.name)
        if tensor.datatype == "BYTES" and packed is not None and packed.dtype == np.uint8:
            try:
                texts = unpacked_texts(packed.tobytes())
            except ValueError as error:
                message = f"The golden texts cannot be read ({error}). Publish the run again."
                raise ArtifactError(message) from error
            flat = np.empty(len(texts), dtype=object)
            flat[:] = texts
            width = math.prod(tensor.shape[1:])
            if width and len(flat) % width == 0:
                flat = flat.reshape(-1, *tensor.shape[1:])
            arrays[tensor.name] = flat
    return arrays


def difference(model: ServedModel, golden: Golden) -> Difference:
    """Run a model on golden examples and return where its answers differ most.

    Returns:
        The tensor and the largest |answer - expected| / max(1, |expected|), infinite for NaN.
    """
    answers = model.answer(golden.inputs)
    worst = Difference(tensor="", largest=-1.0)
    for name, expected in golden.outputs.items():
        gap = np.abs(answers[name].astype(np.float64) - expected)
        largest = float(np.max(gap / np.maximum(1.0, np.abs(expected.astype(np.float64)))))
        largest = largest if np.isfinite(largest) else float("inf")
        if largest > worst.largest:
            worst = Difference(tensor=name, largest=largest)
    return worst
