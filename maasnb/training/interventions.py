"""Interventions that are known beforehand: those of a run that is repeated, each at its step."""

from collections.abc import Iterable

from maasnb.events import Event, Intervened, Started
from maasnb.records.control import KNOBS, Command

__all__ = ["Schedule"]


class Schedule:
    """Give out the interventions of an earlier run, in their order, at their steps.

    Pauses, checkpoints and forks change no weight and are left out.
    """

    def __init__(self, events: Iterable[Event] = (), actions: Iterable[str] = ()) -> None:
        """Take an earlier run's events, and which actions of it are to be repeated."""
        wanted = set(actions)
        self._coming: list[Intervened] = []
        for event in events:
            if isinstance(event, Intervened) and event.action in wanted:
                self._coming.append(event)
            elif isinstance(event, Started):  # a stopped run went on
                self._coming = [each for each in self._coming if each.action != "stop"]
        self._returns = {
            int(event.value or 0) for event in self._coming if event.action == "rollback"
        }

    @classmethod
    def of_knobs(cls, events: Iterable[Event]) -> "Schedule":
        """Repeat what was set; nothing where the run went back, because then steps are not one."""
        events = list(events)
        back = any(isinstance(event, Intervened) and event.action == "rollback" for event in events)
        return cls(() if back else events, KNOBS)

    @classmethod
    def of_everything(cls, events: Iterable[Event]) -> "Schedule":
        """Repeat all that changes the weights."""
        return cls(events, (*KNOBS, "rollback", "stop"))

    def due(self, step: int) -> list[Command]:
        """Return what is to be done before the step after `step`, and forget it.

        A way back ends the list: what follows it belongs to another step.
        """
        commands: list[Command] = []
        while self._coming and self._coming[0].step == step:
            event = self._coming.pop(0)
            commands.append(Command(action=event.action, value=event.value, source="replay"))
            if event.action == "rollback":
                break
        return commands

    def is_returned_to(self, step: int) -> bool:
        """Say whether the run will go back to this step, so that its state must be kept."""
        return step in self._returns

    def left(self, step: int, most: int) -> int:
        """Return how many steps, of `most`, may be taken before something is to be done."""
        steps = [event.step for event in self._coming[:1]] + list(self._returns)
        return min([most, *(each - step for each in steps if each > step)])
