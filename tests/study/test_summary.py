"""The summary of a model: a line a layer, totals, and what is said below."""

import threading

import numpy as np
import pytest

import maasnb as mb
from maasnb.building import build
from maasnb.errors import DataError, ShapeError
from maasnb.layers import Activation, Dense, Dropout, Input
from maasnb.study.inspection import inspect
from maasnb.training import train
from tests.backends.anatomies import COSTS, INPUTS, model_named
from tests.study.conftest import classes


def cells(report, column):
    place = report.columns.index(column)
    return [row[place] for row in report.rows]


@pytest.mark.coverage("A1")
def test_a_line_tells_a_layers_shape_parameters_memory_and_share(backend):
    report = inspect(build([Input(4), Dense(8), Dense(3)], backend=backend.name))
    assert report.columns == ("layer", "type", "output", "parameters", "memory", "compute")
    assert list(report.rows) == [
        ("dense1", "Linear", "8", "40", "160 B", "57%"),  # 32 of 56 multiplications
        ("dense2", "Linear", "3", "27", "108 B", "43%"),
        ("total", "", "3", "67", "268 B", ""),
    ]
    assert report.title.endswith(f"({backend.name}): 67 parameters, 268 B")


def test_the_numbers_are_there_by_name(backend):
    report = inspect(build([Input(4), Dense(8, "relu"), Dense(3)], backend=backend.name))
    assert (report["parameters"], report["size_bytes"], report["multiplications"]) == (67, 268, 56)
    assert (report["trainable"], report["frozen"]) == (67, 0)


@pytest.mark.parametrize("name", list(COSTS))
def test_the_columns_add_up_to_the_totals(name, backend):
    report = inspect(model_named(name, backend), data=INPUTS[name])
    counts = [int(cell.replace(",", "")) for cell in cells(report, "parameters") if cell != "-"]
    assert sum(counts[:-1]) == counts[-1] == report["parameters"]
    assert report["multiplications"] == COSTS[name]
    shares = [cell for cell in cells(report, "compute") if cell not in ("-", "", "< 1%")]
    assert sum(int(cell.rstrip("%")) for cell in shares) == pytest.approx(100, abs=len(report.rows))


def test_layers_stand_in_the_order_of_their_calls(backend):
    report = inspect(model_named("text", backend), data=INPUTS["text"])
    names = cells(report, "layer")
    assert names[0] == "embed"
    assert names[1].startswith("lstm")
    assert names[-2:] == ["out", "total"]


@pytest.mark.parametrize(
    ("inputs", "units", "words"),
    [(25, 10, "1 kB"), (249, 1, "996 B"), (1000, 1000, "4 MB"), (499_999, 2, "4 MB")],
)
def test_memory_is_told_in_the_unit_that_fits(inputs, units, words):
    model = build([Input(inputs), Dense(units, bias=False)])
    assert cells(inspect(model), "memory")[-1] == words


def test_a_run_brings_its_own_example(classifier):
    report = inspect(classifier, "summary")
    assert report.notes[-1] == "One example [4]: 56 multiplications forward."
    assumed = inspect(classifier.model)
    assert list(assumed.rows) == list(report.rows)
    assert "[4], assumed from the first layer" in assumed.notes[-1]


def test_data_is_an_example_and_so_are_arrays(backend):
    model, data = model_named("residual", backend), classes()
    by_data = inspect(model, "summary", data=data)
    by_arrays = inspect(model, "summary", data=np.zeros((1, 4)))
    assert str(by_data) == str(by_arrays)
    assert by_data["multiplications"] == COSTS["residual"]


def test_without_an_example_there_are_parameters_and_what_to_type(backend):
    report = inspect(model_named("picture", backend))
    assert report.columns == ("layer", "type", "parameters", "memory")
    assert 'mb.inspect(model, "summary", data=data)' in report.notes[-1]
    assert report.data == {}
    assert "multiplications" not in report.values


def test_a_model_that_cannot_take_the_example_says_what_it_was_given(backend):
    with pytest.raises(ShapeError, match=r"cannot take examples of shape \(7,\)"):
        inspect(model_named("residual", backend), "summary", data=np.zeros((2, 7)))


def test_no_example_is_none(backend):
    with pytest.raises(DataError, match="The inputs are empty"):
        inspect(model_named("residual", backend), "summary", data=np.zeros((0, 4)))


def test_frozen_parameters_of_a_run_are_told(trained):
    run = trained(classes(), freeze=["dense1*"])
    report = inspect(run, "summary")
    assert (report["trainable"], report["frozen"]) == (27, 40)
    assert "27 parameters are trained, 40 frozen: dense1" in report.notes


def test_frozen_parameters_of_a_model_are_told():
    model = build([Input(4), Dense(8), Dense(3)])
    model.dense1.requires_grad_(requires_grad=False)
    assert "27 parameters are trained, 40 frozen: dense1" in inspect(model).notes


def test_a_layer_that_is_not_called_is_named():
    torch = pytest.importorskip("torch")
    model = torch.nn.Linear(4, 3)
    model.spare = torch.nn.Linear(2, 2)
    report = inspect(model)
    assert ("spare", "Linear", "not called", "6", "24 B", "-") in report.rows
    assert "Not called: spare" in report.notes


