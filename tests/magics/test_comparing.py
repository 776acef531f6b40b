"""`%maas compare` takes any number of runs."""

import pytest

from tests.cells import opened
from tests.training.steered import network, small_data


@pytest.fixture
def cells(backend):
    with opened() as cells:
        data = small_data()
        cells.names.update(mb=__import__("maasnb"), net=network(backend, data), small=data)
        cells.run("%maas train net small --epochs 1 --name first")
        cells.run("other = mb.train(net, small, epochs=1, name='second')")
        yield cells


@pytest.mark.parametrize(
    "words", ["run other", "first second", "run second", "", "--runs first run"]
)
def test_runs_are_variables_or_names(cells, words):
    report = cells.run(f"%maas compare {words}")
    names = {row[0] for row in report.rows}
    assert names <= {"first", "second"}
    assert cells.names["comparison"] is report


def test_show_prints_the_line_of_python(cells, capsys):
    from maasnb.magics.calling import prepare
    from maasnb.magics.parsing import parse_words
    from maasnb.magics.verbs import verb_named

    verb = verb_named("compare")
    line = parse_words(verb, ["run", "second", "--metric", "loss"])
    source = prepare(verb, line, None, cells.names).source
    assert source == 'comparison = mb.compare(run, "second", metric="loss")'
