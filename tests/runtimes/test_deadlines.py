"""A run that takes too long is stopped, others are not, and the runtime goes on."""

import threading

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from maasnb.errors import DeadlineError
from maasnb.runtimes.deadlines import Deadlines
from maasnb.runtimes.onnx import OnnxRuntime


def endless():
    """Return a program that adds 1 for ever."""
    one = helper.make_tensor("one", TensorProto.FLOAT, [], [1.0])
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["still"]),
            helper.make_node("Add", ["sum", "one"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, ["batch", 4]),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, ["batch", 4]),
        ],
        initializer=[one],
    )
    graph = helper.make_graph(
        [helper.make_node("Loop", ["", "yes", "inputs"], ["outputs"], body=body)],
        "endless",
        [helper.make_tensor_value_info("inputs", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("outputs", TensorProto.FLOAT, ["batch", 4])],
        initializer=[helper.make_tensor("yes", TensorProto.BOOL, [], [True])],
    )
    opsets = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


def doubling():
    graph = helper.make_graph(
        [helper.make_node("Add", ["inputs", "inputs"], ["outputs"])],
        "doubling",
        [helper.make_tensor_value_info("inputs", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("outputs", TensorProto.FLOAT, ["batch", 4])],
    )
    opsets = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def test_an_endless_program_is_stopped_and_the_message_says_after_what_time():
    session = OnnxRuntime().load(endless())
    with pytest.raises(DeadlineError, match=r"stopped after 0\.05 seconds for 3 examples"):
        session.run(np.zeros((3, 4), np.float32), 0.05)


def test_a_run_within_its_time_answers_as_without_a_deadline():
    session = OnnxRuntime().load(doubling())
    x = np.arange(8, dtype=np.float32).reshape(2, 4)
    np.testing.assert_array_equal(session.run(x, 60.0), session.run(x))


def test_the_session_answers_after_a_run_of_it_was_stopped():
    session, other = OnnxRuntime().load(endless()), OnnxRuntime().load(doubling())
    x = np.ones((1, 4), np.float32)
    for _ in range(2):
        with pytest.raises(DeadlineError):
            session.run(x, 0.01)
        np.testing.assert_array_equal(other.run(x, 60.0), 2 * x)


class Run:
    """Stands for a run: it is told to stop, and waits for that."""

    def __init__(self):
        self.told = threading.Event()

    @property
    def terminate(self):
        return self.told.is_set()

    @terminate.setter
    def terminate(self, value):
        assert value
        self.told.set()


def test_only_runs_whose_time_is_over_are_stopped():
    deadlines, late, early = Deadlines(), Run(), Run()
    kept = deadlines.enter(late, float("inf"))
    deadlines.enter(early, 0.0)
    assert early.told.wait(10)
    assert not late.terminate
    deadlines.leave(kept)


def test_runs_that_begin_while_others_end_are_all_watched():
    deadlines = Deadlines()
    for _ in range(200):
        run = Run()
        deadlines.leave(deadlines.enter(Run(), float("inf")))
        key = deadlines.enter(run, 0.0)
        assert run.told.wait(10)
        deadlines.leave(key)
