"""Examples of one part or of several are handled alike."""

import numpy as np
import pytest

from maasnb.errors import ShapeError
from maasnb.parts import arguments, count, joined, leaves, mapped, named, padded, taken

ONE = np.arange(6).reshape(3, 2)
SEVERAL = [ONE, (ONE, 2 * ONE), {"ids": ONE, "mask": 3 * ONE}]


@pytest.mark.parametrize("parts", SEVERAL)
def test_rows_are_taken_of_every_part(parts):
    for whole, some in zip(leaves(parts), leaves(taken(parts, slice(1, 3))), strict=True):
        np.testing.assert_array_equal(some, whole[1:3])


@pytest.mark.parametrize("parts", SEVERAL)
def test_what_was_cut_is_joined_again(parts):
    again = joined([taken(parts, slice(0, 1)), taken(parts, slice(1, 3))])
    assert type(again) is type(parts)
    for whole, part in zip(leaves(parts), leaves(again), strict=True):
        np.testing.assert_array_equal(part, whole)


@pytest.mark.parametrize("parts", SEVERAL)
def test_padding_adds_rows_of_zeros(parts):
    longer = padded(parts, 5)
    assert count(longer) == 5
    for whole, part in zip(leaves(parts), leaves(longer), strict=True):
        np.testing.assert_array_equal(part, np.pad(whole, ((0, 2), (0, 0))))


def test_a_model_is_called_with_an_array_a_tuple_or_names():
    assert arguments(1) == ((1,), {})
    assert arguments((1, 2)) == ((1, 2), {})
    assert arguments({"ids": 1}) == ((), {"ids": 1})


def test_each_part_is_called_as_a_person_would_write_it():
    assert [list(mapped(str, dict(named(parts, "x")))) for parts in SEVERAL] == [
        ["x"],
        ["x[0]", "x[1]"],
        ["x['ids']", "x['mask']"],
    ]


def test_parts_of_another_form_are_not_joined():
    with pytest.raises(ShapeError, match="The batches differ: .*; expected the same parts in each"):
        joined([ONE, np.zeros((3, 4))])
