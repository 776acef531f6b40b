"""What a server knows of its models' traffic, and how that stays fresh."""

import asyncio
import collections
import contextlib
import logging

import pytest

from maasnb.errors import UnknownNameError
from maasnb.registry.models import open_registry, stamp
from maasnb.registry.traffic import Canary, move, set_canary, set_shadow
from maasnb.serve import traffic as module
from maasnb.serve.traffic import Choice, Traffic
from tests.server.test_lifecycle import artifact


@pytest.fixture
def registry(workspace):
    """A registry with the versions 1, 2 and 3 of the model `small`, of which 1 is `prod`."""
    registry = open_registry(workspace)
    for number in (1, 2, 3):
        made = artifact("small", number)
        for digest, content in made.blobs.items():
            registry.put_blob(digest, content)
        registry.publish(made.manifest)
    promote(registry, 1)
    return registry


def change(registry, operation, *arguments):
    registry.change("small", lambda plan, known: operation(plan, known, *arguments, stamp("ann")))


def promote(registry, version):
    change(registry, move, "prod", version)


async def watched(traffic, load, wanted):
    """Let a watcher run until something holds."""
    task = asyncio.create_task(traffic.watch(load))
    try:
        async with asyncio.timeout(30):
            while not wanted():
                await asyncio.sleep(0.005)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr(module, "LOOK_S", 0.01)


async def no_load(name, version):
    return None


def test_numbers_aliases_and_nothing_are_looked_up(registry):
    traffic = Traffic(registry)
    assert traffic.ready("small") is None  # not read yet
    assert traffic.choose("small") == Choice(1)
    assert traffic.ready("small", "prod") == Choice(1)
    assert traffic.ready("small", "3") == Choice(3)
    assert traffic.ready("small", "4") is None
    with pytest.raises(UnknownNameError, match=r"called '4'.*Known: 1, 2, 3, prod\."):
        traffic.choose("small", "4")
    with pytest.raises(UnknownNameError, match="no model 'smal'"):
        traffic.choose("smal")


def test_a_canary_gets_what_chance_gives_it_and_no_copies_go_elsewhere(registry):
    change(registry, set_canary, Canary(version=2, percent=25))
    change(registry, set_shadow, 3)
    drawn = iter(number / 100 for number in range(100))
    traffic = Traffic(registry, chance=lambda: next(drawn))
    traffic.reload("small")
    chosen = collections.Counter(traffic.ready("small") for _ in range(100))
    assert chosen == {Choice(2): 25, Choice(1, shadow=3): 75}


def test_a_change_elsewhere_is_seen_once_its_version_is_loaded(registry, often):
    traffic, loaded = Traffic(registry), []
    traffic.choose("small")
    promote(registry, 2)

    async def load(name, version):
        assert traffic.ready("small") == Choice(1)  # nobody is sent there before
        loaded.append((name, version))

    asyncio.run(watched(traffic, load, lambda: traffic.ready("small") == Choice(2)))
    assert loaded == [("small", 2)]


def test_a_version_that_cannot_be_loaded_still_gets_its_requests(registry, often, caplog):
    traffic = Traffic(registry)
    traffic.choose("small")
    promote(registry, 2)

    async def load(name, version):
        message = "no memory"
        raise MemoryError(message)

    with caplog.at_level(logging.WARNING):
        asyncio.run(watched(traffic, load, lambda: traffic.ready("small") == Choice(2)))
    assert "'small' cannot be read anew: no memory" in caplog.text


def test_while_a_registry_cannot_be_read_all_answer_as_before(registry, often, caplog, workspace):
    traffic = Traffic(registry)
    traffic.choose("small")
    document = workspace / "registry/models/small/traffic.json"
    whole = document.read_bytes()
    document.write_bytes(b"{")
    with caplog.at_level(logging.WARNING):
        asyncio.run(watched(traffic, no_load, lambda: "traffic.json" in caplog.text))
        assert traffic._routes["small"].main == Choice(1)
    document.write_bytes(whole)
    promote(registry, 2)
    asyncio.run(watched(traffic, no_load, lambda: traffic.ready("small") == Choice(2)))


def test_a_change_here_is_not_undone_by_what_was_read_before(registry, often):
    traffic = Traffic(registry)
    traffic.choose("small")
    promote(registry, 2)

    async def load(name, version):
        promote(registry, 3)
        traffic.reload("small")  # while the watcher is about to store what it read

    asyncio.run(watched(traffic, load, lambda: traffic.ready("small") == Choice(3)))
    assert traffic.choose("small") == Choice(3)


def test_models_that_nobody_asks_for_are_not_read_for_ever(registry, often, monkeypatch):
    monkeypatch.setattr(module, "FORGOTTEN_AFTER_LOOKS", 2)
    traffic = Traffic(registry)
    traffic.choose("small")
    asyncio.run(watched(traffic, no_load, lambda: "small" not in traffic._routes))
    assert traffic.choose("small") == Choice(1)
