"""The help that a magic prints, written from the verb table."""

import re
from collections.abc import Iterable

from maasnb.language.translating import translated
from maasnb.magics.parsing import flags_of, usage
from maasnb.magics.verbs import VERBS, Option, Verb
from maasnb.magics.words import literal_source
from maasnb.tables import filled, width

__all__ = ["all_verbs", "one_option", "one_verb"]

WIDTH = 96
SEVERAL = 12
"""More values than these are not listed."""


def all_verbs() -> str:
    """Return a line for each verb."""
    lines = [f"  {verb.name:<9} {translated(verb.summary())}" for verb in VERBS.values()]
    head = translated(
        "%maas VERB ...    what can be done; %maas VERB --help tells more, --show prints the Python"
    )
    return "\n".join([head, "", *lines])


def one_verb(verb: Verb) -> str:
    """Return how a verb is written, and every word that can stand behind it."""
    options = verb.options()
    rows = list(_rows(verb, options))
    widest = max(width(left) for left, _ in rows)
    lines = [f"{usage(verb, options)} [{translated('options')}]", translated(verb.summary()), ""]
    for left, right in rows:
        first, *others = _wrapped(right, WIDTH - widest - 4)
        lines.append(f"  {filled(left, widest)}  {first}".rstrip())
        lines += [" " * (widest + 4) + line for line in others]
    return "\n".join(lines)


def one_option(verb: Verb, option: Option) -> str:
    """Return how an option is written, and what it is for; of a parameter without a flag, that."""
    left = option.name if option.positional else _left(option)
    for flag, (name, value) in verb.switches.items():
        if name == option.name:
            left = f"--{flag} ({name}={value})"
    return "\n".join([f"%maas {verb.name} ... {left}", *_wrapped(_text(option), WIDTH)])


def _wrapped(text: str, columns: int) -> list[str]:
    """Return a text in lines of at most so many columns; Chinese breaks between any characters."""
    lines = [""]
    for word in re.findall(r" *(?:[^\s\u2e80-\uffef]+[\u3000-\u303f\uff00-\uffef]*|\S)", text):
        if lines[-1] and width(lines[-1] + word) > columns:
            lines.append(word.lstrip())
        else:
            lines[-1] += word if lines[-1] else word.lstrip()
    return lines


def _rows(verb: Verb, options: Iterable[Option]) -> Iterable[tuple[str, str]]:
    known = tuple(options)
    if verb.cell:
        yield "NAME", translated("the variable that holds the result.")
        yield translated("the cell"), translated('a layer a line, as Dense(64, "relu").')
    for option in known:
        if option.positional:
            yield option.name, _text(option)
    flags = flags_of(verb, known)
    for option in known:
        if option.flag in flags and not option.positional:
            yield _left(option), _text(option)
    for flag, (name, value) in verb.switches.items():
        python = translated(f"{name}={value} in Python:")
        yield f"--{flag}", f"{python} {translated(_text_of(known, name))}".replace("： ", "：")
    bound = f" instead of {verb.binds}" if verb.binds else ""
    yield "--as NAME", translated(f"bind the result to NAME{bound}.")
    yield "--show", translated("print the Python line and do not run it.")


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
    return translated(" ".join(part for part in parts if part))