def test_a_compiled_module_is_told_as_it_was_written():
    torch = pytest.importorskip("torch")

    def refuse(*_):
        raise AssertionError("it was compiled")

    model = torch.compile(torch.nn.Sequential(torch.nn.Linear(4, 3)), backend=refuse)
    report = inspect(model)
    assert report.rows[0] == ("0", "Linear", "3", "15", "60 B", "100%")
    assert report.title == "Sequential (torch): 15 parameters, 60 B"


def test_what_a_layer_uses_without_calling_it_counts_at_that_layer():
    torch = pytest.importorskip("torch")
    attention = torch.nn.MultiheadAttention(8, 2, batch_first=True)

    class Attend(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = attention

        def forward(self, x):
            return self.inner(x, x, x)[0]

    report = inspect(Attend(), data=np.zeros((2, 5, 8)))
    count = sum(parameter.numel() for parameter in attention.parameters())
    assert report.rows[0][:4] == ("inner", "MultiheadAttention", "5 x 8", str(count))
    assert len(report.rows) == 2


def test_a_layer_in_a_loop_is_one_line():
    torch = pytest.importorskip("torch")

    class Loop(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = torch.nn.GRUCell(4, 4)

        def forward(self, x):
            h = torch.zeros(len(x), 4)
            for step in range(x.shape[1]):
                h = self.cell(x[:, step], h)
            return h

    report = inspect(Loop(), data=np.zeros((2, 9, 4)))
    assert report.rows[0][:3] == ("cell", "GRUCell x 9", "4")
    assert report["multiplications"] == 9 * 3 * (16 + 16)
    assert report.data["types"].tolist() == ["", "GRUCell x 9", ""]


def test_a_model_without_weights_has_a_summary(backend):
    report = inspect(
        build([Input(4), Activation("relu")], backend=backend.name), data=np.ones((2, 4))
    )
    assert (report["parameters"], report["multiplications"]) == (0, 0)
    assert report.rows[-1] == ("total", "", "4", "0", "0 B", "")


def test_a_large_model_is_told_by_its_blocks():
    torch = pytest.importorskip("torch")
    inner = [torch.nn.Sequential(*[torch.nn.Linear(3, 3) for _ in range(8)]) for _ in range(9)]
    report = inspect(torch.nn.Sequential(*inner), data=np.zeros((2, 3)))
    assert len(report.rows) == 10
    assert report.rows[0] == ("0", "Sequential", "3", "96", "384 B", "11%")


def test_a_model_of_a_loss_of_its_own_is_called_with_targets_where_it_must(backend):
    if backend.name == "torch":
        from torch import nn

        class Own(nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = nn.Linear(4, 3)

            def forward(self, x, targets):
                out = self.layer(x)
                return out, nn.functional.cross_entropy(out, targets)

    else:
        import optax
        from flax import nnx

        class Own(nnx.Module):
            def __init__(self):
                self.layer = nnx.Linear(4, 3, rngs=nnx.Rngs(0))

            def __call__(self, x, targets):
                out = self.layer(x)
                loss = optax.softmax_cross_entropy_with_integer_labels(out, targets)
                return out, loss.mean()

    report = inspect(Own(), "summary", data=classes())
    assert report["multiplications"] == 12


def test_the_model_of_a_run_in_training_is_left_alone(backend):
    data = classes()
    model = build([Dense(8), Dropout(0.5), Dense(3)], backend=backend.name, data=data)
    taken = threading.Event()
    run = train(model, data, epochs=200_000, wait=False, on_event=lambda event, run: taken.set())
    try:
        assert taken.wait(60)
        assert inspect(run, "summary")["parameters"] == 67
        assert run.status == "running"
    finally:
        run.stop()
        run.wait(60)


def test_a_picture_has_a_box_a_layer_and_arrows_as_values_flow(backend):
    data = inspect(model_named("residual", backend), data=INPUTS["residual"]).data
    names = data["names"].tolist()
    arrows = {(names[a], names[b]) for a, b in data["edges"]}
    assert arrows == {
        ("input", "inner"), ("input", "skip"), ("inner", "relu"), ("relu", "add"),
        ("skip", "add"), ("add", "out"), ("out", "output"),
    }  # fmt: skip
    assert data["kinds"].tolist() == [
        "input", "layer", "function", "layer", "function", "layer", "output",
    ]  # fmt: skip


def test_of_blocks_of_one_kind_the_first_is_shown_from_inside():
    torch = pytest.importorskip("torch")

    class Block(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 4)

        def forward(self, x):
            return x + self.layer(x)

    model = torch.nn.Sequential(Block(), Block(), torch.nn.Linear(4, 2))
    data = inspect(model, data=np.zeros((2, 4))).data
    assert data["names"].tolist() == ["input", "0", "layer", "add", "1", "2", "output"]
    assert data["types"].tolist()[4] == "Block as 0"
    assert data["parents"].tolist() == [-1, -1, 1, 1, -1, -1, -1]
    assert data["shares"].tolist() == pytest.approx([0, 0, 0.4, 0, 0.4, 0.2, 0])


def test_a_picture_is_never_too_large():
    torch = pytest.importorskip("torch")
    deep = torch.nn.Sequential(
        *[
            torch.nn.Sequential(*[torch.nn.Linear(size, size) for _ in range(10)])
            for size in (3,) * 10
        ]
    )
    data = inspect(deep, data=np.zeros((2, 3))).data
    assert len(data["names"]) < 48


def test_a_name_on_the_magic_line_is_looked_up():
    from maasnb.magics.verbs import VERBS

    (option,) = (each for each in VERBS["inspect"].options() if each.name == "data")
    assert option.live
    assert mb.inspect is inspect
