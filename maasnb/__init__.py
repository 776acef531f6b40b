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
    from maasnb.datasets.augmentation import drop_words, flip, noise, shift
    from maasnb.datasets.images import scale_pixels
    from maasnb.datasets.loading import Data, data
    from maasnb.datasets.recipes import (
        bow,
        chars,
        clean,
        impute,
        minmax,
        one_hot,
        standardize,
        standardize_target,
        tfidf,
        tokens,
    )
    from maasnb.datasets.windows import windows
    from maasnb.diagnosis import doctor
    from maasnb.errors import MaasError
    from maasnb.exercises.checking import check
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
    "bow",
    "build",
    "canary",
    "chars",
    "check",
    "checkpoint",
    "clean",
    "clip",
    "compare",
    "connect",
    "convert",
    "data",
    "devices",
    "doctor",
    "drop_words",
    "evaluate",
    "find_lr",
    "flip",
    "fork",
    "generate",
    "history",
    "impute",
    "inspect",
    "load",
    "lr",
    "minmax",
    "monitor",
    "noise",
    "one_hot",
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
    "scale_pixels",
    "shadow",
    "shift",
    "show",
    "source",
    "standardize",
    "standardize_target",
    "stop",
    "tfidf",
    "tokens",
    "train",
    "unpublish",
    "versions",
    "windows",
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
    "bow": "maasnb.datasets.recipes",
    "build": "maasnb.building",
    "chars": "maasnb.datasets.recipes",
    "canary": "maasnb.operating",
    "check": "maasnb.exercises.checking",
    "checkpoint": "maasnb.steering",
    "clean": "maasnb.datasets.recipes",
    "clip": "maasnb.steering",
    "compare": "maasnb.study.comparison",
    "connect": "maasnb.publishing",
    "convert": "maasnb.converting",
    "data": "maasnb.datasets.loading",
    "devices": "maasnb.hardware",
    "doctor": "maasnb.diagnosis",
    "drop_words": "maasnb.datasets.augmentation",
    "evaluate": "maasnb.study.evaluation",
    "find_lr": "maasnb.study.rates",
    "flip": "maasnb.datasets.augmentation",
    "fork": "maasnb.training",
    "generate": "maasnb.prompting",
    "impute": "maasnb.datasets.recipes",
    "history": "maasnb.showing",
    "inspect": "maasnb.study.inspection",
    "load": "maasnb.saving",
    "lr": "maasnb.steering",
    "minmax": "maasnb.datasets.recipes",
    "monitor": "maasnb.monitoring",
    "noise": "maasnb.datasets.augmentation",
    "one_hot": "maasnb.datasets.recipes",
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
    "scale_pixels": "maasnb.datasets.images",
    "shadow": "maasnb.operating",
    "shift": "maasnb.datasets.augmentation",
    "show": "maasnb.showing",
    "source": "maasnb.sourcing",
    "standardize": "maasnb.datasets.recipes",
    "standardize_target": "maasnb.datasets.recipes",
    "stop": "maasnb.steering",
    "tfidf": "maasnb.datasets.recipes",
    "tokens": "maasnb.datasets.recipes",
    "train": "maasnb.training",
    "unpublish": "maasnb.operating",
    "versions": "maasnb.operating",
    "windows": "maasnb.datasets.windows",
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
