"""The text twin of a run."""

from types import SimpleNamespace

import numpy as np
import pytest

from maasnb.errors import DataError
from maasnb.events import Measured
from maasnb.panels.twins import number, run_twin


def make_run(**changes):
    norms = {"dense1.weight": 0.5, "dense1.bias": 0.02}
    measured = [
        Measured(step=step, time=0.0, gradient_norm=norms, update_ratio=norms)
        for step in (1, 7, 20)
    ]
    fields = {
        "name": "digits-torch-3",
        "status": "finished",
        "steps": 20,
        "total_steps": 20,
        "steps_per_epoch": 10,
        "epochs": 2,
        "metrics": {"loss": 0.2345, "accuracy": 0.956},
        "history": SimpleNamespace(
            losses=np.linspace(2.4, 0.1, 20), measured=measured, validated=[]
        ),
        "data": SimpleNamespace(name="digits"),
        "backend": SimpleNamespace(name="torch"),
        "error": None,
    }
    return SimpleNamespace(**{**fields, **changes})


def test_the_twin_tells_a_run_in_few_words():
    assert run_twin(make_run()) == (
        "Run on digits (torch): finished, 2 epochs, 20 steps\n"
        "  loss, first -> last epoch  1.9 -> 0.64\n"
        "  validation loss            0.23\n"
        "  validation accuracy        0.96\n"
        "  gradient norm, first -> last step\n"
        "    dense1.weight  0.50 -> 0.50\n"
        "    dense1.bias    0.020 -> 0.020"
    )


def test_a_run_that_stopped_says_how_far_it_came():
    twin = run_twin(make_run(status="stopped", steps=5))
    assert twin.startswith("Run on digits (torch): stopped, 0.5 of 2 epochs, 5 of 20 steps")


def test_a_running_run_says_nothing_that_will_change():
    twin = run_twin(make_run(status="running"))
    assert twin == "Run on digits (torch): running, 2 epochs, 20 steps to take"


def test_steps_between_the_first_and_the_last_are_left_out_because_the_clock_chose_them():
    assert run_twin(make_run()).count("0.020") == 2


def test_a_large_model_names_its_largest_gradients_only():
    norms = {f"p{place}": float(place) for place in range(1, 31)}
    last = Measured(step=20, time=0.0, gradient_norm=norms, update_ratio=norms)
    history = SimpleNamespace(losses=np.ones(20), measured=[last], validated=[])
    twin = run_twin(make_run(history=history))
    assert "18 more" in twin
    assert "p30" in twin
    assert "p18 " not in twin


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.996, "1.0"), (99.6, "100"), (0.00099, "9.9e-04"), (12345678.0, "1.2e+07"), (-0.5, "-0.50")],
)
def test_a_number_has_two_significant_digits(value, text):
    assert number(value) == text


def test_a_failed_run_says_why():
    ours = make_run(status="failed", steps=5, error=DataError("The batch has NaN. Type: clean()"))
    assert run_twin(ours).splitlines()[1] == "  The batch has NaN. Type: clean()"
    theirs = make_run(status="failed", steps=5, error=ValueError("no such row"))
    assert run_twin(theirs).splitlines()[1] == "  ValueError('no such row')"
