"""The manifest: what an artifact holds and promises, as JSON that is checked when it is read.

The manifest names every blob by digest, so its own bytes fix the whole artifact. The same run gives
the same bytes: keys are sorted and no time stands in it. A reader believes nothing: sizes, names,
depth and every field are checked, and a field that it does not know is refused.
"""

import dataclasses
import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NoReturn

from maasnb.artifacts.blobs import Blob, check_digest
from maasnb.datasets.checks import check_known
from maasnb.datasets.recipes import Recipe
from maasnb.errors import ArtifactError, MaasError, OptionError
from maasnb.tasks import Task, is_loss_of
from maasnb.tensors import Signature, Tensor

__all__ = [
    "FORMATS",
    "LARGEST_MANIFEST_BYTES",
    "SCHEMA_VERSION",
    "Framework",
    "Manifest",
    "ProgramEntry",
    "check_name",
    "clean_json",
]

SCHEMA_VERSION = 1
FORMATS = ("onnx", "stablehlo")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
LARGEST_MANIFEST_BYTES = 8 << 20
LARGEST_BLOB_BYTES = 1 << 36
LARGEST_TEXT_BYTES = 4 << 20
"""So large may a card or a summary be."""
DEEPEST = 32
"""So many brackets inside one another; what maasnb writes has about six."""
LARGEST_DIMENSION = 1 << 31
LARGEST_EXAMPLE = 1 << 28
MOST_LABELS = 100_000
REQUIRED = (
    "schema",
    "name",
    "framework",
    "signature",
    "recipe",
    "task",
    "metrics",
    "provenance",
    "programs",
    "weights",
    "golden",
)
OPTIONAL = ("card", "summary", "generation", "tokens")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Framework:
    """Name the framework that a model was trained in."""

    name: str
    version: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ProgramEntry:
    """Name one program of an artifact: its format, one of `FORMATS`, and its bytes."""

    format: str
    blob: Blob


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Describe an artifact.

    Attributes:
        name: the name that the model is served under.
        framework: what it was trained in.
        signature: the raw tensor that it takes, and the tensor that it returns.
        recipe: what is done to raw examples before the program and to its outputs after it.
        task: the meaning of the outputs.
        metrics: what the run measured last.
        provenance: where the model comes from: run, seed, data, settings, package versions.
        programs: the model as programs, the preferred one first.
        weights: the model's weights, safetensors.
        golden: a few raw examples and their outputs, safetensors; a server must reproduce them.
        card: what a person should know of the model, Markdown; None where none was written.
        summary: how the training data was distributed, JSON; None where that is not known.
        generation: `{"context": tokens, "unit": name}` where the model says which token of a text
            comes next, so that it can write; else None.
        tokens: how many tokens a model knows that takes their numbers, from 0 on; else None.
    """

    name: str
    framework: Framework
    signature: Signature
    recipe: Recipe
    task: Task
    metrics: Mapping[str, float | None]
    provenance: Mapping[str, Any]
    programs: tuple[ProgramEntry, ...]
    weights: Blob
    golden: Blob
    card: Blob | None = None
    summary: Blob | None = None
    generation: Mapping[str, Any] | None = None
    tokens: int | None = None

    @property
    def input(self) -> Tensor:
        """Return the tensor that the model takes."""
        return self.signature.inputs[0]

    def check(self, inputs: Mapping[str, Any]) -> None:
        """Pass if recipe and model can read raw inputs that fit the signature.

        Raises:
            DataError: a text stands where a number was expected, a number is missing, or a token
                is not known.
        """
        raw = inputs[self.input.name]
        if self.recipe.raw == "rows":
            self.recipe.check(raw)
        if self.tokens is not None:
            check_known(raw, self.tokens)

    @property
    def output(self) -> Tensor:
        """Return the tensor that the model returns."""
        return self.signature.outputs[0]

    @property
    def blobs(self) -> tuple[Blob, ...]:
        """Return every blob that the artifact needs, each once."""
        programs = (program.blob for program in self.programs)
        all_blobs = (*programs, self.weights, self.golden, self.card, self.summary)
        return tuple({blob.digest: blob for blob in all_blobs if blob is not None}.values())

    def program(self, formats: Sequence[str]) -> ProgramEntry | None:
        """Return the first program in one of these formats."""
        return next((each for each in self.programs if each.format in formats), None)

    def to_json(self) -> dict[str, Any]:
        """Return the manifest as JSON data."""
        extras = {
            "card": self.card and self.card.to_json(),
            "summary": self.summary and self.summary.to_json(),
            "generation": None if self.generation is None else dict(self.generation),
            "tokens": self.tokens,
        }
        return {
            "schema": SCHEMA_VERSION,
            "name": self.name,
            "framework": dataclasses.asdict(self.framework),
            "signature": self.signature.to_json(),
            "recipe": self.recipe.to_json(),
            "task": self.task.to_json(),
            "metrics": dict(self.metrics),
            "provenance": dict(self.provenance),
            "programs": [
                {"format": program.format, **program.blob.to_json()} for program in self.programs
            ],
            "weights": self.weights.to_json(),
            "golden": self.golden.to_json(),
            **{name: extra for name, extra in extras.items() if extra is not None},
        }

    def to_bytes(self) -> bytes:
        """Return the manifest as UTF-8 JSON; equal manifests give equal bytes."""
        text = json.dumps(
            clean_json(self.to_json()),
            sort_keys=True,
            indent=1,
            ensure_ascii=False,
            allow_nan=False,
        )
        return text.encode() + b"\n"

    @classmethod
    def from_bytes(cls, content: bytes) -> "Manifest":
        """Read a manifest, which may come from anybody.

        Raises:
            ArtifactError: it is no JSON, too large or too deep, of another schema, or a field is
                missing, wrong or not known.
        """
        if len(content) > LARGEST_MANIFEST_BYTES:
            message = (
                f"The manifest has {len(content)} bytes; expected at most {LARGEST_MANIFEST_BYTES}."
            )
            raise ArtifactError(message)
        try:
            return _read(_parse(content))
        except ArtifactError:
            raise
        except (
            MaasError,
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
            RecursionError,
        ) as error:
            reason = f"{type(error).__name__}: {error}"
            message = (
                f"The manifest cannot be read ({reason:.300}); expected a manifest of schema "
                f"{SCHEMA_VERSION} as maasnb writes it. Publish the run again."
            )
            raise ArtifactError(message) from error


def check_name(name: str) -> str:
    """Return a model's name that can be used in a URL and as a folder.

    Raises:
        OptionError: it cannot; the message says what can.

    >>> check_name("digits-v2")
    'digits-v2'
    """
    if not NAME.match(name):
        message = (
            f"{name!r:.80} cannot be the name of a published model; expected 1 to 64 letters, "
            "digits, dots, dashes or underscores, the first a letter or digit. Type: publish(run, "
            "'my-model')"
        )
        raise OptionError(message)
    return name


def clean_json(value: object) -> object:
    """Return JSON data with None in place of numbers that JSON does not have."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): clean_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [clean_json(each) for each in value]
    return value


