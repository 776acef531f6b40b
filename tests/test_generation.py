"""Sampling, against the warpers of transformers and NumPy's own choice; and writing by a model."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maasnb.datasets.text import Chars
from maasnb.errors import DataError, OptionError
from maasnb.generation import Sampling, Stream, draw, generate_text, next_token_of, sharpened
from maasnb.runtimes.served import load
from tests.text_runs import text_artifact, text_run

TEXT = Chars(8).learn("abc\n")  # tokens: 0 unknown, 1 newline, 2 a, 3 b, 4 c


def some_probabilities(seed, size=50):
    return np.random.default_rng(seed).dirichlet(np.full(size, 0.3))


def warped_by_transformers(probabilities, temperature, top_k, top_p):
    """Return the same by the library that most text generators use."""
    import torch
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    scores = torch.log(torch.tensor(probabilities, dtype=torch.float64))[None]
    scores = TemperatureLogitsWarper(float(temperature))(None, scores)
    if top_k:
        scores = TopKLogitsWarper(top_k)(None, scores)
    if top_p < 1:
        scores = TopPLogitsWarper(top_p)(None, scores)
    return torch.softmax(scores, dim=-1)[0].numpy()


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
@pytest.mark.parametrize(("top_k", "top_p"), [(None, 1.0), (5, 1.0), (None, 0.7), (9, 0.35)])
def test_the_probabilities_are_those_of_transformers(seed, temperature, top_k, top_p):
    given = some_probabilities(seed)
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p)
    expected = warped_by_transformers(given, temperature, top_k, top_p)
    np.testing.assert_allclose(sharpened(given, sampling), expected, atol=1e-12)


@given(st.integers(0, 2**32), st.floats(0.1, 3), st.integers(1, 60), st.floats(0, 1))
def test_something_can_always_be_drawn(seed, temperature, top_k, top_p):
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p)
    found = sharpened(some_probabilities(seed), sampling)
    assert found.sum() == pytest.approx(1)
    assert 1 <= np.count_nonzero(found) <= top_k


@pytest.mark.parametrize("seed", range(20))
def test_a_token_is_drawn_as_numpy_does(seed):
    probabilities = some_probabilities(seed)
    uniform = np.random.Generator(np.random.PCG64(seed)).random()
    chosen = np.random.Generator(np.random.PCG64(seed)).choice(50, p=probabilities)
    assert draw(probabilities, uniform) == chosen


def test_a_token_without_probability_is_never_drawn():
    assert draw(np.array([0.0, 0.5, 0.5, 0.0]), 0.0) == 1
    assert draw(np.array([0.0, 0.5, 0.5, 0.0]), np.nextafter(1, 0)) == 2


def test_temperature_0_takes_the_most_probable_and_of_equal_ones_the_first():
    found = sharpened(np.array([0.1, 0.4, 0.1, 0.4]), Sampling(temperature=0))
    assert found.tolist() == [0, 1, 0, 0]


def test_a_tiny_temperature_is_as_good_as_none():
    tiny = Sampling(temperature=5e-324)
    with np.errstate(all="raise", under="ignore", divide="ignore"):
        found = sharpened(np.array([0.1, 0.5, 0.0, 0.4]), tiny)
    assert found.tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize("wrong", [[np.nan, 1], [-0.1, 1.1], [0, 0], [np.inf, 1]])
def test_what_are_no_probabilities_is_refused(wrong):
    with pytest.raises(DataError, match="NaN or no probabilities"):
        sharpened(np.array(wrong), Sampling())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"temperature": -1}, "temperature=-1 cannot be used; expected a number from 0 to 100"),
        ({"temperature": float("nan")}, "temperature=nan"),
        ({"temperature": True}, "temperature=True"),
        ({"top_p": 1.5}, "top_p=1.5 cannot be used; expected a number from 0 to 1"),
        ({"top_k": 0}, "top_k=0 cannot be used; expected a whole number from 1"),
        ({"max_tokens": 0}, "max_tokens=0"),
        ({"max_tokens": 10**9}, "max_tokens=1000000000"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": 1.5}, "seed=1.5"),
        ({"stop": ("",)}, "stop=.*expected up to 16 texts"),
        ({"stop": ("x",) * 17}, "stop="),
        ({"stop": 7}, "stop=7"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused(options, words):
    with pytest.raises(OptionError, match=words):
        Sampling(**options)


def saying(text):
    """Return a model that is sure of each next character of a text, whatever came before."""
    tokens = iter(TEXT.encode(text))

    def next_token(_):
        probabilities = np.zeros(len(TEXT.vocabulary))
        probabilities[next(tokens)] = 1
        return probabilities

    return next_token


def pieces(text, **options):
    return list(generate_text(saying(text), TEXT, "a", Sampling(**options)))


def test_a_piece_comes_for_each_token_and_the_last_says_why_it_ends():
    found = pieces("bca", max_tokens=3)
    assert [(each.text, each.tokens, each.finish) for each in found] == [
        ("b", 1, None),
        ("c", 2, None),
        ("a", 3, "length"),
    ]


def test_a_stop_ends_the_text_before_it_and_its_beginning_is_held_back():
    found = pieces("abacabcc", max_tokens=8, stop=("abc", "cb"))
    assert [each.text for each in found] == ["", "", "ab", "a", "c", "", ""]
    assert (found[-1].tokens, found[-1].finish) == (7, "stop")


def test_the_first_of_several_stops_counts():
    (*_, last) = pieces("abc", max_tokens=9, stop=("bc", "abc"))
    assert (last.text, last.finish) == ("", "stop")


def test_what_was_held_back_comes_at_the_end():
    assert "".join(each.text for each in pieces("cab", max_tokens=3, stop=("abc",))) == "cab"


@given(st.text(alphabet="abc\n", min_size=1, max_size=30), st.text(alphabet="abc\n", min_size=1))
def test_a_stop_cuts_where_python_finds_it(text, stop):
    found = pieces(text, max_tokens=len(text), stop=(stop,))
    assert "".join(each.text for each in found) == text.split(stop)[0]


def test_the_unknown_token_is_never_drawn():
    def unsure(_):
        return np.array([0.9, 0.025, 0.025, 0.025, 0.025])

    read = Stream(generate_text(unsure, TEXT, "?", Sampling(max_tokens=50, seed=1))).read()
    assert set(read) <= set("abc\n")
    assert len(read) == 50


def test_a_model_sees_the_end_of_what_does_not_fit_and_an_empty_prompt_begins_a_line():
    seen = []

    def predict(window):
        seen.append(window[0].tolist())
        return np.full((1, 3, 5), 0.2)

    next_token = next_token_of(predict, 3)
    list(generate_text(next_token, TEXT, "", Sampling(max_tokens=4, seed=0)))
    assert seen[0] == [1, 0, 0]
    assert seen[1][0] == 1
    assert seen[3][:2] == seen[2][1:]


def written(predict, text, prompt="the c", **options):
    next_token = next_token_of(predict, text.length)
    return Stream(generate_text(next_token, text, prompt, Sampling(**options))).read()


OPTIONS = [
    {"temperature": 0},
    {"seed": 1, "temperature": 1.5},
    {"seed": 2, "top_k": 3, "temperature": 2.0},
    {"seed": 3, "top_p": 0.9, "temperature": 2.0},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_the_exported_program_writes_what_the_notebook_writes(backend, options):
    run, artifact = text_run(backend.name), text_artifact(backend.name)
    served = load(artifact.manifest, artifact.blobs)
    text = artifact.manifest.recipe.text

    def in_notebook(tokens):
        return run.backend.predict(run.model, run.task, tokens)

    expected = written(in_notebook, run.data.recipe.text, max_tokens=100, **options)
    assert written(served.session.run, text, max_tokens=100, **options) == expected
    assert len(expected) == 100


@pytest.mark.parametrize("options", OPTIONS)
def test_a_model_writes_what_a_plain_loop_over_it_writes(backend, options):
    run = text_run(backend.name)
    text = run.data.recipe.text
    step = next_token_of(lambda x: run.backend.predict(run.model, run.task, x), text.length)
    read = Stream(generate_text(step, text, "the c", Sampling(max_tokens=30, **options))).read()
    assert read == by_hand(run, "the c", 30, **options)


def by_hand(run, prompt, count, *, temperature=1.0, top_k=None, top_p=1.0, seed=0):
    """Write with the native model itself, transformers' warpers and NumPy's choice."""
    vocabulary, length = run.data.recipe.text.vocabulary, run.data.recipe.text.length
    generator, text = np.random.Generator(np.random.PCG64(seed)), prompt
    for _ in range(count):
        tokens = [vocabulary.index(letter) for letter in text[-length:]]
        logits = np.asarray(native(run, tokens), np.float64)
        logits[0] = -np.inf
        probabilities = np.exp(logits - logits.max())
        if temperature == 0:
            text += vocabulary[int(probabilities.argmax())]
            continue
        with np.errstate(divide="ignore"):
            probabilities = warped_by_transformers(probabilities, temperature, top_k, top_p)
        text += vocabulary[generator.choice(len(vocabulary), p=probabilities)]
    return text[len(prompt) :]


def native(run, tokens):
    """Return what the model itself says of the token after these, without any padding."""
    if run.backend.name == "torch":
        import torch

        with torch.no_grad():
            return run.model(torch.tensor([tokens]))[0, -1].numpy()
    import jax.numpy as jnp

    return run.model(jnp.array([tokens]))[0, -1]


def test_what_was_learnt_is_written():
    run = text_run("torch")
    predict = lambda x: run.backend.predict(run.model, run.task, x)
    read = written(predict, run.data.recipe.text, "the cat sat on t", temperature=0, max_tokens=8)
    assert (read, read.tokens, read.finish) == ("he mat: ", 8, "length")
