import numpy as np
import onnx
import onnx.defs
import pytest
from onnx import TensorProto, helper

from maasnb.errors import ArtifactError
from maasnb.runtimes.graphs import read_graph
from maasnb.runtimes.operators import DOMAINS, OPERATORS, SIZES
from tests.server.hostile import chain, endless, onnx_program, stored

node = helper.make_node
INT64 = TensorProto.INT64


def test_every_operator_of_the_list_is_one_of_the_standard():
    schemas = onnx.defs.get_all_schemas()
    assert {each.name for each in schemas if each.domain in DOMAINS} >= OPERATORS >= SIZES.keys()


def test_nodes_are_counted_with_those_of_nested_graphs():
    assert read_graph(chain(7)).nodes == 7
    facts = read_graph(endless())
    assert (facts.nodes, facts.loops) == (3, True)
    assert facts.operators == {"Loop", "Identity", "Relu"}


def last(name="whole"):
    return node("Cast", [name], ["probabilities"], to=TensorProto.FLOAT)


def shape_of_inputs():
    return node("Shape", ["inputs"], ["whole"])


def test_sizes_that_follow_from_shapes_are_accepted():
    nodes = [shape_of_inputs(), node("ConstantOfShape", ["whole"], ["probabilities"])]
    assert read_graph(onnx_program(nodes)).nodes == 2


def test_sizes_in_a_branch_are_looked_at_too():
    returned = helper.make_tensor_value_info("r", TensorProto.FLOAT, None)
    branch = helper.make_graph([node("Expand", ["inputs", "whole"], ["r"])], "b", [], [returned])
    nodes = [
        node("Cast", ["inputs"], ["whole"], to=INT64),
        node("If", ["true"], ["probabilities"], then_branch=branch, else_branch=branch),
    ]
    with pytest.raises(ArtifactError, match="size of what 'Expand' returns"):
        read_graph(onnx_program(nodes, [stored("true", True, np.bool_)]))


def test_floating_point_numbers_are_divided_by_anything():
    nodes = [
        node("ReduceMean", ["inputs"], ["mean"]),
        node("Sqrt", ["mean"], ["root"]),
        node("Div", ["mean", "root"], ["probabilities"]),
    ]
    assert read_graph(onnx_program(nodes)).nodes == 3


@pytest.mark.parametrize("value", [2, [1, 64]])
def test_whole_numbers_are_divided_by_positive_constants(value):
    nodes = [shape_of_inputs(), node("Div", ["whole", "by"], ["half"]), last("half")]
    assert read_graph(onnx_program(nodes, [stored("by", value)])).nodes == 3


@pytest.mark.parametrize("value", [0, -1, [2, -1], []])
def test_whole_numbers_are_not_divided_by_other_constants(value):
    nodes = [shape_of_inputs(), node("Div", ["whole", "by"], ["half"]), last("half")]
    with pytest.raises(ArtifactError, match="expected a divisor that is a positive constant"):
        read_graph(onnx_program(nodes, [stored("by", value)]))


def test_whole_numbers_are_not_divided_by_one_another():
    nodes = [shape_of_inputs(), node("Div", ["whole", "whole"], ["half"]), last("half")]
    with pytest.raises(ArtifactError, match="divides whole numbers"):
        read_graph(onnx_program(nodes))


def test_a_name_that_is_given_again_is_what_it_is_then():
    """A constant that a nested graph replaces by a number of its own is no constant there."""
    returned = helper.make_tensor_value_info("r", INT64, None)
    inner = [
        node("Cast", ["inputs"], ["by"], to=INT64),
        node("Div", ["by", "by"], ["r"]),
    ]
    branch = helper.make_graph(inner, "b", [], [returned])
    nodes = [
        node("If", ["true"], ["q"], then_branch=branch, else_branch=branch),
        node("Cast", ["q"], ["probabilities"], to=TensorProto.FLOAT),
    ]
    tensors = [stored("true", True, np.bool_), stored("by", 2)]
    with pytest.raises(ArtifactError, match="divides whole numbers"):
        read_graph(onnx_program(nodes, tensors))
