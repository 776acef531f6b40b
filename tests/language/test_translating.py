"""Texts are translated where they are shown, by their templates."""

import pytest

from maasnb.language.translating import Catalogue, language, translated

WORDS = {
    "There is no {} {}.": "没有{} {}。",
    "Did you mean {}?": "是否想写 {}？",
    "verb": "动词",
    "{} of {} epochs": "第 {0} 轮，共 {1} 轮",
    "loss {} at step {}": "第 {1} 步的损失为 {0}",
    "The run {} has ended. Fork it.": "运行 {} 已经结束。请分叉。",
    "Version {} of {} answers. Ask it.": "{1} 的版本 {0} 在回答。请问它。",
    "{} of {}": "{1} 中的 {0}",
    " and ": " 和 ",
    "No gradient reaches {}.": "没有梯度传到 {}。",
}


@pytest.fixture
def words():
    return Catalogue(WORDS)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("verb", "动词"),
        ("3 of 10 epochs", "第 3 轮，共 10 轮"),
        ("loss 0.5 at step 7", "第 7 步的损失为 0.5"),
        ("There is no verb 'trian'. Did you mean 'train'?", "没有动词 'trian'。是否想写 'train'？"),
        ("There is no verb 'x'. Nobody knows why.", "没有动词 'x'。Nobody knows why."),
        ("Nobody knows why. Did you mean 'x'?", "Nobody knows why. 是否想写 'x'？"),
        ("The run 'a. b' has ended. Fork it.", "运行 'a. b' 已经结束。请分叉。"),
        ("Version 2 of 'scans' answers. Ask it.", "'scans' 的版本 2 在回答。请问它。"),
        ("No gradient reaches a, b and c.", "没有梯度传到 a, b 和 c。"),
        ("verb\n  loss 1 at step 2", "动词\n  第 2 步的损失为 1"),
        ("verbose", "verbose"),
        ("0.5 -> 0.3", "0.5 -> 0.3"),
        ("", ""),
    ],
)
def test_a_text_is_matched_with_its_values(words, text, shown):
    assert words.of(text) == shown


def test_a_value_with_braces_is_a_value(words):
    assert words.of("loss {0} at step {}") == "第 {} 步的损失为 {0}"


def test_a_very_long_text_stays_as_it_is(words):
    text = "There is no verb " + "x" * 30_000 + "."
    assert words.of(text) == text


@pytest.mark.parametrize(
    ("wanted", "system", "shown"),
    [
        (None, "zh_CN.UTF-8", "en"),
        ("", "zh_CN.UTF-8", "en"),
        ("en", "zh_CN.UTF-8", "en"),
        ("zh", "C", "zh"),
        ("ZH-cn", "C", "zh"),
        ("auto", "zh_CN.UTF-8", "zh"),
        ("auto", "de_DE.UTF-8", "en"),
        ("fr", "zh_CN.UTF-8", "en"),
    ],
)
def test_the_language_is_asked_for_and_never_guessed(monkeypatch, wanted, system, shown):
    monkeypatch.delenv("LC_MESSAGES", raising=False)
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.setenv("LANG", system)
    monkeypatch.delenv("MAASNB_LANG", raising=False)
    if wanted is not None:
        monkeypatch.setenv("MAASNB_LANG", wanted)
    assert language() == shown


def test_english_texts_are_returned_as_they_are(monkeypatch):
    monkeypatch.delenv("MAASNB_LANG", raising=False)
    assert translated("Run on digits (torch): finished") == "Run on digits (torch): finished"
