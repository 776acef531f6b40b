"""Compressed bytes: Zstandard where it can be had, gzip everywhere; unpacked within a limit."""

import gzip
import importlib
import io
import zlib
from typing import Any, Literal, get_args

from maasnb.errors import DataError, missing_package, unknown_name

__all__ = ["SUFFIXES", "Compression", "best_compression", "checked_compression", "pack", "unpack"]

Compression = Literal["zstd", "gzip", "none"]

SUFFIXES: dict[str, str] = {"zstd": ".zst", "gzip": ".gz", "none": ""}
LEVELS = {"zstd": 3, "gzip": 4}


def best_compression() -> Compression:
    """Return Zstandard where this Python or a package has it, else gzip."""
    return "gzip" if _zstd() is None else "zstd"


def checked_compression(name: str) -> Compression:
    """Return the name of a compression that can be used here.

    Raises:
        UnknownNameError: there is none of that name.
        MissingPackageError: it is Zstandard, and nothing here has it.
    """
    for known in get_args(Compression):
        if name == known:
            if known == "zstd" and _zstd() is None:
                raise missing_package("compress='zstd'", "zstandard", "shards")
            return known
    raise unknown_name("compression", str(name), get_args(Compression))


def pack(content: bytes, compression: Compression) -> bytes:
    """Return compressed bytes; the same content gives the same bytes."""
    if compression == "none":
        return content
    if compression == "gzip":
        return gzip.compress(content, LEVELS["gzip"], mtime=0)
    library = _zstd()
    if library is None:
        raise missing_package("compress='zstd'", "zstandard", "shards")
    if hasattr(library, "ZstdCompressor") and library.__name__ == "zstandard":
        return library.ZstdCompressor(level=LEVELS["zstd"]).compress(content)
    return library.compress(content, LEVELS["zstd"])


def unpack(content: bytes, compression: Compression, size: int) -> bytes:
    """Return what was compressed, of which the size is known.

    Args:
        content: compressed bytes, of anybody.
        compression: how they were compressed.
        size: how many bytes come out; no more than these are unpacked.

    Raises:
        DataError: they are broken, or more or fewer come out.
        MissingPackageError: they are Zstandard's, and nothing here has it.
    """
    if compression == "none":
        found = content
    else:
        try:
            with _opened(content, compression) as stream:
                found = stream.read(size + 1)
        except (EOFError, OSError, ValueError, RuntimeError, zlib.error) as error:
            message = f"it cannot be unpacked ({str(error).rstrip('.')})"
            raise DataError(message) from error
        except Exception as error:
            if type(error).__name__ != "ZstdError":
                raise
            message = f"it cannot be unpacked ({str(error).rstrip('.')})"
            raise DataError(message) from error
    if len(found) != size:
        message = f"it holds {'more' if len(found) > size else 'fewer'} than {size} bytes"
        raise DataError(message)
    return found


def _opened(content: bytes, compression: Compression) -> Any:  # noqa: ANN401 - a readable stream
    if compression == "gzip":
        return gzip.GzipFile(fileobj=io.BytesIO(content))
    library = _zstd()
    if library is None:
        raise missing_package("Reading these shards", "zstandard", "shards")
    if library.__name__ == "zstandard":
        return library.ZstdDecompressor().stream_reader(io.BytesIO(content))
    return library.ZstdFile(io.BytesIO(content))


def _zstd() -> Any:  # noqa: ANN401 - one of two modules, or None
    """Return Python's own module (from 3.14 on), or the package, or None."""
    for name in ("compression.zstd", "zstandard"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None
