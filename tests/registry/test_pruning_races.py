"""Prunes beside publishers and other prunes, at every step of each, and killed at every step."""

import contextlib
import os
import shutil

import pytest

from maasnb.errors import MaasError
from maasnb.registry.pruning import prune
from tests.registry.pruned import (
    Clock,
    Turns,
    assert_whole,
    blobs_of,
    dated_registry,
    restore,
    send,
    unpublish,
)

PROGRAM, OLD, NEW, GOLDEN = b"a program", b"old weights", b"new weights", b"golden pairs"


@pytest.fixture(autouse=True)
def no_flushing(monkeypatch):
    """Save the time of thousands of flushes: here processes are killed, not machines."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A registry in which a version is listed and another's blob can be deleted; and its clock."""
    folder, clock = tmp_path_factory.mktemp("prepared") / "store", Clock()
    registry = dated_registry(folder, clock)
    send(registry, PROGRAM, OLD, GOLDEN)
    send(registry, PROGRAM, NEW, GOLDEN)
    unpublish(registry, 1)
    clock.forward(days=31)
    prune(registry)
    clock.forward(days=2)
    return folder, clock.now_s


@pytest.fixture
def condemned(prepared):
    """Return a copy of that registry, and a clock that tells the time."""

    def copy(folder):
        clock = Clock()
        source, clock.now_s = prepared
        shutil.copytree(source, folder)
        return dated_registry(folder, clock), clock

    return copy


def publish_a_new_version(registry):
    send(registry, PROGRAM, OLD, GOLDEN)


def restore_the_first(registry):
    restore(registry, 1)


def count_steps(registry_and_clock, folder, work):
    """Return how many operations of the store a work needs alone."""
    steps, (_, clock) = [], registry_and_clock
    work(dated_registry(folder, clock, lambda: steps.append(1)))
    return len(steps)


def together(folder, clock, works):
    """Return turns of several works in one registry."""
    turns = Turns()
    for who, work in works.items():
        turns.add(who, lambda before, work=work: work(dated_registry(folder, clock, before)))
    return turns


def assert_whole_then_and_later(registry, clock):
    assert_whole(registry)
    for _ in range(2):
        clock.forward(days=2)
        prune(registry)
        assert_whole(registry)
    assert registry.store.names("condemned") == ()


@pytest.mark.parametrize("want", [publish_a_new_version, restore_the_first])
@pytest.mark.parametrize("first", ["prune", "want"])
def test_whatever_the_order_of_steps_no_listed_version_lacks_a_blob(
    tmp_path, condemned, want, first
):
    works = {"prune": prune, "want": want}
    then = "want" if first == "prune" else "prune"
    lengths = {
        who: count_steps(condemned(tmp_path / who), tmp_path / who, work)
        for who, work in works.items()
    }
    saved = set()
    for begun in range(lengths[first] + 1):
        for between in range(lengths[then] + 1):
            folder = tmp_path / f"{begun}-{between}"
            registry, clock = condemned(folder)
            turns = together(folder, clock, works)
            turns.steps(first, begun)
            turns.steps(then, between)
            turns.steps(first)
            turns.steps(then)
            saved.add(len(registry.versions("small")) == 2)
            assert_whole_then_and_later(registry, clock)
    assert saved == {True, False}  # what was wanted, and what was refused in words


class Killed(BaseException):
    """End a process in the middle."""


def killed_at(step):
    """Return what ends a work before its step of this number."""
    left = iter(range(step))

    def before():
        if next(left, None) is None:
            raise Killed

    return before


@pytest.mark.parametrize("then", [None, publish_a_new_version, restore_the_first])
def test_a_prune_that_is_killed_at_any_step_is_finished_by_the_next_one(tmp_path, condemned, then):
    length = count_steps(condemned(tmp_path / "all"), tmp_path / "all", prune)
    for step in range(length):
        folder = tmp_path / str(step)
        registry, clock = condemned(folder)
        with pytest.raises(Killed):
            prune(dated_registry(folder, clock, killed_at(step)))
        assert_whole(registry)
        if then is not None:
            with contextlib.suppress(MaasError):  # refused in words
                then(registry)
        assert_whole_then_and_later(registry, clock)
        needed = 4 if len(registry.versions("small")) == 2 else 3
        assert len(blobs_of(registry)) == needed


def test_two_prunes_and_a_publisher_at_once_leave_every_listed_version_whole(tmp_path, condemned):
    length = count_steps(condemned(tmp_path / "all"), tmp_path / "all", prune)
    for begun in range(length + 1):
        for between in range(0, length + 1, 2):
            folder = tmp_path / f"{begun}-{between}"
            registry, clock = condemned(folder)
            works = {"a": prune, "b": prune, "ann": publish_a_new_version}
            turns = together(folder, clock, works)
            turns.steps("a", begun)
            turns.steps("b", between)
            turns.steps("ann")
            turns.steps("a")
            turns.steps("b")
            assert_whole_then_and_later(registry, clock)
