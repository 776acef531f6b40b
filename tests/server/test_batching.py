import asyncio
import threading

import numpy as np
import pytest

from maasnb.errors import DeadlineError, OverloadError, RequestError
from maasnb.runtimes.served import ServedModel, load, read_golden
from maasnb.serve import batching
from maasnb.serve.answers import DisconnectedError
from maasnb.serve.batching import Batcher, Cost, measure_cost
from tests.small_runs import small_artifact, small_run

ON_THE_LOOP = Cost(100e-6, 1e-6)
IN_A_THREAD = Cost(10e-3, 1e-3)


class Watched:
    """A real session that can be held, and remembers the batches that it ran and where."""

    def __init__(self, session):
        self._session = session
        self.batches, self.threads = [], set()
        self.free = threading.Event()
        self.free.set()
        self.entered = threading.Event()

    def prompt(self, rows):
        return self._session.prompt(rows)

    def run(self, inputs, deadline_s=None):
        self.entered.set()
        assert self.free.wait(60)
        self.batches.append(len(inputs))
        self.threads.add(threading.current_thread().name)
        if np.any(inputs > 1e6):
            raise RuntimeError("an input that the program cannot take")
        return self._session.run(inputs)


@pytest.fixture
def session():
    artifact = small_artifact()
    return Watched(load(artifact.manifest, artifact.blobs).session)


@pytest.fixture
def batcher(session):
    return lambda cost: Batcher(ServedModel(small_artifact().manifest, session), cost)


def here():
    return False


def rows(start, count=1):
    return {"x": small_run().data.test.x[start : start + count]}


async def held(session, batcher):
    """Let one request run, and hold it in its thread; return its task."""
    session.free.clear()
    first = asyncio.create_task(batcher.answer(rows(0), 1, 60, here))
    await asyncio.to_thread(session.entered.wait, 60)
    return first


async def queued(batcher, count):
    while batcher.counts.queued < count:
        await asyncio.sleep(0)


@pytest.mark.coverage("E7")
@pytest.mark.parametrize("cost", [ON_THE_LOOP, IN_A_THREAD], ids=["on-the-loop", "in-a-thread"])
def test_requests_of_one_moment_run_as_one_batch_and_get_their_own_rows(session, batcher, cost):
    sizes = [1, 3, 2, 1]
    starts = np.cumsum([0, *sizes[:-1]])
    subject = batcher(cost)

    async def ask():
        asked = [
            subject.answer(rows(start, size), size, 60, here)
            for start, size in zip(starts, sizes, strict=True)
        ]
        return await asyncio.gather(*asked)

    answers = asyncio.run(ask())
    assert session.batches == [7]
    assert (session.threads == {"MainThread"}) is (cost is ON_THE_LOOP)
    expected = small_run().predict(rows(0, 7)["x"])
    found = np.concatenate([answer["probabilities"] for answer in answers])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert subject.counts.to_json()["batches"]["runs"] == 1


def test_what_queues_while_a_run_is_busy_is_the_next_batch(session, batcher):
    subject = batcher(IN_A_THREAD)

    async def ask():
        first = await held(session, subject)
        rest = [asyncio.create_task(subject.answer(rows(n), 1, 60, here)) for n in range(5)]
        await queued(subject, 5)
        session.free.set()
        await asyncio.gather(first, *rest)

    asyncio.run(ask())
    assert session.batches == [1, 5]
    assert subject.counts.queued == 0


def test_a_batch_ends_where_more_rows_gain_nothing(session, batcher):
    subject = batcher(Cost(1e-3, 1e-3))  # the eighth row has what batching gains

    async def ask():
        await asyncio.gather(*(subject.answer(rows(n), 1, 60, here) for n in range(20)))

    asyncio.run(ask())
    assert session.batches == [8, 8, 4]


def test_a_request_with_more_rows_than_a_batch_runs_alone(session, batcher):
    subject = batcher(Cost(1e-3, 1e-3))

    async def ask():
        many = subject.answer(rows(0, 30), 30, 60, here)
        await asyncio.gather(subject.answer(rows(0), 1, 60, here), many)

    asyncio.run(ask())
    assert session.batches == [1, 30]


def test_one_request_that_fails_does_not_spoil_its_neighbours(session, batcher):
    subject = batcher(IN_A_THREAD)

    async def ask():
        bad = {"x": np.full((1, 64), 1e9, np.float32)}
        asked = [subject.answer(given, 1, 60, here) for given in (rows(0), bad, rows(1))]
        return await asyncio.gather(*asked, return_exceptions=True)

    first, failed, last = asyncio.run(ask())
    expected = small_run().predict(rows(0, 2)["x"])
    np.testing.assert_allclose(first["probabilities"], expected[:1], atol=1e-5)
    np.testing.assert_allclose(last["probabilities"], expected[1:], atol=1e-5)
    assert isinstance(failed, RequestError)
    assert "cannot run on these inputs (an input that the program cannot take)" in str(failed)


