import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from maasnb.errors import ArtifactError
from maasnb.runtimes.onnx import OnnxRuntime


def program(nodes, initializers=(), element=TensorProto.FLOAT, domain=""):
    """Return an ONNX program from `inputs` [batch, 4] to `outputs`."""
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("inputs", element, ["batch", 4])],
        [helper.make_tensor_value_info("outputs", element, ["batch", 4])],
        initializer=list(initializers),
    )
    opsets = [helper.make_opsetid("", 18), *([helper.make_opsetid(domain, 1)] if domain else [])]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


def test_a_program_runs_for_any_batch():
    session = OnnxRuntime().load(program([helper.make_node("Neg", ["inputs"], ["outputs"])]))
    for rows in (1, 5):
        inputs = np.arange(4.0 * rows, dtype=np.float32).reshape(rows, 4)
        np.testing.assert_array_equal(session.run(inputs), -inputs)
        assert session.prompt(rows)


@pytest.mark.parametrize(
    "content", [b"", b"junk", b"\x80\x04\x95."], ids=["empty", "junk", "pickle"]
)
def test_bytes_that_are_no_program_are_refused(content):
    with pytest.raises(ArtifactError, match="cannot be read as ONNX"):
        OnnxRuntime().load(content)


@pytest.mark.parametrize("location", ["secret.bin", "../secret.bin", "{folder}/secret.bin"])
def test_a_program_cannot_read_a_file(tmp_path, monkeypatch, location):
    (tmp_path / "inner").mkdir()
    for folder in (tmp_path, tmp_path / "inner"):
        (folder / "secret.bin").write_bytes(np.arange(4, dtype=np.float32).tobytes())
    monkeypatch.chdir(tmp_path / "inner")
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4])
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value=location.format(folder=tmp_path))
    content = program([helper.make_node("Add", ["inputs", "w"], ["outputs"])], [weight])
    with pytest.raises(ArtifactError, match="keeps numbers in other files"):
        OnnxRuntime().load(content)


def test_an_operator_that_is_not_standard_is_refused():
    node = helper.make_node("Evil", ["inputs"], ["outputs"], domain="evil.ops")
    with pytest.raises(ArtifactError, match="has the operator 'evil.ops.Evil'"):
        OnnxRuntime().load(program([node], domain="evil.ops"))


def test_a_program_of_another_datatype_is_refused():
    content = program(
        [helper.make_node("Neg", ["inputs"], ["outputs"])], element=TensorProto.DOUBLE
    )
    with pytest.raises(ArtifactError, match="expected one tensor of numbers or tokens"):
        OnnxRuntime().load(content)


def test_a_truncated_program_is_refused():
    content = program([helper.make_node("Neg", ["inputs"], ["outputs"])])
    assert onnx.load_from_string(content)
    with pytest.raises(ArtifactError, match="cannot be read as ONNX"):
        OnnxRuntime().load(content[: len(content) // 2])
