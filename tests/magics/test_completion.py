"""What the Tab key offers on a `%maas` line."""

import pytest

from maasnb.serve.embedded import stop_server


@pytest.fixture
def complete(notebook):
    """Return what IPython's own completer offers at the end of a cell."""

    def offers(cell):
        from IPython.core.completer import provisionalcompleter

        with provisionalcompleter():
            found = list(notebook.shell.Completer.completions(cell, len(cell)))
        return [cell[: each.start] + each.text for each in found]

    notebook.run("%maas data digits")
    notebook.run("%%maas build net\nDense(4)")
    notebook.shell.user_ns["half_rate"] = 0.0005
    return offers


@pytest.mark.parametrize(
    ("written", "offered"),
    [
        ("%maas tr", ["%maas train"]),
        ("x = %maas tr", ["x = %maas train"]),
        ("%%maas buil", ["%%maas build"]),
        ("%maas data di", ["%maas data digits", "%maas data diabetes"]),
        ("%maas train ", ["%maas train net"]),
        ("%maas train net d", ["%maas train net digits"]),
        ("%maas train net digits --ep", ["%maas train net digits --epochs"]),
        (
            "%maas train net digits --optimizer ad",
            ["%maas train net digits --optimizer adam", "%maas train net digits --optimizer adamw"],
        ),
        ("%maas train net digits --loss=ms", ["%maas train net digits --loss=mse"]),
        (
            "%%maas build net --backend ",
            ["%%maas build net --backend jax", "%%maas build net --backend torch"],
        ),
        ("%%maas build net --data ", ["%%maas build net --data digits"]),
        ("%%maas build net\nDen", ["%%maas build net\nDense"]),
        ("%%maas build net\nResidual([Layer", ["%%maas build net\nResidual([LayerNorm"]),
        (
            "%%maas build net\nParallel([Dense(4)], [Dense(4), Transf",
            ["%%maas build net\nParallel([Dense(4)], [Dense(4), Transformer"],
        ),
        ("%%maas build net\nResidual([Dense(Emb", []),
        ('%%maas build net\nDense(4, "rel', ['%%maas build net\nDense(4, "relu']),
        ("%maas train net digits --schedule li", ["%maas train net digits --schedule linear"]),
        (
            "%maas train net digits --schedule ",
            [
                f"%maas train net digits --schedule {each}"
                for each in ("constant", "cosine", "linear", "onecycle")
            ],
        ),
        ("%maas train net digits --schedule half", ["%maas train net digits --schedule half_rate"]),
        ("%maas inspect net su", ["%maas inspect net summary"]),
        ("%maas train net digits --lr half", ["%maas train net digits --lr half_rate"]),
        ("%maas train net digits --device c", ["%maas train net digits --device cpu"]),
        ("%maas compare --metric los", ["%maas compare --metric loss"]),
        ("%maas publish net digits --alias pr", ["%maas publish net digits --alias prod"]),
        ("%maas his", ["%maas history"]),
    ],
)
def test_tab_offers_what_fits(complete, written, offered):
    assert sorted(complete(written)) == sorted(offered)


def test_an_option_is_offered_once(complete):
    assert not [
        each
        for each in complete("%maas train net digits --epochs 3 --")
        if "--epochs 3 --epochs" in each
    ]


def test_all_verbs_are_offered_in_the_order_in_which_a_model_is_made(complete):
    offered = complete("%maas ")[:4]
    assert offered == ["%maas data", "%maas windows", "%maas build", "%maas train"]


def test_python_completes_as_before(complete):
    assert "digits.train" in complete("digits.tra")


@pytest.fixture
def trained(notebook, workspace):
    """Yield a run of the notebook that is published as a model with two versions."""
    notebook.run("%maas data digits")
    notebook.run("%%maas build net\nDense(10)")
    notebook.run("%maas train net digits --epochs 1 --name first-try")
    notebook.run("%maas publish run readers --alias prod")
    notebook.run("%maas train net digits --epochs 1 --name second-try")
    notebook.run("%maas publish run readers")
    yield
    stop_server(workspace)


def test_the_workspace_s_names_are_offered(trained, complete):
    assert complete("%maas panel f") == ["%maas panel first-try"]
    assert complete("%maas train net digits --resume s") == [
        "%maas train net digits --resume second-try"
    ]
    assert complete("%maas show f") == ["%maas show first-try"]
    assert complete("%maas compare first-try se") == ["%maas compare first-try second-try"]
    assert complete("%maas pause second-") == ["%maas pause second-try"]
    assert complete("%maas connect re") == ["%maas connect readers"]
    assert complete("%maas promote readers ") == [
        f"%maas promote readers {each}" for each in ("2", "1", "prod")
    ]
    assert complete("%maas promote endpoint ") == [
        f"%maas promote endpoint {each}" for each in ("2", "1", "prod")
    ]
    assert complete("%maas connect readers --version p") == ["%maas connect readers --version prod"]
    steps = complete("%maas fork second-try --step ")
    assert steps[:1] == ["%maas fork second-try --step 45"]


def test_a_workspace_that_is_not_there_offers_nothing(complete, monkeypatch, tmp_path):
    monkeypatch.setenv("MAASNB_HOME", str(tmp_path / "none"))
    assert complete("%maas panel zzz") == []
    assert complete("%maas connect zzz") == []
    assert not (tmp_path / "none").exists()


def test_a_store_far_away_is_not_asked(complete, monkeypatch):
    monkeypatch.setenv("MAASNB_STORE", "s3://bucket/prefix")
    assert complete("%maas connect zzz") == []


def test_the_columns_of_a_table_are_offered_as_targets(complete, notebook):
    notebook.shell.user_ns["people"] = {"age": [1, 2], "has car": [0, 1]}
    assert complete("%maas data people a") == ["%maas data people age"]
    assert complete("%maas data people 'h") == ["%maas data people 'has car'"]


def test_a_path_with_a_space_stays_one_word(complete, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my data").mkdir()
    (tmp_path / "my data" / "old people.csv").touch()
    assert complete("%maas load my") == [r"%maas load my\ data/"]
    whole = r"%maas data my\ data/old\ people.csv"
    assert complete(r"%maas data my\ data/ol") == [whole]


def test_files_are_offered_where_one_is_taken(complete, monkeypatch, tmp_path):
    (tmp_path / "models" / "reader").mkdir(parents=True)
    (tmp_path / "models" / "readme.txt").write_text("")
    (tmp_path / "table.csv").write_text("")
    monkeypatch.chdir(tmp_path)
    assert complete("%maas load mo") == ["%maas load models/"]
    assert complete("%maas load models/rea") == [
        "%maas load models/reader/",
        "%maas load models/readme.txt",
    ]
    assert complete("%maas data ./ta") == ["%maas data ./table.csv"]
