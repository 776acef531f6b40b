"""Public data sets: fetched once from a real server, checked, kept, and refused in words."""

import functools
import gzip
import hashlib
import http.server
import threading
from pathlib import Path

import numpy as np
import pytest

import maasnb as mb
from maasnb.datasets import sources
from maasnb.datasets.public import FASHION_MNIST, MNIST, IdxFile, PublicSet
from maasnb.errors import DataError

RNG = np.random.default_rng(0)
PICTURES = [RNG.integers(0, 256, (n, 28, 28), dtype=np.uint8) for n in (40, 20)]
CLASSES = [np.arange(n, dtype=np.uint8) % 4 for n in (40, 20)]


@pytest.fixture
def delivered(tmp_path):
    """Yield a folder, the address of a server that delivers it, and what was asked of it."""
    folder, asked = tmp_path / "delivered", []
    folder.mkdir()

    class Deliverer(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            super().do_GET()

        def log_message(self, format, *args):  # noqa: A002 - the name that it has there
            """Write nothing."""

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Deliverer, directory=folder)
    ) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def write(folder, name, array):
    """Write an array as the format's own definition says, and return its description."""
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    packed = gzip.compress(head + array.tobytes())
    (folder / name).write_bytes(packed)
    return IdxFile(name, len(packed), hashlib.sha256(packed).hexdigest(), array.shape)


@pytest.fixture
def small(delivered, monkeypatch):
    """Put a small set in the place of MNIST."""
    folder, address, _ = delivered
    found = PublicSet(
        name="mnist",
        source="made here",
        licence="BSD-3-Clause",
        address=address,
        images=tuple(write(folder, f"images-{i}.gz", each) for i, each in enumerate(PICTURES)),
        classes=tuple(write(folder, f"classes-{i}.gz", each) for i, each in enumerate(CLASSES)),
        labels=("a", "b", "c", "d"),
    )
    monkeypatch.setattr(sources, "MNIST", found)
    return found


def test_a_set_is_fetched_once_with_a_word_on_source_and_licence(small, delivered, capsys):
    data = mb.data("mnist", split=(1, 0, 0))
    assert "made here; BSD-3-Clause" in capsys.readouterr().err
    assert sorted(delivered[2]) == [
        "/classes-0.gz", "/classes-1.gz", "/images-0.gz", "/images-1.gz",
    ]  # fmt: skip
    assert data.labels == small.labels
    rows = {each.tobytes() for each in np.concatenate(PICTURES)}
    assert {np.ascontiguousarray(each).tobytes() for each in data.train.x} == rows
    assert data.train.inputs.max() <= 1

    again = mb.data("mnist", split=(1, 0, 0))
    assert len(delivered[2]) == 4
    assert again.fingerprint == data.fingerprint
    assert capsys.readouterr().err == ""


def test_a_file_that_was_damaged_is_fetched_again(small, delivered, workspace):
    first = mb.data("mnist")
    kept = workspace / "datasets" / "mnist" / "images-0.gz"
    kept.write_bytes(kept.read_bytes()[:-9] + b"otherwise")
    assert mb.data("mnist").fingerprint == first.fingerprint
    assert delivered[2].count("/images-0.gz") == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, r"answer for images-0\.gz is 404"),
        (b"<html>sign in first</html>", r"images-0\.gz is not the file it should be"),
        (b"x" * 200_000, r"images-0\.gz is not the file it should be"),
    ],
    ids=["missing", "another page", "too large"],
)
def test_what_is_not_the_file_is_refused_and_not_kept(small, delivered, workspace, content, words):
    asked = delivered[0] / "images-0.gz"
    asked.unlink() if content is None else asked.write_bytes(content)
    with pytest.raises(DataError, match=rf"'mnist' is not on this machine.*{words}.*Run the cell"):
        mb.data("mnist")
    assert not list((workspace / "datasets" / "mnist").glob("*images-0*"))


def test_without_a_network_the_way_out_is_named_and_files_may_be_put_there(
    small, delivered, monkeypatch, workspace
):
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")  # Nobody listens there.
    for name in ("HTTP_PROXY", "http_proxy", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(DataError, match=r"put the files images-0\.gz, .*mb\.data\(\"digits\"\)"):
        mb.data("mnist")
    folder = workspace / "datasets" / "mnist"
    for file in delivered[0].iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    assert len(mb.data("mnist", split=(1, 0, 0)).train) == 60


def test_a_file_of_another_shape_is_refused(tmp_path):
    file = write(tmp_path, "few.gz", PICTURES[1])
    other = IdxFile(file.name, file.size_bytes, file.sha256, (21, 28, 28))
    with pytest.raises(DataError, match=r"does not hold bytes of shape \(21, 28, 28\)"):
        other.array(tmp_path / "few.gz")


@pytest.mark.parametrize("found", [MNIST, FASHION_MNIST], ids=lambda found: found.name)
def test_a_public_set_is_described_whole(found):
    rows = [sum(each.shape[0] for each in part) for part in (found.images, found.classes)]
    assert rows == [70_000, 70_000]
    assert sources.DATASETS[found.name].startswith("70,000 ")
    megabytes = sum(each.size_bytes for each in (*found.images, *found.classes)) / 1e6
    assert f"{megabytes:.0f} MB" in sources.DATASETS[found.name]
    assert all(len(bytes.fromhex(each.sha256)) == 32 for each in (*found.images, *found.classes))
    assert found.licence in (Path(sources.__file__).parent / "README.md").read_text()
