"""Schedules agree with those of torch and optax, step by step."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from maasnb.errors import OptionError, UnknownNameError
from maasnb.schedules import SCHEDULES, make_schedule

TOTAL = 50


def torch_rates(make):
    """Return the learning rates of a scheduler of torch, for a highest one of 1."""
    import torch

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler, rates = make(optimizer), []
    for _ in range(TOTAL):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step() if len(rates) < TOTAL else None
    return rates


def test_cosine_is_that_of_torch():
    from torch.optim.lr_scheduler import CosineAnnealingLR

    found = make_schedule("cosine", 0, TOTAL).factors(0, TOTAL)
    assert_allclose(found, torch_rates(lambda o: CosineAnnealingLR(o, TOTAL)), atol=1e-9)


@pytest.mark.coverage("C3")
@pytest.mark.parametrize("total", [TOTAL, 7, 3, 1])
def test_onecycle_is_that_of_torch(total):
    from torch.optim.lr_scheduler import OneCycleLR

    found = make_schedule("onecycle", 0, total).factors(0, total)
    if total == TOTAL:
        make = lambda o: OneCycleLR(o, 1.0, total_steps=TOTAL, cycle_momentum=False)
        assert_allclose(found, torch_rates(make), atol=1e-9)
    assert np.all((found > 0) & (found <= 1))


def test_linear_and_warm_up_are_those_of_optax():
    import optax

    found = make_schedule("linear", 10, TOTAL).factors(0, TOTAL)
    expected = optax.join_schedules(
        [optax.linear_schedule(0.1, 1.1, 10), optax.linear_schedule(1, 0, TOTAL - 10)], [10]
    )
    assert_allclose(found, [float(expected(step)) for step in range(TOTAL)], atol=1e-6)


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_steps_factor_depends_on_its_number_alone(name):
    schedule = make_schedule(name, 0 if name == "onecycle" else 0.1, TOTAL)
    whole = schedule.factors(0, TOTAL)
    parts = [schedule.factors(first, 7) for first in range(0, 49, 7)]
    assert_array_equal(np.concatenate(parts), whole[:49])


def test_a_function_counts_its_steps_from_the_end_of_the_warm_up():
    schedule = make_schedule(lambda step: 0.5**step, 2, 5)
    assert schedule.factors(0, 5).tolist() == [0.5, 1, 1, 0.5, 0.25]


def test_a_warm_up_may_be_a_fraction_of_all_steps():
    assert make_schedule("constant", 0.1, 50).warmup == 5
    assert make_schedule("constant", 5, 50).warmup == 5


REFUSED = [
    (("cosin", 0, 9), UnknownNameError, "no schedule 'cosin'. Did you mean 'cosine'"),
    (("cosine", -1, 9), OptionError, "warmup=-1 cannot be used"),
    (("cosine", 1.5, 9), OptionError, "warmup=1.5 cannot be used"),
    (("cosine", 9, 9), OptionError, "warmup=9 is 9 steps, but the run has only 9"),
    (("onecycle", 3, 9), OptionError, "onecycle has a warm-up of its own"),
    ((lambda step: -1, 0, 9), OptionError, "returned -1 for step 0; expected a factor"),
    ((lambda step: None, 0, 9), OptionError, "returned None for step 0"),
]


@pytest.mark.parametrize(("given", "error", "words"), REFUSED)
def test_a_schedule_that_cannot_be_is_refused(given, error, words):
    with pytest.raises(error, match=words):
        make_schedule(*given)
