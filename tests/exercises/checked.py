"""Asking the check of an exercise, as `%maas check` does."""

import importlib

import pytest

from maasnb.exercises.exercise import Wrong


def check(number, **names):
    """Check an exercise with the names of a notebook."""
    tutorial = importlib.import_module(f"maasnb.exercises.tutorial_{number[:2]}")
    tutorial.EXERCISES[number].check(names)


def refused(number, message, **names):
    """Expect an exercise to be refused with a message."""
    with pytest.raises(Wrong, match=message):
        check(number, **names)
