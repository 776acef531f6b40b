"""The progress of a run in a real kernel: one output that changes in place."""

import pytest

UPDATE = "update_display_data"


def _ends(message):
    return message["msg_type"] == UPDATE and "image/png" in message["content"]["data"]


def test_progress_is_one_output_that_is_updated_in_place(kernel):
    ran = kernel.run("%maas train net digits --epochs 60")
    (first,) = ran.of("display_data")
    updates = ran.of(UPDATE)
    assert {each["transient"]["display_id"] for each in updates} == {
        first["transient"]["display_id"]
    }
    assert len(updates) >= 2
    assert ran.of("stream", "execute_result") == []


def test_the_line_of_progress_says_where_the_run_is(kernel):
    ran = kernel.run("%maas train net digits --epochs 60")
    line = ran.of(UPDATE)[0]["data"]["text/plain"]
    assert "\n" not in line
    for words in ("░  epoch ", "/60  step ", "/2,700  loss "):
        assert words in line


def test_at_the_end_the_output_is_a_picture_with_its_twin(kernel):
    last = kernel.run("%maas train net digits --epochs 2").of(UPDATE)[-1]["data"]
    assert last["text/plain"].startswith("Run on digits (torch): finished, 2 epochs, 90 steps")
    assert set(last) == {"text/plain", "image/png"}


def test_a_run_of_an_earlier_cell_is_shown_again_when_asked_for(kernel):
    kernel.run("%maas train net digits --epochs 1")
    (shown,) = kernel.run("run").of("execute_result")
    assert set(shown["data"]) == {"text/plain", "image/png"}


def test_a_background_run_ends_in_the_output_of_its_own_cell(kernel):
    kernel.run("%maas train net digits --epochs 40 --bg")
    ran = kernel.run("run.wait(); 1", until=_ends)
    (last,) = [each for each in ran.messages if _ends(each)]
    assert not last["mine"]


def test_a_background_run_has_one_output_in_its_cell(kernel):
    ran = kernel.run("%maas train net digits --epochs 2 --bg")
    kernel.run("run.wait()")
    assert len(ran.of("display_data", "execute_result")) == 1


def test_training_in_plain_python_shows_its_progress_too(kernels):
    kernel = kernels()
    kernel.run("import maasnb as mb\nd = mb.data('digits')\nnet = mb.build([mb.Dense(10)], data=d)")
    ran = kernel.run("run = mb.train(net, d, epochs=2)")
    assert len(ran.of("display_data")) == 1
    assert "image/png" in ran.of(UPDATE)[-1]["data"]


@pytest.fixture(scope="module")
def still(kernels):
    """Return a kernel that is asked for static panels."""
    kernel = kernels(MAASNB_PANEL="static")
    kernel.run("%load_ext maasnb")
    kernel.run("%maas data digits")
    return kernel


def test_a_static_panel_is_one_final_display(still):
    still.run("%%maas build net\nDense(10)")
    ran = still.run("%maas train net digits --epochs 2")
    (message,) = ran.messages
    assert message["msg_type"] == "display_data"
    assert set(message["content"]["data"]) == {"text/plain", "image/png"}


def test_the_same_seed_gives_the_same_text(still):
    texts = []
    for _ in range(2):
        still.run("%%maas build net --seed 1\nDense(10)")
        ran = still.run("%maas train net digits --epochs 2")
        texts.append(ran.of("display_data")[0]["data"]["text/plain"])
    assert texts[0] == texts[1]


def test_a_run_that_fails_shows_its_picture_and_one_error(still):
    still.run('%%maas build net\nDense(16, "relu")\nDense(10)')
    ran = still.run("%maas train net digits --optimizer sgd --lr 1e9")
    assert [each["msg_type"] for each in ran.messages] == ["display_data", "error"]


def test_an_interrupt_of_the_kernel_stops_the_run_gracefully(kernel):
    def interrupt(message):
        if message["msg_type"] != "update_display_data":
            return False
        kernel.interrupt()
        return True

    ran = kernel.run("%maas train net digits --epochs 100000", until=interrupt)
    assert ran.reply["status"] == "ok"
    assert ran.of("error") == []
    assert kernel.run("print(run.status, run.stop_reason)").text == "stopped interrupted\n"
    assert "image/png" in ran.of("update_display_data")[-1]["data"]
