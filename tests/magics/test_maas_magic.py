"""`%maas` in a real IPython shell."""

import numpy as np
import pytest

from maasnb.errors import MaasError, OptionError, TrainingError, UnknownNameError

BUILD = '%%maas build net\nDense(16, "relu")\nDense(10)'


def test_a_data_set_is_bound_under_its_own_name(notebook):
    notebook.run("%maas data digits")
    assert notebook["digits"].name == "digits"


def test_a_data_set_can_be_loaded_twice_in_one_notebook(notebook):
    notebook.run("%maas data digits")
    result, _ = notebook.run("%maas data digits --seed 1")
    assert result.success
    assert notebook["digits"].seed == 1


def test_arrays_of_the_notebook_are_taken_by_their_names(notebook):
    notebook.shell.user_ns.update(inputs=np.eye(40), targets=np.arange(40) % 2)
    notebook.run("%maas data inputs targets --split 0.5,0.25,0.25 --as mine")
    assert len(notebook["mine"].train) == 20


@pytest.fixture
def people(notebook, monkeypatch, tmp_path):
    """Return rows of a table, which also lie in a file whose name has a space."""
    monkeypatch.chdir(tmp_path)
    ages, cars = list(range(20, 60)), ["yes", "no"] * 20
    rows = [f"{age},{age % 7},{car}\n" for age, car in zip(ages, cars, strict=True)]
    text = "age,rooms,has car\n" + "".join(rows)
    (tmp_path / "my people.csv").write_text(text)
    (tmp_path / "people.csv").write_text(text)
    return {"age": ages, "rooms": [age % 7 for age in ages], "has car": cars}


@pytest.mark.parametrize(
    "line", ["people.csv 'has car'", '"my people.csv" "has car"', "my\\ people.csv has\\ car"]
)
def test_a_csv_file_is_taken_by_its_path_and_its_column_by_name(notebook, people, line):
    result, text = notebook.run(f"%maas data {line}")
    assert result.success, text
    assert notebook["data"].labels == ("no", "yes")
    assert notebook["data"].features == ("age", "rooms")


def test_a_column_of_a_table_is_a_word(notebook, people):
    notebook.shell.user_ns["people"] = people
    result, text = notebook.run("%maas data people 'has car' --as cars")
    assert result.success, text
    assert notebook["cars"].features == ("age", "rooms")
    # A variable of that name does not stand in the way of a file.
    assert notebook.run("%maas data people.csv rooms")[0].success


def test_a_column_that_is_not_there_and_a_file_that_is_not_there_are_named(notebook, people):
    notebook.shell.user_ns["people"] = people
    assert (
        "no column 'car'; expected one of 'age', 'rooms'"
        in notebook.run("%maas data people car")[1]
    )
    assert "'persons.csv' cannot be read" in notebook.run("%maas data persons.csv age")[1]
    assert "no folder 'photos/'" in notebook.run("%maas data photos/")[1]
    notebook.shell.user_ns["x"] = np.zeros((3, 2))
    assert "no variable 'car'" in notebook.run("%maas data x car")[1]


def test_a_recipe_can_be_written_on_the_line(notebook, people):
    steps = "'[mb.clean(), mb.standardize([\"age\"]), mb.one_hot()]'"
    line = f"%maas data people.csv 'has car' --prep {steps}"
    result, text = notebook.run(line)
    assert result.success, text
    assert [step.kind for step in notebook["data"].recipe.steps] == [
        "table",
        "standardize",
        "one_hot",
    ]
    _, python = notebook.run(f"{line} --show")
    assert python == (
        'data = mb.data("people.csv", "has car", '
        'prep=[mb.clean(), mb.standardize(["age"]), mb.one_hot()])\n'
    )


def test_a_magic_can_stand_on_the_right_of_an_assignment(notebook):
    notebook.run("mine = %maas data digits")
    assert notebook["mine"].name == "digits"


def test_a_cell_builds_a_model_and_names_the_data_that_it_used(notebook):
    notebook.run("%maas data digits")
    _, text = notebook.run(BUILD)
    assert "The inputs are those of digits." in text
    assert len(list(notebook["net"].parameters())) == 4


