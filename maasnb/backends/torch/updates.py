"""From gradients to new weights in torch: penalties, clipping, weight decay and the optimiser.

Everything works on all parameters at once (torch's `_foreach` functions): a call for each parameter
would cost more than the arithmetic of a small model.
"""

# torch documents `torch._foreach_*` without its typing stubs exporting them.
# pyright: reportPrivateImportUsage=false

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from maasnb.errors import OptionError
from maasnb.rules import Rule
from maasnb.tasks import Optimizer

__all__ = ["TorchState", "Updates", "make_torch_optimizer"]


@dataclasses.dataclass(slots=True)
class TorchState:
    """Hold the optimiser; the parameters are those of the user's own module.

    Attributes:
        optimizer: torch's optimiser.
        rates: the learning rate of each parameter group where the optimiser brings its own; the
            learning rate of a step is a factor on these. 1 otherwise.
    """

    optimizer: torch.optim.Optimizer
    rates: list[float]


class Updates:
    """Change a module's trained parameters by their gradients."""

    def __init__(self, optimizer: Optimizer, rule: Rule, parameters: Sequence[Tensor]) -> None:
        """Take the parameters that are trained; an optimiser that cannot be made is refused.

        Raises:
            OptionError: the user's own object makes no optimiser that can be used.
        """
        self._optimizer = optimizer
        self._rule = rule
        self._parameters = list(parameters)
        self._weights = [weight for weight in self._parameters if weight.ndim > 1]
        decay = dict(optimizer.numbers).get("weight_decay", 0.0)
        self._decay = 0.0 if optimizer.name == "adamw" else decay  # torch's AdamW does it itself
        if optimizer.own is not None:
            self.fresh()

    def fresh(self) -> TorchState:
        """Return a fresh optimiser."""
        made = make_torch_optimizer(self._optimizer, self._parameters)
        own = self._optimizer.brings_rate
        return TorchState(
            made, [group.get("lr", 1.0) if own else 1.0 for group in made.param_groups]
        )

    @property
    def can_be_recorded(self) -> bool:
        """Say whether a step takes its learning rate from a tensor: the fused Adams do."""
        return (
            self._optimizer.own is None
            and self._optimizer.name in ("adam", "adamw")
            and not self._decay
        )

    def memory(self, state: TorchState) -> list[Tensor] | None:
        """Return all that Adam remembers; None before the first step, which makes it."""
        held = state.optimizer.state
        fields = [held[each] for each in self._parameters if held.get(each)]
        if len(fields) < len(self._parameters):
            return None
        return [field[name] for field in fields for name in ("step", "exp_avg", "exp_avg_sq")]

    def penalise(self) -> None:
        """Add the gradients of the penalties."""
        if not (self._rule.l1 or self._rule.l2) or not self._weights:
            return
        for weight in self._weights:
            if weight.grad is None:  # the loss does not depend on it
                weight.grad = torch.zeros_like(weight)
        gradients = [weight.grad for weight in self._weights if weight.grad is not None]
        with torch.no_grad():
            if self._rule.l2:
                torch._foreach_add_(gradients, self._weights, alpha=2 * self._rule.l2)
            if self._rule.l1:
                signs = [weight.sign() for weight in self._weights]
                torch._foreach_add_(gradients, signs, alpha=self._rule.l1)

    def step(self, state: TorchState, lr: float | Tensor, clip: float | None) -> None:
        """Cut and clip the gradients, decay the weights, and have the optimiser take its step.

        A learning rate in a tensor is for a step that is recorded.
        """
        self._cut(clip)
        if self._decay:
            with torch.no_grad():
                torch._foreach_mul_(self._parameters, 1 - lr * self._decay)
        if not isinstance(lr, Tensor):
            for group, rate in zip(state.optimizer.param_groups, state.rates, strict=True):
                group["lr"] = lr * rate
        if not self._step_at_once(state, lr):
            state.optimizer.step()
        for parameter in self._parameters:
            parameter.grad = None

    def _step_at_once(self, state: TorchState, lr: float | Tensor) -> bool:
        """Call Adam's fused kernel as torch does, without the bookkeeping around it.

        On a small model torch's own `step` takes twice as long as its kernel (a digits MLP: 53
        against 20 us). It is still asked for the first step, which makes the optimiser's state, and
        where a parameter has no gradient.
        """
        if self._optimizer.own is not None or self._optimizer.name not in ("adam", "adamw"):
            return False
        gradients = [each.grad for each in self._parameters if each.grad is not None]
        if len(gradients) < len(self._parameters):
            return False
        memory = state.optimizer.state
        fields = [memory[each] for each in self._parameters if memory.get(each)]
        if (
            len(fields) < len(gradients)
            or len({(each.device, each.dtype) for each in self._parameters}) > 1
        ):
            return False
        numbers = dict(self._optimizer.numbers)
        steps, means, squares = (
            [field[name] for field in fields] for name in ("step", "exp_avg", "exp_avg_sq")
        )
        kernel = torch._fused_adam_ if self._optimizer.name == "adam" else torch._fused_adamw_
        with torch.no_grad():
            torch._foreach_add_(steps, 1)
            kernel(
                self._parameters, gradients, means, squares, [], steps,
                lr=lr, beta1=numbers["b1"], beta2=numbers["b2"], eps=numbers["eps"],
                # Adam's decoupled decay was taken already; this one would be an L2 penalty.
                weight_decay=numbers["weight_decay"] if self._optimizer.name == "adamw" else 0.0,
                amsgrad=False, maximize=False, grad_scale=None, found_inf=None,
            )  # fmt: skip
        return True

    def _cut(self, clip: float | None) -> None:
        limit = self._rule.clip_value
        if clip is None and limit is None:
            return
        gradients = [each.grad for each in self._parameters if each.grad is not None]
        if limit is not None:
            for gradient in gradients:
                gradient.clamp_(-limit, limit)
        if clip is not None:
            norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
            torch._foreach_mul_(gradients, (clip / norm).clamp(max=1.0))


