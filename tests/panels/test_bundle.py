"""The front ends' built files: made from the sources that are here, small, and whole."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from maasnb.settings import VERSION

ROOT = Path(__file__).parents[2]
EXTENSION = ROOT / "extension"
PANELS, PAGE = (ROOT / "maasnb" / room / "static" for room in ("panels", "serve"))
LAB = EXTENSION / "labextension"
BUILT = {"panels": PANELS, "page": PAGE, "extension": LAB}
FILES = [PANELS / "training.js", PANELS / "training.css", PAGE / "page.js", PAGE / "page.css"]
SINGLE = [
    "build.mjs", "package.json", "package-lock.json", "schema/plugin.json", "tsconfig.json",
]  # fmt: skip


def sources():
    inside = [path for path in (EXTENSION / "src").rglob("*") if path.is_file()]
    return sorted([*SINGLE, *(path.relative_to(EXTENSION).as_posix() for path in inside)])


def digest(read=lambda name: (EXTENSION / name).read_bytes()):
    found = hashlib.sha256()
    for name in sources():
        found.update(f"{name}\n".encode())
        found.update(read(name))
    return found.hexdigest()


def stale():
    """Return what was built from other sources than these; `make check` asks this too."""
    found = digest()
    return [
        name
        for name, place in BUILT.items()
        if (place / "sources.sha256").read_text().strip() != found
    ]


def test_the_bundles_were_built_from_these_sources():
    assert stale() == [], "A bundle is stale. Type: make extension"


def test_a_stale_bundle_fails_make_check():
    (recipe,) = re.findall(
        r"^check: install.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.M
    )
    assert "from tests.panels.test_bundle import stale" in recipe


def test_any_change_of_a_source_makes_the_bundle_stale():
    for changed in sources():

        def read(name, changed=changed):
            content = (EXTENSION / name).read_bytes()
            return content + b" " if name == changed else content

        assert digest(read) != digest()


@pytest.mark.parametrize("bundle", [FILES[:2], FILES[2:]], ids=["panels", "page"])
def test_the_bundle_is_at_most_150_kb(bundle):
    assert sum(path.stat().st_size for path in bundle) <= 150_000


def test_the_extension_is_at_most_200_kb_and_what_is_loaded_at_the_start_60():
    sizes = {path.name.split(".")[0]: path.stat().st_size for path in LAB.glob("static/*.js")}
    assert set(sizes) == {"remoteEntry", "viewing"}
    assert sum(sizes.values()) <= 200_000
    assert sizes["remoteEntry"] <= 60_000


def test_the_extension_names_the_file_that_jupyter_loads():
    about = json.loads((LAB / "package.json").read_text())
    assert (LAB / about["jupyterlab"]["_build"]["load"]).is_file()
    assert about["version"] == VERSION
    schema = json.loads((LAB / "schemas/maasnb/plugin.json").read_text())
    assert schema == json.loads((EXTENSION / "schema/plugin.json").read_text())


@pytest.mark.parametrize("name", ["page.html", "icon.svg"])
def test_what_is_not_bundled_is_the_source_itself(name):
    assert (PAGE / name).read_bytes() == (EXTENSION / "src" / "page" / name).read_bytes()


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_the_bundle_loads_nothing_from_elsewhere(path):
    text = path.read_text()
    namespaces = {"http://www.w3.org/2000/svg"}  # a name, not an address
    assert set(re.findall(r"https?://[^\"'`\s)]+", text)) - namespaces == set()
    assert not re.search(r"@import|\bimport\s*\(|url\(", text)


def test_the_lock_names_no_address_of_a_registry():
    lock = (EXTENSION / "package-lock.json").read_text()
    assert '"resolved"' not in lock


def test_every_type_is_known():
    texts = {path: path.read_text() for path in (EXTENSION / "src").rglob("*.ts")}
    assert [path.name for path, text in texts.items() if re.search(r"[:<]\s*any\b", text)] == []
    assert '"strict": true' in (EXTENSION / "tsconfig.json").read_text()
