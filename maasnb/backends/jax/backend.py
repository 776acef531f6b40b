"""JAX as a `Backend`: build, describe, train, predict and export flax `nnx.Module` objects."""

import functools
import re
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from maasnb.backends.anatomy import Anatomy
from maasnb.backends.calling import has_own_loss
from maasnb.backends.devices import chosen_device
from maasnb.backends.fitting import check_fits
from maasnb.backends.jax.anatomy import anatomy, example
from maasnb.backends.jax.calls import as_given, ask, call, evaluation_parts, exact
from maasnb.backends.jax.export import export_stablehlo
from maasnb.backends.jax.layers import (
    build_module,
    final_activation,
    source_of,
    spec_of,
)
from maasnb.backends.jax.layers.weights import set_shared_weights, shared_weights
from maasnb.backends.jax.losses import head
from maasnb.backends.jax.onnx import export_onnx
from maasnb.backends.jax.program import (
    EVALUATION_BATCH,
    JaxProgram,
    device_name,
    parameter_names,
)
from maasnb.backends.protocol import PLAIN, Array, Asked, Device, Exported, ParameterInfo
from maasnb.errors import ModelError
from maasnb.layers import Spec
from maasnb.parts import Parts, count, joined, padded, taken
from maasnb.rules import Rule
from maasnb.tasks import Optimizer, Takes, Task

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

    def spec(self, model: nnx.Module) -> Spec | None:
        """Return the spec that a module was built of."""
        return spec_of(model)

    def source(self, spec: Spec) -> str:
        """Return the code of a plain `nnx.Module`."""
        return source_of(spec)

    def shared_weights(self, model: nnx.Module) -> dict[str, Array]:
        """Return the weights of a built module under names that backends share."""
        return shared_weights(model)

    def set_shared_weights(self, model: nnx.Module, arrays: Mapping[str, Array]) -> None:
        """Write such weights into a built module."""
        set_shared_weights(model, arrays)

    def has_own_loss(self, model: nnx.Module) -> bool:
        """Say whether `__call__` takes targets, or there is a method `loss`."""
        return has_own_loss(type(model), "__call__")

    def ask(self, model: nnx.Module, inputs: Parts, targets: Parts | None = None) -> Asked:
        """Trace the model on two examples."""
        return ask(model, inputs, targets)

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

    def example(self, model: nnx.Module) -> Array | None:
        """Return two inputs of zeros where the first layer is a linear one, else None."""
        return example(model)

    def anatomy(
        self,
        model: nnx.Module,
        inputs: Parts | None = None,
        targets: Parts | None = None,
        takes: Takes = "float32",
    ) -> Anatomy:
        """Return what a module is made of, by tracing it once."""
        return anatomy(model, inputs, targets, takes)

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
        inputs: Parts,
        targets: Parts,
        batch: int,  # noqa: ARG002 - the seam's form
        ragged: bool,
        device: str | None,
        rule: Rule = PLAIN,
    ) -> JaxProgram:
        """Return the training steps of a module, on a device (default: JAX's own default)."""
        devices = {_describe(found).name: found for found in _jax_devices()}
        chosen = devices[chosen_device("jax", device, list(devices))]
        if not jax.tree.leaves(nnx.state(model, nnx.Param)):
            message = f"This {type(model).__name__} has no trainable parameters (nnx.Param)."
            raise ModelError(message)
        return JaxProgram(
            model,
            task,
            optimizer,
            chosen,
            inputs=inputs,
            targets=targets,
            ragged=ragged,
            rule=rule,
        )

    def predict(self, model: nnx.Module, task: Task, inputs: Parts) -> Any:  # noqa: ANN401 - an array, or parts
        """Return probabilities or values for prepared inputs."""
        graph, state = evaluation_parts(model)
        outputs = []
        for start in range(0, count(inputs), EVALUATION_BATCH):
            part = as_given(taken(inputs, slice(start, start + EVALUATION_BATCH)), task.takes)
            rows = count(part)
            # Sizes are rounded up to a power of two, so that few are compiled.
            with exact():
                found = _predict(graph, task, state, padded(part, 1 << (rows - 1).bit_length()))
            outputs.append(jax.tree.map(lambda each, rows=rows: np.asarray(each)[:rows], found))
        return joined(outputs)

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Say whether XLA, or the CPU's allocator under it, found no memory."""
        words = str(error)
        return isinstance(error, MemoryError) or (
            isinstance(error, jax.errors.JaxRuntimeError)
            and ("RESOURCE_EXHAUSTED" in words or "Out of memory" in words)
        )

    def bind(self, model: nnx.Module, weights: Mapping[str, Array]) -> None:
        """Put arrays into the module's state, each in its variable's own type."""
        _, _, rest = nnx.split(model, nnx.RngState, ...)
        names, (leaves, tree) = parameter_names(rest), jax.tree.flatten(rest)
        shapes = {name: leaf.shape for name, leaf in zip(names, leaves, strict=True)}
        check_fits(type(model).__name__, shapes, weights)
        bound = [
            jnp.asarray(weights[name], dtype=leaf.dtype)
            for name, leaf in zip(names, leaves, strict=True)
        ]
        nnx.update(model, jax.tree.unflatten(tree, bound))

    def export(self, model: nnx.Module, task: Task, inputs: Array) -> Exported:
        """Return the module as ONNX where that can be made, and as a StableHLO program."""
        stablehlo = export_stablehlo(model, task, inputs)
        found = export_onnx(model, task, inputs, self.predict(model, task, inputs))
        if isinstance(found, str):
            return Exported(programs=(stablehlo,), missing={"onnx": found})
        return Exported(programs=(found, stablehlo))


def backend() -> JaxBackend:
    """Return the backend."""
    return JaxBackend()


@functools.partial(jax.jit, static_argnums=(0, 1))
def _predict(graph: Any, task: Task, state: Any, inputs: Parts) -> Any:  # noqa: ANN401 - flax's types
    outputs = head(task, call(nnx.merge(graph, state, copy=True), inputs, task.kind))
    return outputs.astype(jnp.float32) if task.outputs else outputs


def _jax_devices() -> list[Any]:
    devices = jax.devices()
    return devices if devices[0].platform == "cpu" else [*devices, *jax.devices("cpu")]


def _describe(device: Any) -> Device:  # noqa: ANN401 - jax.Device, no type for pyright
    memory = (device.memory_stats() or {}).get("bytes_limit") if device.platform != "cpu" else None
    kind = "CPU, compiled by XLA" if device.platform == "cpu" else device.device_kind
    return Device(name=device_name(device), description=kind, memory_bytes=memory)
