"""What a panel's buttons ask for: checked here, done by the run's own queue of commands.

The front end's words arrive in a thread of the kernel's that must stay free, so nothing here waits:
a command is put into the queue and the run's events show what came of it. Only a fork, which waits
for a state, gets a thread of its own.
"""

import contextvars
import re
import threading
from collections.abc import Callable
from typing import Any

from maasnb.errors import MaasError, OptionError, TrainingError, unknown_name
from maasnb.records.control import steering_from

__all__ = ["ACTIONS", "Answer", "do"]

ACTIONS = ("checkpoint", "fork", "lr", "pause", "resume", "rollback", "stop")

Answer = Callable[[str, bool], None]
"""Is told the outcome in words, and whether it is a good one."""


def do(run: Any, action: object, value: object, answer: Answer) -> None:  # noqa: ANN401 - a run, by its attributes
    """Do what a button asks for, without waiting.

    Args:
        run: the run.
        action: one of `ACTIONS`.
        value: the learning rate; the step to go back to or to fork from; else None.
        answer: is told what came of it.
    """
    try:
        with steering_from("button"):
            words = _ask(run, action, value, answer)
    except MaasError as error:
        answer(str(error), False)
    else:
        if words:
            answer(words, True)


def _ask(run: Any, action: object, value: object, answer: Answer) -> str:  # noqa: ANN401 - a run
    if run.status not in ("running", "paused"):
        message = (
            f"The run {run.name!r} has ended ({run.status}). To train on from one of its "
            "checkpoints type: other = run.fork(epochs=20)"
        )
        raise TrainingError(message)
    if action in ("pause", "resume", "checkpoint"):
        getattr(run, str(action))()
        return ""
    if action == "stop":
        run.stop()
        return ""
    if action == "lr":
        run.set(lr=value)
        return ""
    if action == "rollback":
        run.rollback(_step(value))
        return ""
    if action == "fork":
        step = None if value is None else _step(value)
        # The thread keeps who asks: a copy of the context.
        asking = contextvars.copy_context()
        threading.Thread(
            target=asking.run, args=(_fork, run, step, answer), name="maasnb fork", daemon=True
        ).start()
        return "Forking ..."
    raise unknown_name("action", str(action), ACTIONS)


def _step(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        message = f"{value!r} is no step; expected a whole number, as 100."
        raise OptionError(message)
    return value


def _fork(run: Any, step: int | None, answer: Answer) -> None:  # noqa: ANN401 - a run
    try:
        fork = run.fork(step, wait=False)
    except Exception as error:  # noqa: BLE001 - a panel must not stop training
        answer(str(error), False)
        return
    name = _bind(fork)
    words = f"{fork.name} trains in the background. Type: %maas panel {fork.name}"
    answer(f"{words}; it is the variable {name}." if name else words, True)


def _bind(fork: Any) -> str:  # noqa: ANN401 - a run
    """Give a fork a variable, so that it is kept and can be steered; return its name."""
    from IPython.core.getipython import get_ipython  # noqa: PLC0415 - a panel may run without it

    shell = get_ipython()
    name = re.sub(r"\W", "_", fork.name)
    if shell is None or not name.isidentifier() or name in shell.user_ns:
        return ""
    shell.user_ns[name] = fork
    return name
