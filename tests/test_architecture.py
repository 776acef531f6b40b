"""The house rules that no linter knows; each rule is also shown to catch an offender."""

import ast
import importlib
import json
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import maasnb

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "maasnb"
MODULES = sorted(PACKAGE.rglob("*.py"))
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

LONGEST_MODULE = 500
LONGEST_FUNCTION = 60
CATCH_ALL = {"base", "common", "core", "handler", "helpers", "manager", "misc", "utils"}
# What `import maasnb` must not load: frameworks, servers, Jupyter, plotting.
HEAVY = {"IPython", "jax", "matplotlib", "sklearn", "torch", "uvicorn"}
# Modules whose public functions nobody imports by name.
NO_EXPORTS = {"__init__", "__main__"}


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def id_of(path):
    return str(path.relative_to(ROOT))


every_module = pytest.mark.parametrize("path", MODULES, ids=id_of)


# The rules: each takes a module and returns what is wrong with it.


def too_long(source):
    lines = len(source.splitlines())
    return [f"{lines} lines"] if lines > LONGEST_MODULE else []


def doc_lines(function):
    doc = function.body[0] if ast.get_docstring(function) else None
    return doc.end_lineno - doc.lineno + 1 if doc else 0


def long_functions(source):
    functions = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    lengths = {node.name: node.end_lineno - node.lineno + 1 - doc_lines(node) for node in functions}
    return [f"{name}: {n} lines" for name, n in lengths.items() if n > LONGEST_FUNCTION]


def catch_all_names(path):
    return [part for part in path.with_suffix("").parts if part.strip("_") in CATCH_ALL]


def bad_opening(source):
    first = (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
    if not first.endswith("."):
        return [f"the docstring's first line is no sentence: {first!r}"]
    return [f"more than one sentence: {first!r}"] if re.search(r"[.!?] [A-Z]", first) else []


def missing_exports(source, stem):
    tree = ast.parse(source)
    public = [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name[0] != "_"
    ]
    exports = [
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    ]
    wanted = public and "__all__" not in exports and stem not in NO_EXPORTS
    return [f"no __all__, but public functions: {', '.join(public)}"] if wanted else []


def relative_imports(source):
    return [
        f"line {node.lineno}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and node.level
    ]


def undocumented(names, texts):
    return [name for name in names if not any(re.search(rf"\b{name}\b", text) for text in texts)]


@every_module
def test_a_module_has_at_most_500_lines(path):
    assert too_long(path.read_text()) == []


@every_module
def test_a_function_has_at_most_60_lines(path):
    assert long_functions(path.read_text()) == []


@every_module
def test_no_module_has_a_catch_all_name(path):
    assert catch_all_names(path.relative_to(PACKAGE)) == []


@every_module
def test_a_module_opens_with_one_sentence(path):
    assert bad_opening(path.read_text()) == []


@every_module
def test_a_module_with_public_functions_says_which(path):
    assert missing_exports(path.read_text(), path.stem) == []


@every_module
def test_imports_are_absolute(path):
    assert relative_imports(path.read_text()) == []


@pytest.mark.parametrize(
    "name", sorted(each.name for each in pkgutil.walk_packages(maasnb.__path__, "maasnb."))
)
def test_every_exported_name_exists(name):
    if name.endswith("__main__"):
        pytest.skip("it runs when it is imported")
    module = importlib.import_module(name)
    assert [each for each in getattr(module, "__all__", ()) if not hasattr(module, each)] == []


def test_every_public_name_of_the_package_exists_and_is_documented():
    names = [name for name in getattr(maasnb, "__all__", ()) if name != "__version__"]
    assert [name for name in names if not hasattr(maasnb, name)] == []
    assert undocumented(names, [path.read_text() for path in DOCUMENTS]) == []


def test_importing_maasnb_loads_no_framework_server_or_notebook():
    code = "import json, sys, maasnb; print(json.dumps(sorted(sys.modules)))"
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    loaded = {name.partition(".")[0] for name in json.loads(answer.stdout)}
    assert loaded & HEAVY == set()
    assert "maasnb" in loaded


# Each rule can fail.

SENTENCE = '"""Say what is here."""\n'


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        (lambda: too_long("x = 1\n" * 501), ["501 lines"]),
        (lambda: long_functions("def f():\n" + "    x = 1\n" * 60), ["f: 61 lines"]),
        (lambda: long_functions("async def f():\n" + "    x = 1\n" * 60), ["f: 61 lines"]),
        (lambda: catch_all_names(Path("serve/utils.py")), ["utils"]),
        (lambda: catch_all_names(Path("helpers/tokens.py")), ["helpers"]),
        (lambda: bad_opening("x = 1"), ["the docstring's first line is no sentence: ''"]),
        (
            lambda: bad_opening('"""Notes"""'),
            ["the docstring's first line is no sentence: 'Notes'"],
        ),
        (lambda: bad_opening('"""One. Two."""'), ["more than one sentence: 'One. Two.'"]),
        (
            lambda: missing_exports(SENTENCE + "def f(): ...", "tokens"),
            ["no __all__, but public functions: f"],
        ),
        (lambda: relative_imports("from . import tokens"), ["line 1"]),
        (lambda: undocumented(["train", "build"], ["mb.train(model)", "rebuild"]), ["build"]),
    ],
    ids=lambda value: None if callable(value) else value[0],
)
def test_a_rule_catches_an_offender(findings, expected):
    assert findings() == expected


def test_the_rules_let_a_good_module_pass():
    source = SENTENCE + "__all__: list[str] = ['f']\ndef f():\n    return _g()\ndef _g(): ...\n"
    documented = 'def f():\n    """Say.\n' + "\n" * 30 + '    """\n' + "    x = 1\n" * 59
    assert long_functions(documented) == []
    assert too_long(source) == long_functions(source) == bad_opening(source) == []
    assert missing_exports(source, "tokens") == relative_imports(source) == []
    assert missing_exports("def main(): ...", "__main__") == []
    assert catch_all_names(Path("serve/database.py")) == []
