"""`%maas` in a real kernel, as a front end sees it."""


def test_loading_the_extension_prints_nothing(kernels):
    ran = kernels().run("%load_ext maasnb")
    assert ran.reply["status"] == "ok"
    assert ran.messages == []


def test_data_shows_as_html_and_text(kernel):
    (shown,) = kernel.run("%maas data digits").of("display_data")
    assert set(shown["data"]) == {"text/plain", "text/html"}


def test_a_mistake_is_one_error_without_a_traceback(kernel):
    ran = kernel.run("%maas trian net digits")
    (error,) = ran.of("error")
    assert error["ename"] == "UnknownNameError"
    assert error["evalue"].startswith("There is no verb 'trian'. Did you mean 'train'?")
    assert error["traceback"] == [
        f"UnknownNameError: {error['evalue']}",
        "  %maas trian net digits",
        "        ^^^^^",
    ]
    assert len(ran.messages) == 1


def test_a_mistake_stops_restart_and_run_all(kernel):
    assert kernel.run("%maas trian net digits").reply["status"] == "error"


def test_the_kernel_goes_on_after_a_mistake(kernel):
    kernel.run("%maas trian net digits")
    assert kernel.run("%maas runs").reply["status"] == "ok"


def test_completion_reaches_the_front_end(kernel):
    assert kernel.complete("%maas tr") == ["%maas train"]
    assert kernel.complete("%maas train net d") == ["%maas train net digits"]
    assert kernel.complete("%maas train net digits --bat") == ["%maas train net digits --batch"]
    assert kernel.complete("%%maas build net\nDro") == ["%%maas build net\nDropout"]


def test_completion_is_the_same_without_jedi(kernels):
    kernel = kernels()
    kernel.run("%load_ext maasnb\n%config IPCompleter.use_jedi = False\n%maas data digits")
    assert kernel.complete("%maas tr") == ["%maas train"]
    assert kernel.complete("%maas train net d") == ["%maas train net digits"]
    assert kernel.complete("%maas train net digits --schedule c") == [
        "%maas train net digits --schedule constant",
        "%maas train net digits --schedule cosine",
    ]


def test_inspection_reaches_the_front_end(kernel):
    assert kernel.inspect("%maas train").startswith("%maas train model data [options]")
    assert "how many passes" in kernel.inspect("%maas train net digits --epochs")
    assert kernel.inspect("%%maas build net\nDropout").startswith("Dropout(")


def test_inspection_of_python_is_as_before(kernel):
    assert "Return the number of items" in kernel.inspect("len")
    assert "Sequential" in kernel.inspect("%maas train net")
    assert kernel.inspect("nothing_of_this_name") is None


def test_after_unloading_the_kernel_answers_as_it_did(kernels):
    kernel = kernels()
    kernel.run("%load_ext maasnb\n%reload_ext maasnb\n%unload_ext maasnb")
    assert kernel.inspect("%maas train net digits --epochs") is None
    assert "Return the number of items" in kernel.inspect("len")


def test_a_kernel_can_speak_chinese(kernels):
    kernel = kernels(MAASNB_LANG="zh", MAASNB_PANEL="static")
    kernel.run("%load_ext maasnb")
    (shown,) = kernel.run("%maas data digits").of("display_data")
    assert shown["data"]["text/plain"].splitlines()[0] == "数据 'digits'：分类"
    assert "<div>数据 &#x27;digits&#x27;：分类</div>" in shown["data"]["text/html"]
    (error,) = kernel.run("%maas trian").of("error")
    # What a program compares stays English; what a person reads is Chinese.
    assert error["evalue"].startswith("There is no verb 'trian'.")
    assert error["traceback"][0].startswith(
        "UnknownNameError: 没有动词 'trian'。是否想写 'train'？"
    )
    kernel.run("%%maas build net\nDense(10)")
    (shown,) = kernel.run("%maas train net digits --epochs 1").of("display_data")
    first, *others = shown["data"]["text/plain"].splitlines()
    assert first == "digits（torch）上的运行：已完成，1 轮，45 步"
    assert others[0].startswith("  损失，首轮 -> 末轮")
    assert "验证 准确率" in shown["data"]["text/plain"]


def test_the_doctor_sees_the_kernel(kernel):
    (shown,) = kernel.run("%maas doctor").of("display_data")
    assert "work while a cell runs" in shown["data"]["text/plain"]


def test_a_result_shows_once_wherever_in_its_cell_the_magic_stands(kernel):
    ran = kernel.run("%maas data digits\n%maas runs\ndigits")
    shown = [each["data"]["text/plain"] for each in ran.of("display_data", "execute_result")]
    assert [text.split()[0] for text in shown] == ["Data", "There"]


def test_a_semicolon_silences_a_magic(kernel):
    ran = kernel.run("%maas data digits;\nx = %maas data digits;")
    assert ran.messages == []
    assert kernel.run("x.name").of("execute_result")[0]["data"]["text/plain"] == "'digits'"


def test_a_report_is_a_table_and_then_a_picture_each_once(kernel):
    kernel.run(
        "%maas data digits;\nimport maasnb as mb\nnet = mb.build([mb.Dense(10)], data=digits)"
    )
    kernel.run("%maas train net digits --epochs 1")
    for cell in ("%maas evaluate run", "mb.evaluate(run)", "%maas evaluate run\nreport"):
        shown = [
            set(each["data"]) for each in kernel.run(cell).of("display_data", "execute_result")
        ]
        assert shown == [{"text/plain", "text/html"}, {"text/plain", "image/png"}]


def test_two_reports_of_one_cell_are_both_shown(kernel):
    kernel.run(
        "%maas data digits;\nimport maasnb as mb\nnet = mb.build([mb.Dense(10)], data=digits)"
    )
    shown = kernel.run("%maas inspect net\n%maas inspect net").of("display_data")
    assert len(shown) == 2


def test_an_endpoint_is_a_table(kernel):
    kernel.run(
        "%maas data digits;\nimport maasnb as mb\nnet = mb.build([mb.Dense(10)], data=digits)"
    )
    kernel.run("%maas train net digits --epochs 1")
    (shown,) = kernel.run("%maas publish run digits").of("display_data")
    assert "Endpoint 'digits', version 1\n  takes    x FP32 [-1, 64]" in shown["data"]["text/plain"]
    assert "<table>" in shown["data"]["text/html"]


def test_the_answer_to_an_exercise_is_sentences_with_code_set_as_code(kernel):
    ran = kernel.run("answer = ...\n%maas check 05.1")
    (shown,) = ran.of("display_data")
    assert shown["data"]["text/plain"].startswith("Exercise 05.1: not solved yet.\nCount the")
    assert ">Exercise 05.1: not solved yet.</div>" in shown["data"]["text/html"]
    assert "<code>Conv(24, 5)</code>" in shown["data"]["text/html"]


def test_a_check_looks_at_what_the_cells_have_made(kernel):
    kernel.run("answer = 24 * (5 * 5 * 3 + 1)")
    (shown,) = kernel.run("%maas check 05.1").of("display_data")
    assert shown["data"]["text/plain"].startswith("Exercise 05.1: solved.")
