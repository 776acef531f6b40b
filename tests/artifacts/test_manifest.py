import json

import pytest

from maasnb.artifacts.manifest import Manifest, check_name
from maasnb.errors import ArtifactError, OptionError
from tests.small_runs import small_artifact


def test_a_manifest_comes_back_as_it_was():
    manifest = small_artifact().manifest
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest


def test_a_manifest_names_each_part_of_the_artifact():
    data = json.loads(small_artifact().manifest.to_bytes())
    assert data["schema"] == 1
    assert data["name"] == "small"
    assert data["framework"]["name"] == "torch"
    assert data["programs"][0]["format"] == "onnx"
    assert data["signature"]["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 64]}]
    assert data["task"]["labels"] == [str(digit) for digit in range(10)]
    assert data["provenance"]["data_fingerprint"]


def test_numbers_that_json_does_not_have_become_null():
    data = json.loads(small_artifact().manifest.to_bytes())
    data["metrics"] = {"r2": float("nan")}
    manifest = Manifest.from_bytes(json.dumps(data).encode())
    assert json.loads(manifest.to_bytes())["metrics"] == {"r2": None}


def change(path, value):
    """Return a change of one place of a manifest, as (name, function)."""

    def apply(data):
        *way, last = path
        place = data
        for step in way:
            place = place[step]
        if value is KeyError:
            del place[last]
        else:
            place[last] = value

    return pytest.param(apply, id=".".join(map(str, path)) + "=" + str(value)[:20])


@pytest.mark.parametrize(
    "spoil",
    [
        change(["schema"], 99),
        change(["name"], "../../etc/cron.d/x"),
        change(["name"], "a/b"),
        change(["name"], "x" * 65),
        change(["name"], 7),
        change(["name"], KeyError),
        change(["weights", "digest"], "../../../token"),
        change(["weights", "digest"], "0" * 63),
        change(["weights", "size_bytes"], -1),
        change(["weights", "size_bytes"], 1e9),
        change(["weights"], KeyError),
        change(["golden"], None),
        change(["programs"], []),
        change(["programs", 0, "format"], "pickle"),
        change(["programs", 0, "format"], "pt2"),
        change(["programs", 0, "format"], ["onnx"]),
        change(["signature", "inputs"], []),
        change(["signature", "inputs", 0, "shape"], [-1, 10**9, 10**9]),
        change(["signature", "inputs", 0, "shape"], [64]),
        change(["signature", "inputs", 0, "shape"], [-1] * 3),
        change(["signature", "inputs", 0, "name"], "../x"),
        change(["signature", "inputs", 0, "datatype"], "BYTES"),
        change(["signature", "inputs", 0, "datatype"], []),
        change(["signature", "outputs", 0, "datatype"], "FP64"),
        change(["recipe"], [{"step": "exec"}]),
        change(["recipe"], [{"step": "standardize", "code": [1]}]),
        change(["recipe"], [{"step": "standardize", "mean": ["x"]}]),
        change(["recipe"], "standardize"),
        change(["task", "loss"], "evil"),
        change(["task", "kind"], "regression"),
        change(["task", "outputs"], "many"),
        change(["task", "labels"], [["a"]]),
        change(["metrics"], {"accuracy": "high"}),
        change(["provenance"], []),
        change(["framework"], "torch"),
    ],
)
def test_a_manifest_with_one_wrong_field_is_refused(spoil):
    data = json.loads(small_artifact().manifest.to_bytes())
    spoil(data)
    with pytest.raises(ArtifactError):
        Manifest.from_bytes(json.dumps(data).encode())


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"[]", b"null", b"[" * 100_000, b'{"schema": 1}', b'{"schema": 1e400}'],
    ids=["empty", "no-utf8", "list", "null", "deep", "bare", "huge-number"],
)
def test_bytes_that_are_no_manifest_are_refused(content):
    with pytest.raises(ArtifactError, match="manifest"):
        Manifest.from_bytes(content)


@pytest.mark.parametrize("name", ["digits", "a", "Digits_v2.1-x", "0" * 64])
def test_a_name_that_fits_a_url_and_a_folder_is_taken(name):
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "a b", "é", "x" * 65, "a\n"])
def test_any_other_name_is_refused(name):
    with pytest.raises(OptionError, match="cannot be the name of a published model"):
        check_name(name)
