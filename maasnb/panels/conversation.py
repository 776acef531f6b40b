"""What a page and the panel of a run say to each other, whichever way their messages go.

The front end says hello, the kernel answers with all there is, then with what came since. Nothing
is kept for a single page, so a second one, or one that was loaded again, says hello like the first.
Messages arrive in a thread of the kernel's while a cell runs, where nothing may be printed or
waited for.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from maasnb.language.translating import speaking, translated
from maasnb.panels import commands, details
from maasnb.panels.feed import Feed, Frame
from maasnb.panels.publication import Publication

__all__ = ["PROTOCOL", "Conversation", "keep_replies_off_the_main_thread"]

PROTOCOL: Final = 1
"""The front end says which one it speaks; a page older than the kernel is asked to reload."""

_FRAMES: Mapping[str, Callable[[Any, Mapping[str, Any]], Frame]] = {
    "steps": lambda run, _: details.steps_frame(run),
    "histograms": lambda run, said: details.histograms_frame(run, said.get("layer")),
    "findings": lambda run, _: details.findings_frame(run),
    "examples": lambda run, _: details.examples_frame(run),
}
"""What a page asks for -> the frame that answers it."""


class Conversation:
    """Answer the pages that show one run.

    Attributes:
        feed: what is told of the run.
        pages: the pages that have said hello, each with the number of its last request.
        free: whether messages arrive while a cell runs.
    """

    def __init__(
        self,
        feed: Feed,
        tell: Callable[[Frame], None],
        on_hello: Callable[[], None] | None = None,
        model: str = "",
    ) -> None:
        """Begin without a page.

        Args:
            feed: of the run.
            tell: sends a frame to every page.
            on_hello: is called when a page has been answered.
            model: the widget's id, by which a saved notebook refers to it.
        """
        self.feed = feed
        self.pages: dict[str, object] = {}
        self.free = False
        self._tell_pages = tell
        self._language: object = ""
        self._on_hello = on_hello
        self._model = model
        self._publication = Publication(feed.run, self._tell)
        self._leave: Callable[[], None] | None = None

    def end(self) -> None:
        """Tell nobody any more."""
        if self._leave is not None:
            self._leave()
            self._leave = None

    def hear(self, message: object) -> None:
        """Take what a page says; what cannot be understood or done is answered in words."""
        free = threading.current_thread() is not threading.main_thread()
        # A page's first words may come the slow way although there is a fast one.
        if self.pages and free and not self.free:
            self.free = True
            self._tell(self._front_end())
        self.free = self.free or free
        with speaking(self._language):
            try:
                self._do(message if isinstance(message, Mapping) else {})
            except Exception as error:  # noqa: BLE001 - printed here, it would land in any cell
                self._answer(f"The kernel could not do this: {error!r}", good=False)

    def _do(self, said: Mapping[str, Any]) -> None:
        kind = said.get("type")
        if kind == "hello" and said.get("protocol") == PROTOCOL:
            self._greet(str(said.get("page")), said.get("request"), said.get("language"))
        elif kind == "detail":
            first, last = said.get("first"), said.get("last")
            if isinstance(first, int) and isinstance(last, int):
                self._tell(self.feed.detail(first, last))
        elif kind == "command":
            action = said.get("action")
            commands.do(self.feed.run, action, said.get("value"), self._answer)
        elif kind == "publish":
            self._publication.begin(said.get("name"))
        elif isinstance(kind, str) and kind in _FRAMES:
            self._tell(_FRAMES[kind](self.feed.run, said))
        else:
            self._answer("This page is older or newer than the kernel: load it again.", good=False)

    def _greet(self, page: str, request: object, language: object) -> None:
        """Answer a page; one that asked more than once, because it had to wait, only once."""
        if self.pages.get(page) == request:
            return
        self.pages[page] = request
        self._language = language
        if self._leave is None:
            self._leave = self.feed.connect(self._tell)
        self.feed.tell_all()
        self._tell(self._front_end())
        self._publication.tell_again()
        if self._on_hello is not None:
            with speaking(""):  # what it puts into the notebook is the same for every page
                self._on_hello()

    def _tell(self, frame: Frame) -> None:
        """Send a frame, with the words of the run in the language of the page that came last."""
        with speaking(self._language):
            self._tell_pages(_translated(frame))

    def _front_end(self) -> Frame:
        content = {"type": "front end", "free": self.free, "model": self._model}
        return Frame(content=content)

    def _answer(self, words: str, good: bool) -> None:  # noqa: FBT001 - the form of an answer
        self._tell(Frame(content={"type": "answer", "words": translated(words), "good": good}))


def _translated(frame: Frame) -> Frame:
    """Return a feed's frame with its sentences translated; a record keeps them in English."""
    content = dict(frame.content)
    reason = content.get("now", {}).get("reason")
    if reason:
        content["now"] = {**content["now"], "reason": translated(reason)}
    if content.get("warnings"):
        content["warnings"] = [[step, translated(words)] for step, words in content["warnings"]]
    return Frame(content=content, buffers=frame.buffers)


def keep_replies_off_the_main_thread(comm: Any) -> None:  # noqa: ANN401 - of ipykernel
    """Have a comm's messages handled in the subshell that they were sent to.

    ipykernel 7.4.0 sends a comm's messages to the shell that last published on it: the main one,
    which is busy while a cell trains, so buttons would answer only after it. To be deleted when
    `tests/notebook/test_panel_in_a_kernel.py` passes without it on the oldest ipykernel supported.
    """
    if getattr(comm, "_reply_subshell_for", None) is not None:
        comm._reply_subshell_for = lambda data, default: default
