"""The pages under docs/: what they show runs, and nothing public is missing from them."""

import dataclasses
import doctest
import re
from pathlib import Path

import pytest

import maasnb
from maasnb import errors, events
from maasnb.datasets.sources import DATASETS
from maasnb.layers import ACTIVATIONS, LAYERS
from maasnb.magics.parsing import flags_of
from maasnb.magics.verbs import VERBS
from maasnb.serve.embedded import stop_server
from maasnb.tasks import LOSSES, OPTIMIZERS
from tests.cells import opened

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
BLOCK = re.compile(r"^```(python|ipython)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
PAGE_OF = {
    **dict.fromkeys(("publish", "connect", "predict"), "publish"),
    **dict.fromkeys(("devices", "doctor"), "machine"),
    **dict.fromkeys(("pause", "resume", "stop", "lr", "clip", "checkpoint"), "control"),
    "load": "save",
    "windows": "data",
    "find_lr": "training-options",
    **dict.fromkeys(("fork", "replay"), "control"),
    **dict.fromkeys(("show", "history"), "runs"),
    **dict.fromkeys(("promote", "rollback", "canary", "shadow", "unpublish"), "versions"),
}
"""Verb -> its page, where that does not have the verb's own name."""

SHOWN = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def page_of(verb):
    return (DOCS / f"{PAGE_OF.get(verb, verb)}.md").read_text()


def id_of(path):
    return str(path.relative_to(DOCS))


def blocks(text):
    """Yield (language, code, line number) of each block that is to run."""
    for found in BLOCK.finditer(text):
        yield found[1], found[2], text.count("\n", 0, found.start()) + 2


def run_block(language, code, where, line, cells):
    """Run a block in the page's notebook; a `>>>` example must show what the page says."""
    if language == "ipython":
        cells.run(code.strip())
    elif ">>>" not in code:
        exec(compile("\n" * (line - 1) + code, where, "exec"), cells.names)
    else:
        test = doctest.DocTestParser().get_doctest(code, {}, where, where, line - 1)
        test.globs = cells.names
        said = []
        doctest.DocTestRunner(optionflags=SHOWN).run(test, out=said.append, clear_globs=False)
        assert said == [], "".join(said)


@pytest.mark.parametrize(
    "path", [path for path in PAGES if BLOCK.search(path.read_text())], ids=id_of
)
def test_what_a_page_shows_runs_from_top_to_bottom(path, workspace, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where a page writes into the folder of its notebook
    try:
        with opened() as cells:
            for language, code, line in blocks(path.read_text()):
                run_block(language, code, str(path), line, cells)
    finally:
        stop_server(workspace)


def test_an_example_that_shows_something_else_is_found():
    with opened() as cells:
        run_block("python", ">>> 1 + 1\n2\n", "page", 1, cells)
        with pytest.raises(AssertionError, match="Expected"):
            run_block("python", ">>> 1 + 1\n3\n", "page", 1, cells)
        with pytest.raises(errors.UnknownNameError):
            run_block("ipython", "%maas data digit\n", "page", 1, cells)


@pytest.mark.parametrize("path", PAGES, ids=id_of)
def test_links_lead_to_files_that_are_there(path):
    links = [link.partition("#")[0] for link in LINK.findall(path.read_text()) if "://" not in link]
    assert [link for link in links if link and not (path.parent / link).exists()] == []


def test_the_contents_page_links_every_page():
    linked = {(DOCS / link).resolve() for link in LINK.findall((DOCS / "index.md").read_text())}
    assert [id_of(path) for path in PAGES if path not in linked and path.name != "index.md"] == []


@pytest.mark.parametrize("verb", VERBS.values(), ids=list(VERBS))
def test_the_page_of_a_verb_tells_every_option_in_python_and_as_a_magic(verb):
    page, everywhere = page_of(verb.name), {"--as", "--show", "--help"}
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    in_python = {option.name for option in verb.options()}
    as_magic = set(flags_of(verb, verb.options())) - everywhere
    words = {word for row in rows for word in re.findall(r"`([^` ]+)[^`]*`", row)}
    assert sorted((in_python | as_magic) - words) == []
    assert f"mb.{verb.name}(" in page
    assert re.search(rf"^%%?maas {verb.name}\b", page, flags=re.MULTILINE)


def fields_of(kind):
    return {field.name for field in dataclasses.fields(kind)}


@pytest.mark.parametrize("kind", events.KINDS.values(), ids=list(events.KINDS))
def test_the_page_on_runs_tells_every_field_of_every_event(kind):
    section = sections((DOCS / "runs.md").read_text())["events.jsonl"]
    row = next(line for line in section.splitlines() if line.startswith(f"| `{kind.kind}`"))
    own = fields_of(kind) - fields_of(events.Event)
    assert sorted(name for name in own if f"`{name}`" not in row) == []
    assert all(f"`{name}`" in section for name in fields_of(events.Event))


def test_the_page_on_runs_tells_every_field_of_run_json(workspace):
    from maasnb.records.record import read_summary
    from tests.small_runs import small_run

    data = small_run().data
    model = maasnb.build([maasnb.Dense(10)], data=data)
    summary = read_summary(maasnb.train(model, data, epochs=1).folder)
    section = sections((DOCS / "runs.md").read_text())["run.json"]
    assert [name for name in summary if f"| `{name}`" not in section] == []


@pytest.mark.parametrize(
    "name", [name for name in errors.__all__ if isinstance(getattr(errors, name), type)]
)
def test_the_page_on_errors_tells_every_class_with_the_builtin_that_it_is(name):
    section = sections((DOCS / "errors.md").read_text())[name]
    builtins = [each.__name__ for each in getattr(errors, name).__mro__ if is_builtin(each)]
    assert name == "MaasError" or f"`{builtins[0]}`" in section


def is_builtin(kind):
    return kind.__module__ == "builtins"


def sections(page):
    """Return the text below each heading of the second level, by the heading's words."""
    found = re.findall(r"^## `?([\w.]+)`?[^\n]*\n(.*?)(?=^## |\Z)", page, flags=re.M | re.S)
    return dict(found)


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("data", DATASETS),
        ("build", LAYERS),
        ("build", ACTIVATIONS),
        ("train", LOSSES),
        ("train", OPTIMIZERS),
    ],
    ids=["datasets", "layers", "activations", "losses", "optimizers"],
)
def test_a_page_tells_every_name_that_its_verb_knows(page, names):
    text = (DOCS / f"{page}.md").read_text()
    assert [name for name in names if f"`{name}" not in text] == []
