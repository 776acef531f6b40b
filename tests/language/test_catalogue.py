"""Every text that people read has a translation, and a catalogue holds no other."""

import json
import re
import string
from collections import Counter

import pytest

from maasnb.language.translating import LANGUAGES, catalogue
from tests.language.extracted import PACKAGE, extracted

OTHERS = [name for name in LANGUAGES if name != "en"]
SIGNS = re.compile(r"[\u3400-\u9fff\u3000-\u303f\uff00-\uffef]")
"""Chinese characters and punctuation."""


def sections(name):
    return json.loads((PACKAGE / "language" / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("section", ["shown", "errors", "help"])
def test_every_text_of_the_code_has_a_translation(name, section):
    known = catalogue(name).words
    missing = sorted(text for text in extracted()[section] if text not in known)
    assert missing == [], f"add these to maasnb/language/{name}.json"


@pytest.mark.parametrize("name", OTHERS)
def test_no_translation_is_left_of_a_text_that_is_gone(name):
    written = {section: set(words) for section, words in sections(name).items()}
    needed = set().union(*extracted().values())
    # What is put together of parts is in no single string of the code.
    assert sorted(set().union(*written.values()) - needed - written["composed"]) == []


@pytest.mark.parametrize("name", OTHERS)
def test_a_text_stands_in_one_section_only(name):
    counts = Counter(key for words in sections(name).values() for key in words)
    assert [key for key, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("name", OTHERS)
def test_a_translation_uses_the_values_of_its_text(name):
    wrong = []
    for key, text in catalogue(name).words.items():
        if "{}" not in key:  # taken as it is
            continue
        places = [place for _, place, _, _ in string.Formatter().parse(text) if place is not None]
        numbers = range(len(places)) if set(places) == {""} else map(int, filter(None, places))
        if not set(numbers) <= set(range(key.count("{}"))):
            wrong.append(key)
    assert wrong == []


def test_a_translation_keeps_what_is_to_be_typed():
    """Code in a text is the same in both languages: `mb.train(...)`, `--bg`, `lr=`."""
    code = re.compile(r"(?:mb|run)\.\w+|%%?maas \w+|--[a-z]+|\b[a-z_]+=(?!\{)")
    lost = {
        key: sorted(set(code.findall(key)) - set(code.findall(text)))
        for key, text in catalogue("zh").words.items()
    }
    assert {key: words for key, words in lost.items() if words} == {}


def test_chinese_texts_are_chinese():
    # Only signs and names are the same in both languages.
    untouched = [key for key, text in catalogue("zh").words.items() if not SIGNS.search(text)]
    assert untouched == []
