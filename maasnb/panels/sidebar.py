"""The kernel's half of the sidebar: one comm that pushes what there is, also while cells run.

A page says hello and is told everything, then what changed: at most five frames a second, of which
one is kept for what cannot wait, as a pause or an end. Each has the next number, so that a page
notices a gap and says hello again. The comm is opened by nobody: it has a fixed id, which a page
finds among the kernel's comms, so that a front end without the extension is sent nothing at all.
Frames are made and sent in a thread of their own; the training thread only leaves a run's name
there.
"""

import contextlib
import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from maasnb.errors import MaasError, OptionError
from maasnb.events import Ended, Event, Intervened, Warned
from maasnb.language.translating import speaking, translated
from maasnb.panels import commands
from maasnb.panels.conversation import Conversation, keep_replies_off_the_main_thread
from maasnb.panels.feed import Frame
from maasnb.panels.overview import (
    Workspace,
    curve_of,
    devices_of,
    endpoints_in,
    memory,
    models_in,
    run_row,
)
from maasnb.panels.reopening import panel
from maasnb.panels.watching import EndpointWatch
from maasnb.records.observing import observe, run_named
from maasnb.records.run import Run
from maasnb.settings import VERSION, workspace
from maasnb.study.comparison import differences
from maasnb.study.findings import findings

__all__ = ["COMM", "PROTOCOL", "Sidebar", "attach", "detach"]

COMM: Final = "maasnb"
"""The comm's target and its id, the same in every kernel."""
PROTOCOL: Final = 1
INTERVAL_S = 0.25
MOST_A_SECOND = 5
MOST_COMPARED = 8
COMPARED_POINTS = 400
MOST_CONVERSATIONS = 16

Row = dict[str, Any]


