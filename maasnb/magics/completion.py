"""Completion of `%maas` lines and `%%maas build` cells, through the kernel's own completer.

The line before the cursor is read against the verb table: first the verb, then an option, a value
of the option before it, or what fits the next place: a variable, a known word, or a name from the
workspace. Where the cursor stands is found here for the inspection of lines, too.
"""

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from IPython.core.completer import (
    CompletionContext,
    SimpleCompletion,
    SimpleMatcherResult,
    context_matcher,
)
from IPython.core.interactiveshell import InteractiveShell

from maasnb.layers import ACTIVATIONS, LAYERS
from maasnb.magics.offers import offers, paths
from maasnb.magics.parsing import HELP, flags_of
from maasnb.magics.verbs import VERBS, Option, Verb
from maasnb.magics.words import fitting_names

__all__ = ["BUILD_CELL", "MAGIC", "candidates", "option_at", "register", "unregister"]

MAGIC = re.compile(r"^\s*(?:[\w.]+\s*=\s*)?%%?maas\s+(?P<rest>.*)$", flags=re.DOTALL)
BUILD_CELL = re.compile(r"^\s*%%maas\s+build\b")
LAYER_START = re.compile(r"(?:^|[\[,]|\bmb\.)\s*(?P<word>\w*)$")
OPEN_STRING = re.compile(r"^[^\"']*(?:\"[^\"]*\"[^\"']*|'[^']*'[^\"']*)*[\"'](?P<word>\w*)$")


def register(shell: InteractiveShell) -> None:
    """Add the matcher to a shell's completer; a second call changes nothing."""
    unregister(shell)

    @context_matcher(identifier="maasnb")
    def match(context: CompletionContext) -> SimpleMatcherResult:
        word, found = candidates(
            context.text_until_cursor, context.full_text, context.cursor_line, shell.user_ns
        )
        return {
            "completions": [SimpleCompletion(text=text, type="maasnb") for text in found],
            "matched_fragment": word,
            "suppress": bool(found),
            "ordered": True,
        }

    shell.Completer.custom_matchers.append(match)


def unregister(shell: InteractiveShell) -> None:
    """Take the matcher out of a shell's completer."""
    matchers = shell.Completer.custom_matchers
    matchers[:] = [each for each in matchers if getattr(each, "matcher_identifier", "") != "maasnb"]


def candidates(
    before: str, cell: str, row: int, names: Mapping[str, Any]
) -> tuple[str, tuple[str, ...]]:
    """Return the word that is being written, and what it could become.

    Args:
        before: the line up to the cursor.
        cell: the whole cell.
        row: the number of the cursor's line.
        names: the notebook's variables.
    """
    if row > 0 and BUILD_CELL.match(cell):
        return _in_build_cell(before)
    line = MAGIC.match(before)
    if line is None:
        return "", ()
    *words, word = re.split(r"(?<!\\)\s+", line["rest"])
    if not words:
        return word, _starting(word, (*VERBS, *HELP))
    verb = VERBS.get(words[0])
    if verb is None:
        return word, ()
    return _behind_verb(verb, words[1:], word, names)


def _in_build_cell(before: str) -> tuple[str, tuple[str, ...]]:
    inside = OPEN_STRING.match(before)
    if inside:
        return inside["word"], _starting(inside["word"], ACTIVATIONS)
    start = LAYER_START.search(before)
    if start is None or _is_argument(before[: start.start("word")]):
        return "", ()
    return start["word"], _starting(start["word"], LAYERS)


def _is_argument(before: str) -> bool:
    """Say whether the cursor stands among a layer's arguments, and not in a list of layers."""
    depth = 0
    for letter in reversed(before):
        depth += (letter in "([") - (letter in ")]")
        if depth > 0:
            return letter == "("
    return False


def _behind_verb(
    verb: Verb, words: Sequence[str], word: str, names: Mapping[str, Any]
) -> tuple[str, tuple[str, ...]]:
    options = verb.options()
    place = option_at(verb, words, word)
    if place.option is not None:
        return place.value, _values(verb, place.option, place.value, words, names)
    if word.startswith("-") and not place.free:
        unsaid = [flag for flag in flags_of(verb, options) if flag not in words]
        return word, _starting(word, unsaid)
    return word, ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Say what a word of a line stands for.

    Attributes:
        option: the parameter that it is a value of; None for none.
        value: the part of the word that is the value.
        free: whether it is a name that the user chooses, behind `--as`.
    """

    option: Option | None = None
    value: str = ""
    free: bool = False


def option_at(verb: Verb, words: Sequence[str], word: str) -> Place:
    """Return which parameter a word is a value of.

    Args:
        verb: the verb.
        words: the words between the verb and this one.
        word: the word, or what is written of it.
    """
    options = verb.options()
    flagged = {option.flag: option for option in options if not option.switch}
    if word.startswith("--") and "=" in word:
        flag, _, value = word.partition("=")
        return Place(option=flagged.get(flag), value=value, free=flag not in flagged)
    if words and words[-1] in flagged:
        return Place(option=flagged[words[-1]], value=word)
    if words and words[-1] == "--as":
        return Place(free=True)
    if word.startswith("-"):
        return Place()
    place = _places_filled(words, {*flagged, "--as"}) - bool(verb.cell)
    positional = [option for option in options if option.positional]
    if positional and place >= len(positional) and positional[-1].many:
        place = len(positional) - 1
    if 0 <= place < len(positional):
        return Place(option=positional[place], value=word)
    return Place(free=place < 0)


def _places_filled(words: Sequence[str], with_value: set[str]) -> int:
    filled, skip = 0, False
    for word in words:
        if skip:
            skip = False
        elif word in with_value:
            skip = True
        elif not word.startswith("-"):
            filled += 1
    return filled


def _values(
    verb: Verb, option: Option, word: str, said: Sequence[str], names: Mapping[str, Any]
) -> tuple[str, ...]:
    variables: tuple[str, ...] = ()
    # Of an option with known words, as --schedule, only an object that is begun is meant.
    if option.live and (option.positional or option.nouns or word or not option.values):
        variables = fitting_names(option, names)
    elif {"int", "float"} & set(option.heads):
        variables = _numbers(names, whole="float" not in option.heads)
    known = offers(verb, option, said, names)
    found = _starting(word, dict.fromkeys((*variables, *option.values, *known)))
    return found or (paths(word) if _takes_a_path(option, word) else ())


def _takes_a_path(option: Option, word: str) -> bool:
    """Say whether a word can be a file: where one is asked for, or where it looks like one."""
    return "Path" in option.heads or (option.name == "x" and bool(re.search(r"[./]", word)))


def _numbers(names: Mapping[str, Any], *, whole: bool) -> tuple[str, ...]:
    """Return the variables that hold a plain number; IPython's own begin with an underscore."""
    kinds = int if whole else (int, float)
    return tuple(
        sorted(
            name
            for name, value in names.items()
            if isinstance(value, kinds) and not isinstance(value, bool) and name[0] != "_"
        )
    )


def _starting(word: str, known: Iterable[str]) -> tuple[str, ...]:
    return tuple(each for each in known if each.startswith(word))
