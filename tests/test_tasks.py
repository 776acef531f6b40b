"""Tasks: which loss a model gets, and what is said when model and data do not fit."""

import json

import pytest

from maasnb.errors import OptionError, ShapeError, UnknownNameError
from maasnb.tasks import LOSSES, OPTIMIZERS, Task, make_optimizer, make_task


def classify(classes, width, **options):
    labels = tuple(f"class {number}" for number in range(classes))
    given = {"targets": 1, "output_shape": (width,), "final_activation": None, **options}
    return make_task(kind="classification", labels=labels, **given)


def regress(targets, width, **options):
    given = {"output_shape": (width,), "final_activation": None, **options}
    return make_task(kind="regression", labels=(), targets=targets, **given)


@pytest.mark.parametrize(
    ("task", "loss"),
    [
        (classify(10, 10), "cross_entropy"),
        (classify(2, 2), "cross_entropy"),
        (classify(2, 1), "binary_cross_entropy"),
        (classify(2, 1, loss="binary_cross_entropy"), "binary_cross_entropy"),
        (regress(1, 1), "mse"),
        (regress(3, 3, loss="mae"), "mae"),
    ],
)
def test_the_loss_follows_from_data_and_model(task, loss):
    assert task.loss == loss


@pytest.mark.parametrize(
    ("task", "given"),
    [
        (classify(3, 3), "logits"),
        (classify(3, 3, final_activation="softmax"), "probabilities"),
        (classify(2, 1, final_activation="sigmoid"), "probabilities"),
        (classify(2, 1, final_activation="softmax"), "logits"),
        (regress(1, 1, final_activation="sigmoid"), "values"),
    ],
)
def test_a_model_that_ends_with_probabilities_is_seen(task, given):
    assert task.given == given


def test_what_predict_returns_has_a_name():
    assert (classify(3, 3).output_name, regress(1, 1).output_name) == ("probabilities", "values")


def test_a_task_comes_back_from_its_json():
    for task in (classify(3, 3, final_activation="softmax"), regress(2, 2)):
        assert Task.from_json(json.loads(json.dumps(task.to_json()))) == task


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: classify(10, 8), r"8 outputs .* 10 classes .* needs 10\. .* Dense\(10\)\."),
        (lambda: classify(2, 3), r"3 outputs .* Dense\(2\) \(or Dense\(1\), for two classes\)"),
        (
            lambda: classify(2, 2, loss="binary_cross_entropy"),
            r"2 outputs .* binary_cross_entropy needs 1\. End the model with Dense\(1\)",
        ),
        (lambda: regress(2, 1), r"returns 1 value for .* 2 targets\. End .* Dense\(2\)"),
        (lambda: regress(1, 4), r"returns 4 values for .* 1 target\. End .* Dense\(1\)"),
        (lambda: classify(3, 3, output_shape=(8, 3)), r"shape \(8, 3\) for one example"),
        (lambda: regress(1, 1, output_shape=()), r"shape \(\) for one example"),
    ],
)
def test_a_model_that_does_not_fit_the_data_says_how_to_end_it(make, message):
    with pytest.raises(ShapeError, match=message):
        make()


def test_a_loss_for_two_classes_is_refused_for_three():
    message = "binary_cross_entropy is for two classes, but the data has 3. Use cross_entropy"
    with pytest.raises(OptionError, match=message):
        classify(3, 1, loss="binary_cross_entropy")


def test_a_loss_of_the_other_kind_is_refused_with_those_that_fit():
    with pytest.raises(OptionError, match="'mse' is for regression.*Use cross_entropy or binary"):
        classify(3, 3, loss="mse")
    with pytest.raises(OptionError, match="'cross_entropy' is for classification.*Use mse or mae"):
        regress(1, 1, loss="cross_entropy")


def test_a_loss_that_is_not_known_gets_its_nearest_match():
    with pytest.raises(UnknownNameError, match="no loss 'cros_entropy'. Did you mean 'cross_ent"):
        classify(3, 3, loss="cros_entropy")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_carries_its_numbers_as_json(name):
    data = json.loads(json.dumps(make_optimizer(name).to_json()))
    assert data == {"name": name, **OPTIMIZERS[name]}


def test_equal_optimizers_are_one_key():
    assert {make_optimizer("adam"): 1}[make_optimizer("adam")] == 1


def test_an_optimizer_that_is_not_known_gets_its_nearest_match():
    with pytest.raises(UnknownNameError, match="no optimizer 'Adamw'. Did you mean 'adamw'"):
        make_optimizer("Adamw")


def test_optimizers_have_the_numbers_that_torch_documents():
    torch = pytest.importorskip("torch")
    weights = [torch.nn.Parameter(torch.zeros(1))]
    adamw = torch.optim.AdamW(weights).defaults
    ours = OPTIMIZERS["adamw"]
    assert (ours["b1"], ours["b2"]) == adamw["betas"]
    assert (ours["eps"], ours["weight_decay"]) == (adamw["eps"], adamw["weight_decay"])
    rmsprop = torch.optim.RMSprop(weights).defaults
    assert (OPTIMIZERS["rmsprop"]["decay"], OPTIMIZERS["rmsprop"]["eps"]) == (
        rmsprop["alpha"],
        rmsprop["eps"],
    )


def test_every_loss_says_what_it_is_for():
    assert all(
        kind in ("classification", "regression", "any") and text for kind, text in LOSSES.values()
    )
