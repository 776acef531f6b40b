"""The verb table: which function a `%maas` verb calls, and what can be written behind it.

The table holds names only. A verb's options, their types, defaults and help are read from the
signature and the docstring of its function, which is imported when the verb is first used; so help,
completion and checks cannot drift from Python.
"""

import dataclasses
import importlib
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

from maasnb.backends import BACKENDS
from maasnb.errors import unknown_name
from maasnb.schedules import SCHEDULES
from maasnb.tasks import LOSSES, OPTIMIZERS

__all__ = ["VERBS", "Option", "Verb", "verb_named"]

PLAIN = {"Literal", "None", "Sequence", "bool", "float", "int", "list", "str", "tuple"}
NOUNS = {"Artifact", "Data", "Endpoint", "Report", "Run", "Runs", "Split"}
STANDING_FOR = {"Predictor": ("Run", "Endpoint"), "PublishableRun": ("Run",)}
"""Protocols of lower rooms, and the classes that a person holds in their place."""
WORDS = {"Sequence[float]", "Sequence[int]", "Sequence[str]", "tuple[float, ...]"}


def _datasets() -> tuple[str, ...]:
    from maasnb.datasets.sources import DATASETS  # noqa: PLC0415 - a verb's rooms open when it is used

    return tuple(DATASETS)


def _exercises() -> tuple[str, ...]:
    from maasnb.exercises.checking import known_exercises  # noqa: PLC0415 - likewise

    return known_exercises()


def _reports() -> tuple[str, ...]:
    from maasnb.study.inspection import REPORTS  # noqa: PLC0415 - likewise

    return (*REPORTS, "summary")


