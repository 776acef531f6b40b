"""Images: scaled pixels, folders of classes, and folders that are none."""

import json

import numpy as np
import pytest
from PIL import Image

import maasnb as mb
from maasnb.datasets.images import ScalePixels, image_axes
from maasnb.datasets.recipes import Recipe
from maasnb.errors import DataError, OptionError
from maasnb.serve.embedded import stop_server


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, size=shape, dtype=np.uint8)


def write(folder, kind, count, size=(6, 5), mode="RGB", seed=0):
    """Write images of random pixels; the size is width x height, as image files have it."""
    (folder / kind).mkdir(parents=True, exist_ok=True)
    channels = {"RGB": (3,), "L": (), "RGBA": (4,)}[mode]
    for number in range(count):
        content = pixels(size[1], size[0], *channels, seed=seed + number)
        Image.fromarray(content).save(folder / kind / f"{number:02}.png")


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    write(folder, "cat", 12)
    write(folder, "dog", 8, seed=50)
    return folder


@pytest.mark.parametrize("shape", [(60, 8, 8), (60, 8, 8, 3)])
def test_images_of_bytes_are_scaled_to_one_without_being_asked(shape):
    x = pixels(*shape)
    made = mb.data(x, np.arange(60) % 2)
    assert [step.kind for step in made.recipe.steps] == ["scale_pixels"]
    np.testing.assert_array_equal(made.train.inputs, (made.train.x / 255).astype(np.float32))
    assert made.train.x.dtype == np.uint8


def test_a_given_recipe_takes_the_place_of_the_scaling():
    made = mb.data(pixels(60, 8, 8), np.arange(60) % 2, prep=[mb.standardize()])
    assert [step.kind for step in made.recipe.steps] == ["standardize"]


@pytest.mark.parametrize(
    ("x", "brightest"),
    [
        (pixels(60, 8, 8).astype(np.uint16) * 10, 65535.0),
        (pixels(60, 8, 8) % 17.0, 16.0),
        (pixels(60, 8, 8) / 1000, 1.0),
    ],
    ids=["two bytes", "other numbers", "small numbers"],
)
def test_other_pixels_are_divided_by_the_largest_that_there_is(x, brightest):
    made = mb.data(x, np.arange(60) % 2, prep=[mb.scale_pixels()], split=(1, 0, 0))
    assert made.recipe.steps[0] == ScalePixels((brightest,))


def test_negative_pixels_are_refused():
    with pytest.raises(OptionError, match=r"the smallest is -1. Type: prep=\[mb.standardize"):
        mb.data(-np.ones((20, 4, 4)), np.arange(20) % 2, prep=[mb.scale_pixels()])


def test_the_scaling_travels_as_json():
    recipe = Recipe((ScalePixels((255.0,)),))
    again = Recipe.from_json(json.loads(json.dumps(recipe.to_json())))
    np.testing.assert_array_equal(again.inputs(pixels(2, 3, 3)), recipe.inputs(pixels(2, 3, 3)))


@pytest.mark.parametrize("brightest", [[], [0], [-1.0], [float("inf")], [1.0, 2.0], ["a"]])
def test_a_scaling_of_anybody_is_checked(brightest):
    with pytest.raises(ValueError, match="expected one positive number|could not convert"):
        Recipe.from_json([{"step": "scale_pixels", "brightest": brightest}])


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((28, 28), (0, 1)), ((28, 28, 3), (0, 1)), ((3, 28, 28), (1, 2)), ((5, 6, 9), (0, 1))],
)
def test_height_and_width_are_told_from_channels(shape, axes):
    assert image_axes(shape, ()) == (shape, axes)


def test_a_folder_of_classes_is_read_as_it_was_written(photos):
    made = mb.data(f"{photos}/", split=(1, 0, 0))
    assert (made.name, made.labels, made.kind) == ("photos", ("cat", "dog"), "classification")
    assert made.train.x.shape == (20, 5, 6, 3)
    for image, label in zip(made.train.x, made.train.y, strict=True):
        seeds = [50 + n for n in range(8)] if label else range(12)
        assert any(np.array_equal(image, pixels(5, 6, 3, seed=seed)) for seed in seeds)


def test_a_path_object_is_a_folder_too(photos):
    made = mb.data(photos)
    assert made.fingerprint == mb.data(f"{photos}/").fingerprint


def test_grey_images_have_no_channels(tmp_path):
    for kind in ("a", "b"):
        write(tmp_path, kind, 10, mode="L")
    assert mb.data(tmp_path).input_shape == (5, 6)


