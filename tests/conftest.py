"""What every test stands on: a workspace of its own, and both backends."""

import contextlib
import functools
import gc
import os
import sys

# Before anything loads libgomp: threads that wait must sleep, or a busy machine stalls the tests.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import pytest
from hypothesis import settings

from maasnb.backends import BACKENDS, backend_named
from maasnb.errors import MissingPackageError

# The same examples in every run, and no failure because the machine was busy.
settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.load_profile("repeatable")


# XLA's optimising of many programs that run for milliseconds is a third of the time of JAX's tests.
# Processes that tests start, as kernels and servers, run optimised programs.
with contextlib.suppress(ImportError):
    import jax

    jax.config.update("jax_disable_most_optimizations", True)


@pytest.fixture(scope="module")
def optimised():
    """Have JAX compile the programs of a module's tests as it does for everybody."""
    import jax

    from maasnb.backends.jax import steps

    def compiling(*, quickly):
        jax.config.update("jax_disable_most_optimizations", quickly)
        steps._shared_steps.cache_clear()
        jax.clear_caches()

    compiling(quickly=False)
    yield
    compiling(quickly=True)


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    """Give each test a workspace folder of its own, which does not exist yet."""
    folder = tmp_path / "maas"
    monkeypatch.setenv("MAASNB_HOME", str(folder))
    monkeypatch.delenv(
        "MAASNB_PANEL", raising=False
    )  # it is set for the notebooks that are compared
    return folder


@pytest.fixture(params=sorted(BACKENDS, reverse=True))
def backend(request):
    """Run a test once with each backend; a framework that is not installed is skipped."""
    try:
        return backend_named(request.param)
    except MissingPackageError as error:
        pytest.skip(str(error))


@pytest.fixture(autouse=True, scope="session")
def operators_are_read_once():
    """Have torch's exporter read its operators once, and not the sources of 500 for each export.

    That is two thirds of the time of exporting a small model.
    """
    if "torch" in sys.modules:
        with contextlib.suppress(ImportError):
            from torch.onnx._internal.exporter._registration import ONNXRegistry

            once = functools.cache(ONNXRegistry.from_torchlib)
            ONNXRegistry.from_torchlib = staticmethod(once)


@pytest.fixture(autouse=True, scope="session")
def what_is_loaded_is_not_collected():
    """Set aside what the tests import, or each full collection goes through all of torch and JAX.

    That is half a second, and the shell of the magics' tests collects for each test.
    """
    gc.collect()
    gc.freeze()