CHOICES: Mapping[str, Callable[[], tuple[str, ...]]] = {
    "backend": lambda: tuple(sorted(BACKENDS)),
    "exercise of check": _exercises,
    "loss": lambda: ("auto", *LOSSES),
    "optimizer": lambda: tuple(OPTIMIZERS),
    "schedule": lambda: tuple(SCHEDULES),
    "what of inspect": _reports,
    "x of data": _datasets,
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """Describe one parameter of a verb's function, as it is written on a magic's line.

    Attributes:
        name: the parameter.
        heads: the members of its annotation, as `("int",)` or `("Data", "None")`.
        positional: whether it is written by its place.
        default: its default; `inspect.Parameter.empty` for a parameter that must be given.
        text: its line in the docstring.
        values: the words that are known to be accepted; empty where any is.
        many: whether any number of words may be given by their places.
    """

    name: str
    heads: tuple[str, ...]
    positional: bool
    default: object
    text: str
    values: tuple[str, ...] = ()
    many: bool = False

    @property
    def flag(self) -> str:
        """Return how the option is written."""
        return "--" + self.name.replace("_", "-")

    @property
    def required(self) -> bool:
        """Say whether it must be given."""
        return self.default is inspect.Parameter.empty and not self.many

    @property
    def switch(self) -> bool:
        """Say whether it is a yes or no, which takes no value."""
        return "bool" in self.heads

    @property
    def live(self) -> bool:
        """Say whether a word is first looked up among the notebook's objects."""
        return any(
            head.split("[")[0] not in PLAIN
            or ("[" in head and not head.startswith("Literal") and head not in WORDS)
            for head in self.heads
        )

    @property
    def nouns(self) -> tuple[str, ...]:
        """Return the maasnb classes that it takes, if it takes no other objects."""
        live = [name for head in self.heads for name in STANDING_FOR.get(head, (head,))]
        nouns = tuple(name for name in live if name.split("[")[0] not in PLAIN)
        return nouns if set(nouns) <= NOUNS else ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """Name a verb's function and what becomes of its result.

    Attributes:
        name: the verb.
        module: the module that holds the function.
        function: the function's name there.
        binds: the variable that the result is bound to; empty for none.
        named_by: a parameter whose word is the better name for that variable.
        cell: the parameter that a cell's body gives; such a verb's first word names its result.
        switches: short flags, as `{"bg": ("wait", False)}`, in place of the parameter's own.
    """

    name: str
    module: str
    function: str
    binds: str = ""
    named_by: str = ""
    cell: str = ""
    switches: Mapping[str, tuple[str, bool]] = dataclasses.field(default_factory=dict)

    def resolve(self) -> Callable[..., Any]:
        """Import the verb's room and return the function."""
        return getattr(importlib.import_module(self.module), self.function)

    def summary(self) -> str:
        """Return the first line of the function's docstring."""
        return (inspect.getdoc(self.resolve()) or "").partition("\n")[0]

    def options(self) -> tuple[Option, ...]:
        """Return the function's parameters, without the one that the cell's body gives."""
        function = self.resolve()
        texts = argument_texts(inspect.getdoc(function) or "")
        options = []
        for parameter in inspect.signature(function).parameters.values():
            if parameter.name == self.cell:
                continue
            heads = annotation_heads(parameter.annotation)
            options.append(
                Option(
                    name=parameter.name,
                    heads=heads,
                    positional=parameter.kind is not inspect.Parameter.KEYWORD_ONLY,
                    default=parameter.default,
                    text=texts.get(parameter.name, ""),
                    values=self._values(parameter.name, heads),
                    many=parameter.kind is inspect.Parameter.VAR_POSITIONAL,
                )
            )
        return tuple(options)

    def _values(self, name: str, heads: tuple[str, ...]) -> tuple[str, ...]:
        choices = CHOICES.get(f"{name} of {self.name}") or CHOICES.get(name)
        if choices is not None:
            return choices()
        literals = next((head for head in heads if head.startswith("Literal")), "")
        return tuple(re.findall(r"'([^']*)'", literals))


_ALL = (
    Verb(
        name="data",
        module="maasnb.datasets.loading",
        function="data",
        binds="data",
        named_by="x",
    ),
    Verb(name="windows", module="maasnb.datasets.windows", function="windows", binds="data"),
    Verb(name="build", module="maasnb.building", function="build", cell="layers"),
    Verb(
        name="train",
        module="maasnb.training",
        function="train",
        binds="run",
        switches={"bg": ("wait", False)},
    ),
    Verb(name="pause", module="maasnb.steering", function="pause"),
    Verb(name="resume", module="maasnb.steering", function="resume"),
    Verb(name="stop", module="maasnb.steering", function="stop"),
    Verb(name="lr", module="maasnb.steering", function="lr"),
    Verb(name="clip", module="maasnb.steering", function="clip"),
    Verb(name="checkpoint", module="maasnb.steering", function="checkpoint"),
    Verb(name="rollback", module="maasnb.operating", function="rollback"),
    Verb(
        name="fork",
        module="maasnb.training",
        function="fork",
        binds="fork",
        switches={"bg": ("wait", False)},
    ),
    Verb(
        name="replay",
        module="maasnb.training",
        function="replay",
        binds="again",
        switches={"bg": ("wait", False)},
    ),
    Verb(name="find_lr", module="maasnb.study.rates", function="find_lr", binds="report"),
    Verb(name="inspect", module="maasnb.study.inspection", function="inspect", binds="report"),
    Verb(name="evaluate", module="maasnb.study.evaluation", function="evaluate", binds="report"),
    Verb(name="save", module="maasnb.saving", function="save", binds="saved"),
    Verb(name="load", module="maasnb.saving", function="load", binds="saved"),
    Verb(name="source", module="maasnb.sourcing", function="source"),
    Verb(name="convert", module="maasnb.converting", function="convert", binds="converted"),
    Verb(name="publish", module="maasnb.publishing", function="publish", binds="endpoint"),
    Verb(name="connect", module="maasnb.publishing", function="connect", binds="endpoint"),
    Verb(name="predict", module="maasnb.publishing", function="predict"),
    Verb(name="generate", module="maasnb.prompting", function="generate"),
    Verb(name="versions", module="maasnb.operating", function="versions"),
    Verb(name="promote", module="maasnb.operating", function="promote"),
    Verb(name="canary", module="maasnb.operating", function="canary"),
    Verb(name="shadow", module="maasnb.operating", function="shadow"),
    Verb(name="unpublish", module="maasnb.operating", function="unpublish"),
    Verb(name="monitor", module="maasnb.monitoring", function="monitor", binds="report"),
    Verb(name="compare", module="maasnb.study.comparison", function="compare", binds="comparison"),
    Verb(name="panel", module="maasnb.panels.reopening", function="panel"),
    Verb(name="check", module="maasnb.exercises.checking", function="check"),
    Verb(name="runs", module="maasnb.records.listing", function="runs"),
    Verb(name="show", module="maasnb.showing", function="show"),
    Verb(name="history", module="maasnb.showing", function="history"),
    Verb(name="devices", module="maasnb.hardware", function="devices"),
    Verb(name="doctor", module="maasnb.diagnosis", function="doctor"),
)

VERBS: dict[str, Verb] = {verb.name: verb for verb in _ALL}
"""Name -> verb, in the order in which a model is made."""


def verb_named(name: str) -> Verb:
    """Return the verb of that name.

    Raises:
        UnknownNameError: there is no such verb; the message offers the nearest one.
    """
    if name not in VERBS:
        raise unknown_name("verb", name, VERBS, "Type: %maas --help")
    return VERBS[name]


def annotation_heads(annotation: object) -> tuple[str, ...]:
    """Return the members of an annotation by their short names, without evaluating strings in it.

    >>> annotation_heads(int | None)
    ('int', 'None')
    >>> annotation_heads("Sequence[float]")
    ('Sequence[float]',)
    """
    if annotation is inspect.Parameter.empty:
        return ("Any",)
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    text = re.sub(r"\b(?:[A-Za-z_]\w*\.)+(?=[A-Za-z_])", "", text)  # module names
    optional = re.fullmatch(
        r"Optional\[(.*)\]", text
    )  # how Python <= 3.13 writes Literal[...] | None
    text = f"{optional[1]} | None" if optional else text
    members, depth, start = [], 0, 0
    for place, letter in enumerate(text):
        depth += (letter in "[(") - (letter in "])")
        if letter == "|" and depth == 0:
            members.append(text[start:place])
            start = place + 1
    members.append(text[start:])
    return tuple(each.strip() for each in members)


def argument_texts(docstring: str) -> dict[str, str]:
    r"""Return what the `Args:` section of a Google docstring says of each parameter.

    >>> argument_texts("Do it.\n\nArgs:\n    x: inputs,\n        float32.\n    y: targets.\n")
    {'x': 'inputs, float32.', 'y': 'targets.'}
    """
    section = re.search(r"^Args:\n((?:[ \t]+\S.*\n?|\n)+)", docstring, flags=re.MULTILINE)
    if section is None:
        return {}
    texts: dict[str, str] = {}
    name = ""
    for line in inspect.cleandoc("\n" + section[1]).splitlines():
        start = re.match(r"\*{0,2}(\w+): (.*)", line)
        if start:
            name = start[1]
            texts[name] = start[2].strip()
        elif name and line.strip():
            texts[name] += " " + line.strip()
    return texts
