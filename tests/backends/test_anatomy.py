"""What a model is made of: layers, calls, multiplications, and where values come from."""

import numpy as np
import pytest

from maasnb.backends import backend_named
from maasnb.backends.anatomy import Trace, owner_of
from maasnb.building import build
from maasnb.errors import ModelError
from maasnb.layers import Dense, Dropout, Input
from tests.backends.anatomies import COSTS, INPUTS, model_named


def anatomy_of(name, backend):
    inputs = INPUTS[name]
    takes = "int32" if inputs.dtype.kind == "i" else "float32"
    return backend.anatomy(model_named(name, backend), inputs, None, takes)


def calls(anatomy):
    """Return the calls of layers by path."""
    return {step.path: step for step in anatomy.steps if step.path is not None}


@pytest.mark.parametrize("name", list(COSTS))
def test_multiplications_are_those_of_the_closed_form(name, backend):
    anatomy = anatomy_of(name, backend)
    assert sum(step.multiplications for step in anatomy.steps) == 2 * COSTS[name]


@pytest.mark.parametrize("name", list(COSTS))
def test_parameters_are_those_that_the_framework_counts(name, backend):
    model = model_named(name, backend)
    anatomy = backend.anatomy(model)
    expected = sum(array.size for array in backend.weights(model).values())
    buffers = {"torch": 2 * 4 + 1, "jax": 2 * 4}[backend.name] if name == "picture" else 0
    assert sum(layer.parameters for layer in anatomy.layers) == expected - buffers
    assert anatomy.steps == ()


def test_memory_holds_buffers_too(backend):
    model = model_named("picture", backend)
    expected = sum(array.nbytes for array in backend.weights(model).values())
    assert sum(layer.size_bytes for layer in backend.anatomy(model).layers) == expected


def test_a_residual_path_comes_together_in_an_add(backend):
    anatomy = anatomy_of("residual", backend)
    found = calls(anatomy)
    (relu,) = (step for step in anatomy.steps if step.name == "relu")
    (add,) = (step for step in anatomy.steps if step.name == "add")
    assert found["inner"].sources == found["skip"].sources == {-1}
    assert relu.sources == {found["inner"].number}
    assert add.sources == {relu.number, found["skip"].number}
    assert found["out"].sources == {add.number}
    assert anatomy.outputs == {found["out"].number}


def test_shapes_are_those_of_the_outputs(backend):
    found = calls(anatomy_of("attention", backend))
    assert found["embed"].shape == (2, 6, 8)
    assert found["attend"].shape == (2, 6, 8)
    assert found[""].shape == found["out"].shape == (2, 6, 20)


def test_the_model_is_left_as_it_was(backend):
    model = model_named("picture", backend)
    before, structure = backend.weights(model), backend.structure(model)
    backend.anatomy(model, INPUTS["picture"])
    assert backend.structure(model) == structure
    for name, array in backend.weights(model).items():
        np.testing.assert_array_equal(array, before[name])


def test_dropout_is_seen_although_it_passes_its_input_on(backend):
    spec = [Input(4), Dense(8), Dropout(0.5), Dense(2)]
    model = build(spec, backend=backend.name)
    found = calls(backend.anatomy(model, np.zeros((2, 4), np.float32)))
    assert found["dropout1"].sources == {found["dense1"].number}
    assert found["dense2"].sources == {found["dropout1"].number}


def test_an_example_is_known_where_the_first_layer_is_linear(backend):
    assert backend.example(model_named("residual", backend)).shape == (2, 4)
    assert backend.example(model_named("picture", backend)) is None
    assert backend.example(model_named("text", backend)) is None


def test_several_inputs_are_told_apart(backend):
    a, b = np.zeros((2, 3), np.float32), np.zeros((2, 5), np.float32)
    found = calls(backend.anatomy(two_towers(backend), (a, b), None, "parts"))
    assert (found["left"].sources, found["right"].sources) == ({-1}, {-2})


def two_towers(backend):
    if backend.name == "torch":
        from torch import nn

        class Towers(nn.Module):
            def __init__(self):
                super().__init__()
                self.left, self.right = nn.Linear(3, 4), nn.Linear(5, 4)

            def forward(self, a, b):
                return self.left(a) * self.right(b)

    else:
        from flax import nnx

        class Towers(nnx.Module):
            def __init__(self):
                rngs = nnx.Rngs(0)
                self.left, self.right = nnx.Linear(3, 4, rngs=rngs), nnx.Linear(5, 4, rngs=rngs)

            def __call__(self, a, b):
                return self.left(a) * self.right(b)

    return Towers()


