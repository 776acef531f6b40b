"""The server's page, in a real browser against a real server process."""

import contextlib
import dataclasses
import re

import httpx
import numpy as np
import pytest
from playwright.sync_api import expect

import maasnb as mb
from maasnb.artifacts.artifact import Artifact
from maasnb.artifacts.blobs import Blob, digest_of
from maasnb.artifacts.freezing import freeze
from maasnb.client.http import Connection
from maasnb.client.uploads import upload
from maasnb.serve.tokens import workspace_token
from tests.servers import serving
from tests.small_runs import small_artifact, small_run
from tests.text_runs import text_artifact

WIDTHS = [1280, 800, 400]
SCRIPT = "<script>window.hacked = 1</script>"
IMAGE = "<img src=x onerror='window.hacked = 1'>"

# The colours of what is read, each with those of the ground that it stands on.
COLOURS = """() => [...document.querySelectorAll("h1, h2, p, dt, dd, button, a, .label, summary")]
    .filter((each) => each.checkVisibility() && each.textContent.trim())
    .map((each) => {
        let ground = each;
        const of = (element) => getComputedStyle(element).backgroundColor;
        while (ground && of(ground) === "rgba(0, 0, 0, 0)") ground = ground.parentElement;
        const behind = ground ? of(ground) : "rgb(255, 255, 255)";
        return [getComputedStyle(each).color, behind];
    })"""

# How many things that one can use say nothing of what they are.
UNNAMED = """() => {
    const all = document.querySelectorAll("input, select, textarea, button, canvas[tabindex]");
    const words = (each) => each.labels?.length || each.ariaLabel || each.textContent.trim();
    return [...all].filter((each) => !words(each)).length;
}"""


