"""The verb `generate`, from a run to an endpoint, in Python and as a magic."""

import contextlib
import io

import pytest

import maasnb as mb
from maasnb.errors import ModelError, OptionError
from maasnb.generation import Stream, Text
from maasnb.serve.embedded import stop_server
from tests.cells import opened
from tests.small_runs import small_run
from tests.text_runs import text_data, text_run

OPTIONS = {"max_tokens": 40, "seed": 3, "temperature": 1.5}


def test_a_run_an_endpoint_and_a_name_write_the_same(backend, workspace):
    run = text_run(backend.name)
    text = mb.generate(run, "the c", **OPTIONS)
    try:
        endpoint = mb.publish(run, "cats")
        assert mb.generate(endpoint, "the c", **OPTIONS) == text
        assert mb.generate("cats", "the c", **OPTIONS) == text
        assert mb.generate(mb.connect("cats"), "the c", **OPTIONS) == text
        assert mb.publish(run, "cats").version == 1
    finally:
        stop_server(workspace)
    assert isinstance(text, Text)
    assert (len(text), text.finish) == (40, "length")


@pytest.mark.coverage("F2")
def test_a_model_of_layers_learns_to_write(backend):
    data = text_data()
    known = len(data.labels)
    layers = [mb.Embed(known, 16), mb.LSTM(48, sequences=True), mb.Dense(known)]
    net = mb.build(layers, backend=backend.name, data=data)
    run = mb.train(net, data, epochs=6, lr=0.01, batch=16)
    text = mb.generate(run, "the cat", temperature=0, max_tokens=15)
    assert text == " sat on the mat"


def test_a_stream_yields_the_pieces_of_the_same_text():
    stream = mb.generate(text_run(), "the c", stream=True, **OPTIONS)
    assert isinstance(stream, Stream)
    assert "".join(stream) == mb.generate(text_run(), "the c", **OPTIONS)


def test_without_a_seed_two_texts_differ():
    wild = {"max_tokens": 60, "temperature": 50.0}
    assert mb.generate(text_run(), **wild) != mb.generate(text_run(), **wild)


def test_one_stop_may_be_given_as_it_is():
    text = mb.generate(text_run(), "the cat sat", stop="mat", temperature=0)
    assert (text, text.finish) == (" on the ", "stop")


def test_the_magic_shows_the_text_as_it_is_read():
    with opened() as cells:
        cells.names["run"] = text_run()
        found = cells.run('%maas generate run "the cat" --temperature 0 --max-tokens 30')
        shown = cells.shell.display_formatter.format(found)[0]["text/plain"]
    assert found == mb.generate(text_run(), "the cat", temperature=0, max_tokens=30) == shown
    assert "\n" in shown


def test_a_cell_shows_a_stream_while_it_is_written():
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        stream = mb.generate(text_run(), "the cat", stream=True, temperature=0, max_tokens=9)
        stream._ipython_display_()
    assert shown.getvalue() == " sat on t\n"


@pytest.mark.parametrize("source", [3, small_run()], ids=["number", "classifier"])
def test_what_cannot_write_is_refused(source):
    with pytest.raises(ModelError, match="cannot write; expected a run that was trained on text"):
        mb.generate(source, "the")


def test_a_prompt_that_is_no_text_is_refused():
    with pytest.raises(OptionError, match="The prompt is int object 3; expected a text"):
        mb.generate(text_run(), 3)
