"""What a panel's publish button does: a run that stands still becomes a version of a served model.

Publishing exports the model and asks a server, so it has a thread of its own; the panel is told how
it went, and a page that comes later is told so too.
"""

import contextvars
import threading
from collections.abc import Callable
from typing import Any

from maasnb.errors import MaasError, OptionError, TrainingError
from maasnb.language.translating import translated
from maasnb.panels.feed import Frame
from maasnb.records.run import Run

__all__ = ["Publication"]

Tell = Callable[[Frame], None]


class Publication:
    """Publish one run when it is asked to, one time after the other."""

    def __init__(self, run: Any, tell: Tell) -> None:  # noqa: ANN401 - a run, by its attributes
        """Take the run, and what is told how it went."""
        self._run = run
        self._tell = tell
        self._lock = threading.Lock()
        self._busy = False
        self._last: Frame | None = None

    def tell_again(self) -> None:
        """Tell how the last publishing went; nothing before the first one."""
        if self._last is not None:
            self._tell(self._last)

    def begin(self, name: object) -> None:
        """Publish under a name, without waiting.

        Args:
            name: the model's name on the server; the data's where it is empty.
        """
        with self._lock:
            if self._busy:
                return
            self._busy = True
        self._say("working", "Publishing ...")
        # The thread keeps who asks, and which cell: a copy of the context.
        asking = contextvars.copy_context()
        threading.Thread(
            target=asking.run, args=(self._publish, name), name="maasnb publish", daemon=True
        ).start()

    def _publish(self, name: object) -> None:
        from maasnb.publishing import publish  # noqa: PLC0415 - loads a server and its runtimes

        try:
            endpoint = publish(_standing(self._run), _name(name))
            words = (
                f"Version {endpoint.version} of {endpoint.name} answers. "
                f"Type: endpoint = mb.connect({endpoint.name!r})"
            )
            curl = endpoint.curl()
            self._say("done", words, url=endpoint.url, version=endpoint.version, curl=curl)
        except MaasError as error:
            self._say("failed", str(error))
        except Exception as error:  # noqa: BLE001 - a panel must not end a thread in silence
            self._say("failed", f"The run could not be published: {error!r}")
        finally:
            with self._lock:
                self._busy = False

    def _say(self, state: str, words: str, **more: Any) -> None:  # noqa: ANN401 - JSON
        content = {"type": "publication", "state": state, "words": translated(words), **more}
        self._last = Frame(content=content)
        self._tell(self._last)


def _name(name: object) -> str | None:
    if name is not None and not isinstance(name, str):
        message = f"{name!r} is no name; expected letters, as digits."
        raise OptionError(message)
    return (name or "").strip() or None


def _standing(run: Any) -> Run:  # noqa: ANN401 - a run, by its attributes
    """Return a run that can be published now.

    Raises:
        TrainingError: it is training, or only its record is here.
    """
    if not isinstance(run, Run):
        message = (
            f"Of the run {run.name!r} only the record is here, not its model. To go on from its "
            f"last checkpoint type: run = mb.train(net, data, resume={run.name!r})"
        )
        raise TrainingError(message)
    if run.status == "running":
        message = f"The run {run.name!r} is training; pause or stop it, then publish."
        raise TrainingError(message)
    return run