@pytest.fixture(scope="module")
def hostile_artifact(tmp_path_factory):
    """An artifact whose classes, columns and card hold what would run in a careless page."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2))
    y = (x[:, 0] > 0).astype(int)
    labels, features = [IMAGE, SCRIPT], [f"a{IMAGE}", '"><svg onload="window.hacked = 1">']
    data = mb.data(x, y, labels=labels, features=features, name="hostile")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MAASNB_HOME", str(tmp_path_factory.mktemp("hostile")))
        run = mb.train(mb.build([mb.Dense(2)], data=data), data, epochs=1)
    made = freeze(run, "hostile")
    card = (
        f"---\nx: {SCRIPT}\n---\n# {IMAGE}\n\n[a](javascript:window.hacked=1) {SCRIPT}\n".encode()
    )
    blob = Blob(digest=digest_of(card), size_bytes=len(card))
    return Artifact(
        manifest=dataclasses.replace(made.manifest, card=blob),
        blobs={**made.blobs, blob.digest: card},
    )


@pytest.fixture(scope="module")
def address(tmp_path_factory, hostile_artifact):
    """The URL and the token of a server with models of each kind."""
    workspace = tmp_path_factory.mktemp("served") / "maas"
    with serving(workspace, "--runtimes", "onnx,stablehlo") as url:
        connection = Connection(url, workspace_token(workspace))
        made = {"digits": "digits", "cancer": "breast_cancer", "diabetes": "diabetes"}
        for name, data in made.items():
            upload(freeze(small_run(dataset=data), name), connection)
        for artifact in (text_artifact(), hostile_artifact, small_artifact("jax")):
            upload(artifact, connection)
        connection.close()
        yield url, workspace_token(workspace)


@contextlib.contextmanager
def opened(
    browser, address, where="", *, width=1280, scheme="light", signed_in=True, locale="en-US"
):
    """Open the page and give it the token; what its console and its requests say is kept."""
    url, token = address
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, locale=locale
    )
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.said, page.asked = [], []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    try:
        page.goto(f"{url}/{where}")
        if signed_in:
            page.locator("#token").fill(token)
            page.keyboard.press("Enter")
            page.get_by_role("dialog").wait_for(state="detached")
        yield page
    finally:
        context.close()


def broken(page):
    """Return what the console said against the page; asking for the token begins with a refusal."""
    return [words for words in page.said if "404" not in words and "401" not in words]


def test_the_page_and_its_files_are_public_and_tell_nothing_of_a_model(address):
    url, token = address
    for path in ("/", "/static/page.js", "/static/page.css", "/static/icon.svg"):
        answer = httpx.get(url + path)
        assert answer.status_code == 200
        assert token not in answer.text
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        tag = answer.headers["etag"]
        assert httpx.get(url + path, headers={"if-none-match": tag}).status_code == 304
    html = httpx.get(url).text
    assert re.findall(r"<script(?![^>]*\bsrc=)|\son\w+=|<style|\sstyle=", html) == []
    assert httpx.get(f"{url}/static/../token").status_code == 401
    assert httpx.get(f"{url}/static/nothing.js").status_code == 401


def test_the_token_is_asked_for_and_never_in_an_address(browser, address):
    with opened(browser, address, signed_in=False) as page:
        field = page.get_by_label("token", exact=True)
        field.fill("wrong")
        page.keyboard.press("Enter")
        page.get_by_text("That was refused.").wait_for()
        page.get_by_label("token", exact=True).fill(address[1])
        page.get_by_role("button", name="Go on").click()
        page.get_by_role("heading", name="Models").wait_for()
        assert [url for url in page.asked if address[1] in url or "wrong" in url] == []
        # It is kept for this tab, and forgotten when told so.
        page.reload()
        page.get_by_role("heading", name="Models").wait_for()
        page.get_by_role("button", name="Forget the token").click()
        page.get_by_label("token", exact=True).wait_for()


def test_every_model_is_listed_with_what_it_does(browser, address):
    with opened(browser, address) as page:
        item = page.get_by_role("listitem").filter(has_text="digits")
        item.get_by_text("tells 10 classes apart, from small images").wait_for()
        cats = page.get_by_role("listitem").filter(has_text="cats")
        cats.get_by_text("writes text, one character at a time").wait_for()
        page.get_by_role("link", name="digits").click()
        page.get_by_role("heading", name="digits").wait_for()
        assert page.title() == "digits · maasnb"
        assert broken(page) == []


def test_numbers_are_asked_about_and_answered_as_in_the_notebook(browser, address):
    run = small_run(dataset="breast_cancer")
    example = np.array(run.data.test.x[:1], float)
    with opened(browser, address, "#/cancer") as page:
        first = page.get_by_label("mean radius")
        assert float(first.input_value()) == pytest.approx(example[0, 0], rel=1e-5)
        first.fill("99,5")  # a comma is a decimal point, too
        example[0, 0] = 99.5
        expected = run.predict(example)[0]
        best = run.data.labels[int(expected.argmax())]
        amounts = page.locator(".amount")
        shown = f"{100 * expected[0]:.1f} %"
        amounts.nth(0).filter(has_text=re.compile(re.escape(shown))).wait_for()
        assert page.locator(".verdict strong").inner_text() == best
        first.fill("nonsense")
        page.get_by_role("button", name="Ask").click()
        page.get_by_text("Some values cannot be used: they are marked.").wait_for()
        assert first.get_attribute("aria-invalid") == "true"
        assert broken(page) == []


def test_a_regression_answers_with_a_number(browser, address):
    run = small_run(dataset="diabetes")
    expected = float(run.predict(run.data.test.x[:1])[0, 0])
    with opened(browser, address, "#/diabetes") as page:
        value = page.locator("output.value")
        value.wait_for()
        assert float(value.get_attribute("title")) == pytest.approx(expected, rel=1e-4)


def test_a_digit_is_drawn_by_mouse_and_by_keys(browser, address):
    with opened(browser, address, "#/digits") as page:
        page.locator(".verdict").wait_for()
        page.get_by_role("button", name="Wipe").click()
        pad = page.get_by_role("img", name="Drawing pad of 8 by 8 pixels")
        box = pad.bounding_box()
        centre = box["x"] + box["width"] / 2
        page.mouse.move(centre, box["y"] + 20)
        page.mouse.down()
        page.mouse.move(centre, box["y"] + box["height"] - 20, steps=10)
        page.mouse.up()
        curl = page.locator(".curl code")
        page.locator(".curl summary").click()

        def drawn():
            data = re.search(r'"data":\[([^\]]*)\]', curl.inner_text())
            return np.array([float(each) for each in data[1].split(",")]).reshape(8, 8)

        curl.filter(has_text=re.compile(r"[1-9]")).wait_for()
        wait_until(page, lambda: drawn()[:, 3:5].sum() > 100)
        assert drawn()[:, [0, 7]].sum() == 0  # nothing at the sides
        assert drawn().max() <= 16
        expected = small_run().predict(drawn().reshape(1, 64).astype(np.float32))[0]
        wait_until(
            page, lambda: page.locator(".verdict strong").inner_text() == str(expected.argmax())
        )
        pad.focus()
        page.keyboard.press("Delete")
        wait_until(page, lambda: drawn().sum() == 0)
        for key in ("ArrowLeft", "ArrowUp", "Space"):
            page.keyboard.press(key)
        wait_until(page, lambda: drawn()[3, 3] == 16)
        assert broken(page) == []


def wait_until(page, holds, turns=200):
    """Wait until something holds, in turns of the browser's own animation frames."""
    for _ in range(turns):
        if holds():
            return
        page.evaluate("() => new Promise((done) => setTimeout(done, 50))")
    assert holds()