def test_grey_and_coloured_images_are_all_given_three_colours(tmp_path):
    write(tmp_path, "a", 10, mode="L")
    write(tmp_path, "b", 10, mode="RGBA")
    assert mb.data(tmp_path).input_shape == (5, 6, 3)


def test_photographs_lie_as_the_camera_was_held(tmp_path):
    for kind in ("a", "b"):
        write(tmp_path, kind, 9)
        image = Image.open(tmp_path / kind / "00.png")
        turned = image.getexif()
        turned[0x0112] = 6  # it is shown a quarter turn to the right
        image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / kind / "08.png", exif=turned)
    made = mb.data(tmp_path, split=(1, 0, 0))
    assert made.input_shape == (5, 6, 3)
    assert len(np.unique(made.train.x.reshape(18, -1), axis=0)) == 8  # 08 shows what 00 shows


def test_different_sizes_are_told_with_the_way_out(photos):
    write(photos, "wide", 2, size=(9, 5))
    words = r"5 x 6 \(00.png\), 5 x 9 \(00.png\); expected one. .*size=\(64, 64\)\)"
    with pytest.raises(DataError, match=words):
        mb.data(photos)
    made = mb.data(photos, size=(4, 7))
    assert made.input_shape == (4, 7, 3)


def test_files_that_are_no_images_are_passed_over(photos):
    (photos / "cat" / "notes.txt").write_text("a cat")
    (photos / ".cache").mkdir()
    (photos / "cat" / ".hidden.png").write_bytes(b"")
    assert mb.data(photos).labels == ("cat", "dog")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: None, "has 0 such folders; expected at least two folders, one a class"),
        (lambda folder: write(folder, "cat", 3), "has 1 such folders"),
        (
            lambda folder: (write(folder, "cat", 3), (folder / "dog").mkdir()),
            "has no image in dog",
        ),
    ],
    ids=["empty", "one class", "an empty class"],
)
def test_a_folder_without_classes_is_refused(tmp_path, make, words):
    make(tmp_path)
    with pytest.raises(DataError, match=words):
        mb.data(tmp_path)


def test_a_file_that_is_broken_is_named(photos):
    whole = (photos / "cat" / "03.png").read_bytes()
    for content in (b"no image", whole[: len(whole) // 2]):
        (photos / "cat" / "03.png").write_bytes(content)
        with pytest.raises(DataError, match=r"03.png cannot be read as an image \("):
            mb.data(photos)


def test_images_that_need_too_much_memory_are_refused_unread(photos, monkeypatch):
    monkeypatch.setattr("maasnb.datasets.images.MOST_BYTES", 100)
    with pytest.raises(DataError, match=r"20 images of 5 x 6 pixels .* size=\(1, 1\)\)"):
        mb.data(photos)


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(DataError, match="There is no folder 'no/such/' in "):
        mb.data("no/such/")
    with pytest.raises(DataError, match="There is no folder"):
        mb.data(tmp_path / "no")


@pytest.mark.parametrize("size", [(0, 4), (4,), 7, (4.5, 4), (1 << 20, 4)])
def test_a_size_that_is_none_is_refused(photos, size):
    with pytest.raises(OptionError, match="expected a height and a width in pixels"):
        mb.data(photos, size=size)


def test_options_that_are_not_for_a_folder_are_refused(photos):
    with pytest.raises(OptionError, match="labels= is not for a folder of images"):
        mb.data(photos, labels=["a", "b"])
    with pytest.raises(OptionError, match="size= is for a folder of images. Type: mb.data"):
        mb.data(pixels(20, 4, 4), np.arange(20) % 2, size=(2, 2))


@pytest.mark.coverage("F3")
def test_a_published_model_of_images_answers_as_the_notebook_does(backend, photos, workspace):
    data = mb.data(photos, augment=[mb.shift(1), mb.flip()])
    layers = [mb.Conv(4, 3, "relu"), mb.GlobalPool(), mb.Dense(2)]
    model = mb.build(layers, backend=backend.name, data=data)
    run = mb.train(model, data, epochs=2)
    try:
        endpoint = mb.publish(run, "photos")
        x = pixels(1000, 5, 6, 3, seed=3)
        assert endpoint.signature.inputs[0].datatype == "UINT8"
        np.testing.assert_allclose(endpoint.predict(x), run.predict(x), atol=1e-6)
    finally:
        stop_server(workspace)