class Sidebar:
    """Tell the pages of one kernel what there is, and do what their buttons ask for."""

    def __init__(self, names: Mapping[str, Any], send: Callable[[Frame], None]) -> None:
        """Begin without a page.

        Args:
            names: the notebook's variables.
            send: sends a frame to every page.
        """
        self._names = names
        self._send = send
        self._runs: dict[str, int] = {}  # this kernel's runs, the oldest first, and their cells
        self._cell = 0
        self._in_cell: set[str] = set()  # the runs that ended before their own cell did
        self._alarms: dict[str, str] = {}
        self._workspace = Workspace()
        self._endpoints = EndpointWatch(
            lambda: endpoints_in(names), lambda: self._touch("", "endpoints")
        )
        self._conversations: dict[str, Conversation] = {}
        self._language: object = ""  # of the page that said hello last
        self._number = 0
        self._changed: set[str] = set()
        self._parts: set[str] = set()
        self._ready = threading.Event()
        self._urgent = threading.Event()
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    # What happens in the kernel; each of these only leaves word for the thread that sends.

    def watch(self, run: Run) -> None:
        """Take note of a run that starts."""
        self._runs.pop(run.name, None)
        self._runs[run.name] = self._cell
        self._in_cell.discard(run.name)
        run.subscribe(self.take)
        self._touch(run.name)
        self._urgent.set()

    def take(self, event: Event, run: Any) -> None:  # noqa: ANN401 - a run, by its attributes
        """Take note of an event; called in the training thread."""
        if isinstance(event, Ended) and self._runs.get(run.name) == self._cell:
            self._in_cell.add(run.name)
        by_hand = isinstance(event, Intervened) and event.action != "lr"
        urgent = by_hand or isinstance(event, Ended | Warned)
        if urgent or run.name not in self._changed:
            self._touch(run.name)
        if urgent:
            self._urgent.set()

    def cell_ended(self, *_: object) -> None:
        """Take note that variables may have changed; registered for `post_run_cell`."""
        self._cell += 1
        self._endpoints.ask()
        self._touch("", "models", "memory")
        self._urgent.set()

    def close(self) -> None:
        """Tell nobody any more."""
        self._over.set()
        self._ready.set()
        self._urgent.set()
        self._endpoints.close()
        for each in self._conversations.values():
            each.end()

    def _touch(self, run: str, *parts: str) -> None:
        with self._lock:
            self._parts.update(parts)
            if run:
                self._changed.add(run)
        self._ready.set()

    # What a page says.

    def hear(self, said: object) -> None:
        """Take what a page says; what cannot be understood or done is answered in words."""
        with speaking(self._language):
            self._tried(self._do, said if isinstance(said, Mapping) else {})

    def _tried(self, do: Callable[[Mapping[str, Any]], None], said: Mapping[str, Any]) -> None:
        try:
            do(said)
        except MaasError as error:
            self._answer(str(error), good=False)
        except Exception as error:  # noqa: BLE001 - printed here, it would land in any cell
            self._answer(f"The kernel could not do this: {error!r}", good=False)

    def _do(self, said: Mapping[str, Any]) -> None:
        kind = said.get("type")
        if kind == "hello":
            self._greet(said)
        elif kind == "look":
            self._endpoints.look(said.get("shown") is True)
        elif kind == "command":
            run = run_named(str(said.get("run")))
            commands.do(run, said.get("action"), None, self._answer)
        elif kind == "panel":
            self._converse(str(said.get("run")), said.get("content"))
        elif kind in ("endpoint", "server", "compare"):
            # These ask a server or read long records, for which nobody waits here.
            self._aside(getattr(self, f"_{kind}"), said)
        else:
            words = "This page is older or newer than the kernel: load it again."
            self._answer(words, good=False)

    def _greet(self, said: Mapping[str, Any]) -> None:
        if said.get("protocol") != PROTOCOL:
            self._send(Frame(content={"type": "refusal", "protocol": PROTOCOL, "version": VERSION}))
            return
        self._language = said.get("language")
        self._touch("", "all")
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name="maasnb sidebar", daemon=True
                )
                self._thread.start()
        self._endpoints.look(said.get("shown") is True)

    def _aside(self, ask: Callable[[Mapping[str, Any]], None], said: Mapping[str, Any]) -> None:
        asking = contextvars.copy_context()
        threading.Thread(
            target=asking.run, args=(self._tried, ask, said), name="maasnb asked", daemon=True
        ).start()

    def _endpoint(self, said: Mapping[str, Any]) -> None:
        variable, version = str(said.get("variable")), said.get("version")
        endpoint = endpoints_in(self._names).get(variable)
        if endpoint is None:
            message = f"There is no endpoint {variable!r} in this notebook any more."
            raise OptionError(message)
        if said.get("action") == "promote":
            endpoint.promote(version if isinstance(version, int) else None)
        elif said.get("action") == "rollback":
            endpoint.rollback()
        else:
            message = f"{said.get('action')!r} is nothing that can be done to an endpoint."
            raise OptionError(message)
        self._answer(endpoint.status().title, good=True)
        self._endpoints.ask()

    def _server(self, said: Mapping[str, Any]) -> None:
        from maasnb.serve.embedded import ensure_server, stop_server  # noqa: PLC0415 - a server

        if said.get("action") == "stop":
            stop_server(workspace())
            self._answer("The workspace's server has been stopped.", good=True)
        else:
            self._answer(f"The server answers at {ensure_server(workspace()).url}", good=True)
        self._endpoints.ask()

    def _compare(self, said: Mapping[str, Any]) -> None:
        asked = said.get("runs")
        chosen = [str(each) for each in asked][:MOST_COMPARED] if isinstance(asked, list) else []
        runs = [panel(name).run for name in chosen]
        found = [
            {
                **run_row(run),
                "curve": curve_of(run.history.losses, COMPARED_POINTS),
                "count": len(run.history.losses),
            }
            for run in runs
        ]
        told = {"type": "comparison", "runs": found, "different": differences(runs)}
        self._send(Frame(content=told))

    def _converse(self, name: str, content: object) -> None:
        conversation = self._conversations.get(name)
        if conversation is None:

            def tell(frame: Frame) -> None:
                inner = {"type": "panel", "run": name, "content": frame.content}
                self._send(Frame(content=inner, buffers=frame.buffers))

            conversation = Conversation(panel(name).feed, tell)
            self._conversations[name] = conversation
            while len(self._conversations) > MOST_CONVERSATIONS:
                self._conversations.pop(next(iter(self._conversations))).end()
        conversation.hear(content)

    def _answer(self, words: str, good: bool) -> None:  # noqa: FBT001 - the form of an answer
        self._send(Frame(content={"type": "answer", "words": translated(words), "good": good}))

    # What is told, in the thread that sends.

    def _work(self) -> None:
        sent: deque[float] = deque([0.0] * MOST_A_SECOND, maxlen=MOST_A_SECOND)
        while not self._over.is_set():
            self._ready.wait()
            self._over.wait(max(sent[0] + 1 - time.monotonic(), 0))
            self._ready.clear()
            self._urgent.clear()
            if self._over.is_set():
                return
            with speaking(self._language):
                try:
                    self._push()
                except Exception as error:  # noqa: BLE001 - a sidebar must not end in silence
                    self._answer(f"The sidebar could not be filled: {error!r}", good=False)
            sent.append(time.monotonic())
            self._urgent.wait(INTERVAL_S)

    def _push(self) -> None:
        with self._lock:
            parts, self._parts = self._parts, set()
            changed, self._changed = self._changed, set()
        if not parts and not changed:
            return
        self._number += 1
        if "all" in parts:
            content = self._everything()
        else:
            content = {"type": "part", "number": self._number, "runs": self._rows(changed)}
            content.update(self._some(parts | ({"memory"} if changed else set())))
        self._send(Frame(content=content))

    def _everything(self) -> Row:
        here = self._rows(self._runs)
        others, total = self._workspace.rows(row["name"] for row in here)
        return {
            "type": "all",
            "number": self._number,
            "protocol": PROTOCOL,
            "version": VERSION,
            "workspace": str(workspace()),
            "runs": [*here, *others],
            "total": total,
            **self._some({"models", "endpoints", "memory"}),
        }

    def _some(self, parts: set[str]) -> Row:
        found: Row = {}
        if "models" in parts:
            found["models"] = models_in(self._names)
            found["devices"] = devices_of(found["models"])
        if "endpoints" in parts:
            found["endpoints"] = self._endpoints.rows
        if "memory" in parts:
            found["memory"] = memory()
        return found

    def _rows(self, names: Any) -> list[Row]:  # noqa: ANN401 - any collection of names
        """Return the rows of runs of this kernel, the newest first."""
        rows = []
        for name in [each for each in reversed(self._runs) if each in names]:
            try:
                run = run_named(name)
            except MaasError:  # nobody holds it any more; its record is still there
                self._runs.pop(name, None)
                self._touch("", "all")
                continue
            row = run_row(run)
            words = {"reason": translated(row["reason"]), "alarm": translated(self._alarm(run))}
            rows.append({**row, **words, "in_cell": name in self._in_cell})
        return rows

    def _alarm(self, run: Run) -> str:
        """Return what is seriously wrong with a run that has ended, in words; else nothing."""
        if run.status in ("running", "paused"):
            return ""
        if run.name not in self._alarms:
            found = [each for each in findings(run) if each.severity == "bad"]
            self._alarms[run.name] = f"{found[0].title}. {found[0].words}" if found else ""
        return self._alarms[run.name]


