"""Which device is meant by a name: each framework has words of its own for the same GPU."""

from collections.abc import Sequence

from maasnb.errors import unknown_name

__all__ = ["chosen_device"]

_MEANT = {"gpu": ("gpu", "cuda", "rocm", "mps"), "cuda": ("cuda", "gpu")}


def chosen_device(framework: str, wanted: str | None, known: Sequence[str]) -> str:
    """Return a framework's own name of the device that is wanted.

    Args:
        framework: whose devices they are, for the error.
        wanted: a kind (`"cpu"`, `"gpu"`, `"cuda"`) for the first of it, or one with a number
            (`"cuda:1"`); None for the first of all.
        known: the framework's devices, the best one first.

    Raises:
        UnknownNameError: there is no such device; offers the nearest name.

    >>> chosen_device("jax", "cuda", ["gpu:0", "cpu"]), chosen_device("torch", "gpu", ["cuda:0"])
    ('gpu:0', 'cuda:0')
    """
    if wanted is None:
        return known[0]
    kind, _, number = wanted.partition(":")
    for name in known:
        of_kind, _, of_number = name.partition(":")
        if of_kind in _MEANT.get(kind, (kind,)) and number in ("", of_number or "0"):
            return name
    raise unknown_name(f"{framework} device", wanted, known)
