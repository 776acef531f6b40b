"""Labelled sentences that need no network: made from templates, or taken from Python's manual.

The made ones are toys with a purpose: a third of them say the opposite of what their words say one
by one ("not dull at all", "dull, but all in all brilliant"), so that the order of words matters.
"""

import random
import re
from collections.abc import Mapping

__all__ = ["MANUAL", "SENTIMENTS", "made_sentences", "manual_sentences"]

SENTIMENTS = ("negative", "positive")
_COUNT = 2000
_SEED = 2026

_ENGLISH: dict[str, tuple[str, ...]] = {
    "thing": (
        "film", "book", "hotel", "meal", "phone", "game", "concert", "course", "journey", "play",
    ),
    "part": ("beginning", "price", "sound", "service", "middle", "look", "size", "mood"),
    "very": ("", "really ", "truly ", "so "),
    "positive": (
        "wonderful", "brilliant", "charming", "excellent", "delightful", "superb", "lovely",
        "great",
    ),
    "negative": (
        "dull", "awful", "boring", "terrible", "poor", "dreadful", "tedious", "disappointing",
    ),
}  # fmt: skip
_CHINESE: dict[str, tuple[str, ...]] = {
    "thing": (
        "这部电影", "这本书", "这家酒店", "这顿饭", "这部手机", "这款游戏", "这场音乐会", "这门课",
        "这次旅行", "这出戏",
    ),
    "part": ("开头", "价格", "声音", "服务", "中间", "外观", "大小", "气氛"),
    "very": ("很", "非常", "真的很", "特别"),
    "positive": ("精彩", "出色", "迷人", "优秀", "美好", "有趣", "讨人喜欢", "令人满意"),
    "negative": ("无聊", "糟糕", "差劲", "乏味", "平庸", "可怕", "令人讨厌", "令人失望"),
}  # fmt: skip
_TEMPLATES: dict[str, tuple[str, ...]] = {
    "en": (
        "The {thing} was {very}{word}.",
        "What {a_word} {thing}, and the {part} was {very}{other_word}.",
        "I expected {a_opposite} {thing}, but it was {very}{word}.",
        "The {thing} was not {opposite} at all.",
        "The {part} was {very}{opposite}, but all in all the {thing} was {word}.",
        "All in all the {thing} was {word}, although the {part} was {very}{opposite}.",
        "Nobody could call this {thing} {opposite}.",
    ),
    "zh": (
        "{thing}{very}{word}。",
        "{thing}{very}{word}，{part}也{very}{other_word}。",
        "我以为{thing}会{very}{opposite}，结果却{very}{word}。",
        "{thing}一点也不{opposite}。",
        "虽然{part}有些{opposite}，但总的来说{thing}{very}{word}。",
        "总的来说{thing}{very}{word}，虽然{part}有些{opposite}。",
        "没有人会说{thing}{opposite}。",
    ),
}
_WORDS: Mapping[str, dict[str, tuple[str, ...]]] = {"en": _ENGLISH, "zh": _CHINESE}

MANUAL: dict[str, tuple[str, ...]] = {
    "containers": ("typesseq", "typesmapping", "sequence-types", "dict"),
    "objects": ("types", "customization", "attribute-access", "objects"),
    "statements": ("compound", "assignment", "import", "raise", "execmodel"),
    "strings": ("string-methods", "formatstrings", "strings"),
}
"""What a sentence of Python's manual is about -> the topics it is taken from."""


def made_sentences(language: str) -> tuple[list[str], list[str]]:
    """Return 2,000 different sentences on films, meals and so on, and what they think of them.

    Args:
        language: en or zh.
    """
    # Python promises that random() gives the same numbers for a seed in every version.
    source = random.Random(_SEED)
    found: dict[str, str] = {}
    while len(found) < _COUNT:
        label = SENTIMENTS[len(found) % 2]
        found.setdefault(_sentence(language, label, source), label)
    return list(found), list(found.values())


def _sentence(language: str, label: str, source: random.Random) -> str:
    words = _WORDS[language]

    def one(name: str) -> str:
        return words[name][int(source.random() * len(words[name]))]

    other = SENTIMENTS[label == SENTIMENTS[0]]
    word, opposite = one(label), one(other)
    templates = _TEMPLATES[language]
    return templates[int(source.random() * len(templates))].format(
        thing=one("thing"),
        part=one("part"),
        very=one("very"),
        word=word,
        other_word=one(label),
        opposite=opposite,
        a_word=_with_article(word),
        a_opposite=_with_article(opposite),
    )


def _with_article(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def manual_sentences() -> tuple[list[str], list[str]]:
    """Return sentences of Python's manual on its language, and what each is about."""
    from pydoc_data.topics import topics  # noqa: PLC0415 - only this data set needs it

    found: dict[str, str] = {}
    for label, names in MANUAL.items():
        for name in names:
            for paragraph in re.split(r"\n\s*\n", topics.get(name, "")):
                for sentence in _sentences(" ".join(paragraph.split())):
                    found.setdefault(sentence, label)
    return list(found), list(found.values())


def _sentences(paragraph: str) -> list[str]:
    """Return the sentences of a paragraph of prose; none of code or of a heading."""
    parts = re.split(r"(?<=[.:])\s+(?=[A-Z])", paragraph)
    return [part for part in parts if re.match(r"[A-Z][a-z]* .*[.:]\Z", part) and _is_prose(part)]


def _is_prose(sentence: str) -> bool:
    words = sentence.split()
    plain = sum(word.strip('.,:;()"').isalpha() for word in words)
    return 6 <= len(words) <= 60 and plain > 0.7 * len(words)