def test_the_line_for_a_shell_asks_the_same(browser, address):
    with opened(browser, address, "#/cancer") as page:
        page.locator(".verdict").wait_for()
        page.locator(".curl summary").click()
        line = page.locator(".curl code").inner_text()
        assert line.startswith(f"curl -sS '{address[0]}/v2/models/cancer/infer'")
        assert '-H "Authorization: Bearer $MAASNB_TOKEN"' in line
        assert address[1] not in line
        page.get_by_role("button", name="Copy").click()
        page.get_by_role("button", name=re.compile("Copied|Ctrl")).wait_for()


def test_text_is_written_while_one_looks_and_is_that_of_the_notebook(browser, address):
    from tests.text_runs import text_run

    expected = mb.generate(text_run(), "the cat", max_tokens=120, temperature=0.8, seed=5)
    with opened(browser, address, "#/cats") as page:
        page.get_by_label("prompt").fill("the cat")
        page.get_by_label("characters").fill("120")
        page.get_by_label("seed").fill("5")
        page.get_by_role("button", name="Write").click()
        page.get_by_text("Answered by cats@1.").wait_for()
        assert page.locator(".written").text_content() == expected
        assert page.locator(".prompt").text_content() == "the cat"
        assert broken(page) == []


def test_the_writing_can_be_stopped(browser, address):
    with opened(browser, address, "#/cats") as page:
        page.get_by_label("characters").fill("60000")
        page.get_by_role("button", name="Write").click()
        page.locator(".written", has_text="a").wait_for()
        page.get_by_role("button", name="Stop").click()
        page.get_by_text("; stopped.").wait_for()
        expect(page.get_by_role("button", name="Stop")).to_be_disabled()
        before = page.locator(".written").text_content()
        assert 0 < len(before) < 60000


def test_who_answers_is_shown_and_one_version_can_be_asked(browser, address):
    url, token = address
    headers = {"authorization": f"Bearer {token}"}
    alias = f"{url}/maas/v1/models/small/aliases/prod"
    assert httpx.put(alias, headers=headers, json={"version": 1}).status_code == 200
    with opened(browser, address, "#/small") as page:
        page.locator(".head .chip", has_text="prod → 1").wait_for()
        versions = page.get_by_role("region", name="Versions", exact=True).get_by_role("row")
        expect(versions.nth(1)).to_contain_text("prod")
        page.get_by_role("combobox").select_option("version 1")
        page.wait_for_url("**/#/small/1")
        line = page.locator(".curl code", has_text="/v2/models/small/versions/1/infer")
        line.wait_for(state="attached")  # the view is made anew for the version
        page.locator(".curl summary").click()
        line.wait_for()
        page.get_by_text("promote prod → 1").wait_for()
        assert broken(page) == []


def test_figures_are_live(browser, address):
    with opened(browser, address, "#/diabetes") as page:
        section = page.get_by_role("region", name="Live")
        section.wait_for()
        requests = section.locator(".tile", has_text=re.compile("^requests\\d"))
        before = int(requests.locator("dd").inner_text())
        for number in range(5):
            page.get_by_label("bmi").fill(str(20 + number))
            page.get_by_role("button", name="Ask").click()
        wait_until(page, lambda: int(requests.locator("dd").inner_text()) >= before + 5, 400)
        expect(section.locator("canvas")).to_have_count(2)


