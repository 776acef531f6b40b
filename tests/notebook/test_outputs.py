"""What notebooks print is compared with what is saved; where it cannot be, a cell says why."""

import configparser
import re

import pytest

from tests.notebook.tutorials import ARTICLES, FOLDER, NOTEBOOKS, name_of, read

REASONS = {
    "varies-close": "counts of a few examples, which rounding on another processor may turn",
    "varies-drawn": "text that a trained model draws: one other letter changes all that follow",
    "varies-speed": "how far a run is, which steps were measured, or what took how long",
}
"""Tag of a cell whose output is not compared -> why it must vary."""

RUN = """Run on digits (torch): finished, 8 epochs, 360 steps
  loss, first -> last epoch  {} -> 0.15
  validation loss            {}
  validation accuracy        0.98
  gradient norm, first -> last step
    first.weight  1.4 -> {}
    norm.bias     1.7e-08 -> 7.5e-09"""


def tags_of(cell):
    return set(cell.metadata.get("tags", ()))


@pytest.mark.parametrize("path", [*NOTEBOOKS, *ARTICLES], ids=name_of)
def test_a_cell_whose_output_is_not_compared_says_why(path):
    for place, cell in enumerate(read(path).cells):
        reasons, ignored = tags_of(cell) & set(REASONS), "nbval-ignore-output" in tags_of(cell)
        assert len(reasons) == ignored, f"cell {place} has {sorted(reasons)}"
        assert not tags_of(cell) & {"nbval-skip", "raises-exception"}


@pytest.mark.parametrize("path", [*NOTEBOOKS, *ARTICLES], ids=name_of)
def test_what_is_saved_is_of_one_run_from_top_to_bottom(path):
    counts = [cell.execution_count for cell in read(path).cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))


def sanitized(text):
    parser = configparser.ConfigParser()
    parser.read(FOLDER / "sanitize.cfg")
    for section in parser.sections():
        text = re.sub(parser[section]["regex"], parser[section]["replace"], text)
    return text


def test_numbers_of_a_training_are_not_compared_but_how_it_ended_is():
    one, other = (sanitized(RUN.format(*numbers)) for numbers in ((1.8, 0.19, 3), (1.9, 0.2, 4)))
    assert one == other
    assert one.startswith("Run on digits (torch): finished, 8 epochs, 360 steps\n  loss, first")
    assert sanitized(RUN.replace("finished", "stopped")) != sanitized(RUN)