def test_a_cell_with_an_input_line_uses_no_data(notebook):
    _, text = notebook.run('%%maas build net --show\nInput(5)\nDense(16, "relu")')
    assert text == 'net = mb.build([mb.Input((5,)), mb.Dense(16, "relu")])\n'


def test_several_data_sets_are_not_guessed_between(notebook):
    notebook.run("%maas data digits\n%maas data diabetes")
    result, _ = notebook.run(BUILD)
    with pytest.raises(OptionError, match="several data sets: diabetes, digits"):
        result.raise_error()


def test_two_names_of_one_data_set_are_one(notebook):
    notebook.run("%maas data digits\nsame = digits")
    result, _ = notebook.run(BUILD)
    assert result.success


def test_build_without_a_body_says_how_it_is_written(notebook):
    result, _ = notebook.run("%maas build net")
    with pytest.raises(OptionError, match=r"%%maas build net\nDense\(64"):
        result.raise_error()


def test_a_body_below_another_verb_is_refused(notebook):
    result, _ = notebook.run("%%maas data digits\nDense(3)")
    with pytest.raises(OptionError, match="takes no lines below"):
        result.raise_error()


def test_training_binds_run_and_shows_its_twin(notebook):
    notebook.run("%maas data digits")
    notebook.run(BUILD)
    _, text = notebook.run("%maas train net digits --epochs 1")
    assert notebook["run"].status == "finished"
    assert "Run on digits (torch): finished, 1 epochs, 45 steps" in text


def test_a_run_that_failed_is_bound_before_the_error_shows(notebook):
    notebook.run("%maas data digits")
    notebook.run(BUILD)
    result, text = notebook.run("%maas train net digits --optimizer sgd --lr 1e9")
    with pytest.raises(TrainingError):
        result.raise_error()
    assert notebook["run"].status == "diverged"
    assert text.startswith("DivergedError: The loss became")
    assert "Traceback" not in text


def test_a_report_is_bound_and_shown(notebook):
    notebook.run("%maas data digits")
    notebook.run(BUILD)
    notebook.run("%maas train net digits --epochs 1")
    notebook.run("%maas evaluate run digits.validation")
    assert notebook["report"].kind == "evaluation"


@pytest.mark.parametrize(
    ("line", "python"),
    [
        ("data digits", 'digits = mb.data("digits")'),
        ("data digits --split 0.7,0.2,0.1 --as d", 'd = mb.data("digits", split=(0.7, 0.2, 0.1))'),
        ("data digits --kind regression", 'digits = mb.data("digits", kind="regression")'),
        ("train net x --epochs 3 --lr 1e-2", "run = mb.train(net, x, epochs=3, lr=1e-2)"),
        ("train net x --lr rate", "run = mb.train(net, x, lr=rate)"),
        ("train net x --bg", "run = mb.train(net, x, wait=False)"),
        ("inspect net summary", 'report = mb.inspect(net, "summary")'),
        ("publish net digits", 'endpoint = mb.publish(net, "digits")'),
        ("publish net --name digits", 'endpoint = mb.publish(net, "digits")'),
        ('connect "two words"', 'endpoint = mb.connect("two words")'),
        ("connect x --version 2", 'endpoint = mb.connect("x", version=2)'),
        ("predict net x[:2]", 'mb.predict("net", x[:2])'),
        ("runs", "mb.runs()"),
        ("generate net --stop ,", 'mb.generate("net", stop=[","])'),
        ("generate net --stop '[\"\\n\"]'", 'mb.generate("net", stop=["\\n"])'),
        ("generate net --stop [", 'mb.generate("net", stop=["["])'),
        ("generate net --stop 'a b,c'", 'mb.generate("net", stop=["a b", "c"])'),
    ],
)
def test_show_prints_the_python_that_a_line_stands_for(notebook, line, python):
    notebook.shell.user_ns.update(net=object(), x=np.zeros((3, 2)), rate=0.5)
    _, text = notebook.run(f"%maas {line} --show")
    assert text == python + "\n"


