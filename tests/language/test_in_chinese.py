"""What a notebook shows in Chinese has no English left but names and code."""

import re
import sys

import pytest

import maasnb as mb
from maasnb.diagnosis import doctor
from maasnb.magics.formatters import html_of
from maasnb.magics.guide import all_verbs, one_option, one_verb
from maasnb.magics.verbs import VERBS
from maasnb.panels.progress import progress_line
from maasnb.panels.twins import run_twin
from maasnb.tables import width
from tests.small_runs import small_run

CHINESE = re.compile("[\u4e00-\u9fff]")
CODE = re.compile(
    r"(?:Type: |请输入：|mb\.|%+\w+ |run\.).*"  # what is to be typed, to the end of its line
    r"|'[^']*'|\"[^\"]*\""  # names
    r"|\b(?:dense\d|linear|weight|bias|relu|lr|mae|mse|rmse|r2|F1|ROC|PSI|ReLU|SGD)\S*"
    r"|\b(?:Sequential|Linear|torch|jax|digits|kB|MB|GiB|FP32|float32|int64|x|standardize)\b"
    r"|&\S+;"
)


@pytest.fixture(autouse=True)
def chinese(monkeypatch):
    monkeypatch.setenv("MAASNB_LANG", "zh")


def english(text):
    """Return the words of a text that are neither names nor code."""
    return re.findall("[A-Za-z]{3,}", CODE.sub("", re.sub("<[^>]*>", " ", text)))


def test_the_twin_of_a_run():
    twin = run_twin(small_run())
    assert twin.startswith("digits（torch）上的运行：已完成，1 轮，45 步\n")
    assert english(twin) == []


def test_progress():
    assert english(progress_line(small_run(), loss=0.5, steps_per_s=10.0)) == []


@pytest.mark.parametrize("what", ["diagnosis", "gradients", "summary"])
def test_a_report(what):
    report = mb.inspect(small_run(), what)
    assert english(str(report)) == []
    assert english(html_of(report)) == []
    assert CHINESE.search(report.title) is None, "what a program reads stays English"


def test_an_evaluation_keeps_the_names_of_classes():
    report = mb.evaluate(small_run())
    text = str(report)
    assert "准确率" in text.splitlines()[0]
    assert "精确率" in text.splitlines()[1]


def test_an_ill_run_is_told_its_illness_and_its_cure():
    data = mb.data("digits", prep=[])
    model = mb.build([mb.Dense(16, "relu"), mb.Dense(10)], data=data)
    run = mb.train(model, data, epochs=3, optimizer="sgd", lr=1e-9)
    report = mb.inspect(run)
    assert "学习率太低" in str(report)
    assert "请调大。请输入：mb.train(net, data, lr=" in str(report)
    assert english(str(report)) == []


def test_data():
    assert english(str(mb.data("digits"))) == []


def test_the_list_of_verbs():
    lines = all_verbs().splitlines()[2:]
    assert len(lines) == len(VERBS)
    assert [line for line in lines if not CHINESE.search(line)] == []


@pytest.mark.parametrize("verb", VERBS.values(), ids=list(VERBS))
def test_the_help_of_a_verb(verb):
    text = one_verb(verb)
    assert CHINESE.search(text.splitlines()[1])
    assert max(map(width, text.splitlines())) <= 110
    untold = [
        option.name
        for option in verb.options()
        if not CHINESE.search(one_option(verb, option).partition("\n")[2])
    ]
    assert untold == []


def test_an_exercise_that_is_not_begun_solved_or_wrong():
    names = {"digits": small_run().data, "run": small_run(), "answer": ...}
    sure = names["run"].predict(names["digits"].test.x).max(axis=1)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in names.items():
            patch.setattr(sys.modules["__main__"], name, value, raising=False)
        told = [str(mb.check("00.1"))]
        for answer in (int(sure.argmin()), int(sure.argmax())):
            patch.setattr(sys.modules["__main__"], "answer", answer)
            told.append(str(mb.check("00.1")))
    begins = (
        "练习 00.1：还没有做对。\n",
        "练习 00.1：做对了。\n",
        "练习 00.1：还没有做对。\n对数字",
    )
    assert [text.startswith(begin) for text, begin in zip(told, begins, strict=True)] == [True] * 3
    assert {word for text in told for word in english(text)} <= {
        "answer",
        "run",
        "argmin",
        "argmax",
    }


def test_the_doctor():
    labels = [
        line.split("  ")[1].strip() for line in str(doctor()).splitlines() if "->" not in line
    ]
    assert "工作区" in labels


def test_nothing_is_changed_in_english(monkeypatch):
    monkeypatch.delenv("MAASNB_LANG")
    assert run_twin(small_run()).startswith("Run on digits (torch): finished, 1 epochs, 45 steps\n")
    assert not CHINESE.search(str(mb.inspect(small_run())))