def make_torch_optimizer(
    optimizer: Optimizer, parameters: Sequence[Tensor]
) -> torch.optim.Optimizer:
    """Return torch's optimiser, fused where torch has that: it saves a third of a small step.

    The learning rate is set before each step.

    Raises:
        OptionError: the user's own object makes no optimiser that can be used.
    """
    if optimizer.own is not None:
        return _own(optimizer, parameters)
    numbers: dict[str, Any] = dict(optimizer.numbers)
    match optimizer.name:
        case "adam" | "adamw":
            cls = torch.optim.Adam if optimizer.name == "adam" else torch.optim.AdamW
            options = {"weight_decay": numbers["weight_decay"]} if cls is torch.optim.AdamW else {}
            betas = (numbers["b1"], numbers["b2"])
            return cls(parameters, lr=0.0, betas=betas, eps=numbers["eps"], fused=True, **options)
        case "rmsprop":
            alpha, eps = numbers["decay"], numbers["eps"]
            return torch.optim.RMSprop(parameters, lr=0.0, alpha=alpha, eps=eps)
        case "lion":
            return Lion(parameters, numbers["b1"], numbers["b2"])
        case _:
            momentum, nesterov = numbers.get("momentum", 0.0), optimizer.name == "nesterov"
            return torch.optim.SGD(
                parameters, lr=0.0, momentum=momentum, nesterov=nesterov, fused=True
            )


class Lion(torch.optim.Optimizer):
    """Step by the sign of a momentum (Chen et al. 2023, algorithm 2); torch has none of its own."""

    def __init__(self, parameters: Sequence[Tensor], b1: float, b2: float) -> None:
        """Take the parameters and the two momenta's decays."""
        super().__init__(parameters, {"lr": 0.0, "b1": b1, "b2": b2})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]  # noqa: ARG002 - torch's form
        """Take one step."""
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if not weights:
                continue
            for weight in weights:
                if not self.state[weight]:
                    self.state[weight]["momentum"] = torch.zeros_like(weight)
            gradients = [weight.grad for weight in weights]
            momenta = [self.state[weight]["momentum"] for weight in weights]
            directions = torch._foreach_lerp(momenta, gradients, 1 - group["b1"])
            torch._foreach_sign_(directions)
            torch._foreach_add_(weights, directions, alpha=-group["lr"])
            torch._foreach_lerp_(momenta, gradients, 1 - group["b2"])


def _own(optimizer: Optimizer, parameters: Sequence[Tensor]) -> torch.optim.Optimizer:
    """Return the optimiser that a class or a factory of the user's own makes."""
    own, name = optimizer.own, optimizer.name
    way_out = "Type: optimizer=torch.optim.RAdam, or lambda p: torch.optim.RAdam(p, lr=1e-3)"
    if isinstance(own, torch.optim.Optimizer):
        message = (
            f"The optimizer is a {name} that is made already; expected its class or a function of "
            f"the parameters, so that a run starts with a fresh one. {way_out}"
        )
        raise OptionError(message)
    if not callable(own):
        message = f"The optimizer is a {name}, which torch does not know. {way_out}"
        raise OptionError(message)
    try:
        made = own(parameters)
    except Exception as error:
        message = f"The optimizer {name} cannot be made ({error}). {way_out}"
        raise OptionError(message) from error
    if not isinstance(made, torch.optim.Optimizer):
        message = f"The optimizer {name} made a {type(made).__name__}, none of torch's. {way_out}"
        raise OptionError(message)
    if isinstance(made, torch.optim.LBFGS):
        message = f"The optimizer {name} takes several looks at a batch; use one that takes a step."
        raise OptionError(message)
    return made
