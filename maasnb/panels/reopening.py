"""The verb `panel`: the panel of any run of this workspace, running or finished."""

import dataclasses
from typing import Any

from maasnb.errors import UnknownNameError
from maasnb.events import Event
from maasnb.panels.feed import Feed, feed_of
from maasnb.panels.progress import (
    final_bundle,
    mark_shown,
    notebook_view,
    place,
    progress_line,
)
from maasnb.panels.twins import run_twin
from maasnb.records.observing import run_named
from maasnb.records.past import read_run
from maasnb.records.run import Run

__all__ = ["Panel", "panel"]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """Hold a run whose panel is shown again; a notebook shows it live, a text says how it stands.

    Attributes:
        run: the run, or what its record tells.
        feed: what a panel is told of it.
    """

    run: Any
    feed: Feed

    def __str__(self) -> str:
        """Return where a run in training stands, else the text twin of its picture."""
        return progress_line(self.run) if self.live else run_twin(self.run)

    __repr__ = __str__

    @property
    def live(self) -> bool:
        """Say whether the run is in training, in this kernel."""
        return self.run.status in ("running", "paused")

    def show(self) -> bool:
        """Show the panel where there is a notebook; say whether it was."""
        where = place()
        if where == "notebook":
            view = notebook_view(self.run, None if self.live else final_bundle(self.run))
            if self.live:
                self.run.subscribe(view.take)
        elif where == "static":
            from IPython.display import display  # noqa: PLC0415 - there is a shell, so it is loaded

            display(final_bundle(self.run), raw=True)
        else:
            return False
        mark_shown(self)
        return True


def panel(run: Run | str) -> Panel:
    """Show the panel of a run again, from any notebook of its kernel, or of one that has ended.

    Args:
        run: a run, or the name of one of this workspace.

    Returns:
        The panel, which a notebook shows.

    Raises:
        UnknownNameError: there is no such run; offers the nearest one.
        WorkspaceError: its record cannot be read.
    """
    found = _of_this_kernel(run) if isinstance(run, str) else run
    if found is not None:
        feed = feed_of(found.name)
        if feed is None:
            feed = Feed(found)
            found.subscribe(feed.take)
        return Panel(found, feed)
    events: list[Event] = []
    past = read_run(str(run), events.append)
    feed = Feed(past)
    for event in events:
        feed.remember(event)
    return Panel(past, feed)


def _of_this_kernel(name: str) -> Run | None:
    try:
        return run_named(name)
    except UnknownNameError:
        return None