@pytest.mark.parametrize("cost", [ON_THE_LOOP, IN_A_THREAD], ids=["on-the-loop", "in-a-thread"])
def test_an_answer_that_cannot_be_sent_keeps_no_other_from_its_own(session, batcher, cost, caplog):
    subject = batcher(cost)

    def broken(_):
        raise OSError("the line is dead")

    async def ask():
        subject.join(rows(0), 1, 60, here, broken)
        await subject.answer(rows(1), 1, 60, here)
        await subject.answer(rows(2), 1, 60, here)

    asyncio.run(ask())
    assert session.batches == [2, 1]
    assert "An answer could not be sent" in caplog.text


def test_who_went_away_or_was_cancelled_leaves_the_batch(session, batcher):
    subject, away = batcher(IN_A_THREAD), []

    async def ask():
        first = await held(session, subject)
        gone = asyncio.create_task(subject.answer(rows(1), 1, 60, lambda: bool(away)))
        cancelled = asyncio.create_task(subject.answer(rows(2), 1, 60, here))
        stays = asyncio.create_task(subject.answer(rows(3), 1, 60, here))
        await queued(subject, 3)
        away.append(1)
        cancelled.cancel()
        session.free.set()
        await asyncio.gather(first, stays)
        with pytest.raises(DisconnectedError):
            await gone

    asyncio.run(ask())
    assert session.batches == [1, 1]


def test_a_deadline_is_kept_while_waiting_and_while_running(session, batcher):
    subject = batcher(IN_A_THREAD)

    async def ask():
        session.free.clear()
        running = asyncio.create_task(subject.answer(rows(0), 1, 0.05, here))
        await asyncio.to_thread(session.entered.wait, 60)
        waiting = asyncio.create_task(subject.answer(rows(1), 1, 0.02, here))
        patient = asyncio.create_task(subject.answer(rows(2), 1, 60, here))
        for late in (waiting, running):
            with pytest.raises(DeadlineError, match="longer than the request allows"):
                await late
        assert not session.batches
        session.free.set()
        await patient

    asyncio.run(ask())
    assert session.batches == [1, 1]


def test_a_full_queue_refuses_and_says_when_to_ask_again(session, batcher, monkeypatch):
    monkeypatch.setattr(batching, "MOST_WAITING", 3)
    subject = batcher(Cost(2.0, 0.5))

    async def ask():
        first = await held(session, subject)
        rest = [asyncio.create_task(subject.answer(rows(n), 1, 60, here)) for n in range(3)]
        await queued(subject, 3)
        with pytest.raises(OverloadError, match=r"3 requests wait.*Ask again in 4 s") as refused:
            await subject.answer(rows(9), 1, 60, here)
        assert refused.value.retry_after_s == 3.5
        session.free.set()
        await asyncio.gather(first, *rest)

    asyncio.run(ask())
    assert sum(session.batches) == 4


def test_a_queue_of_large_requests_is_bounded_by_its_numbers(session, batcher, monkeypatch):
    monkeypatch.setattr(batching, "MOST_WAITING_NUMBERS", 64 * 10)
    subject = batcher(IN_A_THREAD)

    async def ask():
        first = await held(session, subject)
        waits = asyncio.create_task(subject.answer(rows(0, 8), 8, 60, here))
        await queued(subject, 1)
        with pytest.raises(OverloadError, match="640 numbers"):
            await subject.answer(rows(0, 3), 3, 60, here)
        session.free.set()
        await asyncio.gather(first, waits)

    asyncio.run(ask())


def test_the_event_loop_goes_on_while_a_long_run_is_in_its_thread(session, batcher):
    async def ask():
        first = await held(session, batcher(IN_A_THREAD))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not first.done()
        session.free.set()
        await first

    asyncio.run(ask())


def test_cost_is_measured_on_the_golden_examples_with_more_for_more_rows():
    artifact = small_artifact()
    model = load(artifact.manifest, artifact.blobs)
    golden = read_golden(artifact.manifest, artifact.blobs[artifact.manifest.golden.digest])
    cost = measure_cost(model, golden)
    assert 0 < cost.of(1) < cost.of(1000)


@pytest.mark.parametrize(
    ("cost", "enough"),
    [(Cost(1e-3, 1e-4), 80), (Cost(0.0, 1e-3), 1), (Cost(1.0, 1e-6), 128), (Cost(1e-3, 5e-3), 2)],
)
def test_a_batch_grows_to_eight_times_the_fixed_cost(cost, enough):
    assert cost.enough_rows == enough
