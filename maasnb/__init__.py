"""Model as a service, from a notebook: build, train, inspect and publish a model in cells.

`import maasnb as mb` is quick and loads no framework: each public name is imported at its first
use.
"""

import importlib
import sys
from typing import TYPE_CHECKING, Any

from maasnb.settings import VERSION

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from maasnb.building import build
    from maasnb.client.endpoint import Endpoint
    from maasnb.converting import convert
    from maasnb.datasets.loading import Data, data
    from maasnb.datasets.recipes import chars, standardize, standardize_target
    from maasnb.diagnosis import doctor
    from maasnb.errors import MaasError
    from maasnb.hardware import devices
    from maasnb.layers import (
        GRU,
        LSTM,
        RNN,
        Activation,
        Attention,
        BatchNorm,
        Conv,
        Dense,
        Dropout,
        Embed,
        Flatten,
        GlobalPool,
        Input,
        Inputs,
        LayerNorm,
        Parallel,
        Pool,
        Reshape,
        Residual,
        Transformer,
    )
    from maasnb.monitoring import monitor
    from maasnb.operating import canary, promote, rollback, shadow, unpublish, versions
    from maasnb.panels.reopening import panel
    from maasnb.prompting import generate
    from maasnb.publishing import connect, predict, publish
    from maasnb.records.listing import runs
    from maasnb.records.run import Run
    from maasnb.saving import SavedModel, load, save
    from maasnb.showing import history, show
    from maasnb.sourcing import source
    from maasnb.steering import checkpoint, clip, lr, pause, resume, stop
    from maasnb.study.comparison import compare
    from maasnb.study.evaluation import evaluate
    from maasnb.study.inspection import inspect
    from maasnb.study.rates import find_lr
    from maasnb.study.reports import Report
    from maasnb.training import fork, replay, train
    from maasnb.training.stopping import EarlyStop

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Activation",
    "Attention",
    "BatchNorm",
    "Conv",
    "Data",
    "Dense",
    "Dropout",
    "EarlyStop",
    "Embed",
    "Endpoint",
    "Flatten",
    "GlobalPool",
    "Input",
    "Inputs",
    "LayerNorm",
    "MaasError",
    "Parallel",
    "Pool",
    "Report",
    "Reshape",
    "Residual",
    "Run",
    "SavedModel",
    "Transformer",
    "__version__",
    "build",
    "canary",
    "chars",
    "checkpoint",
    "clip",
    "compare",
    "connect",
    "convert",
    "data",
    "devices",
    "doctor",
    "evaluate",
    "find_lr",
    "fork",
    "generate",
    "history",
    "inspect",
    "load",
    "lr",
    "monitor",
    "panel",
    "pause",
    "predict",
    "promote",
    "publish",
    "replay",
    "resume",
    "rollback",
    "runs",
    "save",
    "shadow",
    "show",
    "source",
    "standardize",
    "standardize_target",
    "stop",
    "train",
    "unpublish",
    "versions",
]

__version__ = VERSION

_HOMES = {
    "Activation": "maasnb.layers",
    "Attention": "maasnb.layers",
    "BatchNorm": "maasnb.layers",
    "Conv": "maasnb.layers",
    "Data": "maasnb.datasets.loading",
    "Dense": "maasnb.layers",
    "Dropout": "maasnb.layers",
    "EarlyStop": "maasnb.training.stopping",
    "Embed": "maasnb.layers",
    "Endpoint": "maasnb.client.endpoint",
    "Flatten": "maasnb.layers",
    "GRU": "maasnb.layers",
    "GlobalPool": "maasnb.layers",
    "Input": "maasnb.layers",
    "Inputs": "maasnb.layers",
    "LSTM": "maasnb.layers",
    "LayerNorm": "maasnb.layers",
    "MaasError": "maasnb.errors",
    "Parallel": "maasnb.layers",
    "Pool": "maasnb.layers",
    "RNN": "maasnb.layers",
    "Report": "maasnb.study.reports",
    "Reshape": "maasnb.layers",
    "Residual": "maasnb.layers",
    "Run": "maasnb.records.run",
    "SavedModel": "maasnb.saving",
    "Transformer": "maasnb.layers",
    "build": "maasnb.building",
    "chars": "maasnb.datasets.recipes",
    "canary": "maasnb.operating",
    "checkpoint": "maasnb.steering",
    "clip": "maasnb.steering",
    "compare": "maasnb.study.comparison",
    "connect": "maasnb.publishing",
    "convert": "maasnb.converting",
    "data": "maasnb.datasets.loading",
    "devices": "maasnb.hardware",
    "doctor": "maasnb.diagnosis",
    "evaluate": "maasnb.study.evaluation",
    "find_lr": "maasnb.study.rates",
    "fork": "maasnb.training",
    "generate": "maasnb.prompting",
    "history": "maasnb.showing",
    "inspect": "maasnb.study.inspection",
    "load": "maasnb.saving",
    "lr": "maasnb.steering",
    "monitor": "maasnb.monitoring",
    "panel": "maasnb.panels.reopening",
    "pause": "maasnb.steering",
    "predict": "maasnb.publishing",
    "promote": "maasnb.operating",
    "publish": "maasnb.publishing",
    "replay": "maasnb.training",
    "resume": "maasnb.steering",
    "rollback": "maasnb.operating",
    "runs": "maasnb.records.listing",
    "save": "maasnb.saving",
    "shadow": "maasnb.operating",
    "show": "maasnb.showing",
    "source": "maasnb.sourcing",
    "standardize": "maasnb.datasets.recipes",
    "standardize_target": "maasnb.datasets.recipes",
    "stop": "maasnb.steering",
    "train": "maasnb.training",
    "unpublish": "maasnb.operating",
    "versions": "maasnb.operating",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public object
    """Import a public name at its first use."""
    if name not in _HOMES:
        message = f"module 'maasnb' has no attribute {name!r}"
        raise AttributeError(message)
    if name in ("fork", "replay", "train"):
        _show_runs()
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)


def _show_runs() -> None:
    """Have runs shown where IPython runs or a person looks; a plain script stays silent."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is not None or sys.stderr.isatty():
        importlib.import_module("maasnb.panels.progress").attach()


def load_ipython_extension(ip: "InteractiveShell") -> None:
    """Add the `%maas` magics, their completion and the display of maasnb's objects."""
    importlib.import_module("maasnb.magics.extension").load(ip)


def unload_ipython_extension(ip: "InteractiveShell") -> None:
    """Take away what `load_ipython_extension` added."""
    importlib.import_module("maasnb.magics.extension").unload(ip)
