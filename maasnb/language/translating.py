"""Texts in the reader's language, translated where they are shown.

Code, records and what is sent hold English, so nothing that is compared or stored depends on a
language. A catalogue's keys are the English texts as the code has them, with `{}` for each value
that is put in. A text is matched against them, its values are taken out, translated in their turn
where the catalogue has them, and put into the translation; a text of several sentences is done
sentence by sentence. What no key fits stays English.
"""

import contextlib
import contextvars
import functools
import importlib.resources
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = [
    "LANGUAGES",
    "LANGUAGE_VARIABLE",
    "Catalogue",
    "catalogue",
    "language",
    "speaking",
    "translated",
    "translated_rows",
]

LANGUAGE_VARIABLE = "MAASNB_LANG"
LANGUAGES = ("en", "zh")
_OF_THE_SYSTEM = ("LC_ALL", "LC_MESSAGES", "LANG")
_LONGEST = 20_000
"""A longer text is no sentence of ours, and stays as it is."""
_END_OF_SENTENCE = re.compile(r"(?<=[.?!]) (?=\S)")
_MANY_LETTERS = 13
"""A template of so many letters is no accident, also where a text is a list of known parts."""
_LIST = re.compile(r"(\S+(?:, \S+)*) and (\S+)")
_WITHOUT_SPACE = "。？！：；，、"

_page: contextvars.ContextVar[str] = contextvars.ContextVar("maasnb_page_language", default="")


def language() -> str:
    """Return the language that is shown: `"en"`, unless somebody asks for another one.

    `MAASNB_LANG` names it (`zh`, `zh_CN`); `auto` is that of the system. Without the variable a
    page of JupyterLab is told things in its own language, and the rest is English, whatever the
    system speaks: a notebook's saved outputs then do not depend on who runs it.
    """
    wanted = os.environ.get(LANGUAGE_VARIABLE, "") or _page.get()
    if wanted == "auto":
        wanted = next(filter(None, map(os.environ.get, _OF_THE_SYSTEM)), "")
    name = re.split(r"[-_.@]", wanted.strip().lower())[0]
    return name if name in LANGUAGES else "en"


@contextlib.contextmanager
def speaking(page: object) -> Iterator[None]:
    """Have texts shown in a page's language where the environment names none.

    Args:
        page: a language tag, as `zh-CN`; what is none means English.
    """
    token = _page.set(page if isinstance(page, str) else "")
    try:
        yield
    finally:
        _page.reset(token)


def translated(text: str) -> str:
    """Return a text in the language that is shown; as it is where there is no translation.

    Args:
        text: an English text, with its values in it.
    """
    name = language()
    return text if name == "en" else catalogue(name).of(text)


def translated_rows(rows: Iterable[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Return a table's cells in the language that is shown; for tables of words, not of names."""
    return tuple(tuple(map(translated, row)) for row in rows)


@functools.cache
def catalogue(name: str) -> "Catalogue":
    """Return the catalogue of a language other than English."""
    place = importlib.resources.files("maasnb.language") / f"{name}.json"
    sections: dict[str, dict[str, str]] = json.loads(place.read_text(encoding="utf-8"))
    return Catalogue({key: text for words in sections.values() for key, text in words.items()})


class Catalogue:
    """Translate texts by their templates."""

    def __init__(self, words: Mapping[str, str]) -> None:
        """Take the templates with their translations: `{}` stands for a value, `{0}` for the first.

        >>> Catalogue({"{} of {} epochs": "第 {0} 轮，共 {1} 轮"}).of("3 of 10 epochs")
        '第 3 轮，共 10 轮'
        """
        self.words = dict(words)
        self._forms = sorted(map(_Form, words), key=lambda form: -form.letters)
        self._known: dict[str, str] = {}

    def of(self, text: str) -> str:
        """Return a text's translation; what has none stays as it is."""
        if len(text) > _LONGEST or not re.search("[A-Za-z]", text):
            return self.words.get(text, text)
        if text not in self._known:
            if len(self._known) > 2000:  # of numbers there is no end
                self._known.clear()
            self._known[text] = self._found(text)
        return self._known[text]

    def _found(self, text: str) -> str:
        if text in self.words:
            return self.words[text]
        if "\n" in text:
            whole = self._matched(text)
            return whole or "\n".join(self._indented(line) for line in text.split("\n"))
        ends = [found.start() for found in _END_OF_SENTENCE.finditer(text)]
        whole = self._matched(text, least=_MANY_LETTERS, several=bool(ends))
        found = whole or self._listed(text.split(", "))
        if found is not None:
            return found
        for end in (*ends, len(text)):  # the shortest first: a value may hold anything
            found = self._matched(text[:end])
            if found is not None:
                return _joined((found, self.of(text[end + 1 :])))
        if not ends:
            return text
        return _joined((text[: ends[0]], self.of(text[ends[0] + 1 :])))

    def _listed(self, parts: Sequence[str]) -> str | None:
        """Translate a list of our words; None for one that holds anything else, as a name."""
        if len(parts) < 2:
            return None
        found = [self._matched(part) for part in parts]
        return None if None in found else "，".join(filter(None, found))

    def _indented(self, line: str) -> str:
        words = line.lstrip()
        return line[: len(line) - len(words)] + self.of(words)

    def _matched(self, text: str, least: int = 0, *, several: bool = False) -> str | None:
        """Translate a text by the form that it has; by one of several sentences, if asked to."""
        if text in self.words:
            return self.words[text]
        for form in self._forms:
            fits = form.letters >= least and (form.several or not several)
            values = form.values(text) if fits else None
            if values is not None:
                shown = (
                    _Value(text, text if own else self._value(text))
                    for text, own in zip(values, form.own, strict=True)
                )
                return self.words[form.template].format(*shown)
        return None

    def _value(self, text: str) -> str:
        """Return a value's translation: it is a name, a sentence of its own, or a list of names."""
        listed = _LIST.fullmatch(text)
        if listed is not None and text not in self.words:
            return f"{listed[1]}{self.words.get(' and ', ' and ')}{listed[2]}"
        return self.of(text)


class _Value(str):
    """Be a value's translation, and as `{:raw}` the value as it was."""

    __slots__ = ("raw",)

    def __new__(cls, raw: str, shown: str) -> "_Value":
        value = super().__new__(cls, shown)
        value.raw = raw
        return value

    def __format__(self, spec: str) -> str:
        return self.raw if spec == "raw" else str(self)


class _Form:
    """Find a template's values in a text; those in quotes or behind `=` are code or names."""

    def __init__(self, template: str) -> None:
        self.template = template
        parts = template.split("{}")
        self.letters = sum(map(len, parts))
        self.several = _END_OF_SENTENCE.search(template) is not None
        self.own = [part.endswith(("'", '"', "=", "[")) for part in parts[:-1]]
        self._longest = max(parts, key=len)
        # A template that is nothing but signs would fit everything.
        fits = len(parts) > 1 and re.search("[A-Za-z]", "".join(parts))
        self._pattern = re.compile("(.*?)".join(map(re.escape, parts)), re.DOTALL) if fits else None

    def values(self, text: str) -> tuple[str, ...] | None:
        if self._pattern is None or self._longest not in text:
            return None
        found = self._pattern.fullmatch(text)
        return None if found is None else found.groups()


def _joined(parts: Iterable[str]) -> str:
    """Join sentences: behind a Chinese one stands no space."""
    whole = ""
    for part in filter(None, parts):
        space = " " if whole and whole[-1] not in _WITHOUT_SPACE else ""
        whole += space + part
    return whole
