"""Every text of the panel and of the page has a translation, and their catalogue holds no other."""

import json
import re

from tests.language.scanned import FOLDERS, SOURCES, of, read, strings, texts

WORDS = json.loads((SOURCES / "language" / "zh.json").read_text(encoding="utf-8"))
FROM_ELSEWHERE = {
    *("accuracy", "activations", "gradients", "weights"),  # the kernel names them
    *("validation accuracy", "validation loss"),  # a metric's name behind a word
    *(
        "button",
        "callback",
        "magic",
        "python",
        "fork",
        "rollback",
        "checkpoint",
        "clip",
    ),  # who did what
    *("character", "word", "{} characters", "{} tokens", "{} words", "characters", "tokens"),
    "Skip to the content",  # the page's own HTML
    "This page needs JavaScript. Without it, ask the models over HTTP.",
    "This page is older or newer than the kernel: load it again.",  # the kernel says it
}


def test_every_text_of_the_front_ends_has_a_translation():
    needed = set().union(*texts().values())
    assert sorted(needed - set(WORDS)) == [], "add these to extension/src/language/zh.json"


def test_no_translation_is_left_of_a_text_that_is_gone():
    there = set()
    for folder in FOLDERS:
        for path in sorted((SOURCES / folder).glob("*.ts")):
            there |= {text for text, _ in strings(read(path))} | set(of(path))
    assert sorted(set(WORDS) - there - FROM_ELSEWHERE) == []


def test_a_translation_uses_no_value_that_its_text_has_not():
    wrong = []
    for key, text in WORDS.items():
        places = re.findall(r"\{(\d*)\}", text)
        most = max([int(each) + 1 for each in places if each] + [places.count("")])
        if most > key.count("{}"):
            wrong.append(key)
    assert wrong == []
