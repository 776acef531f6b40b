"""The texts that people read, taken from the code: what a catalogue must have a translation of.

A text is a template, as the code has it: `{}` stands for each value that is put in. In the rooms
that write what is shown, every string with a space between words counts, and every label of a
table or a picture. Of the other rooms that a notebook's verbs go through, the messages of errors
count. And of every verb its summary and the text of each option.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from maasnb.magics.verbs import VERBS
from maasnb.panels.drawing import CHINESE_FONTS

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "maasnb"

SHOWN = (
    "client/endpoint.py",
    "datasets/splits.py",
    "diagnosis.py",
    "errors.py",
    "exercises",
    "hardware.py",
    "magics/calling.py",
    "magics/guide.py",
    "magics/parsing.py",
    "magics/suggestions.py",
    "magics/words.py",
    "monitoring.py",
    "panels/commands.py",
    "panels/comparisons.py",
    "panels/conversation.py",
    "panels/diagnoses.py",
    "panels/drawing.py",
    "panels/evaluations.py",
    "panels/graph.py",
    "panels/monitoring.py",
    "panels/pictures.py",
    "panels/progress.py",
    "panels/publication.py",
    "panels/sidebar.py",
    "panels/twins.py",
    "records/listing.py",
    "saving.py",
    "showing.py",
    "study",
)
"""The rooms that write what is shown."""

ASKED = (
    "building.py",
    "converting.py",
    "datasets",
    "generation.py",
    "layers",
    "magics",
    "matching.py",
    "operating.py",
    "prompting.py",
    "publishing.py",
    "records",
    "saving.py",
    "schedules.py",
    "settings.py",
    "sourcing.py",
    "tasks.py",
    "training",
)
"""The rooms whose errors a person meets who types a verb; not the server's and the stores'."""

NO_WORDS = {
    " open",
    "%maas {} ... {}",
    "--as NAME",
    '-H "Authorization: Bearer {}"',
    "-H 'Content-Type: application/json'",
    "--data-binary @- <<'END'",
    "Endpoint({}, {}, {} -> {}, {})",
    "VS Code",
    "argument ",
    "center left",
    "curl -sS {}",
    "front end",
    "expected one argument",
    "lower right",
    "lr={}",
    "maasnb.exercises.{}",
    "maasnb asked",
    "maasnb fork",
    "maasnb publish",
    "maasnb sidebar",
    "ms",
    "place NAME",
    "place {}",
    "upper left",
    "upper right",
    ", step ",
    "{} GB",
    "{} GiB",
    "{}.__init__() ",
    "{} kB",
    *CHINESE_FONTS,
    *(f"p{part} ms" for part in (50, 95, 99)),
}
"""Places in a picture, names for machines, units, and what is typed."""

LABELS = {"columns", "label", "title", "caption"}
LABELLED = {"set_title", "set_xlabel", "set_ylabel", "suptitle"}
_CODE = re.compile(
    r"import \w+$|\w+ = |%%?\w+ (?!VERB)[^.]*$|(?:mb|run|runs)[.(/].*$|/|\{\}/|\(\?|\^|\\"
)
_WORDS = re.compile(r"[A-Za-z]{2,}.* |.* [A-Za-z]{2,}")


def files(rooms: tuple[str, ...]) -> Iterator[Path]:
    """Yield the files of rooms."""
    for room in rooms:
        path = PACKAGE / room
        yield from sorted(path.rglob("*.py")) if path.is_dir() else [path]


def template(node: ast.AST) -> str | None:
    """Return a string of the code as a template; None for another node.

    >>> template(ast.parse("f'{a:.2f} of {b!r}'", mode="eval").body)
    '{} of {}'
    """
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = (each.value if isinstance(each, ast.Constant) else "{}" for each in node.values)
        return "".join(map(str, parts))
    return None


def strings(node: ast.AST) -> Iterator[str]:
    """Yield the templates below a node: whole f-strings, and the strings inside their values."""
    text = template(node)
    if text is not None:
        yield text
    inside = node.values if isinstance(node, ast.JoinedStr) else ast.iter_child_nodes(node)
    for child in inside:
        if not (isinstance(node, ast.JoinedStr) and isinstance(child, ast.Constant)):
            below = child.value if isinstance(child, ast.FormattedValue) else child
            yield from strings(below)


def without_docstrings(tree: ast.AST) -> ast.AST:
    """Return a tree without docstrings, annotations, and the lines of code that exercises name."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [each for each in body if not _is_docstring(each)] or [ast.Pass()]
        if isinstance(node, ast.arg | ast.AnnAssign):
            node.annotation = ast.Constant(0)
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, ast.Call):
            node.keywords = [each for each in node.keywords if each.arg != "needs"]
    return tree


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and template(node.value) is not None


