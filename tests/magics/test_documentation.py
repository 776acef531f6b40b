"""docs/magics.md tells every verb and every option."""

import re
from pathlib import Path

import pytest

from maasnb.magics.parsing import flags_of
from maasnb.magics.verbs import VERBS

PAGE = (Path(__file__).parents[2] / "docs" / "magics.md").read_text()
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("verb", VERBS.values(), ids=list(VERBS))
def test_every_verb_has_a_section_that_names_its_options(verb):
    everywhere = {"--as", "--show", "--help"}
    flags = set(flags_of(verb, verb.options())) - everywhere
    assert {flag for flag in flags if flag not in SECTIONS[verb.name]} == set()


@pytest.mark.parametrize("verb", VERBS.values(), ids=list(VERBS))
def test_the_table_of_verbs_says_what_each_binds(verb):
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| [{verb.name}]"))
    assert (f"`{verb.binds}`" if verb.binds else "|") in row
