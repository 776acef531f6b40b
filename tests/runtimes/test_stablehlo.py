import numpy as np
import pytest

from maasnb.errors import ArtifactError
from maasnb.runtimes.stablehlo import StableHLORuntime
from tests.small_runs import small_artifact

jax = pytest.importorskip("jax")


def test_a_batch_is_prompt_once_its_padded_size_has_run():
    artifact = small_artifact("jax")
    program = artifact.manifest.program(("stablehlo",))
    session = StableHLORuntime().load(artifact.blobs[program.blob.digest])
    assert not session.prompt(3)
    assert session.run(np.zeros((3, 64), np.float32)).shape == (3, 10)
    assert session.prompt(3)
    assert session.prompt(4)
    assert not session.prompt(5)


@pytest.mark.parametrize("content", [b"", b"junk" * 20], ids=["empty", "junk"])
def test_bytes_that_are_no_program_are_refused(content):
    with pytest.raises(ArtifactError, match="jax cannot load the program"):
        StableHLORuntime().load(content)


def test_a_program_of_two_inputs_is_refused():
    shape = jax.ShapeDtypeStruct((2,), np.float32)
    exported = jax.export.export(jax.jit(lambda a, b: a + b))(shape, shape)
    with pytest.raises(ArtifactError, match="expected one tensor of numbers or tokens"):
        StableHLORuntime().load(bytes(exported.serialize()))
