"""`mb.source`: the printed code is the model, without maasnb."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

import maasnb as mb
from maasnb.backends import backend_named
from maasnb.errors import ModelError
from maasnb.layers import make_spec
from tests.backends.layered import LAYERED, inputs_for

SIMPLE = [mb.Input(64), mb.Dense(32, "relu"), mb.Dropout(0.2), mb.Dense(10)]


def executed(code, folder):
    """Return the `net` that code makes, run from a file as a person would."""
    path = folder / "net.py"
    path.write_text(code)
    found = importlib.util.spec_from_file_location("net", path)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module.net


def outputs_of(model, inputs):
    import torch

    def tensor(part):
        return torch.tensor(part).long() if part.dtype.kind == "i" else torch.tensor(part)

    with torch.no_grad():
        if isinstance(inputs, dict):
            return model(**{name: tensor(part) for name, part in inputs.items()}).numpy()
        return model(tensor(inputs)).numpy()


@pytest.mark.parametrize("layers", LAYERED.values(), ids=list(LAYERED))
def test_the_torch_code_computes_what_the_model_does(layers, tmp_path):
    pytest.importorskip("torch")
    spec = make_spec(layers)
    model = backend_named("torch").build(spec, 0).eval()
    net = executed(mb.source(model), tmp_path).eval()
    net.load_state_dict(model.state_dict())
    inputs = inputs_for(spec)
    np.testing.assert_allclose(outputs_of(net, inputs), outputs_of(model, inputs), atol=1e-6)


@pytest.mark.parametrize("layers", LAYERED.values(), ids=list(LAYERED))
def test_the_flax_code_computes_what_the_model_does(layers, tmp_path):
    """Both are traced to one program: the same operations in the same order."""
    jax, nnx = pytest.importorskip("jax"), pytest.importorskip("flax.nnx")
    spec = make_spec(layers)
    model = backend_named("jax").build(spec, 0)
    net = executed(mb.source(model), tmp_path)
    inputs = inputs_for(spec)
    programs = []
    for each in (model, net):
        each.eval()
        graph, weights, rest = nnx.split(each, (nnx.Param, nnx.BatchStat), ...)

        def forward(weights, inputs, graph=graph, rest=rest):
            merged = nnx.merge(graph, weights, rest, copy=True)
            return merged(**inputs) if isinstance(inputs, dict) else merged(inputs)

        shapes = {".".join(map(str, path)): leaf.shape for path, leaf in nnx.to_flat_state(weights)}
        programs.append((shapes, str(jax.make_jaxpr(forward)(weights, inputs))))
    assert programs[0] == programs[1]


@pytest.mark.parametrize("name", ["torch", "jax"])
def test_the_code_runs_where_maasnb_is_not_imported(name, tmp_path):
    code = mb.source(mb.build(SIMPLE, backend=name))
    script = tmp_path / "net.py"
    script.write_text(code + "\nimport sys\nassert 'maasnb' not in sys.modules\nprint(net)\n")
    answer = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert "dense1" in answer.stdout


def test_simple_code_reads_as_a_person_would_write_it():
    pytest.importorskip("torch")
    assert mb.source(mb.build(SIMPLE)) == (
        "from torch import nn\n"
        "from torch.nn import functional\n"
        "\n\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.dense1 = nn.Linear(64, 32)\n"
        "        self.dropout1 = nn.Dropout(0.2)\n"
        "        self.dense2 = nn.Linear(32, 10)\n"
        "\n"
        "    def forward(self, x):\n"
        "        x = functional.relu(self.dense1(x))\n"
        "        x = self.dropout1(x)\n"
        "        x = self.dense2(x)\n"
        "        return x\n"
        "\n\n"
        "net = Net()\n"
    )


def test_a_notebook_shows_the_code_as_it_is():
    pytest.importorskip("torch")
    code = mb.source(mb.build(SIMPLE))
    assert repr(code) == code.rstrip()


def test_a_module_of_ones_own_has_its_own_source():
    torch = pytest.importorskip("torch")
    with pytest.raises(ModelError, match=r"not made by mb.build.*inspect.getsource"):
        mb.source(torch.nn.Linear(4, 3))
