"""What a cell does with a published model's versions, on a real server."""

import io
import tempfile

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, mean_absolute_error, r2_score

import maasnb as mb
from maasnb.client.meters import Meter
from maasnb.errors import (
    ConflictError,
    DataError,
    ModelError,
    OptionError,
    RequestError,
    UnknownNameError,
)
from maasnb.publishing import connect, publish
from maasnb.serve.embedded import stop_server
from tests.small_runs import small_run


def trained(dataset, seed):
    """Return a run that learnt other weights than another seed's."""
    examples = small_run(dataset=dataset).data
    width = len(examples.labels) or examples.target_width
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAASNB_HOME", folder)
        return mb.train(mb.build([mb.Dense(width)], data=examples, seed=seed), examples, epochs=1)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A workspace whose server holds two versions of a classifier and of a regression."""
    folder = tmp_path_factory.mktemp("operations") / "maas"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAASNB_HOME", str(folder))
        for dataset in ("digits", "diabetes"):
            publish(small_run(dataset=dataset), dataset)
            publish(trained(dataset, seed=7), dataset)
    yield folder
    stop_server(folder)


@pytest.fixture
def digits(home, monkeypatch):
    """The classifier, with no alias, canary or shadow."""
    monkeypatch.setenv("MAASNB_HOME", str(home))
    endpoint = connect("digits")
    yield endpoint
    endpoint.end_canary()
    endpoint.end_shadow()
    for alias in endpoint._connection.get("/maas/v1/models/digits")["aliases"]:
        endpoint._connection.send("DELETE", f"/maas/v1/models/digits/aliases/{alias}", b"")


def answering(endpoint):
    """Say which version answers, by what it answers."""
    x = small_run().data.test.x[:20]
    found = endpoint.predict(x)
    (version,) = [each for each in (1, 2) if np.array_equal(endpoint.at(each).predict(x), found)]
    return version


def answers(report):
    return {row[0]: row[-1] for row in report.rows}


@pytest.mark.coverage("E5")
def test_a_promotion_and_a_rollback_change_who_answers(digits):
    assert (digits.versions, answering(digits)) == ((1, 2), 2)
    report = digits.promote(1)
    assert report.title == "'digits': version 1 answers"
    assert answers(report) == {"1": "prod", "2": ""}
    assert answering(digits) == 1
    assert answers(digits.rollback()) == {"1": "", "2": "prod"}
    assert answering(digits) == 2


def test_an_endpoint_of_a_version_promotes_itself(digits):
    assert answers(digits.at(1).promote())["1"] == "prod"
    with pytest.raises(OptionError, match=r"endpoint\.promote\(3\)"):
        digits.promote()


def test_an_alias_names_a_version(digits):
    digits.promote(1, "staging")
    staging = connect("digits", version="staging")
    assert answering(staging) == 1
    assert "version staging" in repr(staging)
    assert "/versions/staging/infer" in staging.curl()
    with pytest.raises(UnknownNameError, match="called 'stagin'.*Known: 1, 2"):
        connect("digits", version="stagin")


def test_an_alias_that_somebody_else_moved_is_left_alone(digits):
    digits.promote(1, expected=None)
    with pytest.raises(ConflictError, match="points to version 1; you expected no version"):
        digits.promote(2, expected=None)
    assert answers(digits.promote(2, expected=1))["2"] == "prod"


def test_a_canary_is_tried_and_ended(digits):
    digits.promote(1)
    report = digits.canary(2, percent=12.5)
    assert report.title.endswith("version 1 answers, version 2 12.5 % of the requests")
    assert answers(report)["2"] == "canary, 12.5 %"
    assert answers(digits.canary(None))["2"] == ""
    with pytest.raises(RequestError, match="more than 0 and at most 100"):
        digits.canary(2, percent=101)


def test_a_shadow_is_compared_with_what_was_answered(digits):
    digits.promote(1)
    assert answers(digits.shadow(2))["2"] == "shadow"
    before = digits.shadowed["requests"]
    x = small_run().data.test.x[:30]
    differ = digits.shadowed["disagreements"]
    expected = np.sum(digits.classify(x) != digits.at(2).classify(x))
    report = digits.shadowed
    assert report["requests"] == before + 1
    assert report["disagreements"] == differ + expected > differ
    assert answers(digits.shadow(None))["2"] == ""


def test_the_history_tells_who_did_what(digits):
    digits.promote(1)
    digits.canary(2, percent=5)
    digits.end_canary()
    rows = digits.history.rows
    assert [(row[1], row[2], row[4]) for row in rows[:3]] == [
        ("canary ended", "", "workspace"),
        ("canary 5 %", "2", "workspace"),
        ("promote prod", "1", "workspace"),
    ]


@pytest.mark.coverage("E5")
def test_two_classifiers_are_compared_with_the_truth(digits):
    examples = small_run().data
    report = digits.compare(1, 2, examples)
    x, y = examples.test.x, examples.test.y
    outputs = [digits.at(version).predict(x) for version in (1, 2)]
    classes = [each.argmax(axis=1) for each in outputs]
    assert report["version 1 accuracy"] == pytest.approx(accuracy_score(y, classes[0]))
    assert report["version 2 accuracy"] == pytest.approx(accuracy_score(y, classes[1]))
    assert report["agreement"] == pytest.approx(np.mean(classes[0] == classes[1]))
    assert report["largest_difference"] == pytest.approx(np.abs(outputs[0] - outputs[1]).max())
    place = int(report.rows[2][0].split(",")[0].removeprefix("example "))
    assert report.rows[2][0] == f"example {place}, truly {y[place]}"
    assert report.rows[2][1].startswith(f"{classes[0][place]} (")
    assert classes[0][place] != classes[1][place]
    assert f"of {np.sum(classes[0] != classes[1])} examples" in " ".join(report.notes)


def test_without_targets_two_versions_are_compared_with_each_other(digits):
    report = digits.compare(1, 2, small_run().data.test.x[:20])
    assert set(report.values) == {"agreement", "largest_difference"}
    assert digits.compare(1, 1, small_run().data.test.x[:20])["agreement"] == 1.0
    with pytest.raises(DataError, match="no examples to compare by"):
        digits.compare(1, 2, np.zeros((0, 64)))


def test_two_regressions_are_compared_with_the_truth(home, monkeypatch):
    monkeypatch.setenv("MAASNB_HOME", str(home))
    endpoint, test = connect("diabetes"), small_run(dataset="diabetes").data.test
    report = endpoint.compare(1, 2, test)
    outputs = [endpoint.at(version).predict(test.x) for version in (1, 2)]
    for version, each in zip((1, 2), outputs, strict=True):
        assert report[f"version {version} mae"] == pytest.approx(mean_absolute_error(test.y, each))
        assert report[f"version {version} r2"] == pytest.approx(r2_score(test.y, each))
    gaps = np.abs(outputs[0] - outputs[1])[:, 0]
    assert report["mean_difference"] == pytest.approx(gaps.mean(), rel=1e-5)
    assert report.rows[2][0].startswith(f"example {gaps.argmax()},")


def test_what_is_unpublished_can_be_restored(digits):
    digits.promote(2)
    digits.unpublish(1)
    assert digits.versions == (2,)
    with pytest.raises(ConflictError, match="the alias 'prod' is using it"):
        digits.unpublish(2)
    assert answers(digits.restore(1)) == {"1": "", "2": "prod"}
    with pytest.raises(UnknownNameError, match="no unpublished version '1'"):
        digits.restore(1)


def test_publishing_the_same_again_says_so_and_makes_nothing(home, monkeypatch):
    monkeypatch.setenv("MAASNB_HOME", str(home))
    first = publish(small_run(), "same")
    again = publish(small_run(), "same")
    assert (first.version, again.version, first.remark) == (1, 1, "")
    assert "version 1 was this very model already" in str(again)
    again.unpublish()
    with pytest.raises(UnknownNameError, match="no published model 'same'"):
        connect("same")


def test_a_publish_can_move_an_alias(home, monkeypatch):
    monkeypatch.setenv("MAASNB_HOME", str(home))
    publish(small_run(), "moved", alias="prod")
    second = publish(trained("digits", seed=3), "moved")
    assert answers(second.status()) == {"1": "prod", "2": ""}
    third = publish(trained("digits", seed=4), "moved", alias="prod")
    assert answers(third.status()) == {"1": "", "2": "", "3": "prod"}
    with pytest.raises(RequestError, match="cannot be an alias"):
        publish(small_run(), "moved", alias="7")


def test_the_verbs_take_a_name_or_an_endpoint(digits):
    assert mb.promote("digits", 1).title == mb.versions(digits).title
    assert mb.canary("digits", 2, percent=5).title == mb.versions("digits").title
    assert answers(mb.canary(digits))["2"] == ""
    assert answers(mb.shadow("digits", 2))["2"] == "shadow"
    assert answers(mb.shadow("digits"))["2"] == ""
    assert answers(mb.rollback("digits")) == {"1": "", "2": "prod"}
    mb.unpublish("digits", 1)
    digits.restore(1)
    with pytest.raises(ModelError, match="is not published; expected an endpoint"):
        mb.promote(small_run(), 1)
    with pytest.raises(OptionError, match="has its server already"):
        mb.promote(digits, 1, to="http://127.0.0.1:9")
    with pytest.raises(OptionError, match=r"mb\.rollback\(run, 500\)"):
        mb.rollback(small_run())


def test_a_long_upload_says_how_far_it_is_and_leaves_nothing(monkeypatch):
    monkeypatch.delenv("MAASNB_PANEL", raising=False)
    screen = io.StringIO()
    meter = Meter("Publishing 'large'", screen)
    meter.tell(1_000_000, 4_000_000)
    assert screen.getvalue() == ""  # a short upload needs no line
    meter._due = 0.0
    meter.tell(2_000_000, 4_000_000)
    assert screen.getvalue() == "\rPublishing 'large': 2.0 of 4.0 MB, 50 %"
    meter.end()
    assert screen.getvalue().endswith("\r")
