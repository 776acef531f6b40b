"""`%maas` alone says what can be done next with what is there."""

import pytest

from tests.training.steered import network, small_data


@pytest.fixture
def steps(notebook, workspace):
    """Return the lines that `%maas` offers, without what each does."""

    def offered():
        _, text = notebook.run("%maas")
        lines = text.split("\n\n")[0].splitlines()[1:]
        return [line.strip().split("  ")[0] for line in lines]

    return offered


def test_an_empty_notebook_begins_with_data(steps):
    assert steps() == ["%maas data digits", "%maas data x y"]


def test_data_asks_for_a_model_with_as_many_outputs_as_classes(notebook, steps):
    notebook.run("%maas data digits")
    assert steps() == ["%%maas build net --data digits", 'Dense(64, "relu")', "Dense(10)"]


def test_what_is_offered_can_be_run(notebook, steps):
    notebook.run("%maas data digits")
    result, _ = notebook.run("\n".join(steps()))
    assert result.success
    assert steps()[0] == "%maas train net digits"


def test_the_newest_of_several_is_spoken_of(notebook, steps):
    notebook.run("%maas data digits\n%maas data breast_cancer")
    notebook.run("%%maas build old --data breast_cancer\nDense(3)")
    notebook.run("%%maas build new --data breast_cancer\nDense(3)")
    assert steps()[0] == "%maas train new breast_cancer"


def test_a_run_that_ended_is_looked_at_and_published(notebook, steps, backend):
    data = small_data()
    notebook.shell.user_ns.update(small=data, net=network(backend, data))
    notebook.run("%maas train net small --epochs 1")
    lines = steps()
    assert "%maas inspect run" in lines
    assert f"%maas publish run {data.name}" in lines
    assert not [line for line in lines if line.startswith("%maas train")]


def test_the_magic_tells_where_all_verbs_are(notebook):
    _, text = notebook.run("%maas")
    assert text.endswith("Every verb: %maas --help. One of them: %maas train --help\n")
