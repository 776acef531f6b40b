"""The front end's built files: made from the sources that are here, small, and whole."""

import hashlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXTENSION, BUILT = ROOT / "extension", ROOT / "maasnb" / "panels" / "static"
SINGLE = ["build.mjs", "package.json", "package-lock.json", "tsconfig.json"]


def sources():
    inside = [path for path in (EXTENSION / "src").rglob("*") if path.is_file()]
    return sorted([*SINGLE, *(path.relative_to(EXTENSION).as_posix() for path in inside)])


def digest(read=lambda name: (EXTENSION / name).read_bytes()):
    found = hashlib.sha256()
    for name in sources():
        found.update(f"{name}\n".encode())
        found.update(read(name))
    return found.hexdigest()


def test_the_bundle_was_built_from_these_sources():
    stored = (BUILT / "sources.sha256").read_text().strip()
    assert stored == digest(), "The bundle is stale. Type: cd extension && npm ci && npm run build"


def test_any_change_of_a_source_makes_the_bundle_stale():
    for changed in sources():

        def read(name, changed=changed):
            content = (EXTENSION / name).read_bytes()
            return content + b" " if name == changed else content

        assert digest(read) != digest()


def test_the_bundle_is_at_most_150_kb():
    assert sum(path.stat().st_size for path in BUILT.glob("training.*")) <= 150_000


@pytest.mark.parametrize("name", ["training.js", "training.css"])
def test_the_bundle_loads_nothing_from_elsewhere(name):
    text = (BUILT / name).read_text()
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
