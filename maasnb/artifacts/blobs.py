"""Blobs: bytes named by their digest, and named arrays as safetensors bytes."""

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from maasnb.errors import ArtifactError, missing_package

__all__ = ["DIGEST", "Blob", "arrays_from_bytes", "bytes_from_arrays", "check_digest", "digest_of"]

Array = np.ndarray[Any, np.dtype[Any]]

LARGEST_HEADER_BYTES = 16 << 20
DIGEST = re.compile(r"[0-9a-f]{64}\Z")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """Name some bytes.

    Attributes:
        digest: their SHA-256, 64 lower-case hexadecimal digits.
        size_bytes: how many there are.
    """

    digest: str
    size_bytes: int

    def to_json(self) -> dict[str, Any]:
        """Return the blob's name as JSON data."""
        return {"digest": self.digest, "size_bytes": self.size_bytes}


def digest_of(content: bytes) -> str:
    """Return the SHA-256 of some bytes, in hexadecimal.

    >>> digest_of(b"")[:12]
    'e3b0c44298fc'
    """
    return hashlib.sha256(content).hexdigest()


def check_digest(digest: str) -> str:
    """Return a digest that is well formed.

    Raises:
        ArtifactError: it is not 64 lower-case hexadecimal digits.
    """
    if not DIGEST.match(digest):
        message = (
            f"{digest!r:.80} is no digest; expected 64 lower-case hexadecimal digits (SHA-256)."
        )
        raise ArtifactError(message)
    return digest


def bytes_from_arrays(arrays: Mapping[str, Array]) -> bytes:
    """Return named arrays as safetensors bytes, the same bytes for the same arrays.

    Raises:
        MissingPackageError: safetensors is not installed.
    """
    # np.array keeps the empty shape of a scalar, which np.ascontiguousarray does not.
    packed = {name: np.array(arrays[name], order="C") for name in sorted(arrays)}
    return _safetensors().save(packed)


def arrays_from_bytes(content: bytes) -> dict[str, Array]:
    """Return the named arrays that safetensors bytes hold.

    Raises:
        ArtifactError: the bytes are not whole or not safetensors.
        MissingPackageError: safetensors is not installed.
    """
    load = _safetensors().load
    try:
        _check_names(content)
        return load(content)
    except Exception as error:
        message = (
            f"These {len(content)} bytes are not safetensors ({error}); expected the bytes that "
            "publishing wrote. Publish the run again."
        )
        raise ArtifactError(message) from error


def _check_names(content: bytes) -> None:
    """Refuse a header that names an array twice; safetensors would take the last one."""
    size = int.from_bytes(content[:8], "little")
    if size > LARGEST_HEADER_BYTES:
        message = f"its header has {size} bytes, more than {LARGEST_HEADER_BYTES}"
        raise ValueError(message)

    def named_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len(dict(pairs)) != len(pairs):
            message = "its header names an array twice"
            raise ValueError(message)
        return dict(pairs)

    json.loads(content[8 : 8 + size], object_pairs_hook=named_once)


def _safetensors() -> ModuleType:
    try:
        import safetensors.numpy  # noqa: PLC0415 - only a run that is published needs it
    except ImportError as error:
        raise missing_package("Publishing", "safetensors", "serve") from error
    return safetensors.numpy
