"""The live panel or a line of progress while a run trains; at its end a picture and its text twin.

A run tells its events from the training thread. In a notebook its output is a display with an id: a
line, updated at most five times a second, until a front end says hello to the live panel, which
then takes its place; where none answers, the line goes on. In a terminal the line is rewritten with
a carriage return; in a plain script there is nothing. `MAASNB_PANEL=static` gives one final display
and no line, which is what a comparison of saved outputs needs.
"""

import abc
import contextvars
import dataclasses
import math
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Literal, TextIO

from maasnb.events import Ended, Event, Stepped
from maasnb.language.translating import translated
from maasnb.panels.feed import Feed, feed_of
from maasnb.panels.twins import number, run_twin
from maasnb.records.control import source
from maasnb.settings import static_panels

__all__ = [
    "attach",
    "detach",
    "final_bundle",
    "mark_shown",
    "notebook_view",
    "open_panel",
    "place",
    "progress_line",
    "shown_here",
    "watch",
]

Place = Literal["notebook", "static", "terminal", "nowhere"]

UPDATE_INTERVAL_S = 0.2
SPEED_WINDOW_S = 3.0
BAR_WIDTH = 16
OFFER_S = 5.0
"""How long a front end that was shown the panel unasked has to answer."""
SILENCE_S = 10.0
"""After so long without an answer, the line says what is missing."""
NO_ANSWER = "(no panel answered: train with --bg, or install anywidget beside Jupyter and reload)"
NO_PACKAGE = "(for the live panel: pip install anywidget)"


class _Cell:
    """Know which cell is running, and which objects stand in its output."""

    def __init__(self) -> None:
        self.number = 0
        self.shown: dict[int, object] = {}  # the objects too, so that no id comes twice
        self.ending: list[Any] = []  # panels of runs that have ended, until the next cell has
        self.shell: Any = None
        self.detach: Callable[[], None] | None = None

    def ended(self, *_: object) -> None:
        """Begin a new cell; registered for IPython's `post_run_cell`."""
        self.number += 1
        self.shown.clear()
        for panel in [each for each in self.ending if each.ended_in < self.number - 1]:
            self.ending.remove(panel)
            # A page that was loaded again cannot be told of the picture: its panel must stay.
            if len(panel.pages) <= 1:
                panel.end()


_cell = _Cell()


def attach() -> None:
    """Show the progress of every run that starts from now on; a second call changes nothing."""
    from maasnb.records.run import observe  # noqa: PLC0415 - a panel may be imported without a run

    if _cell.detach is None:
        _cell.detach = observe(watch)
    shell = _shell()
    if shell is not None and _cell.shell is not shell:
        _leave_shell()
        shell.events.register("post_run_cell", _cell.ended)
        _cell.shell = shell


def detach() -> None:
    """Show the progress of runs no more."""
    if _cell.detach is not None:
        _cell.detach()
        _cell.detach = None
    _leave_shell()


def _leave_shell() -> None:
    if _cell.shell is not None:
        _cell.shell.events.unregister("post_run_cell", _cell.ended)
        _cell.shell = None


def shown_here(item: object) -> bool:
    """Say whether an object stands in the output of the cell that is running already."""
    return id(item) in _cell.shown


def mark_shown(item: object) -> None:
    """Remember that an object stands in the output of the cell that is running."""
    _cell.shown[id(item)] = item


def place() -> Place:
    """Return where progress can be shown."""
    shell = _shell()
    if shell is not None and (static_panels() or getattr(shell, "kernel", None) is not None):
        return "static" if static_panels() else "notebook"
    if static_panels():
        return "nowhere"
    return "terminal" if sys.stderr is not None and sys.stderr.isatty() else "nowhere"


def slow_host() -> str:
    """Return the front end's name where it is one whose messages wait for a running cell."""
    if "google.colab" in sys.modules:
        return "Colab"
    # What VS Code starts kernels with; one that a JupyterLab started answers before this is asked.
    return "VS Code" if "VSCODE_PID" in os.environ else ""


def watch(run: Any) -> None:  # noqa: ANN401 - a run, by its attributes
    """Show the progress of one run where that is possible."""
    views: dict[Place, type[_View]] = {
        "notebook": _NotebookView,
        "static": _StaticView,
        "terminal": _TerminalView,
    }
    where = place()
    if where in ("notebook", "static"):
        run.subscribe(Feed(run).take)
    # A fork that a panel's button made has no cell of its own; its feed waits for %maas panel.
    if where in views and source() != "button":
        run.subscribe(views[where](run).take)


