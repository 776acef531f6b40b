"""Errors: builtin kinds, nearest names, and what to type next."""

import copy
import pickle

import pytest

from maasnb import errors
from maasnb.errors import MaasError, TrainingError, missing_package, unknown_name

KINDS = [
    (errors.OptionError, ValueError),
    (errors.UnknownNameError, LookupError),
    (errors.DataError, ValueError),
    (errors.ShapeError, ValueError),
    (errors.ModelError, TypeError),
    (errors.TrainingError, RuntimeError),
    (errors.DivergedError, RuntimeError),
    (errors.MissingPackageError, ImportError),
    (errors.ExportError, ValueError),
    (errors.ArtifactError, ValueError),
    (errors.EndpointError, ConnectionError),
    (errors.AccessError, PermissionError),
    (errors.ForbiddenError, PermissionError),
    (errors.ConflictError, RuntimeError),
    (errors.OverloadError, ConnectionError),
    (errors.DeadlineError, TimeoutError),
    (errors.RequestError, ValueError),
    (errors.WorkspaceError, OSError),
]


@pytest.mark.parametrize(("kind", "builtin"), KINDS)
def test_every_error_is_also_a_builtin_one(kind, builtin):
    assert issubclass(kind, MaasError)
    assert issubclass(kind, builtin)


def test_the_table_above_names_every_error():
    exported = {getattr(errors, name) for name in errors.__all__}
    kinds = {each for each in exported if isinstance(each, type) and each is not MaasError}
    assert kinds == {kind for kind, _ in KINDS}


def test_an_unknown_name_gets_its_nearest_match():
    with pytest.raises(LookupError, match=r"no verb 'trian'\. Did you mean 'train'\? Known: build"):
        raise unknown_name("verb", "trian", ["train", "build", "publish"])


@pytest.mark.parametrize(("typed", "meant"), [("ReLU", "relu"), ("DENSE", "Dense")])
def test_a_name_in_another_case_finds_its_match(typed, meant):
    error = unknown_name("layer", typed, ["relu", "tanh", "Dense", "Dropout"])
    assert f"Did you mean {meant!r}?" in str(error)


def test_a_name_that_is_like_no_other_gets_the_list_alone():
    error = unknown_name("verb", "xyzzy", ["train", "build"])
    assert str(error) == "There is no verb 'xyzzy'. Known: build, train."


def test_an_unknown_name_among_none_says_so_and_what_to_type():
    error = unknown_name("run", "r1", [], "Type: %maas train net digits")
    assert str(error) == "There is no run 'r1'. None are known yet. Type: %maas train net digits"


def test_an_unknown_name_error_carries_the_names():
    error = unknown_name("verb", "trian", ["train", "build"])
    assert (error.name, error.known) == ("trian", ("build", "train"))


def test_a_missing_package_names_the_command_that_installs_it():
    with pytest.raises(ImportError, match=r"Type: %pip install 'maasnb\[jax\]'$") as caught:
        raise missing_package("The jax backend", "flax", "jax")
    assert caught.value.name == "flax"


def test_a_training_error_carries_its_run():
    run = object()
    assert TrainingError("The run failed.", run=run).run is run


@pytest.mark.parametrize("duplicate", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_an_error_keeps_its_names_on_the_way_between_processes(duplicate):
    error = duplicate(unknown_name("verb", "trian", ["train"]))
    assert (error.name, error.known) == ("trian", ("train",))
    assert "Did you mean 'train'?" in str(error)
