"""JAX as a `Backend`: build, describe, train, predict and export flax `nnx.Module` objects."""

import functools
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from maasnb.backends.jax.export import export_stablehlo
from maasnb.backends.jax.layers import build_module, final_activation
from maasnb.backends.jax.losses import head
from maasnb.backends.jax.program import EVALUATION_BATCH, JaxProgram, parameter_names
from maasnb.backends.protocol import PLAIN, Array, Device, ParameterInfo, ProgramFile
from maasnb.errors import ModelError, ShapeError, unknown_name
from maasnb.layers import Spec
from maasnb.rules import Rule
from maasnb.tasks import Optimizer, Task

__all__ = ["JaxBackend", "backend"]


class JaxBackend:
    """Do for JAX and flax what the seam asks of a framework."""

    name = "jax"

    def version(self) -> str:
        """Return JAX's version."""
        return jax.__version__

    def owns(self, model: object) -> bool:
        """Say whether an object is a flax `nnx.Module`."""
        return isinstance(model, nnx.Module)

    def devices(self) -> tuple[Device, ...]:
        """Return JAX's default devices, then the CPU if it is not among them."""
        return tuple(_describe(device) for device in _jax_devices())

    def build(self, spec: Spec, seed: int) -> nnx.Module:
        """Return a flax module."""
        return build_module(spec, seed)

    def output_shape(self, model: nnx.Module, inputs: Array) -> tuple[int, ...]:
        """Return the shape of one example's output, by tracing the model on two examples."""
        graph, state = _evaluation_parts(model)
        examples = jax.ShapeDtypeStruct((2, *inputs.shape[1:]), jnp.float32)
        try:
            output = jax.eval_shape(lambda state, x: nnx.merge(graph, state)(x), state, examples)
        except Exception as error:
            reason = (
                str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            )
            message = (
                f"The model cannot take examples of shape {inputs.shape[1:]} ({reason}). "
                "Give its first layer the size of the data's inputs."
            )
            raise ShapeError(message) from error
        if not isinstance(output, jax.ShapeDtypeStruct) or output.shape[:1] != (2,):
            got = (
                output.shape if isinstance(output, jax.ShapeDtypeStruct) else type(output).__name__
            )
            message = (
                f"For 2 examples the model returns {got}; expected one array [2, outputs]. "
                "Return that from __call__()."
            )
            raise ShapeError(message)
        return tuple(output.shape[1:])

    def final_activation(self, model: nnx.Module) -> str | None:
        """Return `"softmax"` or `"sigmoid"` where the model can be seen to end with it."""
        return final_activation(model)

    def parameters(self, model: nnx.Module) -> tuple[ParameterInfo, ...]:
        """Return the trainable parameters, in the order of the module's state."""
        params = nnx.state(model, nnx.Param)
        return tuple(
            ParameterInfo(
                name=name,
                layer=name.rpartition(".")[0],
                shape=tuple(leaf.shape),
                dtype=str(leaf.dtype),
                count=leaf.size,
                size_bytes=leaf.nbytes,
            )
            for name, leaf in zip(parameter_names(params), jax.tree.leaves(params), strict=True)
        )

    def structure(self, model: nnx.Module) -> str:
        """Return the text of the module's graph, without the addresses of functions in it."""
        training = nnx.clone(model)
        training.train()  # whatever mode the model is in now
        return re.sub(r" at 0x[0-9a-f]+", "", repr(nnx.graphdef(training)))

    def copy(self, model: nnx.Module) -> nnx.Module:
        """Return a clone."""
        return nnx.clone(model)

    def weights(self, model: nnx.Module) -> dict[str, Array]:
        """Return parameters and buffers as arrays; random streams are no weights."""
        _, _, state = nnx.split(model, nnx.RngState, ...)
        names = parameter_names(state)
        leaves = jax.tree.leaves(state)
        return {name: np.array(leaf) for name, leaf in zip(names, leaves, strict=True)}

    def compile(
        self,
        model: nnx.Module,
        task: Task,
        optimizer: Optimizer,
        *,
        inputs: Array,
        ragged: bool,
        device: str | None,
        rule: Rule = PLAIN,
    ) -> JaxProgram:
        """Return the training steps of a module, on a device (default: JAX's own default)."""
        devices = {_describe(found).name: found for found in _jax_devices()}
        aliases = {name.partition(":")[0]: found for name, found in reversed(devices.items())}
        if device is not None and device not in {**aliases, **devices}:
            raise unknown_name("jax device", device, devices)
        if not jax.tree.leaves(nnx.state(model, nnx.Param)):
            message = f"This {type(model).__name__} has no trainable parameters (nnx.Param)."
            raise ModelError(message)
        chosen = next(iter(devices.values())) if device is None else {**aliases, **devices}[device]
        return JaxProgram(model, task, optimizer, chosen, inputs=inputs, ragged=ragged, rule=rule)

    def predict(self, model: nnx.Module, task: Task, inputs: Array) -> Array:
        """Return probabilities or values for prepared inputs."""
        graph, state = _evaluation_parts(model)
        outputs = []
        for start in range(0, len(inputs), EVALUATION_BATCH):
            part = inputs[start : start + EVALUATION_BATCH]
            # Sizes are rounded up to a power of two, so that few are compiled.
            padded = np.zeros((1 << (len(part) - 1).bit_length(), *part.shape[1:]), part.dtype)
            padded[: len(part)] = part
            outputs.append(np.asarray(_predict(graph, task, state, padded))[: len(part)])
        return np.concatenate(outputs)

    def export(self, model: nnx.Module, task: Task, inputs: Array) -> ProgramFile:
        """Return the module as a StableHLO program."""
        return export_stablehlo(model, task, inputs)


def backend() -> JaxBackend:
    """Return the backend."""
    return JaxBackend()


@functools.partial(jax.jit, static_argnums=(0, 1))
def _predict(graph: Any, task: Task, state: Any, inputs: jax.Array) -> jax.Array:  # noqa: ANN401 - flax's types
    return head(task, nnx.merge(graph, state)(inputs))


def _evaluation_parts(model: nnx.Module) -> tuple[Any, Any]:
    still = nnx.clone(model)
    still.eval()
    return nnx.split(still)


def _jax_devices() -> list[Any]:
    devices = jax.devices()
    return devices if devices[0].platform == "cpu" else [*devices, *jax.devices("cpu")]


def _describe(device: Any) -> Device:  # noqa: ANN401 - jax.Device, no type for pyright
    memory = (device.memory_stats() or {}).get("bytes_limit") if device.platform != "cpu" else None
    kind = "CPU, compiled by XLA" if device.platform == "cpu" else device.device_kind
    name = (
        "cpu" if device.platform == "cpu" and device.id == 0 else f"{device.platform}:{device.id}"
    )
    return Device(name=name, description=kind, memory_bytes=memory)
