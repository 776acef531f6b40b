"""The verb `devices`: what the installed frameworks can compute on."""

import dataclasses
from typing import ClassVar

from maasnb.backends import BACKENDS, backend_named, installed_backends
from maasnb.tables import aligned

__all__ = ["DeviceRow", "Devices", "devices"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRow:
    """Describe one device of one backend, or say why the backend has none.

    Attributes:
        backend: the backend's name.
        version: the framework's version; empty when it is not installed.
        device: what `device=` takes; empty when there is none.
        description: what it is, in words, or what to type to get it.
        memory_bytes: the device's memory, or None where that is not known.
    """

    backend: str
    version: str
    device: str
    description: str
    memory_bytes: int | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Devices:
    """List the devices, the one that a backend uses by default first."""

    columns: ClassVar[tuple[str, ...]] = ("backend", "version", "device", "memory", "description")

    rows: tuple[DeviceRow, ...]

    def table(self) -> tuple[tuple[str, ...], ...]:
        """Return the devices as rows of words, in the order of `columns`."""
        return tuple(
            (row.backend, row.version, row.device, _size(row.memory_bytes), row.description)
            for row in self.rows
        )

    def __str__(self) -> str:
        """Return an aligned table."""
        return aligned(self.table(), self.columns)

    __repr__ = __str__


def devices() -> Devices:
    """List the devices that the installed frameworks can compute on.

    Returns:
        A row for each device, and for each backend that is not installed a row with the command
        that installs it.
    """
    rows: list[DeviceRow] = []
    installed = installed_backends()
    for name in sorted(BACKENDS, key=lambda name: (name not in installed, name)):
        rows.extend(_rows_of(name) if name in installed else [_missing(name)])
    return Devices(rows=tuple(rows))


def _rows_of(name: str) -> list[DeviceRow]:
    backend = backend_named(name)
    return [
        DeviceRow(
            backend=name,
            version=backend.version(),
            device=device.name,
            description=device.description,
            memory_bytes=device.memory_bytes,
        )
        for device in backend.devices()
    ]


def _missing(name: str) -> DeviceRow:
    advice = f"not installed; type: %pip install 'maasnb[{name}]'"
    return DeviceRow(backend=name, version="", device="", description=advice)


def _size(size_bytes: int | None) -> str:
    return "" if size_bytes is None else f"{size_bytes / 2**30:.1f} GiB"
