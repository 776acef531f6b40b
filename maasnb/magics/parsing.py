"""A magic's line, read against the verb table: which verb, which words for which parameters.

argparse finds the words; what they mean, and every message, is ours, so that a mistake is one clean
sentence with the nearest known name, and never an exit.
"""

import argparse
import dataclasses
import keyword
import shlex
from collections.abc import Sequence
from typing import NoReturn

from maasnb.errors import OptionError, unknown_name
from maasnb.magics.pointing import at
from maasnb.magics.verbs import Option, Verb

__all__ = ["HELP", "Line", "parse_words", "split_words"]

HELP = ("--help", "-h")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Hold a line that was understood.

    Attributes:
        words: parameter -> the word for it, or what its switch stands for.
        name: what the result is to be bound to; empty for the verb's own way.
        show: whether only the Python line is wanted.
    """

    words: dict[str, str | bool | list[str]]
    name: str
    show: bool


class _Reader(argparse.ArgumentParser):
    """Raise errors of ours where argparse would end the process."""

    def error(self, message: str) -> NoReturn:
        """Raise the message as an `OptionError`."""
        text = message.removeprefix("argument ").replace("expected one argument", "needs a value")
        error = OptionError(f"{self.prog}: {text}. Type: {self.prog} --help")
        raise at(error, text.partition(":")[0]) if text.startswith("--") else error


def split_words(line: str) -> list[str]:
    """Split a line at its spaces, as a shell does: quotes hold words together.

    Raises:
        OptionError: a quote is not closed.
    """
    try:
        return shlex.split(line.rstrip().rstrip(";"))
    except ValueError as error:
        message = f"The line {line!r} cannot be read: {error}. Close the quote."
        raise OptionError(message) from None


def parse_words(verb: Verb, words: Sequence[str]) -> Line:
    """Find which words are for which parameters.

    Args:
        verb: the verb that the words stand behind.
        words: the words.

    Returns:
        The line; words are not looked up yet.

    Raises:
        UnknownNameError: there is no such option; the message offers the nearest one.
        OptionError: a word is missing or left over, or a name cannot be a variable.
    """
    options = verb.options()
    found, extra = _reader(verb, options).parse_known_intermixed_args(list(words))
    known = vars(found)
    if extra:
        _refuse(verb, options, extra)
    taken: dict[str, str | bool | list[str]] = {}
    for option in options:
        for key in (f"place {option.name}", option.name):
            if known.get(key) not in (None, []):
                taken[option.name] = known[key]
    name = known.get("place NAME") or known["as"] or ""
    missing = [option.name for option in options if option.required and option.name not in taken]
    if verb.cell and not name:
        missing.insert(0, "NAME")
    if missing:
        needs = " and ".join(missing)
        message = f"{verb.name} needs {needs}. Type: {usage(verb, options)}"
        raise OptionError(message)
    if name and (not name.isidentifier() or keyword.iskeyword(name)):
        message = f"{name!r} cannot be the name of a variable. Use letters, digits and _, as: net2"
        raise at(OptionError(message), name)
    return Line(words=taken, name=name, show=known["show"])


def usage(verb: Verb, options: Sequence[Option]) -> str:
    """Return how a verb is written, its options left out."""
    places = ["NAME"] if verb.cell else []
    places += [
        option.name if option.required else f"[{option.name}{' ...' * option.many}]"
        for option in options
        if option.positional
    ]
    return " ".join(["%%maas" if verb.cell else "%maas", verb.name, *places])


def _reader(verb: Verb, options: Sequence[Option]) -> _Reader:
    reader = _Reader(
        prog=f"%maas {verb.name}", add_help=False, allow_abbrev=False, argument_default=None
    )
    if verb.cell:
        reader.add_argument("place NAME", nargs="?")
    switched = {name for name, _ in verb.switches.values()}
    for option in options:
        if option.positional:
            reader.add_argument(f"place {option.name}", nargs="*" if option.many else "?")
        if option.name in switched:
            continue
        if option.switch:
            reader.add_argument(
                option.flag, dest=option.name, action=argparse.BooleanOptionalAction
            )
        else:
            reader.add_argument(option.flag, dest=option.name, nargs="*" if option.many else None)
    for flag, (name, value) in verb.switches.items():
        reader.add_argument(f"--{flag}", dest=name, action="store_const", const=value)
    reader.add_argument("--as", dest="as")
    reader.add_argument("--show", action="store_true")
    return reader


def flags_of(verb: Verb, options: Sequence[Option]) -> tuple[str, ...]:
    """Return the options that can be written behind a verb, those of its function first."""
    switched = {name for name, _ in verb.switches.values()}
    own = [option.flag for option in options if option.name not in switched]
    return (*own, *(f"--{flag}" for flag in verb.switches), "--as", "--show", "--help")


def _refuse(verb: Verb, options: Sequence[Option], extra: Sequence[str]) -> NoReturn:
    flag = next((word for word in extra if word.startswith("-")), "")
    if flag:
        kind, hint = f"option of {verb.name}", f"Type: %maas {verb.name} --help"
        unknown = flag.split("=")[0]
        raise at(unknown_name(kind, unknown, flags_of(verb, options), hint), unknown)
    message = f"{verb.name} got more than it takes: {extra[0]!r}. Type: {usage(verb, options)}"
    raise at(OptionError(message), extra[0])