def test_no_name_label_or_card_runs_anything(browser, address):
    with opened(browser, address) as page:
        page.get_by_role("link", name="hostile").click()
        page.locator(".verdict").wait_for()
        shown = page.get_by_role("main").inner_text()
        assert IMAGE in shown
        assert SCRIPT in shown
        page.locator(".markdown").get_by_text("a <script>").wait_for()
        assert page.evaluate("window.hacked") is None
        assert page.locator("main script, main img, main iframe, main svg").count() == 0
        assert page.locator("a[href^='javascript']").count() == 0
        assert broken(page) == []


@pytest.mark.parametrize(
    "where",
    ["#/%3Cimg%20src=x%20onerror=window.hacked=1%3E", "#/../../v2", "#/digits/99", "#/%E0%A4%A"],
)
def test_an_address_that_names_nothing_says_so(browser, address, where):
    with opened(browser, address, where) as page:
        page.get_by_role("heading", name="That did not work").wait_for()
        assert page.get_by_role("alert").inner_text()
        assert page.evaluate("window.hacked") is None
        page.get_by_role("link", name="All models").click()
        page.get_by_role("heading", name="Models").wait_for()


def test_a_browser_refuses_to_run_what_slips_in(browser, address):
    with opened(browser, address) as page:
        page.evaluate(
            """() => {
                const script = document.createElement("script");
                script.textContent = "window.hacked = 1";
                document.body.append(script);
                const image = document.createElement("div");
                image.innerHTML = "<img src=x onerror='window.hacked = 1'>";
                document.body.append(image);
            }"""
        )
        wait_until(page, lambda: any("Content Security Policy" in each for each in page.said))
        assert page.evaluate("window.hacked") is None


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("where", ["#/", "#/digits", "#/cancer", "#/cats", "#/hostile"])
def test_nothing_is_cut_off_at_any_width(browser, address, width, where):
    with opened(browser, address, where, width=width) as page:
        page.get_by_role("heading").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_can_be_told_from_their_ground(browser, address, scheme):
    with opened(browser, address, "#/digits", scheme=scheme) as page:
        page.locator(".verdict").wait_for()
        pairs = page.evaluate(COLOURS)
    low = {pair for pair in map(tuple, pairs) if contrast(*pair) < 4.5}
    assert len(pairs) > 20
    assert low == set()


def contrast(one, other):
    """Return the contrast of two colours as WCAG 2 has it."""

    def luminance(colour):
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def test_the_page_is_used_by_keys_alone(browser, address):
    with opened(browser, address) as page:
        page.get_by_role("heading", name="Models").wait_for()
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        for _ in range(20):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent") == "cancer":
                break
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="cancer").wait_for()
        assert page.evaluate("document.activeElement.id") == "main"
        unnamed = page.evaluate(UNNAMED)
        assert unnamed == 0


@pytest.mark.parametrize("width", WIDTHS)
def test_a_chinese_browser_gets_a_chinese_page(browser, address, width):
    with opened(browser, address, "#/digits", width=width, locale="zh-CN") as page:
        page.get_by_role("heading", name="试一试").wait_for()
        page.get_by_text("由小图像区分 10 个类别。").wait_for()
        # Names that people gave stay: the model's, and those of its classes.
        page.get_by_role("heading", name="digits", level=1).wait_for()
        page.locator(".bars .label").first.wait_for()
        assert page.evaluate("document.documentElement.lang") == "zh"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert broken(page) == []


def test_a_reader_can_choose_the_language_and_it_stays(browser, address):
    with opened(browser, address, locale="zh-CN") as page:
        page.get_by_role("heading", name="模型", exact=True).wait_for()
        page.get_by_role("button", name="English").click()
        page.get_by_role("heading", name="Models", exact=True).wait_for()
        page.reload()
        page.get_by_role("heading", name="Models", exact=True).wait_for()
        page.get_by_role("button", name="中文").click()
        page.get_by_role("heading", name="模型", exact=True).wait_for()


def test_what_the_server_refuses_is_told_in_the_reader_s_language(browser, address):
    with opened(browser, address, signed_in=False, locale="zh-CN") as page:
        page.locator("#token").fill("wrong")
        page.keyboard.press("Enter")
        page.get_by_text("被拒绝了。").wait_for()
