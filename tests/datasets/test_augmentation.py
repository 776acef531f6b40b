"""Augmentation: what each step does to a batch, and that it follows from seed and step alone."""

import json

import numpy as np
import pytest

import maasnb as mb
from maasnb.datasets.augmentation import augmented, drop_words, flip, noise, shift
from maasnb.datasets.recipes import Recipe
from maasnb.errors import OptionError


def random(seed=0):
    return np.random.default_rng(seed)


def images(count=40, *shape, seed=1):
    return np.random.default_rng(seed).integers(1, 9, size=(count, *(shape or (6, 7))))


def moved_by_hand(image, down, right):
    """Return an image moved with numpy.roll, zeros where something was rolled in."""
    moved = np.roll(image, (down, right), axis=(0, 1))
    moved[: max(down, 0)] = 0
    moved[len(moved) + min(down, 0) :] = 0
    moved[:, : max(right, 0)] = 0
    moved[:, moved.shape[1] + min(right, 0) :] = 0
    return moved


@pytest.mark.parametrize("shape", [(6, 7), (6, 7, 3)], ids=["grey", "colours"])
def test_each_image_is_moved_by_up_to_so_many_pixels_and_zeros_come_in(shape):
    x = images(60, *shape)
    seen = set()
    for before, after in zip(x, shift(2).raw(x, random(), ()), strict=True):
        moves = [(d, r) for d in range(-2, 3) for r in range(-2, 3)]
        fitting = [move for move in moves if np.array_equal(moved_by_hand(before, *move), after)]
        assert len(fitting) == 1
        seen.update(fitting)
    assert len(seen) > 15  # of 25


def test_channels_in_front_are_seen():
    x = images(20, 3, 6, 7)
    moved = shift(2).raw(x, random(), ())
    behind = shift(2).raw(np.moveaxis(x, 1, -1), random(), ())
    np.testing.assert_array_equal(moved, np.moveaxis(behind, -1, 1))


def test_columns_named_after_row_and_column_are_an_image():
    x = images(10, 4, 5)
    names = [f"pixel_{row}_{column}" for row in range(4) for column in range(5)]
    flat = shift(1).raw(x.reshape(10, 20), random(), names)
    np.testing.assert_array_equal(flat.reshape(10, 4, 5), shift(1).raw(x, random(), ()))


def test_an_image_is_not_moved_out_of_itself():
    x = images(50, 3, 3)
    assert (shift(500).raw(x, random(), ()) > 0).any(axis=(1, 2)).all()


def test_about_half_of_the_images_are_mirrored_left_to_right():
    x = images(200)
    changed = flip().raw(x, random(), ())
    mirrored = [
        np.array_equal(after, before[:, ::-1]) for before, after in zip(x, changed, strict=True)
    ]
    same = [np.array_equal(after, before) for before, after in zip(x, changed, strict=True)]
    assert all(np.logical_xor(mirrored, same))
    assert 70 < sum(mirrored) < 130


def test_noise_has_the_given_deviation():
    inputs = np.zeros((400, 50), np.float32)
    noisy = noise(0.3).prepared(inputs, random())
    assert noisy.dtype == np.float32
    assert noisy.std() == pytest.approx(0.3, rel=0.03)
    assert abs(noisy.mean()) < 0.01


def test_words_are_left_out_and_the_rest_keeps_its_order():
    text = " ".join(f"w{number}" for number in range(2000))
    (kept,) = drop_words(0.25).raw(np.array([text], dtype=object), random(), ())
    words = kept.split(" ")
    assert [int(word[1:]) for word in words] == sorted(int(word[1:]) for word in words)
    assert 0.7 < len(words) / 2000 < 0.8


def test_each_chinese_character_is_a_word():
    (kept,) = drop_words(0.5).raw(np.array(["猫坐在垫子上" * 50], dtype=object), random(), ())
    assert 100 < len(kept) < 200
    assert set(kept) <= set("猫坐在垫子上")


def test_one_word_of_a_text_stays_and_an_empty_text_stays_empty():
    texts = np.array(["a b c", "word", ""], dtype=object)
    for seed in range(20):
        found = drop_words(0.999).raw(texts, random(seed), ())
        assert [len(each.split()) for each in found] == [1, 1, 0]