class _Attached:
    """Hold what connects a kernel's shell with its sidebar."""

    def __init__(self) -> None:
        self.shell: Any = None
        self.sidebar: Sidebar | None = None
        self.comm: Any = None
        self.leave: Callable[[], None] | None = None


_attached = _Attached()


def attach(shell: Any) -> None:  # noqa: ANN401 - an InteractiveShell
    """Offer the sidebar to the pages of a kernel; a second call, or no kernel, changes nothing."""
    if getattr(shell, "kernel", None) is None or _attached.shell is shell:
        return
    from comm import create_comm, get_comm_manager  # noqa: PLC0415 - comes with a kernel

    detach()
    # Not opened, only registered: whoever looks for it finds it.
    comm: Any = create_comm(target_name=COMM, comm_id=COMM, primary=False)
    keep_replies_off_the_main_thread(comm)
    get_comm_manager().register_comm(comm)
    sidebar = Sidebar(
        shell.user_ns, lambda frame: comm.send(frame.content, buffers=list(frame.buffers))
    )
    comm.on_msg(lambda message: sidebar.hear(message["content"].get("data")))
    shell.events.register("post_run_cell", sidebar.cell_ended)
    _attached.leave = observe(sidebar.watch)
    _attached.shell, _attached.sidebar, _attached.comm = shell, sidebar, comm


def detach() -> None:
    """Take the sidebar away again."""
    if _attached.sidebar is None:
        return
    _attached.sidebar.close()
    with contextlib.suppress(ValueError):
        _attached.shell.events.unregister("post_run_cell", _attached.sidebar.cell_ended)
    if _attached.leave is not None:
        _attached.leave()
    _attached.comm.close()
    _attached.shell = _attached.sidebar = _attached.comm = _attached.leave = None
