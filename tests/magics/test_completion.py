"""What the Tab key offers on a `%maas` line."""

import pytest


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
    assert complete("%maas ")[:3] == ["%maas data", "%maas build", "%maas train"]


def test_python_completes_as_before(complete):
    assert "digits.train" in complete("digits.tra")
