"""A run as a panel sees it, made of events alone."""

import itertools
from types import SimpleNamespace

from maasnb.events import Ended, Intervened, Measured, Stepped, Validated
from maasnb.panels.feed import Feed
from maasnb.records.history import History

NAMES = ("dense1.weight", "dense1.bias", "dense2.weight", "dense2.bias")
_numbers = itertools.count()


class Watched:
    """Hold a run's handle, its feed, and what one panel was told."""

    def __init__(self, tmp_path, **changes):
        fields = {
            "name": f"watched-{next(_numbers)}", "status": "running", "steps": 0,
            "total_steps": 100_000, "steps_per_epoch": 100, "epochs": 1000, "seconds": 1.0,
            "history": History(), "settings": {"lr": 0.001}, "origin": None,
            "task": SimpleNamespace(metrics=("accuracy",)), "folder": tmp_path,
            "data": SimpleNamespace(name="digits"), "backend": SimpleNamespace(name="torch"),
        }  # fmt: skip
        self.run = SimpleNamespace(**{**fields, **changes})
        self.feed = Feed(self.run)
        self.told = []

    def connect(self):
        self.feed.connect(self.told.append)
        self.feed.tell_all()
        return self

    def tell(self, event):
        self.run.history.add(event)
        self.run.steps = event.step
        self.feed.take(event, self.run)

    def step(self, losses, lr=0.001):
        step = self.run.steps + len(losses)
        self.tell(
            Stepped(step=step, time=0.0, losses=tuple(losses), lr=lr, samples=32, seconds=0.01)
        )

    def measure(self, norm=0.5, names=NAMES):
        values = dict.fromkeys(names, norm)
        self.tell(
            Measured(step=self.run.steps, time=0.0, gradient_norm=values, update_ratio=values)
        )

    def validate(self, **metrics):
        self.tell(Validated(step=self.run.steps, time=0.0, epoch=1, metrics=metrics))

    def intervene(self, action, value=None, source="button"):
        self.tell(
            Intervened(step=self.run.steps, time=0.0, action=action, value=value, source=source)
        )

    def end(self, status="finished", reason=""):
        self.run.status = status
        self.tell(Ended(step=self.run.steps, time=0.0, status=status, reason=reason))
