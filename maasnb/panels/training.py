"""The live panel of a run: a widget that is told frames and passes on what its buttons ask for."""

import importlib.resources
import os
from collections.abc import Callable
from typing import Any

import anywidget
import traitlets

from maasnb.language.translating import LANGUAGE_VARIABLE, language
from maasnb.panels.conversation import PROTOCOL, Conversation, keep_replies_off_the_main_thread
from maasnb.panels.feed import Feed, Frame

__all__ = ["PROTOCOL", "TrainingPanel"]


def bundle(name: str) -> str:
    """Return a built file of the front end."""
    files = importlib.resources.files("maasnb.panels") / "static"
    return (files / name).read_text(encoding="utf-8")


class TrainingPanel(anywidget.AnyWidget):
    """Show one run, to any number of views.

    Attributes:
        feed: what is told of the run.
        ended_in: the number of the cell that was running when the run ended.
        language: what the front end speaks; empty for its own.
    """

    language = traitlets.Unicode("").tag(sync=True)

    _esm = bundle("training.js")
    _css = bundle("training.css")

    def __init__(self, feed: Feed, on_hello: Callable[[], None] | None = None) -> None:
        """Open the channel to the front end; nothing is shown yet.

        Args:
            feed: of the run.
            on_hello: is called when a front end has answered.
        """
        self.feed = feed
        self.ended_in = 0
        super().__init__(language=language() if os.environ.get(LANGUAGE_VARIABLE) else "")
        self._conversation = Conversation(feed, self._tell, on_hello, model=self.model_id)
        keep_replies_off_the_main_thread(self.comm)
        self.on_msg(self._heard)

    @property
    def pages(self) -> dict[str, object]:
        """Return the pages that have said hello, each with the number of its last request."""
        return self._conversation.pages

    @property
    def free(self) -> bool:
        """Say whether messages arrive while a cell runs."""
        return self._conversation.free

    @property
    def view(self) -> dict[str, Any]:
        """Return what a front end shows the panel by."""
        reference = {"version_major": 2, "version_minor": 1, "model_id": self.model_id}
        return {"application/vnd.jupyter.widget-view+json": reference}

    def end(self) -> None:
        """Tell nobody any more, and close the channel."""
        self._conversation.end()
        if not self.pages:
            # Whoever runs notebooks without a page, as nbclient, keeps a widget's state with them.
            self._esm, self._css = "export default {};", ""
        self.close()

    def _tell(self, frame: Frame) -> None:
        self.send(frame.content, list(frame.buffers))

    def _heard(self, _: object, message: object, buffers: object) -> None:  # noqa: ARG002 - ipywidgets' form
        self._conversation.hear(message)
