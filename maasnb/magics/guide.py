"""The help that a magic prints, written from the verb table."""

import textwrap
from collections.abc import Iterable

from maasnb.magics.parsing import flags_of, usage
from maasnb.magics.verbs import VERBS, Option, Verb
from maasnb.magics.words import literal_source

__all__ = ["all_verbs", "one_verb"]

WIDTH = 96
SEVERAL = 12
"""More values than these are not listed."""


def all_verbs() -> str:
    """Return a line for each verb."""
    lines = [f"  {verb.name:<9} {verb.summary()}" for verb in VERBS.values()]
    head = (
        "%maas VERB ...    what can be done; %maas VERB --help tells more, --show prints the Python"
    )
    return "\n".join([head, "", *lines])


def one_verb(verb: Verb) -> str:
    """Return how a verb is written, and every word that can stand behind it."""
    options = verb.options()
    rows = list(_rows(verb, options))
    width = max(len(left) for left, _ in rows)
    indent = " " * (width + 4)
    lines = [f"{usage(verb, options)} [options]", verb.summary(), ""]
    for left, right in rows:
        text = textwrap.fill(
            right, WIDTH, initial_indent=f"  {left:<{width}}  ", subsequent_indent=indent
        )
        lines.append(text.rstrip())
    return "\n".join(lines)


def _rows(verb: Verb, options: Iterable[Option]) -> Iterable[tuple[str, str]]:
    known = tuple(options)
    if verb.cell:
        yield "NAME", "the variable that holds the result."
        yield "the cell", 'a layer a line, as Dense(64, "relu").'
    for option in known:
        if option.positional:
            yield option.name, _text(option)
    flags = flags_of(verb, known)
    for option in known:
        if option.flag in flags and not option.positional:
            yield _left(option), _text(option)
    for flag, (name, value) in verb.switches.items():
        yield f"--{flag}", f"{name}={value} in Python: " + _text_of(known, name)
    bound = f" instead of {verb.binds}" if verb.binds else ""
    yield "--as NAME", f"bind the result to NAME{bound}."
    yield "--show", "print the Python line and do not run it."


def _text_of(options: Iterable[Option], name: str) -> str:
    return next((option.text for option in options if option.name == name), "")


def _left(option: Option) -> str:
    if option.switch:
        return option.flag
    return f"{option.flag} {_placeholder(option)}"


def _placeholder(option: Option) -> str:
    heads = set(option.heads)
    if heads & {"int", "float"}:
        return "NUMBER"
    if "str" in heads or option.values:
        return "WORD"
    return "OBJECT" if option.live else "A,B,..."


def _text(option: Option) -> str:
    parts = [option.text]
    told = sum(value in option.text for value in option.values)
    if 2 * told < len(option.values) <= SEVERAL:
        parts.append(f"One of: {', '.join(option.values)}.")
    if not option.required and option.default is not None:
        parts.append(f"Default: {literal_source(option.default)}.")
    return " ".join(part for part in parts if part)