def _parse(content: bytes) -> object:
    """Return JSON data in which no name stands twice and nothing is deeper than `DEEPEST`."""
    data = json.loads(
        content, object_pairs_hook=_named_once, parse_constant=_no_number, parse_float=_finite
    )
    level = [data] if isinstance(data, dict | list) else []
    for _ in range(DEEPEST):
        if not level:
            return data
        inside = (one.values() if isinstance(one, dict) else one for one in level)
        level = [each for some in inside for each in some if isinstance(each, dict | list)]
    message = f"The manifest is nested more than {DEEPEST} deep; expected one of maasnb's own."
    raise ArtifactError(message)


def _named_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    data = dict(pairs)
    if len(data) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))
        message = f"The manifest names {twice!r:.80} twice; expected each name once."
        raise ArtifactError(message)
    return data


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _no_number(digits[:20])


def _no_number(word: str) -> NoReturn:
    message = (
        f"The manifest holds {word}, which is no number in JSON of 64 bits; expected finite ones."
    )
    raise ArtifactError(message)


def _read(data: object) -> Manifest:
    if not isinstance(data, dict) or data.get("schema") != SCHEMA_VERSION:
        found = data.get("schema") if isinstance(data, dict) else type(data).__name__
        message = (
            f"The manifest has schema {found!r:.40}; this maasnb reads schema {SCHEMA_VERSION}. "
            "Use the same version of maasnb on both sides."
        )
        raise ArtifactError(message)
    _fields(data, REQUIRED, OPTIONAL)
    framework = _fields(data["framework"], ("name", "version"))
    recipe = Recipe.from_json(data["recipe"])
    return Manifest(
        name=check_name(_text(data["name"])),
        framework=Framework(name=_text(framework["name"]), version=_text(framework["version"])),
        signature=_fitting(_signature(data["signature"]), recipe),
        recipe=recipe,
        task=_task(data["task"]),
        metrics=_metrics(data["metrics"]),
        provenance=_mapping(data["provenance"]),
        programs=_programs(data["programs"]),
        weights=_blob(data["weights"]),
        golden=_blob(data["golden"]),
        card=_blob(data["card"], LARGEST_TEXT_BYTES) if "card" in data else None,
        summary=_blob(data["summary"], LARGEST_TEXT_BYTES) if "summary" in data else None,
        generation=_generation(data, recipe),
        tokens=_tokens(data, recipe),
    )


def _expected(what: str, value: object) -> ArtifactError:
    message = f"The manifest holds {value!r:.80} where {what} was expected. Publish the run again."
    return ArtifactError(message)


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > 1000:
        raise _expected("a short text", value)
    return value


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _expected("an object", value)
    return value