def test_weights_that_are_shared_count_once(backend):
    model, count = tied(backend), 10 * 4
    anatomy = backend.anatomy(model)
    by_path = {layer.path: layer for layer in anatomy.layers}
    assert sum(layer.parameters for layer in anatomy.layers) == count
    (again,) = (layer for layer in anatomy.layers if layer.tied)
    assert by_path[again.path].parameters == 0


def tied(backend):
    if backend.name == "torch":
        from torch import nn

        class Tied(nn.Module):
            def __init__(self):
                super().__init__()
                self.embed, self.head = nn.Embedding(10, 4), nn.Linear(4, 10, bias=False)
                self.head.weight = self.embed.weight

    else:
        from flax import nnx

        class Tied(nnx.Module):
            def __init__(self):
                rngs = nnx.Rngs(0)
                self.embed, self.head = nnx.Embed(10, 4, rngs=rngs), nnx.Embed(10, 4, rngs=rngs)
                self.head.embedding = self.embed.embedding

    return Tied()


def test_a_layer_that_is_called_twice_has_two_calls(backend):
    if backend.name == "torch":
        from torch import nn

        class Twice(nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = nn.Linear(4, 4)

            def forward(self, x):
                return self.layer(self.layer(x))

    else:
        from flax import nnx

        class Twice(nnx.Module):
            def __init__(self):
                self.layer = nnx.Linear(4, 4, rngs=nnx.Rngs(0))

            def __call__(self, x):
                return self.layer(self.layer(x))

    anatomy = backend.anatomy(Twice(), np.zeros((2, 4), np.float32))
    first, second = [step for step in anatomy.steps if step.path == "layer"]
    assert second.sources == {first.number}
    assert first.multiplications == second.multiplications == 2 * 16


@pytest.mark.parametrize(
    "backend", [pytest.param(backend_named("torch"), id="torch")], indirect=False
)
def test_a_layer_without_a_size_asks_for_an_example(backend):
    from torch import nn

    model = nn.Sequential(nn.LazyLinear(3))
    with pytest.raises(ModelError, match="The size of '0.weight' is not known.* data=data"):
        backend.anatomy(model)
    anatomy = backend.anatomy(model, np.zeros((2, 5), np.float32))
    assert sum(layer.parameters for layer in anatomy.layers) == 5 * 3 + 3


def test_what_is_written_in_place_is_followed():
    torch = pytest.importorskip("torch")

    class Writing(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)

        def forward(self, x):
            out = torch.zeros(len(x), 2, 4)
            out[:, 0] = self.a(x)
            out[:, 1] = self.b(x)
            return out

    anatomy = backend_named("torch").anatomy(Writing(), np.zeros((2, 4), np.float32))
    found = calls(anatomy)
    assert anatomy.outputs == {found["a"].number, found["b"].number}


def test_a_scanned_cell_counts_at_each_position():
    pytest.importorskip("flax")
    anatomy = anatomy_of("text", backend_named("jax"))
    inner = [step for step in anatomy.steps if step.path and step.path.startswith("lstm.cell.")]
    assert sum(step.multiplications for step in inner) == 2 * 6 * 8 * 8 * 8


def test_functions_inside_a_layer_are_its_own_business():
    trace = Trace("Net")
    layer = trace.begin("layer", "Own", 0, [-1])
    trace.function("relu", layer, [frozenset({-1})], (2, 4))
    assert trace.end(layer, (2, 4))
    assert [step.path for step in trace.steps.values()] == ["", "layer"]


def test_a_function_of_one_source_is_no_meeting():
    trace = Trace("Net")
    one = frozenset({-1})
    assert trace.function("add", 0, [one, frozenset()], (2,)) == one
    assert trace.function("add", 0, [one, frozenset({-2})], (2,)) == {1}
    assert trace.steps[1].sources == {-1, -2}


def test_a_parameter_belongs_to_the_longest_path_before_it():
    assert owner_of("a.b.weight", ["", "a", "a.b"]) == "a.b"
    assert owner_of("a.list.0.weight", ["", "a"]) == "a"
    assert owner_of("weight", [""]) == ""