def is_words(text: str) -> bool:
    """Say whether a template has words with a space between them."""
    return bool(_WORDS.search(text.replace("{}", " "))) and not is_code(text)


def is_code(text: str) -> bool:
    """Say whether a template is code: to be typed, a pattern, markup, or for a machine."""
    hint = text.removeprefix("Type: ")  # which the catalogue has once for all
    alone = text in NO_WORDS or hint != text or _CODE.match(text) is not None
    return alone or bool(re.search(r"[<>]\w+|[a-z-]+:[\w#(-]", text) and "Type:" not in text)


def sentences(path: Path) -> Iterator[str]:
    """Yield a file's texts: strings of words, and labels."""
    tree = without_docstrings(ast.parse(path.read_text(encoding="utf-8")))
    yield from filter(is_words, strings(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            named = [each.value for each in node.keywords if each.arg in LABELS]
            called = getattr(node.func, "attr", "")
            for each in named + (node.args[:1] if called in LABELLED else []):
                yield from filter(is_label, strings(each))
        elif isinstance(node, ast.AnnAssign) and _named(node.target) in LABELS:
            yield from filter(is_label, strings(node))
        elif isinstance(node, ast.Assign) and _named(node.targets[0]) in LABELS:
            yield from filter(is_label, strings(node.value))
        elif isinstance(node, ast.FunctionDef) and node.name == "_columns":
            yield from filter(is_label, strings(node))


def _named(node: ast.AST) -> str:
    return getattr(node, "id", "").lower()


def is_label(text: str) -> bool:
    """Say whether a template has a word of two letters or more besides its values."""
    return text not in NO_WORDS and bool(re.search("[A-Za-z]{2,}", text.replace("{}", "")))


def messages(path: Path) -> Iterator[str]:
    """Yield a file's errors, warnings and reasons to stop, and what its unknown names are."""
    tree = without_docstrings(ast.parse(path.read_text(encoding="utf-8")))
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and _told(node.targets[-1]):
            yield from filter(is_words, strings(node.value))
        elif isinstance(node, ast.FunctionDef) and _told(node.args.args[-1:]):
            yield from (text for each in node.args.defaults for text in strings(each))
        elif getattr(getattr(node, "func", None), "attr", "") == "_warn":
            yield from filter(is_words, strings(node))
        elif isinstance(node, ast.Call):
            called = getattr(node.func, "id", "")
            if called.endswith("Error"):
                yield from (
                    text for each in node.args[:1] for text in strings(each) if is_words(text)
                )
            elif called == "unknown_name":
                kind, hint = node.args[:1], node.args[3:]
                yield from filter(is_label, (text for each in kind for text in strings(each)))
                yield from filter(is_words, (text for each in hint for text in strings(each)))


def _told(target: ast.AST | list[ast.arg]) -> bool:
    """Say whether what is assigned, or the last argument's default, is told to a person."""
    node = target[0] if isinstance(target, list) and target else target
    names = (getattr(node, name, "") for name in ("id", "attr", "arg"))
    return any(name in ("message", "reason", "stop_reason") for name in names)


def help_texts() -> Iterator[str]:
    """Yield each verb's summary, and the text of each of its options."""
    for verb in VERBS.values():
        yield verb.summary()
        yield from (option.text for option in verb.options())


def extracted() -> dict[str, set[str]]:
    """Return the templates that must be translated, by section."""
    return {
        "shown": {text for path in files(SHOWN) for text in sentences(path)},
        "errors": {text for path in files(ASKED) for text in messages(path)},
        "help": set(help_texts()),
    }