def _fields(value: object, required: Sequence[str], optional: Collection[str] = ()) -> Any:  # noqa: ANN401 - JSON
    """Return an object that has all the required fields and none that is not known."""
    fields = _mapping(value)
    missing = [name for name in required if name not in fields]
    unknown = [name for name in fields if name not in required and name not in optional]
    if missing or unknown:
        wrong = f"lacks the field {missing[0]!r}" if missing else f"has a field {unknown[0]!r:.80}"
        message = (
            f"The manifest {wrong} that this maasnb {'needs' if missing else 'does not know'}; "
            f"expected {', '.join(required)}. Use the same version of maasnb on both sides."
        )
        raise ArtifactError(message)
    return fields


def _count(value: object, largest: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= largest:
        raise _expected(f"a whole number from 0 to {largest}", value)
    return value


def _blob(value: object, largest: int = LARGEST_BLOB_BYTES) -> Blob:
    fields = _fields(value, ("digest", "size_bytes"))
    size = _count(fields["size_bytes"], largest)
    return Blob(digest=check_digest(_text(fields["digest"])), size_bytes=size)


def _programs(value: object) -> tuple[ProgramEntry, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= len(FORMATS):
        raise _expected("a list of one or two programs", value)
    programs = []
    for each in value:
        blob = dict(_fields(each, ("format", "digest", "size_bytes")))
        programs.append(ProgramEntry(format=_text(blob.pop("format")), blob=_blob(blob)))
    for program in programs:
        if program.format not in FORMATS:
            raise _expected(f"a program format ({' or '.join(FORMATS)})", program.format)
    if len({program.format for program in programs}) != len(programs):
        raise _expected("one program of each format", value)
    return tuple(programs)


def _metrics(value: object) -> dict[str, float | None]:
    metrics = _mapping(value)
    for number in metrics.values():
        if number is not None and (not isinstance(number, int | float) or isinstance(number, bool)):
            raise _expected("a number", number)
    return metrics


def _task(value: object) -> Task:
    task = Task.from_json(_mapping(value))
    _count(task.outputs, LARGEST_DIMENSION)
    if not is_loss_of(_text(task.loss), task.kind) or len(task.labels) > MOST_LABELS:
        raise _expected("a task with a loss that fits its kind", value)
    if task.given not in ("logits", "probabilities", "values"):
        raise _expected("what the model returns", task.given)
    for label in task.labels:
        _text(label)
    return task


def _fitting(signature: Signature, recipe: Recipe) -> Signature:
    """Return the signature, knowing of gaps, if its input is one that the recipe takes."""
    tensor = signature.inputs[0]
    texts = tensor.datatype == "BYTES"
    axes = {"text": 1, "rows": 2}.get(recipe.raw, len(tensor.shape))
    if texts != (recipe.raw != "numbers") or len(tensor.shape) != axes:
        raise _expected("an input that the recipe takes", tensor.to_json())
    gaps = recipe.fills and tensor.dtype.kind == "f"
    return dataclasses.replace(signature, inputs=(dataclasses.replace(tensor, gaps=gaps),))


def _generation(data: Mapping[str, Any], recipe: Recipe) -> dict[str, Any] | None:
    """Return what makes a model one that writes, if that fits the rest of the manifest."""
    text, signature = recipe.text, _signature(data["signature"])
    if data.get("generation") is None:
        return None
    value, shape = _mapping(data["generation"]), signature.outputs[0].shape
    if text is None or value != {"context": text.length, "unit": text.unit}:
        raise _expected("the context of its recipe's text", value)
    if shape != (-1, text.length, len(text.vocabulary)):
        raise _expected("an output for each token of the vocabulary", shape)
    return value


def _tokens(data: Mapping[str, Any], recipe: Recipe) -> int | None:
    """Return how many tokens the model knows, if it takes their numbers as they are."""
    if data.get("tokens") is None:
        return None
    whole = _signature(data["signature"]).inputs[0].dtype.kind in "iu"
    if not whole or recipe.steps:
        raise _expected("no number of tokens, as the model takes none", data["tokens"])
    return _count(data["tokens"], LARGEST_DIMENSION)


def _signature(value: object) -> Signature:
    sides = _fields(value, ("inputs", "outputs"))
    for side in ("inputs", "outputs"):
        if not isinstance(sides[side], list) or len(sides[side]) != 1:
            raise _expected("a signature with one input and one output", value)
        _fields(sides[side][0], ("name", "datatype", "shape"))
    signature = Signature.from_json(sides)
    if signature.inputs[0].name == signature.outputs[0].name:
        raise _expected("an output with another name than the input", value)
    if signature.outputs[0].datatype != "FP32":
        raise _expected("an output of the datatype FP32", signature.outputs[0].datatype)
    for tensor in (*signature.inputs, *signature.outputs):
        if not NAME.match(tensor.name):
            raise _expected("the name of a tensor", tensor.name)
        inner = [_count(size, LARGEST_DIMENSION) for size in tensor.shape[1:]]
        if tensor.shape[:1] != (-1,) or len(tensor.shape) > 8 or math.prod(inner) > LARGEST_EXAMPLE:
            raise _expected("a shape that begins with -1, of at most 8 axes", tensor.shape)
    return signature
