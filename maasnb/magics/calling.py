"""From a magic's line to the call that it stands for, and from its result to a variable."""

import dataclasses
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

from maasnb.errors import MaasError, OptionError, TrainingError
from maasnb.layers import Input, parse_layers
from maasnb.magics.guide import all_verbs, one_verb
from maasnb.magics.parsing import HELP, Line, parse_words, split_words
from maasnb.magics.pointing import at
from maasnb.magics.suggestions import next_steps
from maasnb.magics.verbs import Option, Verb, verb_named
from maasnb.magics.words import (
    Argument,
    argument_for,
    fitting_names,
    layers_source,
    literal_source,
)
from maasnb.records.control import steering_from

__all__ = ["Call", "prepare", "run_line"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Hold a call that is ready to be made.

    Attributes:
        verb: the verb.
        arguments: positional arguments, in order.
        keywords: the others, by name.
        name: the variable that the result is bound to; empty for none.
        remark: what was decided for the user, in words; empty for nothing.
    """

    verb: Verb
    arguments: tuple[Argument, ...]
    keywords: dict[str, Argument]
    name: str
    remark: str = ""

    @property
    def source(self) -> str:
        """Return the Python line that the magic stands for, with `import maasnb as mb`."""
        words = [argument.source for argument in self.arguments]
        words += [f"{name}={argument.source}" for name, argument in self.keywords.items()]
        call = f"mb.{self.verb.name}({', '.join(words)})"
        return f"{self.name} = {call}" if self.name else call

    def make(self) -> Any:  # noqa: ANN401 - what the verb returns
        """Call the verb's function."""
        keywords = {name: argument.value for name, argument in self.keywords.items()}
        with steering_from("magic"):
            return self.verb.resolve()(*(each.value for each in self.arguments), **keywords)


def run_line(line: str, cell: str | None, names: MutableMapping[str, Any]) -> Any:  # noqa: ANN401 - likewise
    """Do what a magic's line says.

    Args:
        line: the words behind `%maas`.
        cell: the lines below `%%maas`, or None.
        names: the notebook's variables; the result is bound there.

    Returns:
        What the verb returned, or None after help and `--show`.

    Raises:
        MaasError: the line is not understood, or the verb failed.
    """
    words = split_words(line)
    if not words or words[0] in HELP:
        _say(all_verbs() if words else next_steps(names))
        return None
    verb = verb_named(words[0])
    if any(word in HELP for word in words[1:]):
        _say(one_verb(verb))
        return None
    parsed = parse_words(verb, words[1:])
    call = prepare(verb, parsed, cell, names)
    if parsed.show:
        _say(call.source)
        return None
    try:
        result = call.make()
    except TrainingError as error:
        if error.run is not None and call.name:
            names[call.name] = error.run
        raise
    if call.name:
        names[call.name] = result
    return _built(call, result) if verb.cell else result


def prepare(verb: Verb, line: Line, cell: str | None, names: Mapping[str, Any]) -> Call:
    """Look the words up and name the result.

    Raises:
        MaasError: a word means nothing, or the cell's body is missing or not wanted.
    """
    if bool(verb.cell) != (cell is not None):
        _refuse_cell(verb)
    options = verb.options()
    found: dict[str, Argument] = {}
    many: list[Argument] = []
    for option in options:
        word = line.words.get(option.name)
        if isinstance(word, bool):
            found[option.name] = Argument(value=word, source=str(word))
        elif isinstance(word, list):
            many += [_argument(option, each, names) for each in word]
        elif word is not None:
            found[option.name] = _argument_of(verb, option, word, names, found)
    arguments, remark = [], ""
    if verb.cell:
        layers = parse_layers(cell or "", names)
        arguments.append(Argument(value=layers, source=layers_source(layers)))
        remark = _choose_data(layers, options, found, names)
    for option in options:
        if (
            option.positional
            and option.name in found
            and len(arguments) == _place(verb, options, option)
        ):
            arguments.append(found.pop(option.name))
    return Call(
        verb=verb,
        arguments=(*arguments, *many),
        keywords=found,
        name=line.name or _own_name(verb, arguments),
        remark=remark,
    )


def _argument_of(
    verb: Verb,
    option: Option,
    word: str,
    names: Mapping[str, Any],
    found: Mapping[str, Argument],
) -> Argument:
    """Return what a word behind a verb means: also a file's path, a table's column, or a text."""
    from maasnb.datasets.frames import is_csv, is_table  # noqa: PLC0415 - a verb's room opens when it is used

    place, text = (verb.name, option.name), False
    if place == ("data", "x") and (is_csv(word) or word.endswith("/")):
        return Argument(value=word, source=literal_source(word))
    if place == ("data", "y") and "x" in found:
        x = found["x"].value
        text = is_csv(x) or is_table(x) or isinstance(x, Mapping)
    if place == ("predict", "x") and "source" in found:
        text = _reads_text(found["source"].value)
    return _argument(option, word, names, text=text)


def _reads_text(source: object) -> bool:
    """Say whether a run or an endpoint takes texts; of a name it is not known."""
    recipe = getattr(getattr(source, "data", None), "recipe", None)
    taken = getattr(getattr(source, "signature", None), "inputs", ())
    one = taken[0] if taken else None
    served = getattr(one, "datatype", "") == "BYTES" and len(getattr(one, "shape", ())) == 1
    return served or getattr(recipe, "raw", "") == "text"


def _argument(
    option: Option, word: str, names: Mapping[str, Any], *, text: bool = False
) -> Argument:
    try:
        return argument_for(option, word, names, text=text)
    except MaasError as error:
        at(error, word)
        raise


def _place(verb: Verb, options: tuple[Option, ...], option: Option) -> int:
    places = [each.name for each in options if each.positional]
    return places.index(option.name) + bool(verb.cell)


def _own_name(verb: Verb, arguments: list[Argument]) -> str:
    if not verb.binds:
        return ""
    first = arguments[0] if verb.named_by and arguments else None
    if first is not None and isinstance(first.value, str) and first.value.isidentifier():
        return first.value
    return verb.binds


def _choose_data(
    layers: tuple[object, ...],
    options: tuple[Option, ...],
    found: dict[str, Argument],
    names: Mapping[str, Any],
) -> str:
    """Give the only data set of the notebook to layers that do not say their input; say so."""
    if "data" in found or (layers and isinstance(layers[0], Input)):
        return ""
    option = next(each for each in options if each.name == "data")
    different = {id(names[name]): name for name in fitting_names(option, names)}
    if not different:
        return ""
    if len(different) > 1:
        shown = sorted(different.values())
        message = (
            f"There are several data sets: {', '.join(shown)}. Say which one gives the number of "
            f"inputs. Type: %%maas build net --data {shown[0]}"
        )
        raise OptionError(message)
    name = next(iter(different.values()))
    found["data"] = Argument(value=names[name], source=name)
    return f"The inputs are those of {name}."


def _refuse_cell(verb: Verb) -> None:
    if verb.cell:
        message = (
            f"{verb.name} takes its layers from the lines below. Type:\n"
            f'%%maas {verb.name} net\nDense(64, "relu")\nDense(10)'
        )
    else:
        message = f"{verb.name} takes no lines below. Type: %maas {verb.name}, with one %"
    raise OptionError(message)


def _built(call: Call, model: object) -> object:
    """Return what a cell shows of a model that it built."""
    from maasnb.study.inspection import inspect  # noqa: PLC0415 - a verb's room opens when it is used

    data = call.keywords.get("data")
    report = inspect(model, "summary", data=None if data is None else data.value)
    title = f"{call.name}: {report.title}"
    return dataclasses.replace(report, title=title, notes=(call.remark,) if call.remark else ())


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
