"""What is done to the training split alone: classes balanced, examples changed as they are seen."""

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np

from maasnb.datasets.augmentation import Augmentation, augmented
from maasnb.datasets.oversampling import repeated_rows
from maasnb.datasets.sharding import ShardStream
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
    if not steps:
        return data
    _check_augmentation(data, steps)
    stream = data.stream
    if stream is not None:
        stream = stream.changed(
            lambda x, key: augmented(steps, x, data.recipe, data.features, (data.seed, *key))
        )
    return dataclasses.replace(data, augment=steps, stream=stream)


def _balanced(data: Data, balance: str) -> Data:
    if balance not in get_args(Balance):
        raise unknown_name("balance", str(balance), get_args(Balance))
    counts = data.class_counts
    if counts is None:
        raise _no_classes(data, balance)
    if balance == "weights":
        return dataclasses.replace(data, balance=balance)
    digest = hashlib.sha256(f"{data.fingerprint} oversampled".encode())
    if isinstance(data.stream, ShardStream):
        stream, repeated = data.stream.oversampled()
        changed: dict[str, Any] = {"stream": stream, "repeated": repeated}
    else:
        random = np.random.default_rng((data.seed, 1))
        more = repeated_rows(data.train.y, random, counts, np.zeros_like(counts))
        _check_size(data, len(more))
        digest.update(more.tobytes())
        rows = np.concatenate([np.arange(len(data.train)), more])
        changed = {"train": taken_split(data.train, rows), "repeated": len(more)}
    return dataclasses.replace(data, balance=balance, fingerprint=digest.hexdigest(), **changed)


def _no_classes(data: Data, balance: str) -> OptionError:
    """Make the error for data that has no classes to balance, or whose classes are not counted."""
    if data.kind == "classification" and not data.positions:
        message = (
            f"balance={balance!r} needs the number of examples of each class, which a stream does "
            'not tell. Write it as shards: mb.data(data.to_shards("shards"), '
            f"balance={balance!r}); "
            'or tell what a class counts: mb.train(net, data, class_weights={"rare": 10})'
        )
        return OptionError(message)
    what = "classes at each position" if data.positions else data.kind
    message = (
        f"balance={balance!r} is for one class an example, but the data is {what}. "
        "Leave balance= out."
    )
    return OptionError(message)


def _check_size(data: Data, more: int) -> None:
    row_bytes = sum(part[:1].nbytes for part in (*leaves(data.train.x), *leaves(data.train.inputs)))
    if more * row_bytes > MOST_BYTES:
        message = (
            f'balance="oversample" would repeat {more:,} examples of {row_bytes:,} bytes; '
            'expected at most 4 GiB. Type: balance="weights", which needs no memory'
        )
        raise DataError(message)


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
    if isinstance(data.train.x, dict | tuple):
        what = "examples of one part"
    elif data.recipe.text is not None and data.positions:
        what = "examples, not for a text whose next tokens are the targets"
    if what:
        message = f"augment= is for {what}. Leave augment= out."
        raise OptionError(message)
    two = taken(data.train.x, slice(0, 2))
    augmented(steps, two, data.recipe, data.features, (data.seed, 0))
