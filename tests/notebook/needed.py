"""Which cells of a notebook others need: those that make, or change, a name that they use."""

import ast
import re
from dataclasses import dataclass

from IPython.core.inputtransformer2 import TransformerManager

__all__ = ["Names", "names_of", "needed_cells"]

WORD = re.compile(r"[^\W\d]\w*")
BOUND_BY_DEFAULT = {"evaluate": "report", "publish": "endpoint", "train": "run"}
"""Verb of `%maas` -> the name that its result gets without `--as`."""

OPERATING = {"canary", "promote", "publish", "rollback", "shadow", "unpublish"}
"""Verbs of `%maas` that change a published model, whose name is that of an endpoint as a rule."""


@dataclass(frozen=True, slots=True)
class Names:
    """Hold the names that a cell uses, those that it makes, and those whose objects it changes."""

    used: frozenset[str] = frozenset()
    made: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()

    def __or__(self, other):
        """Return the names of both."""
        return Names(self.used | other.used, self.made | other.made, self.changed | other.changed)


def names_of(source):
    """Return the names of a cell's code, magics included."""
    return _of_tree(ast.parse(TransformerManager().transform_cell(source)))


def _of_tree(tree):
    """Return the names of code; those that a function or a class makes inside are its own."""
    found, waiting = Names(), list(ast.iter_child_nodes(tree))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda):
            inner = _of_tree(node)
            own = inner.made | {each.arg for each in ast.walk(node) if isinstance(each, ast.arg)}
            name = frozenset() if isinstance(node, ast.Lambda) else frozenset({node.name})
            found |= Names(inner.used - own, name, inner.changed - own)
        else:
            waiting += ast.iter_child_nodes(node)
            found |= _of_node(node)
    return found


def _of_node(node):
    """Return the names that one piece of code tells, without those of the pieces inside."""
    if isinstance(node, ast.Name):
        name = frozenset({node.id})
        return Names(used=name) if isinstance(node.ctx, ast.Load) else Names(made=name)
    if isinstance(node, ast.Import | ast.ImportFrom):
        return Names(made=frozenset((a.asname or a.name).partition(".")[0] for a in node.names))
    if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
        return Names(changed=_root(node))
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        magic = _of_magic(node.value)
        if magic is None and isinstance(node.value.func, ast.Attribute):
            return Names(changed=_root(node.value.func))
        return magic or Names()
    return Names()


def modules_in(sources):
    """Return the names that cells import: a call of `plt.show()` changes no `plt`."""
    found = set()
    for source in filter(None, sources):
        for node in ast.walk(ast.parse(TransformerManager().transform_cell(source))):
            if isinstance(node, ast.Import):
                found |= {(each.asname or each.name).partition(".")[0] for each in node.names}
    return found


def _root(node):
    """Return the name at the beginning of `name.part[0]`, if there is one."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return frozenset({node.id} if isinstance(node, ast.Name) else ())


def _of_magic(call):
    """Return the names of a magic; None for any other call."""
    name = getattr(call.func, "attr", "")
    if name not in ("run_line_magic", "run_cell_magic"):
        return None
    magic, line, *body = (argument.value for argument in call.args)
    if magic == "capture":
        return names_of(body[0])
    words = line.split()
    made = {words[words.index("--as") + 1]} if "--as" in words else set()
    if not made and words and words[0] in BOUND_BY_DEFAULT:
        made.add(BOUND_BY_DEFAULT[words[0]])
    if words[:1] in (["build"], ["data"]) and not made:
        made.add(words[1])
    changed = {"%load_ext"} if magic == "load_ext" else set()
    if words and words[0] in OPERATING:
        changed |= set(words[2:3] if words[0] == "publish" else words[1:2])
    return Names(
        used=frozenset(WORD.findall("\n".join([line, *body]))),
        made=frozenset(made),
        changed=frozenset(changed),
    )


def needed_cells(sources, wanted):
    """Return the places of the cells that some of them need, these included, in order.

    Args:
        sources: the code of each cell; None for a cell of text.
        wanted: the places of the cells that are to run.
    """
    live, found, modules = {"%load_ext"}, [], modules_in(sources)
    for place in reversed(range(max(wanted) + 1)):
        if sources[place] is None:
            continue
        names = names_of(sources[place])
        if place in wanted or live & (names.made | names.changed - modules):
            live = live - names.made | names.used
            found.append(place)
    return found[::-1]
