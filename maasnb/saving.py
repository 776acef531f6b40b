"""The verbs `save` and `load`: a trained run as a folder, and back without the code of its model.

What is saved is what would be published: programs, weights, recipe and card, all named by digests,
no pickle among them. Loading runs the program; where a model is given, its weights are put into it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from maasnb.artifacts.artifact import Artifact, read, write
from maasnb.artifacts.blobs import arrays_from_bytes
from maasnb.artifacts.freezing import PublishableRun, freeze
from maasnb.artifacts.manifest import Manifest, check_name
from maasnb.backends import backend_of
from maasnb.backends.protocol import Array
from maasnb.client.downloads import download
from maasnb.client.endpoint import Endpoint, fitting
from maasnb.errors import ArtifactError, MissingPackageError, ModelError, OptionError, described
from maasnb.language.translating import translated, translated_rows
from maasnb.metrics import named_labels
from maasnb.runtimes.served import ServedModel
from maasnb.runtimes.served import load as load_program
from maasnb.runtimes.verification import verify
from maasnb.tables import aligned

__all__ = ["SavedModel", "load", "save"]

MANY_ROWS = 1024
"""So many examples are answered at once."""


class SavedModel:
    """A model in a folder, or got from a server, which answers as the notebook did.

    Attributes:
        folder: where it is; None where it came from a server.
        manifest: what it holds and promises.
        name: its name.
        labels: the classes' names; empty where it has none.
        metrics: what was measured on the validation split when it was saved.
    """

    def __init__(self, artifact: Artifact, folder: Path | None, server: str = "") -> None:
        """Take an artifact that was read or written, or the server's that it came from."""
        self.folder = folder
        self.manifest: Manifest = artifact.manifest
        self.name = artifact.manifest.name
        self.labels = artifact.manifest.task.labels
        self.metrics: Mapping[str, float | None] = dict(artifact.manifest.metrics)
        self._artifact = artifact
        self._server = server
        self._served: ServedModel | None = None

    @property
    def card(self) -> str:
        """Return the model card, Markdown; empty where none was written."""
        card = self.manifest.card
        return "" if card is None else self._artifact.blobs[card.digest].decode()

    def predict(self, x: ArrayLike) -> Array:
        """Return the model's answers to raw examples.

        Args:
            x: raw examples [n, ...] as the data has them; a single one counts as a batch of one.

        Returns:
            Probabilities or values [n, outputs], float32.

        Raises:
            ShapeError: the examples are not of the model's shape.
            DataError: they are no finite numbers of the model's datatype, or tokens that it does
                not know.
            MissingPackageError: what runs its program is not installed.
        """
        manifest = self.manifest
        array = fitting(x, manifest.input, manifest.provenance.get("features") or ())
        manifest.check({manifest.input.name: array})
        if self._served is None:
            self._served = _runnable(self._artifact)
        parts = [
            self._served.answer({manifest.input.name: array[start : start + MANY_ROWS]})
            for start in range(0, len(array), MANY_ROWS)
        ]
        return np.concatenate([part[manifest.output.name] for part in parts])

    def classify(self, x: ArrayLike) -> Array:
        """Return the label of the most probable class of each raw example.

        Args:
            x: raw examples [n, ...]; one single example counts as a batch of one.

        Returns:
            Labels [n], text; of a model that gives several labels a tuple of them for each.

        Raises:
            OptionError: the model is no classifier.
        """
        if not self.labels:
            message = (
                f"The model {self.name!r} has no classes; it returns values. Type: saved.predict(x)"
            )
            raise OptionError(message)
        return named_labels(self.predict(x), self.labels, self.manifest.task.kind)

    def weights(self) -> dict[str, Array]:
        """Return the model's weights and buffers by name, as its framework names them."""
        return arrays_from_bytes(self._artifact.blobs[self.manifest.weights.digest])

    def table(self) -> tuple[tuple[str, str], ...]:
        """Return what was saved, as rows of (what, value)."""
        manifest = self.manifest
        formats = ", ".join(program.format for program in manifest.programs)
        takes, returns = (
            f"{each.name} {each.datatype} {list(each.shape)}"
            for each in (manifest.input, manifest.output)
        )
        size = sum(blob.size_bytes for blob in manifest.blobs)
        rows = [
            ("folder", str(self.folder)) if self.folder else ("server", self._server),
            ("trained in", f"{manifest.framework.name} {manifest.framework.version}"),
            ("programs", formats),
            ("takes", takes),
            ("returns", returns),
            ("size", f"{size / 1000:,.0f} kB"),
        ]
        if self.labels:
            rows.insert(5, ("classes", ", ".join(self.labels[:12])))
        return tuple(rows)

    def __str__(self) -> str:
        """Return a table of what was saved."""
        shown = aligned(translated_rows(self.table()))
        rows = "\n".join(f"  {line}" for line in shown.splitlines())
        return f"{translated(f'Saved model {self.name!r}')}\n{rows}"

    __repr__ = __str__


