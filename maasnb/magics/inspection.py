"""What Shift-Tab shows in a cell of ours: a verb's help, an option's text, a layer's arguments.

IPython inspects a name and knows nothing of the line around it, so the kernel's answer to a front
end's request is wrapped: what stands on a `%maas` line is told from the verb table, everything else
goes on to IPython. A variable on such a line is shown as in any other cell.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from maasnb.layers import LAYERS
from maasnb.magics.completion import BUILD_CELL, MAGIC, option_at
from maasnb.magics.guide import all_verbs, one_option, one_verb
from maasnb.magics.verbs import VERBS, Verb

__all__ = ["register", "told", "unregister"]

_WORD = re.compile(r"\S+")
_NAME = re.compile(r"\w+")
_OWN = "_maasnb_asked_before"


def register(shell: InteractiveShell) -> None:
    """Answer for our cells in the kernel that a shell belongs to; elsewhere do nothing."""
    unregister(shell)
    kernel: Any = getattr(shell, "kernel", None)
    asked_before: Callable[..., Any] | None = getattr(kernel, "do_inspect", None)
    if asked_before is None:
        return

    def do_inspect(code: str, cursor_pos: int, *details: Any, **named: Any) -> Any:  # noqa: ANN401 - IPython's form
        text = told(code, cursor_pos, shell.user_ns)
        if text is None:
            return asked_before(code, cursor_pos, *details, **named)
        return _answer(asked_before, text)

    setattr(do_inspect, _OWN, asked_before)
    kernel.do_inspect = do_inspect


def unregister(shell: InteractiveShell) -> None:
    """Give the kernel its own answer back."""
    kernel: Any = getattr(shell, "kernel", None)
    if hasattr(getattr(kernel, "do_inspect", None), _OWN):
        del kernel.do_inspect  # below it is the class's own


def told(cell: str, cursor: int, names: Mapping[str, Any]) -> str | None:
    """Return what is to be said of the word under the cursor; None where IPython knows better.

    Args:
        cell: the whole cell.
        cursor: the place of the cursor in it.
        names: the notebook's variables.
    """
    start = cell.rfind("\n", 0, cursor) + 1
    end = cell.find("\n", cursor)
    line = cell[start : end if end >= 0 else len(cell)]
    if start and BUILD_CELL.match(cell):
        return _of_layer(_word_at(_NAME, line, cursor - start))
    found = MAGIC.match(line + " ")
    if found is None:
        return None
    if cursor - start < found.start("rest"):
        return all_verbs()
    return _of_words(line[found.start("rest") :], cursor - start - found.start("rest"), names)


def _answer(asked_before: Callable[..., Any], text: str) -> Any:  # noqa: ANN401 - what a kernel answers
    reply = {"status": "ok", "found": True, "data": {"text/plain": text}, "metadata": {}}
    if not inspect.iscoroutinefunction(asked_before):
        return reply

    async def later() -> dict[str, Any]:
        return reply

    return later()


def _of_words(words: str, cursor: int, names: Mapping[str, Any]) -> str | None:
    before = [each for each in _WORD.finditer(words) if each.end() < cursor]
    word = _word_at(_WORD, words, cursor)
    if not before:
        verb = VERBS.get(word)
        return all_verbs() if verb is None else one_verb(verb)
    verb = VERBS.get(before[0][0])
    if verb is None:
        return all_verbs()
    return _behind_verb(verb, [each[0] for each in before[1:]], word, names)


def _behind_verb(verb: Verb, said: list[str], word: str, names: Mapping[str, Any]) -> str | None:
    flags = {option.flag: option for option in verb.options()}
    if word.partition("=")[0] in flags:
        return one_option(verb, flags[word.partition("=")[0]])
    option = option_at(verb, said, word).option if word else None
    if option is None:
        return one_verb(verb)
    name = _NAME.match(word)
    if option.live and name and name[0] in names:
        return None
    return one_option(verb, option)


def _of_layer(name: str) -> str | None:
    """Return a layer's arguments and what its docstring says."""
    layer = LAYERS.get(name)
    if layer is None:
        return None
    places = ", ".join(
        each.name if each.default is each.empty else f"{each.name}={each.default!r}"
        for each in inspect.signature(layer).parameters.values()
    )
    return f"{name}({places})\n\n{inspect.getdoc(layer) or ''}".rstrip()


def _word_at(pattern: re.Pattern[str], text: str, cursor: int) -> str:
    """Return the word that the cursor stands in, or just behind."""
    words = (each[0] for each in pattern.finditer(text) if each.start() <= cursor <= each.end())
    return next(words, "")
