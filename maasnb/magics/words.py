"""What a word on a magic's line means: an object of the notebook, a known name, a number, itself.

A bare word is an object of the notebook where the parameter takes objects and there is one of that
name; `digits.test`, `x[:5]` and `[mb.standardize()]` are looked up too. Every argument keeps the
Python that stands for it, which `--show` prints.
"""

import ast
import dataclasses
import importlib
import json
import sys
import types
from collections.abc import Mapping
from typing import Any

from maasnb.backends import BACKENDS, backend_named
from maasnb.errors import OptionError, unknown_name
from maasnb.layers import Layer
from maasnb.magics.verbs import Option

__all__ = ["Argument", "argument_for", "fitting_names", "layers_source", "literal_source"]

HINTS = {
    "model": "Type: %%maas build net",
    "data": "Type: %maas data digits",
    "run": "Type: %maas train net digits",
    "source": "Type: %maas connect digits",
}
SHELL_NAMES = {"In", "Out", "exit", "get_ipython", "open", "quit"}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """Hold a value and the Python that stands for it."""

    value: Any
    source: str


def literal_source(value: object) -> str:
    """Return the Python that stands for a plain value.

    >>> literal_source("relu"), literal_source((0.8, 0.2)), literal_source(None)
    ('"relu"', '(0.8, 0.2)', 'None')
    """
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return "[" + ", ".join(literal_source(item) for item in value) + "]"
    return repr(value)


def layers_source(layers: tuple[Layer, ...]) -> str:
    """Return the Python that stands for layers, with defaults left out.

    >>> from maasnb.layers import Dense
    >>> layers_source((Dense(64, "relu"), Dense(10)))
    '[mb.Dense(64, "relu"), mb.Dense(10)]'
    """
    return f"[{', '.join(layer.source('mb.') for layer in layers)}]"


def argument_for(
    option: Option, word: str, names: Mapping[str, Any], *, text: bool = False
) -> Argument:
    """Return what a word means as the value of an option.

    Args:
        option: the parameter that it is for.
        word: the word as it was written.
        names: the notebook's variables.
        text: whether the word is itself where it is no object, although the parameter takes any.

    Returns:
        The value, and the Python that stands for it.

    Raises:
        UnknownNameError: it should name an object, and there is none of that name.
        OptionError: it should be a number and is not.
    """
    if word in option.values:
        return Argument(value=word, source=literal_source(word))
    if option.live:
        return _live(option, word, names, text=text)
    return _plain(option, word, names)


def _live(option: Option, word: str, names: Mapping[str, Any], *, text: bool) -> Argument:
    takes_text = "str" in option.heads
    if _refers(word, names):
        found = _look_up(word, names)
        if not (takes_text and option.nouns) or _is_noun(found, option.nouns):
            return Argument(value=found, source=word)
    if takes_text:
        return Argument(value=word, source=literal_source(word))
    try:
        return Argument(value=ast.literal_eval(word), source=word)
    except (ValueError, SyntaxError):
        if text:
            return Argument(value=word, source=literal_source(word))
        known = {*fitting_names(option, names), *option.values}
        kind = option.name if option.name in HINTS else "variable"
        kind = f"data set or {kind}" if option.values else kind
        raise unknown_name(kind, word, known, HINTS.get(option.name, "")) from None


def _refers(word: str, names: Mapping[str, Any]) -> bool:
    """Say whether a word is a variable, attributes and items of one, or a call or a list of such.

    Nothing else that Python can compute is one: `my-run` is the name of a run.
    """
    try:
        node = ast.parse(word, mode="eval").body
    except (SyntaxError, ValueError):
        return False
    if isinstance(node, ast.Call | ast.List | ast.Tuple):
        used = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
        return bool(used) and used <= {*names, "mb"}
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return isinstance(node, ast.Name) and node.id in names


def _look_up(word: str, names: Mapping[str, Any]) -> object:
    try:
        # The user's own words in the user's own kernel; what --show prints says mb, too.
        known = {"__builtins__": {}, "mb": importlib.import_module("maasnb")}
        return eval(word, known, names)
    except Exception as error:
        message = f"{word!r} cannot be looked up: {error}. Expected a variable of this notebook."
        raise OptionError(message) from error


def _plain(option: Option, word: str, names: Mapping[str, Any]) -> Argument:
    heads = set(option.heads)
    if heads & {"int", "float"}:
        return _number(option, word, names)
    sequence = next((head for head in option.heads if "[" in head and head[0] != "L"), "")
    if sequence:
        return _sequence(option, word, of_numbers="str" not in sequence)
    return Argument(value=word, source=literal_source(word))


def _number(option: Option, word: str, names: Mapping[str, Any]) -> Argument:
    whole = "float" not in option.heads
    try:
        value = int(word) if whole else float(word)
    except ValueError:
        found = names.get(word)
        fits = isinstance(found, int if whole else (int, float)) and not isinstance(found, bool)
        if fits:
            return Argument(value=found, source=word)
        if "str" in option.heads:
            return Argument(value=word, source=literal_source(word))
        kind = "a whole number" if whole else "a number"
        example = "1" if option.required or option.default is None else str(option.default)
        message = f"{option.flag} got {word!r}; expected {kind}. Type: {option.flag} {example}"
        raise OptionError(message) from None
    return Argument(value=value, source=word)


def _sequence(option: Option, word: str, *, of_numbers: bool) -> Argument:
    if not of_numbers:
        texts = _texts(word)
        return Argument(value=texts, source=literal_source(texts))
    items = [item.strip() for item in word.strip("()[]").split(",") if item.strip()]
    try:
        numbers = tuple(float(item) for item in items)
    except ValueError:
        message = (
            f"{option.flag} got {word!r}; expected numbers with commas between them. "
            f"Type: {option.flag} 0.8,0.1,0.1"
        )
        raise OptionError(message) from None
    return Argument(value=numbers, source=literal_source(numbers))


def _texts(word: str) -> list[str]:
    """Return texts with commas between them, or those of a list as Python writes it.

    >>> _texts("a, b"), _texts("[a,b]"), _texts(","), _texts('["a", "b, c"]')
    (['a', 'b'], ['a', 'b'], [','], ['a', 'b, c'])
    """
    try:
        found = ast.literal_eval(word)
    except (ValueError, SyntaxError):
        found = None
    if isinstance(found, list | tuple) and all(isinstance(each, str) for each in found):
        return list(found)
    inside = word[1:-1] if len(word) > 2 and word[0] + word[-1] in ("()", "[]") else word
    # Of nothing but commas and spaces these are meant.
    return [item.strip() for item in inside.split(",") if item.strip()] or [word]


def fitting_names(option: Option, names: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the notebook's variables that could be the value of an option, sorted.

    Only frameworks that are loaded already are asked whether an object is a model of theirs.
    """
    return tuple(
        sorted(
            name
            for name, value in names.items()
            if not name.startswith("_") and name not in SHELL_NAMES and _fits(option, value)
        )
    )


def _fits(option: Option, value: object) -> bool:
    if isinstance(value, types.ModuleType | types.FunctionType | type):
        return False
    if option.nouns:
        return _is_noun(value, option.nouns)
    if option.name == "model":
        return any(
            package in sys.modules and backend_named(name).owns(value)
            for name, (package, _) in BACKENDS.items()
        )
    return True


def _is_noun(value: object, nouns: tuple[str, ...]) -> bool:
    return any(
        each.__name__ in nouns and each.__module__.startswith("maasnb.")
        for each in type(value).__mro__
    )