def save(run: PublishableRun, folder: str | Path, name: str | None = None) -> SavedModel:
    """Save a trained run as a folder that can be loaded without the model's code.

    Args:
        run: the trained run.
        folder: where; an earlier saved model there is replaced.
        name: what to call the model; by default what the folder is called.

    Returns:
        The saved model.

    Raises:
        ExportError: the run is untrained, or its export fails or answers differently.
        OptionError: the folder holds other things, or the name cannot be used.
        WorkspaceError: the folder cannot be written.
    """
    if not isinstance(getattr(run, "steps", None), int):
        message = (
            f"{described(run)} cannot be saved; expected the run that training returned. "
            "Type: run = mb.train(model, data); mb.save(run, 'folder')"
        )
        raise ModelError(message)
    path = Path(folder).expanduser().absolute()
    artifact = freeze(run, _name_of(path) if name is None else check_name(name))
    verify(run, artifact)
    return SavedModel(artifact, write(artifact, path))


def _name_of(folder: Path) -> str:
    try:
        return check_name(folder.name)
    except OptionError:
        message = (
            f"The folder's name {folder.name!r:.80} cannot be the model's, too; expected 1 to 64 "
            "letters, digits, dots, dashes or underscores, the first a letter or digit. Type: "
            f"mb.save(run, {str(folder)!r}, name='my-model')"
        )
        raise OptionError(message) from None


def load(folder: str | Path | Endpoint, *, into: Any = None) -> Any:  # noqa: ANN401 - or `into`
    """Load a saved or published model; or put its weights into a model of one's own.

    Args:
        folder: where `mb.save` put it; or the endpoint of a published model, with a token that
            may publish it.
        into: a torch.nn.Module or a flax nnx.Module of the structure that was trained, or its class
            if it needs no arguments; by default the model runs from its program.

    Returns:
        The saved model, which predicts; or the model that was given, with the weights in it.

    Raises:
        ArtifactError: the folder holds no whole saved model, or the server sent something else.
        ForbiddenError: the endpoint's token may not publish the model.
        EndpointError: the server is not there, or is no maasnb server.
        ModelError: the weights do not fit the model; nothing was changed.
        MissingPackageError: what runs its program is not installed.
    """
    if isinstance(folder, Endpoint):
        saved = SavedModel(download(folder), None, folder.url)
    else:
        path = Path(folder).expanduser().absolute()
        if not path.is_dir():
            message = (
                f"There is no folder {str(path)!r}; expected one that mb.save wrote. "
                f"Type: mb.save(run, {str(folder)!r})"
            )
            raise ArtifactError(message)
        saved = SavedModel(read(path), path)
    if into is None:
        return saved
    model = _made(into) if isinstance(into, type) else into
    backend = backend_of(model)
    framework = saved.manifest.framework.name
    if backend.name != framework:
        place = "endpoint" if isinstance(folder, Endpoint) else repr(str(folder))
        message = (
            f"The model {saved.name!r} was trained in {framework}, but the given "
            f"{type(model).__name__} is one of {backend.name}; the weights of one do not fit the "
            f"other. Without the model's code type: mb.load({place}).predict(x)"
        )
        raise ModelError(message)
    backend.bind(model, saved.weights())
    return model


def _made(cls: type) -> object:
    try:
        return cls()
    except TypeError as error:
        message = (
            f"{cls.__name__} cannot be made without arguments ({error}). Give a model in place of "
            f"its class: mb.load(folder, into={cls.__name__}(...))"
        )
        raise ModelError(message) from error


def _runnable(artifact: Artifact) -> ServedModel:
    """Load the first program whose runtime is installed."""
    missing: MissingPackageError | None = None
    for program in artifact.manifest.programs:
        try:
            return load_program(artifact.manifest, artifact.blobs, (program.format,))
        except MissingPackageError as error:
            missing = missing or error
    assert missing is not None  # a manifest has at least one program
    raise missing
