"""The exercises of tutorial 10: ask by plain HTTP, try a third version, and go back.

What was done to the published model is read from its server: its history says it, also later.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from maasnb.client.endpoint import Endpoint
from maasnb.exercises.exercise import Exercise, Wrong

__all__ = ["EXERCISES"]

Names = Mapping[str, Any]
Change = Mapping[str, Any]

OK, UNAUTHORIZED = 200, 401
ROW = 2
PERCENT = 25
BEFORE = 2
"""The newest version when the exercises begin."""


def _check_plain_http(names: Names) -> None:
    response, scans = names["response"], names["scans"]
    _check_answered(response, scans)
    answer = response.json()
    found = np.array(answer["outputs"][0]["data"], np.float32).ravel()
    pixels = names["digits"].test.x[ROW]
    expected = scans.at(answer["model_version"]).predict(pixels).ravel()
    if found.shape != expected.shape:
        count = len(found) // len(expected)
        raise Wrong(f"The server was asked about {count} digits. Send one: digits.test.x[{ROW}]")
    if not np.allclose(found, expected, atol=1e-4):
        raise Wrong(f"Those were other pixels. Send them as they are: digits.test.x[{ROW}]")


def _check_answered(response: Any, scans: Endpoint) -> None:  # noqa: ANN401 - of any HTTP library
    """Pass if a response is the model's answer."""
    if not hasattr(response, "status_code"):
        message = (
            f"`response` is {response!r:.60}, not a response of httpx. "
            "Keep what httpx.post returns, and read it later: response.json()"
        )
        raise Wrong(message)
    if response.status_code == UNAUTHORIZED:
        message = (
            "The server does not know who asks. Send the workspace's token along: "
            'headers={"Authorization": f"Bearer {token}"}'
        )
        raise Wrong(message)
    if response.status_code != OK:
        message = (
            f"The server refused the request with {response.status_code}: {response.text:.200}. "
            "Compare yours with what print(scans.curl()) shows."
        )
        raise Wrong(message)
    asked, model = str(response.request.url), f"{scans.server}/v2/models/{scans.name}/"
    if response.request.method != "POST" or not asked.startswith(model):
        message = f"`response` is not the model's answer: it comes from {asked}. Post to scans.url"
        raise Wrong(message)


def _check_canary(names: Names) -> None:
    third, (state, changes) = _third(names), _state(names)
    tried = [each for each in changes if each["action"] == "canary" and "version" in each]
    mine = [each for each in tried if each["version"] == third]
    if not mine and state["serves"] == third:
        message = (
            f"Version {third} answers all requests already. Have version 2 answer them first, with "
            f"scans.promote(2), and then a part of them: scans.canary({third}, percent=25)"
        )
        raise Wrong(message)
    if not mine:
        message = (
            f"Version {third} is published, and nobody asks it yet. "
            f"Type: scans.canary({third}, percent=25)"
        )
        raise Wrong(message)
    if mine[-1]["percent"] != PERCENT:
        message = (
            f"Version {third} answers {mine[-1]['percent']:g} % of the requests; expected 25 %. "
            f"Type: scans.canary({third}, percent=25)"
        )
        raise Wrong(message)


def _check_way_back(names: Names) -> None:
    third, (state, changes) = _third(names), _state(names)
    moves = [each for each in changes if each.get("alias") == "prod"]
    places = [
        place
        for place, each in enumerate(moves)
        if each["action"] == "promote" and each.get("version") == third
    ]
    if not places:
        message = f"Version {third} was never promoted. Type: scans.promote({third})"
        raise Wrong(message)
    before, after = moves[places[-1]].get("before"), moves[places[-1] + 1 :]
    if not after:
        message = f"Version {third} answers all requests. And now back: back = scans.rollback()"
        raise Wrong(message)
    if not any(each["action"] == "rollback" for each in after):
        message = (
            "You promoted the old version by its number. In a hurry nobody wants to look for it: "
            f"scans.promote({third}) once more, and then scans.rollback()"
        )
        raise Wrong(message)
    if state["serves"] != before:
        message = (
            f"Version {state['serves']} answers now; before the promotion it was version {before}. "
            "One rollback is enough."
        )
        raise Wrong(message)


def _third(names: Names) -> int:
    """Return the version that was published in the exercise."""
    third, scans = names["third"], names["scans"]
    if not isinstance(third, Endpoint):
        message = f"`third` is {third!r:.60}, not an endpoint, which mb.publish returns."
        raise Wrong(message)
    if (third.server, third.name) != (scans.server, scans.name):
        message = (
            f"`third` is published as {third.name!r}; expected a new version of 'scans'. "
            'Type: third = mb.publish(run, "scans")'
        )
        raise Wrong(message)
    if not isinstance(third.version, int) or third.version <= BEFORE:
        message = (
            f"`third` asks version {third.version}, which was there before. "
            "The same model makes no new version, so train another one: more units, more epochs."
        )
        raise Wrong(message)
    return third.version


def _state(names: Names) -> tuple[Mapping[str, Any], Sequence[Change]]:
    """Return what the server says of the model now, and all that was changed, oldest first."""
    scans = names["scans"]
    state = scans.connection.get(f"/maas/v1/models/{scans.name}")
    return state, state["history"]


_SCANS = {"scans": 'scans = mb.connect("scans")'}

EXERCISES = {
    "10.1": Exercise(
        task="Ask about `digits.test.x[2]` with httpx alone, and keep its response in `response`.",
        needs={"digits": "%maas data digits", **_SCANS, "response": "response = ..."},
        check=_check_plain_http,
        praise="Any program that speaks HTTP and JSON can ask your model.",
    ),
    "10.2": Exercise(
        task="Publish a third version, and have it answer 25 percent of the requests.",
        needs={**_SCANS, "third": "third = ..."},
        check=_check_canary,
        praise="Three of four requests are answered as before, whatever the new one does.",
    ),
    "10.3": Exercise(
        task="Have `third` answer all requests, and then the version again that did before.",
        needs={**_SCANS, "third": "third = ...", "back": "back = ..."},
        check=_check_way_back,
        praise="There and back, and no request was lost on the way.",
    ),
}