def test_the_same_seed_and_step_give_the_same_examples_and_others_others():
    x = images().astype(np.float32)
    steps = (shift(2), flip(), noise(0.1))
    one, again, other_step, other_seed = (
        augmented(steps, x, Recipe(), (), key) for key in ((3, 5), (3, 5), (3, 6), (4, 5))
    )
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other_step)
    assert not np.array_equal(one, other_seed)


def test_images_are_changed_before_the_recipe_and_noise_comes_behind_it():
    x, y = images(100).astype(float), np.arange(100) % 2
    made = mb.data(x, y, prep=[mb.standardize()], augment=[noise(1e-3), shift(1)])
    rows = made.train.x[:8]
    found = augmented(made.augment, rows, made.recipe, made.features, (0, 0))
    generator = np.random.default_rng((0, 0, 0xA06))
    expected = made.recipe.inputs(shift(1).raw(rows, generator, ()))
    assert 0 < np.abs(found - expected).max() < 0.01


def test_data_say_what_is_done_and_hold_it_as_json():
    x, y = images(100).astype(float), np.arange(100) % 2
    steps = [shift(2), flip(), noise(0.1)]
    made = mb.data(x, y, augment=steps)
    assert "augment   shift(2), flip(), noise(0.1), in training alone" in str(made)
    assert json.loads(json.dumps([step.to_json() for step in made.augment])) == [
        {"augment": "shift", "pixels": 2},
        {"augment": "flip"},
        {"augment": "noise", "deviation": 0.1},
    ]


def test_no_split_is_changed():
    x, y = images(100).astype(float), np.arange(100) % 2
    plain, made = mb.data(x, y), mb.data(x, y, augment=[shift(2), noise(0.5)])
    for name in ("train", "validation", "test"):
        one, other = getattr(plain, name), getattr(made, name)
        np.testing.assert_array_equal(one.x, other.x)
        np.testing.assert_array_equal(one.inputs, other.inputs)
    assert plain.fingerprint == made.fingerprint


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: shift(0), r"pixels=0 cannot be used; expected a whole number from 1"),
        (lambda: shift(1.5), r"pixels=1.5 cannot be used"),
        (lambda: noise(-1), r"deviation=-1 cannot be used in noise\(\); expected a positive"),
        (lambda: noise(float("nan")), r"deviation=nan cannot be used"),
        (lambda: drop_words(1), r"share=1 cannot be used in drop_words\(\); expected a number be"),
    ],
)
def test_numbers_that_cannot_be_used_are_refused(make, words):
    with pytest.raises(OptionError, match=words):
        make()


@pytest.mark.parametrize(
    ("augment", "words"),
    [
        ([shift(2)], r"shift\(\) is for images, but x is \[n, 3\] of float64"),
        ([drop_words()], r"drop_words\(\) is for texts, but x is \[n, 3\] of float64"),
        (shift(2), r"expected a list of steps. Type: augment=\[mb.shift\(2\), mb.noise\(.1\)\]"),
        (["shift"], r"augment= holds 'shift'; expected a list of steps"),
        (7, r"augment= holds 7; expected a list of steps"),
    ],
    ids=["no images", "no texts", "no list", "a name", "a number"],
)
def test_steps_that_do_not_fit_the_data_are_refused(augment, words):
    with pytest.raises(OptionError, match=words):
        mb.data(np.ones((20, 3)) * np.arange(20)[:, None], np.arange(20) % 2, augment=augment)


def test_noise_on_tokens_is_refused():
    with pytest.raises(OptionError, match="whole ones, which may be tokens"):
        mb.data(np.arange(60).reshape(20, 3), np.arange(20) % 2, augment=[noise()])


def test_a_text_whose_next_tokens_are_the_targets_is_not_augmented():
    with pytest.raises(OptionError, match="not for a text whose next tokens are the targets"):
        mb.data("the cat sat on the mat " * 40, prep=[mb.chars(8)], augment=[drop_words()])


def test_parts_are_not_augmented():
    x = {"a": np.ones((20, 2)), "b": np.ones((20, 2))}
    with pytest.raises(OptionError, match="augment= is for examples of one part"):
        mb.data(x, np.arange(20) % 2, augment=[noise()])
