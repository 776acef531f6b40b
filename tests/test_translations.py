"""The words of the JupyterLab extension: every one of them is there in Chinese."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "extension/src/lab").glob("*.ts"))
CATALOGUE = ROOT / "maasnb/locale/zh_CN/LC_MESSAGES/maasnb.json"
CALL = re.compile(r"trans\.__\(")
TEXT = re.compile(r'\s*("(?:[^"\\]|\\.)*")')


def catalogue():
    return json.loads(CATALOGUE.read_text(encoding="utf-8"))


def texts():
    """Return every text that the sources ask a translation for, and where."""
    found = {}
    for path in SOURCES:
        source = path.read_text(encoding="utf-8")
        for call in CALL.finditer(source):
            text = TEXT.match(source, call.end())
            assert text, f"{path.name}: {source[call.start() : call.end() + 60]!r} is no plain text"
            found[json.loads(text[1])] = path.name
    return found


def test_every_text_has_a_translation_and_none_is_left_over():
    wanted = set(texts())
    assert len(wanted) > 80
    known = {name for name, value in catalogue().items() if name and value[0].strip()}
    assert (wanted - known, known - wanted) == (set(), set())


def test_a_translation_has_the_places_of_its_text():
    for text, (translation, *_) in ((k, v) for k, v in catalogue().items() if k):
        assert sorted(re.findall(r"%\d", translation)) == sorted(re.findall(r"%\d", text)), text


def test_no_translation_is_the_english_text():
    same = [text for text, value in catalogue().items() if text and value[0] == text]
    assert same == []


def test_jupyter_can_read_the_catalogue():
    """As it reads its own language packs: a dash in the language, plural forms in snake case."""
    head = catalogue()[""]
    assert (head["language"], head["domain"]) == ("zh-CN", "maasnb")
    assert head["plural_forms"] == "nplurals=1; plural=0;"


@pytest.mark.parametrize("path", SOURCES, ids=[path.name for path in SOURCES])
def test_no_words_of_the_page_go_round_the_translator(path):
    """Words between tags of `h(...)`, labels and titles: at least two of them, in English."""
    source = re.sub(r"//.*|/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.S)
    bare = re.findall(
        r'(?:label|caption|title|tooltip|placeholder|"aria-label"): "([^"]+)"|\}, "([A-Z][^"]+)"\)',
        source,
    )
    assert [words for pair in bare for words in pair if words] == []