@dataclasses.dataclass(slots=True)
class _Speed:
    """Estimate steps a second over the last few seconds."""

    seen: list[tuple[float, int]] = dataclasses.field(default_factory=list)

    def at(self, now: float, step: int) -> float:
        self.seen.append((now, step))
        while len(self.seen) > 2 and now - self.seen[0][0] > SPEED_WINDOW_S:
            self.seen.pop(0)
        (then, before), (_, after) = self.seen[0], self.seen[-1]
        return (after - before) / (now - then) if now > then else 0.0


def progress_line(run: Any, loss: float | None = None, steps_per_s: float = 0.0) -> str:  # noqa: ANN401 - a run, by its attributes
    """Return where a run stands, in one line.

    Args:
        run: a `Run` that is training.
        loss: the last batch's loss; left out when None.
        steps_per_s: how fast it is; 0 leaves speed and remaining time out.
    """
    total, done = max(run.total_steps, 1), run.steps
    filled = BAR_WIDTH * done // total
    parts = [run.name, "█" * filled + "░" * (BAR_WIDTH - filled)]
    if run.steps_per_epoch:
        epoch = min(run.epochs, done // run.steps_per_epoch + 1)
        parts.append(translated(f"epoch {epoch}/{run.epochs}"))
    parts.append(translated(f"step {done:,}/{run.total_steps:,}"))
    if loss is not None:
        parts.append(translated(f"loss {number(loss)}"))
    name, metrics = run.task.metrics[0], run.metrics
    if name in metrics:
        parts.append(translated(f"validation {name} {metrics[name]:.3g}"))
    if run.status == "paused":
        parts.append(translated("paused"))
    elif steps_per_s > 0:
        left = (run.total_steps - done) / steps_per_s
        parts.append(translated(f"{number(steps_per_s)} steps/s"))
        parts.append(translated(f"{_duration(left)} left"))
    return "  ".join(parts)


def _duration(seconds: float) -> str:
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def final_bundle(run: Any) -> dict[str, Any]:  # noqa: ANN401 - a run, by its attributes
    """Return the final display: the picture where one can be drawn, and its text twin."""
    bundle: dict[str, Any] = {"text/plain": run_twin(run)}
    try:
        from maasnb.panels.pictures import run_png  # noqa: PLC0415 - loads matplotlib
    except ImportError:  # without matplotlib the words remain
        return bundle
    picture = run_png(run)
    if picture is not None:
        bundle["image/png"] = picture
    return bundle


class _View(abc.ABC):
    """Turn a run's events into something to see."""

    def __init__(self, run: Any) -> None:  # noqa: ANN401 - a run, by its attributes
        self.cell = _cell.number

    def take(self, event: Event, run: Any) -> None:  # noqa: ANN401 - a run, by its attributes
        """Show one event; called in the training thread."""
        if isinstance(event, Stepped):
            self.step(event, run)
        elif isinstance(event, Ended):
            self.end(run)

    @abc.abstractmethod
    def step(self, event: Stepped, run: Any) -> None:  # noqa: ANN401 - a run, by its attributes
        """Show that steps were taken."""

    @abc.abstractmethod
    def end(self, run: Any) -> None:  # noqa: ANN401 - a run, by its attributes
        """Show how the run ended."""


class _StaticView(_View):
    """Show one final display, and nothing once the run's own cell has ended."""

    def __init__(self, run: Any) -> None:  # noqa: ANN401 - a run, by its attributes
        super().__init__(run)
        self.context = contextvars.copy_context()

    def step(self, event: Stepped, run: Any) -> None:  # noqa: ANN401 - a run, by its attributes
        """Show nothing."""

    def end(self, run: Any) -> None:  # noqa: ANN401 - a run, by its attributes
        """Show picture and twin."""
        from IPython.display import display  # noqa: PLC0415 - there is a shell, so it is loaded

        if self.cell == _cell.number:
            self.context.run(display, final_bundle(run), raw=True)
            mark_shown(run)


class _LiveView(_View):
    """Rewrite one line, seldom enough."""

    def __init__(self, run: Any) -> None:  # noqa: ANN401 - a run, by its attributes
        super().__init__(run)
        self.speed = _Speed()
        self.next = 0.0

    def step(self, event: Stepped, run: Any) -> None:  # noqa: ANN401 - a run, by its attributes
        """Rewrite the line, if the last time is long enough ago."""
        now = time.monotonic()
        if now < self.next:
            return
        self.next = now + UPDATE_INTERVAL_S
        loss = event.losses[-1] if event.losses else None
        self.write(progress_line(run, loss, self.speed.at(now, run.steps)))

    @abc.abstractmethod
    def write(self, line: str) -> None:
        """Put a line in place of the one before."""


def open_panel(feed: Feed, on_hello: Callable[[], None]) -> Any:  # noqa: ANN401 - a TrainingPanel
    """Open the channel of a live panel; return None where anywidget is missing."""
    try:
        from maasnb.panels.training import TrainingPanel  # noqa: PLC0415 - loads ipywidgets
    except ImportError:
        return None
    return TrainingPanel(feed, on_hello)


class _NotebookView(_LiveView):
    """Rewrite a display in a notebook, and put the live panel in its place once one answers.

    The display is made in the cell's own thread, and updates run in a copy of its context, so that
    they belong to that cell even when another one is running by then.
    """

    def __init__(self, run: Any, first: dict[str, Any] | None = None) -> None:  # noqa: ANN401 - a run, by its attributes
        from IPython.display import display  # noqa: PLC0415 - there is a shell, so it is loaded

        super().__init__(run)
        self.run = run
        self.first = first
        self.began = time.monotonic()
        self.offered = -math.inf
        self.answered = self.over = False
        self.lock = threading.Lock()
        bundle = first or {"text/plain": progress_line(run)}
        self.handle: Any = display(bundle, raw=True, display_id=True)
        self.context = contextvars.copy_context()
        feed = feed_of(run.name)
        self.panel: Any = None if feed is None else open_panel(feed, self.answer)
        mark_shown(run)

    def answer(self) -> None:
        """Show the panel; called when a front end has said hello, in a thread of the kernel's."""
        with self.lock:
            if not (self.answered or self.over):
                self.answered = True
                self.show_panel()

    def show_panel(self) -> None:
        """Put the panel in the line's place, with words for whoever cannot show it."""
        if self.first is not None:
            self.update({**self.first, **self.panel.view})
            return
        again = translated(f"to see it again: %maas panel {self.run.name}")
        self.update({"text/plain": f"{run_twin(self.run)}\n  {again}", **self.panel.view})

    def write(self, line: str) -> None:
        """Update the display, while no panel stands there."""
        with self.lock:
            now = time.monotonic()
            if self.answered:
                return
            ended = self.cell != _cell.number
            if self.panel is not None and ended and self.offered < 0:
                # A front end that knows a widget only when it is shown, and can answer now.
                self.offered = now
                self.show_panel()
            elif now - self.offered > OFFER_S:
                hint = translated(self.hint(now))
                self.update({"text/plain": f"{line}  {hint}".rstrip()})

    def hint(self, now: float) -> str:
        """Return what a person can do where no panel appears."""
        if self.panel is None:
            return NO_PACKAGE
        host = slow_host()
        if host:
            return (
                f"(in {host} the panel appears with --bg, or when the cell has ended; "
                "interrupting the kernel stops the run)"
            )
        return NO_ANSWER if now - self.began > SILENCE_S else ""

    def update(self, bundle: dict[str, Any]) -> None:
        """Change the display; more than one thread may do so."""
        self.context.copy().run(self.handle.update, bundle, raw=True)

    def end(self, run: Any) -> None:  # noqa: ANN401 - a run, by its attributes
        """Replace line or panel by picture and twin."""
        with self.lock:
            self.over = True
            self.update(final_bundle(run))
        if self.panel is None:
            return
        if not self.panel.pages:
            self.panel.end()
            return
        # A page that is loaded again while a cell blocks says hello only once that cell has ended.
        self.panel.ended_in = _cell.number
        _cell.ending.append(self.panel)


def notebook_view(run: Any, first: dict[str, Any] | None) -> _NotebookView:  # noqa: ANN401 - a run, by its attributes
    """Show a run once more; `first` is what stands there until a front end answers."""
    return _NotebookView(run, first)


class _TerminalView(_LiveView):
    """Rewrite a line of the terminal."""

    def __init__(self, run: Any, stream: TextIO | None = None) -> None:  # noqa: ANN401 - a run, by its attributes
        super().__init__(run)
        self.stream = stream or sys.stderr
        mark_shown(run)

    def write(self, line: str) -> None:
        """Go back to the line's beginning, clear it, and write."""
        try:
            width = os.get_terminal_size(self.stream.fileno()).columns
        except (OSError, ValueError):
            width = 80
        self.stream.write(f"\r\x1b[2K{line[: width - 1]}")
        self.stream.flush()

    def end(self, run: Any) -> None:  # noqa: ANN401 - a run, by its attributes
        """Leave the text twin."""
        self.stream.write(f"\r\x1b[2K{run_twin(run)}\n")
        self.stream.flush()


def _shell() -> Any:  # noqa: ANN401 - an InteractiveShell, where IPython runs one
    loaded = sys.modules.get("IPython")
    return None if loaded is None else loaded.get_ipython()
