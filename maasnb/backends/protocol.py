"""The seam: what a framework must do so that everything else need not know which one it is.

Step level, not operator level. NumPy crosses the seam; what lives on the device (`State`, `Placed`,
losses not yet read) stays opaque, and `Program.host` is the only place that waits for the device.
The learning rate and the norm to clip at are inputs of the compiled step, never constants of it.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from maasnb.backends.anatomy import Anatomy
from maasnb.backends.calling import Asked
from maasnb.datasets.batches import Rows
from maasnb.layers import Spec
from maasnb.parts import Parts
from maasnb.rules import Rule
from maasnb.tasks import Optimizer, Takes, Task

__all__ = [
    "PLAIN",
    "Array",
    "Asked",
    "Backend",
    "Device",
    "Evaluation",
    "Exported",
    "Losses",
    "ParameterInfo",
    "Program",
    "ProgramFile",
    "Statistics",
]

Array = np.ndarray[Any, np.dtype[Any]]
Model = Any
State = Any
Placed = Any
OnDevice = Any
Kept = Any

PLAIN = Rule()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Describe a device that a backend can use.

    Attributes:
        name: what `device=` takes (`"cpu"`, `"cuda:0"`, `"gpu:0"`, `"tpu:0"`).
        description: what it is, in words.
        memory_bytes: its memory, or None where that is not known.
    """

    name: str
    description: str
    memory_bytes: int | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ParameterInfo:
    """Describe one trainable parameter of a model."""

    name: str
    layer: str
    shape: tuple[int, ...]
    dtype: str
    count: int
    size_bytes: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ProgramFile:
    """Hold a model as a program that a server can run without the framework's Python code.

    Attributes:
        format: `"onnx"` or `"stablehlo"`.
        content: the program's bytes; takes prepared inputs `inputs` [batch, ...] float32, returns
            what `Backend.predict` returns.
    """

    format: str
    content: bytes


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """Hold a model's programs, the one to prefer first, all of which answer as the model does.

    Attributes:
        programs: at least one.
        missing: format -> why there is no program of it and what to do, in words.
    """

    programs: tuple[ProgramFile, ...]
    missing: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Hold the statistics of one training step, by parameter name, on the host.

    Attributes:
        gradient_norm: the Euclidean norm of the gradient, before it is cut or clipped.
        update_ratio: the norm of the update over the norm of the parameter before it.
        activations: as in the event `Measured`; empty where only norms were asked for.
        histograms: likewise.
        beside_s: how long a thread of its own measured; 0 where the step's call did it.
    """

    gradient_norm: dict[str, float]
    update_ratio: dict[str, float]
    activations: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)
    histograms: dict[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    beside_s: float = dataclasses.field(default=0.0, compare=False)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """Hold the losses of successive steps, on the host.

    Attributes:
        means: the mean loss of each batch [steps], float64.
        examples: the loss of each example [steps, batch], NaN past a batch's rows; None where the
            loss is one number for the whole batch.
    """

    means: Array
    examples: Array | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Hold what a model says of a whole split.

    Attributes:
        loss: its mean loss.
        outputs: what `Backend.predict` returns; of a task with positions the classes [n, ...]
            instead, because their probabilities would fill the memory; None where the task knows
            nothing of the outputs.
    """

    loss: float
    outputs: Array | None


class Program(Protocol):
    """A model compiled for a task: the steps of its training.

    `State` is everything that a step changes: parameters, the optimiser's state, buffers. A step's
    random numbers are a function of the seed and the step's number alone, so no random state need
    be kept.
    """

    @property
    def mode(self) -> str:
        """Return how steps are executed; a rule of the model and the device, not of time."""
        ...

    @property
    def device(self) -> str:
        """Return the name of the device that computes."""
        ...

    def init(self, seed: int) -> State:
        """Take the model's present parameters and a fresh optimiser."""
        ...

    def place(self, inputs: Parts, targets: Parts) -> Placed:
        """Put a whole split on the device, or the batches of a chunk one after the other."""
        ...

    def longest_chunk(self, placed: Placed, batch: int) -> int:
        """Return how many steps a chunk may have at the most, for batches of this many rows."""
        ...

    def chunk(
        self, state: State, placed: Placed, rows: Rows, lr: Array | float, clip: float | None = None
    ) -> tuple[State, OnDevice]:
        """Take `len(rows)` steps without waiting for them; return the state and the losses [K].

        `lr` is the learning rate of each step [K], or one for all of them; with an optimiser object
        that brings its own, a factor on that. `clip` is the norm that the gradient of all
        parameters together is cut down to; None does not clip.
        """
        ...

    def statistics(
        self,
        state: State,
        placed: Placed,
        rows: Rows,
        lr: Array | float,
        clip: float | None = None,
        *,
        full: bool = True,
    ) -> tuple[State, OnDevice, OnDevice]:
        """Take one step, the same as `chunk` would; return its loss [1] and its statistics too.

        `full` asks for the histograms and the activations beside the norms.
        """
        ...

    def host(self, losses: OnDevice) -> Losses:
        """Wait for losses and return them."""
        ...

    def host_statistics(self, statistics: OnDevice) -> Statistics:
        """Wait for statistics and return them."""
        ...

    def evaluate(self, state: State, placed: Placed) -> Evaluation:
        """Return the mean loss and the outputs over a whole split, without training."""
        ...

    def keep(self, state: State, over: Kept | None = None) -> Kept:
        """Copy a state, so that later steps do not change it.

        Args:
            state: the state.
            over: a kept copy that is needed no more, whose memory may be written over: that takes
                an eighth of the time of new memory.
        """
        ...

    def revert(self, kept: Kept) -> State:
        """Go back to a kept state; the kept copy stays good."""
        ...

    def arrays(self, kept: Kept) -> dict[str, Array]:
        """Return what `snapshot` returned when the state was kept; any thread may ask."""
        ...

    def snapshot(self, state: State) -> dict[str, Array]:
        """Return all that a resumed run needs, as named arrays."""
        ...

    def restore(self, state: State, arrays: Mapping[str, Array]) -> State:
        """Take the arrays that `snapshot` returned."""
        ...

    def update(self, state: State) -> None:
        """Write the parameters and buffers into the user's own model object."""
        ...


