import dataclasses
import json

import pytest

from maasnb.artifacts.manifest import LARGEST_MANIFEST_BYTES, Manifest, check_name
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
    manifest = dataclasses.replace(small_artifact().manifest, metrics={"r2": float("nan")})
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
        change(["weights", "size_bytes"], 1 << 60),
        change(["weights", "size_bytes"], True),
        change(["weights", "url"], "file:///etc/passwd"),
        change(["card"], {"digest": "0" * 64, "size_bytes": 1 << 30}),
        change(["card"], "../README.md"),
        change(["summary"], [1, 2]),
        change(["generation"], "sample"),
        change(["tokens"], 5),  # of a model that takes measurements
        change(["hook"], "os.system"),
        change(["weights"], KeyError),
        change(["golden"], None),
        change(["programs"], []),
        change(["programs", 0, "format"], "pickle"),
        change(["programs", 0, "format"], "pt2"),
        change(["programs", 0, "format"], ["onnx"]),
        change(["programs", 0, "external_data"], "../weights"),
        change(["signature", "inputs"], []),
        change(["signature", "inputs", 0, "shape"], [-1] + [1] * 100_000),
        change(["signature", "inputs", 0, "shape"], [-1, 10**400]),
        change(["signature", "inputs", 0, "default"], 3),
        change(["signature", "outputs", 0, "name"], "x"),
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


def spoilt(spoil):
    data = json.loads(small_artifact().manifest.to_bytes())
    spoil(data)
    return json.dumps(data).encode()


def test_a_field_that_is_not_known_is_named():
    content = spoilt(lambda data: data.update(hook="os.system"))
    with pytest.raises(ArtifactError, match="has a field 'hook' that this maasnb does not know"):
        Manifest.from_bytes(content)


def test_a_field_that_is_missing_is_named():
    content = spoilt(lambda data: data.pop("weights"))
    with pytest.raises(ArtifactError, match="lacks the field 'weights'"):
        Manifest.from_bytes(content)


def test_a_tensor_that_is_named_twice_is_refused():
    content = small_artifact().manifest.to_bytes()
    twice = content.replace(b'"inputs":', b'"inputs": [], "inputs":', 1)
    with pytest.raises(ArtifactError, match="names 'inputs' twice"):
        Manifest.from_bytes(twice)


def test_two_inputs_of_one_name_are_refused():
    def double(data):
        data["signature"]["inputs"] *= 2

    with pytest.raises(ArtifactError, match="one input and one output"):
        Manifest.from_bytes(spoilt(double))


def test_two_programs_of_one_format_are_refused():
    def double(data):
        data["programs"] *= 2

    with pytest.raises(ArtifactError, match="one program of each format"):
        Manifest.from_bytes(spoilt(double))


@pytest.mark.parametrize("deep", [40, 400, 900])
def test_data_that_is_too_deep_is_refused(deep):
    nest = json.loads("[" * deep + "]" * deep)
    content = spoilt(lambda data: data["provenance"].update(nest=nest))
    with pytest.raises(ArtifactError, match="deep|RecursionError"):
        Manifest.from_bytes(content)


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_json_does_not_have_is_refused(word):
    content = spoilt(lambda data: data["metrics"].update(loss=-12345)).replace(
        b"-12345", word.encode()
    )
    with pytest.raises(ArtifactError, match="is no number in JSON"):
        Manifest.from_bytes(content)


def test_a_manifest_that_is_too_large_is_refused_before_it_is_parsed():
    with pytest.raises(ArtifactError, match=r"expected at most 8388608"):
        Manifest.from_bytes(b"[" * (LARGEST_MANIFEST_BYTES + 1))


def test_the_fields_that_an_older_manifest_has_not_may_be_missing():
    content = spoilt(lambda data: [data.pop(name, None) for name in ("card", "summary")])
    manifest = Manifest.from_bytes(content)
    assert (manifest.card, manifest.summary, manifest.generation) == (None, None, None)


@pytest.mark.parametrize("name", ["digits", "a", "Digits_v2.1-x", "0" * 64])
def test_a_name_that_fits_a_url_and_a_folder_is_taken(name):
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "a b", "é", "x" * 65, "a\n"])
def test_any_other_name_is_refused(name):
    with pytest.raises(OptionError, match="cannot be the name of a published model"):
        check_name(name)
