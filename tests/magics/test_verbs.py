"""The verb table says what Python says."""

import inspect
import subprocess
import sys

import pytest

from maasnb.errors import UnknownNameError
from maasnb.magics.parsing import flags_of
from maasnb.magics.verbs import VERBS, annotation_heads, argument_texts, verb_named


@pytest.mark.parametrize("verb", VERBS.values(), ids=list(VERBS))
def test_every_verb_resolves_to_a_function_with_a_summary(verb):
    assert callable(verb.resolve())
    assert verb.summary().endswith(".")


@pytest.mark.parametrize("verb", VERBS.values(), ids=list(VERBS))
def test_every_parameter_of_a_verb_has_its_line_in_the_docstring(verb):
    assert [option.name for option in verb.options() if not option.text] == []


@pytest.mark.parametrize("verb", VERBS.values(), ids=list(VERBS))
def test_every_parameter_of_a_function_can_be_written_in_the_magic(verb):
    options = verb.options()
    parameters = set(inspect.signature(verb.resolve()).parameters) - {verb.cell}
    switched = {name for name, _ in verb.switches.values()}
    flags = {flag.removeprefix("--").replace("-", "_") for flag in flags_of(verb, options)}
    assert parameters <= flags | switched


def test_every_verb_is_public_in_python():
    import maasnb

    assert set(VERBS) <= set(maasnb.__all__)


def test_the_table_loads_no_verb_and_no_framework():
    code = (
        "import sys, maasnb.magics.verbs as v; v.VERBS['train'];"
        "heavy = ('torch', 'jax', 'IPython', 'maasnb.training', 'maasnb.publishing');"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_an_unknown_verb_gets_its_nearest_match():
    with pytest.raises(UnknownNameError, match=r"no verb 'trian'\. Did you mean 'train'\?"):
        verb_named("trian")


@pytest.mark.parametrize(
    ("annotation", "heads"),
    [
        (int, ("int",)),
        (str | None, ("str", "None")),
        ("Data | None", ("Data", "None")),
        ("Predictor | str", ("Predictor", "str")),
        ("collections.abc.Sequence[float]", ("Sequence[float]",)),
        ("Optional[Literal['a', 'b']]", ("Literal['a', 'b']", "None")),
        (inspect.Parameter.empty, ("Any",)),
    ],
)
def test_an_annotation_is_read_by_its_members(annotation, heads):
    assert annotation_heads(annotation) == heads


def test_a_docstring_without_arguments_has_no_texts():
    assert argument_texts("Do it.\n\nReturns:\n    x: no argument.\n") == {}