class Backend(Protocol):
    """One framework."""

    @property
    def name(self) -> str:
        """Return the name that `backend=` takes."""
        ...

    def version(self) -> str:
        """Return the framework's version."""
        ...

    def owns(self, model: object) -> bool:
        """Say whether an object is a model of this framework."""
        ...

    def devices(self) -> tuple[Device, ...]:
        """Return the devices, the one that is used by default first."""
        ...

    def build(self, spec: Spec, seed: int) -> Model:
        """Return a native module for a spec, with the framework's usual initial weights."""
        ...

    def spec(self, model: Model) -> Spec | None:
        """Return the spec that a model was built of; None where `build` did not make it."""
        ...

    def source(self, spec: Spec) -> str:
        """Return Python, with the framework alone, that makes the model of a spec as `net`."""
        ...

    def shared_weights(self, model: Model) -> dict[str, Array]:
        """Return the weights of a built model under names and in layouts that backends share."""
        ...

    def set_shared_weights(self, model: Model, arrays: Mapping[str, Array]) -> None:
        """Write what `shared_weights` returned, of any backend, into a built model.

        Raises:
            ModelError: they are the weights of another model.
        """
        ...

    def has_own_loss(self, model: Model) -> bool:
        """Say whether the model returns a loss when it is called with targets."""
        ...

    def ask(self, model: Model, inputs: Parts, targets: Parts | None = None) -> Asked:
        """Ask a model about two prepared examples, to see what it takes and returns.

        Args:
            model: the model.
            inputs: two examples.
            targets: their targets, for a model that is trained by its own loss; else None.

        Raises:
            ShapeError: the model cannot take the inputs.
        """
        ...

    def final_activation(self, model: Model) -> str | None:
        """Return `"softmax"` or `"sigmoid"` where the model is seen to end with it, else None."""
        ...

    def parameters(self, model: Model) -> tuple[ParameterInfo, ...]:
        """Return the trainable parameters, in the model's own order."""
        ...

    def example(self, model: Model) -> Array | None:
        """Return two inputs of the model where its first layer says their shape, else None."""
        ...

    def anatomy(
        self,
        model: Model,
        inputs: Parts | None = None,
        targets: Parts | None = None,
        takes: Takes = "float32",
    ) -> Anatomy:
        """Return what a model is made of, and what happens when it is called.

        Args:
            model: the model, which nobody else is using.
            inputs: a few prepared examples; None not to call it.
            targets: their targets, for a model that cannot be called without them; else None.
            takes: what the model's input is.

        Raises:
            ModelError: a layer's size is not known before it is called, and it was not.
        """
        ...

    def structure(self, model: Model) -> str:
        """Return all that a model is but its numbers, as text; the same in every process."""
        ...

    def copy(self, model: Model) -> Model:
        """Return a model of its own with the same parameters and buffers."""
        ...

    def weights(self, model: Model) -> dict[str, Array]:
        """Return parameters and buffers as named arrays, as they go into `weights.safetensors`."""
        ...

    def compile(
        self,
        model: Model,
        task: Task,
        optimizer: Optimizer,
        *,
        inputs: Parts,
        targets: Parts,
        batch: int,
        ragged: bool,
        device: str | None,
        rule: Rule = PLAIN,
    ) -> Program:
        """Prepare training.

        Args:
            model: the model.
            task: what it is trained for.
            optimizer: the optimiser.
            inputs: two prepared examples.
            targets: their targets.
            batch: how many rows a step has.
            ragged: whether some batch may have fewer.
            device: where to train; None for the best there is.
            rule: what is done with losses and gradients.

        Raises:
            UnknownNameError: there is no such device.
            ModelError: the model has no trainable parameters.
            OptionError: the optimiser is not of this framework, or cannot be used.
        """
        ...

    def predict(self, model: Model, task: Task, inputs: Parts) -> Any:  # noqa: ANN401 - an array, or parts
        """Return probabilities or values [n, ..., outputs], float32, for prepared inputs [n, ...].

        Of a task that knows nothing of the outputs they are what the model returns: arrays, in a
        dictionary or a tuple where there are several.
        """
        ...

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Say whether an error is the framework's word for a device without memory left."""
        ...

    def bind(self, model: Model, weights: Mapping[str, Array]) -> None:
        """Put weights, as `weights` returned them, into a model of the same structure.

        Raises:
            ModelError: names or shapes differ; nothing was changed. Names the first.
        """
        ...

    def export(self, model: Model, task: Task, inputs: Array) -> Exported:
        """Return the model as programs with a dynamic batch; `inputs` are a few examples.

        Raises:
            ExportError: the model cannot be exported; names the operator.
        """
        ...