def test_a_text_is_a_word_for_a_model_that_reads_texts(notebook):
    notebook.run("%maas data sentiment_en --as toy")
    notebook.run("%%maas build net --data toy\nDense(2)")
    notebook.run("%maas train net toy --epochs 1")
    _, python = notebook.run('%maas predict run "a good film" --show')
    assert python == 'mb.predict(run, "a good film")\n'
    _, text = notebook.run("%maas predict run good")
    assert "array([[" in text
    notebook.run("%maas data digits")
    notebook.run("%%maas build other --data digits\nDense(10)")
    notebook.run("%maas train other digits --epochs 1 --as plain")
    assert "There is no variable 'good'" in notebook.run("%maas predict plain good")[1]


def test_what_show_prints_can_be_run(notebook):
    notebook.run("import maasnb as mb")
    _, line = notebook.run("%maas data digits --seed 3 --show")
    notebook.run(line)
    assert notebook["digits"].seed == 3


@pytest.mark.parametrize(
    ("line", "kind", "words"),
    [
        ("trian net digits", UnknownNameError, "no verb 'trian'. Did you mean 'train'?"),
        ("data digit", UnknownNameError, "no data set or variable 'digit'. Did you mean 'digits'?"),
        ("train nett digits", UnknownNameError, "no model 'nett'. Did you mean 'net'?"),
        ("train net digit", UnknownNameError, "no data 'digit'. Did you mean 'digits'?"),
        ("train net digits --epoch 3", UnknownNameError, "Did you mean '--epochs'?"),
        (
            "train net digits --epochs ten",
            OptionError,
            "expected a whole number. Type: --epochs 10",
        ),
        ("train net digits --epochs", OptionError, "--epochs: needs a value"),
        ("train net digits --optimizer adma", UnknownNameError, "Did you mean 'adam'?"),
        ("train net", OptionError, "train needs data. Type: %maas train model data"),
        ("train", OptionError, "train needs model and data."),
        ("train net digits more", OptionError, "more than it takes: 'more'"),
        ("data digits --as 2x", OptionError, "'2x' cannot be the name of a variable"),
        ("data digits --split a,b", OptionError, "expected numbers with commas"),
        ("data 'digits", OptionError, "Close the quote"),
        ("evaluate net digits.tset", OptionError, "no attribute 'tset'"),
    ],
)
def test_a_mistake_is_one_clean_message(notebook, line, kind, words):
    notebook.run("%maas data digits")
    notebook.run(BUILD)
    result, text = notebook.run(f"%maas {line}")
    with pytest.raises(kind):
        result.raise_error()
    assert words in text
    assert text.startswith(f"{kind.__name__}: ")
    assert "Traceback" not in text
    assert "File" not in text


def test_the_notebook_goes_on_after_a_mistake(notebook):
    notebook.run("%maas trian")
    result, _ = notebook.run("%maas data digits")
    assert result.success


def test_a_mistake_can_be_caught_by_its_class(notebook):
    notebook.shell.user_ns["MaasError"] = MaasError
    cell = "try:\n    %maas trian\nexcept MaasError as error:\n    caught = str(error)"
    notebook.run(cell)
    assert "no verb 'trian'" in notebook["caught"]


def test_the_magic_s_help_lists_every_verb(notebook):
    from maasnb.magics.verbs import VERBS

    _, text = notebook.run("%maas --help")
    assert all(f"  {name} " in text for name in VERBS)


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_tells_every_option_and_default_of_a_verb(notebook, flag):
    _, text = notebook.run(f"%maas train {flag}")
    assert text.startswith("%maas train model data [options]\n")
    assert "--epochs NUMBER" in text
    assert "Default: 10." in text
    assert "--bg" in text


def test_loading_twice_is_the_same_as_once(notebook):
    _, text = notebook.run("%reload_ext maasnb")
    matchers = notebook.shell.Completer.custom_matchers
    assert text == ""
    assert sum(each.matcher_identifier == "maasnb" for each in matchers) == 1


def test_unloading_takes_magic_and_completion_away(notebook):
    notebook.run("%unload_ext maasnb")
    assert "maas" not in notebook.shell.magics_manager.magics["line"]
    assert notebook.shell.Completer.custom_matchers == []
    notebook.run("%load_ext maasnb")
