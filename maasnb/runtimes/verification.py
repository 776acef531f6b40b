"""Whether an artifact answers as the notebook did: each of its programs, for several batches."""

from maasnb.artifacts.artifact import Artifact
from maasnb.artifacts.freezing import INPUT_NAME, PublishableRun
from maasnb.errors import ExportError, MaasError
from maasnb.runtimes.served import (
    Difference,
    Golden,
    ServedModel,
    difference,
    load,
    read_golden,
)

__all__ = ["NOTEBOOK_TOLERANCE", "verify"]

NOTEBOOK_TOLERANCE = 1e-5
BATCHES = (1, 2, 3)


def verify(run: PublishableRun, artifact: Artifact) -> ServedModel:
    """Run an artifact's programs and compare them with the notebook's own outputs.

    Returns:
        The model, loaded from the program that is preferred.

    Raises:
        ExportError: at some size of batch an output differs by more than 1e-5, or the program
            does not run.
        MissingPackageError: the runtime's package is not installed.
    """
    manifest = artifact.manifest
    golden = read_golden(manifest, artifact.blobs[manifest.golden.digest])
    raw = golden.inputs[INPUT_NAME]
    sizes = sorted({min(rows, golden.count) for rows in (*BATCHES, golden.count)})
    models = [load(manifest, artifact.blobs, (each.format,)) for each in manifest.programs]
    for rows in sizes:
        prepared = manifest.recipe.inputs(raw[:rows])
        answers = manifest.recipe.outputs(run.backend.predict(run.model, run.task, prepared))
        expected = Golden({INPUT_NAME: raw[:rows]}, {manifest.output.name: answers})
        for program, model in zip(manifest.programs, models, strict=True):
            found = _compared(program.format, model, expected)
            if not found.largest <= NOTEBOOK_TOLERANCE:
                message = (
                    f"The exported {program.format} program does not answer as the notebook does: "
                    f"{found.tensor!r} differs by {found.largest:.3g} for a batch of {rows}; "
                    f"expected at most {NOTEBOOK_TOLERANCE:g}. Nothing was sent. Look for parts of "
                    "the model that depend on chance, on the batch or on Python's own state when "
                    "it predicts."
                )
                raise ExportError(message)
    return models[0]


def _compared(program_format: str, model: ServedModel, expected: Golden) -> Difference:
    try:
        return difference(model, expected)
    except MaasError:
        raise
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        message = (
            f"The exported {program_format} program does not run ({lines[0][:300]}). Nothing was "
            "sent. A layer with an option that its format does not have may be the reason, such as "
            "an LSTM with proj_size; write that layer another way."
        )
        raise ExportError(message) from error
