"""What is done to the training split alone: classes balanced, examples changed as they are seen."""

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

from maasnb.datasets.augmentation import Augmentation, augmented
from maasnb.datasets.splits import Data, taken_split
from maasnb.errors import DataError, OptionError, unknown_name
from maasnb.parts import leaves, taken

__all__ = ["Balance", "enriched"]

Array = np.ndarray[Any, np.dtype[Any]]
Balance = Literal["oversample", "weights"]

MOST_BYTES = 4 << 30
"""More than this is not added by repeating examples."""


def enriched(data: Data, balance: Balance | None, augment: Sequence[Augmentation] | None) -> Data:
    """Return data whose training split is balanced and augmented; the other splits are the same.

    Args:
        data: the data.
        balance: `"oversample"` repeats examples of the rarer classes until each class has as many
            as the largest; `"weights"` makes an example of a class count the more the rarer it is.
        augment: the steps that change training examples each time they are seen.

    Raises:
        OptionError: the balance or a step cannot be used with this data.
        UnknownNameError: there is no such balance.
        DataError: repeating would take too much memory.
    """
    steps = _as_augmentations(augment)
    if balance is not None:
        data = _balanced(data, balance)
    if steps:
        _check_augmentation(data, steps)
        data = dataclasses.replace(data, augment=steps)
    return data


def _balanced(data: Data, balance: str) -> Data:
    if balance not in get_args(Balance):
        raise unknown_name("balance", str(balance), get_args(Balance))
    if data.kind != "classification" or data.positions or data.stream is not None:
        what = f"{data.kind}" if data.kind != "classification" else "classes at each position"
        what = "a stream, whose classes are not known beforehand" if data.stream else what
        message = (
            f"balance={balance!r} is for one class an example, but the data is {what}. "
            "Leave balance= out."
        )
        raise OptionError(message)
    if balance == "weights":
        return dataclasses.replace(data, balance=balance)
    more = _repeated(data.train.y, data.seed)
    row_bytes = sum(part[:1].nbytes for part in (*leaves(data.train.x), *leaves(data.train.inputs)))
    if len(more) * row_bytes > MOST_BYTES:
        message = (
            f'balance="oversample" would repeat {len(more):,} examples of {row_bytes:,} bytes; '
            'expected at most 4 GiB. Type: balance="weights", which needs no memory'
        )
        raise DataError(message)
    rows = np.concatenate([np.arange(len(data.train)), more])
    digest = hashlib.sha256(f"{data.fingerprint} oversampled".encode())
    digest.update(more.tobytes())
    return dataclasses.replace(
        data,
        train=taken_split(data.train, rows),
        balance=balance,
        repeated=len(more),
        fingerprint=digest.hexdigest(),
    )


def _repeated(classes: Array, seed: int) -> Array:
    """Return the rows to repeat, so that each class that has examples has as many as the largest.

    No example of a class is repeated twice more often than another one of it.
    """
    random = np.random.default_rng((seed, 1))
    counts = np.bincount(classes)
    added = [np.zeros(0, np.int64)]
    for number in np.flatnonzero(counts):
        rows = np.flatnonzero(classes == number)
        times, rest = divmod(int(counts.max()) - len(rows), len(rows))
        added += [np.tile(rows, times), random.choice(rows, rest, replace=False)]
    return np.concatenate(added)


def _as_augmentations(augment: Sequence[Augmentation] | None) -> tuple[Augmentation, ...]:
    some = augment if isinstance(augment, Sequence | None) else (augment,)
    wrong = [each for each in some or () if not isinstance(each, Augmentation)]
    if wrong or isinstance(augment, Augmentation):
        shown = wrong[0] if wrong else augment
        message = (
            f"augment= holds {shown!r}; expected a list of steps. "
            "Type: augment=[mb.shift(2), mb.noise(.1)]"
        )
        raise OptionError(message)
    return tuple(some or ())


def _check_augmentation(data: Data, steps: Sequence[Augmentation]) -> None:
    """Refuse steps that do not fit the data, by trying them on two examples."""
    what = ""
    if data.stream is not None:
        what = "arrays; change the batches of a stream where they are made"
    elif isinstance(data.train.x, dict | tuple):
        what = "examples of one part"
    elif data.recipe.text is not None and data.positions:
        what = "examples, not for a text whose next tokens are the targets"
    if what:
        message = f"augment= is for {what}. Leave augment= out."
        raise OptionError(message)
    two = taken(data.train.x, slice(0, 2))
    augmented(steps, two, data.recipe, data.features, (data.seed, 0))
