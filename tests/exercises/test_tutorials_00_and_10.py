"""What the checks of tutorials 00 and 10 say of right answers, and of the slips people make."""

import httpx
import numpy as np
import pytest

import maasnb as mb
from maasnb.serve.embedded import stop_server
from maasnb.settings import workspace
from tests.exercises.checked import check, refused
from tests.small_runs import small_run

# 00


def test_the_digit_that_a_run_is_least_sure_of_is_the_one_with_the_lowest_best_probability():
    run = small_run()
    names = {"run": run, "digits": run.data}
    sure = np.sort(run.predict(run.data.test.x), axis=1)[:, -1]
    order = np.argsort(sure)
    check("00.1", answer=order[0], **names)
    check("00.1", answer=int(order[0]), **names)
    refused("00.1", "as sure as can be. Take argmin", answer=order[-1], **names)
    refused("00.1", r"is \d+% sure, and of another one less", answer=int(order[90]), **names)
    refused("00.1", "is how sure it is. In which row", answer=sure.min(), **names)
    refused("00.1", "expected one whole number", answer=[int(order[0])], **names)
    refused("00.1", "have the numbers 0 to 179", answer=180, **names)
    refused("00.1", "not a run, which mb.train", answer=3, digits=run.data, run=7)


# 10, on a real server


def trained(units):
    digits = small_run().data
    return mb.train(mb.build([mb.Dense(units), mb.Dense(10)], data=digits), digits, epochs=1)


@pytest.fixture
def names(tmp_path, monkeypatch):
    """What tutorial 10 has made when its exercises begin; the server is a process of its own."""
    monkeypatch.setenv("MAASNB_HOME", str(tmp_path / "maas"))
    mb.publish(small_run(), "scans", alias="prod")
    mb.publish(trained(4), "scans")
    scans = mb.connect("scans")
    scans.promote(2)
    scans.unpublish(1)
    yield {"scans": scans, "digits": small_run().data}
    stop_server(tmp_path / "maas")


def post(url, pixels, *, token=None, shape=None):
    array = np.asarray(pixels, np.float32)
    tensor = {"name": "x", "datatype": "FP32", "shape": shape or [array.size // 64, 64]}
    token = token or (workspace() / "token").read_text().strip()
    return httpx.post(
        url,
        headers={"Authorization": f"Bearer {token}"},
        json={"inputs": [{**tensor, "data": array.ravel().tolist()}]},
    )


def test_an_answer_by_plain_http_is_compared_with_the_endpoints_own(names):
    scans, x = names["scans"], names["digits"].test.x
    check("10.1", response=post(scans.url, x[2]), **names)
    check("10.1", response=post(scans.at(2).url, x[2]), **names)
    for message, response in (
        ("not a response of httpx. Keep", post(scans.url, x[2]).json()),
        ("does not know who asks", post(scans.url, x[2], token="guessed")),
        ("refused the request with 400: .*Compare yours", post(scans.url, x[2], shape=[64])),
        ("asked about 3 digits. Send one", post(scans.url, x[:3])),
        ("Those were other pixels", post(scans.url, x[3])),
        ("not the model's answer: it comes from .*Post to scans.url", httpx.get(scans.server)),
    ):
        refused("10.1", message, response=response, **names)


def test_a_canary_of_a_third_version_is_read_from_its_server(names):
    scans = names["scans"]
    refused("10.2", "not an endpoint, which mb.publish returns", third=3, **names)
    refused(
        "10.2", "version 2, which was there before", third=mb.connect("scans", version=2), **names
    )
    refused("10.2", "published as 'other'", third=mb.publish(trained(8), "other"), **names)
    third = mb.publish(trained(8), "scans")
    refused("10.2", "nobody asks it yet", third=third, **names)
    scans.promote(3)
    refused("10.2", "answers all requests already", third=third, **names)
    scans.rollback()
    scans.canary(3, percent=10)
    refused("10.2", "answers 10 % of the requests; expected 25 %", third=third, **names)
    scans.canary(3, percent=25)
    check("10.2", third=third, **names)
    scans.promote(3)
    check("10.2", third=third, **names)


def test_the_way_back_is_a_rollback_behind_a_promotion(names):
    scans, third = names["scans"], mb.publish(trained(8), "scans")
    answers = {**names, "third": third, "back": None}
    refused("10.3", "was never promoted", **answers)
    scans.promote(3)
    refused("10.3", "And now back", **answers)
    scans.promote(2)
    refused("10.3", "by its number. In a hurry", **answers)
    scans.promote(3)
    scans.rollback()
    check("10.3", **answers)
    scans.rollback()
    refused("10.3", "Version 3 answers now; before .* it was version 2", **answers)
