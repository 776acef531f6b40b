"""Images: in which shape an example is a picture, folders of classes, and pixels scaled to 0..1.

A folder has a folder of image files for each class. Pictures of one size are read as one array of
bytes, grey where all of them are grey and with three colours otherwise, so that what a notebook
shows is what a server is asked.
"""

import dataclasses
import math
import os
import re
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from maasnb.datasets.columns import Columns
from maasnb.datasets.steps import Array, Step
from maasnb.errors import DataError, OptionError, missing_package

__all__ = [
    "ScalePixels",
    "as_folder",
    "as_pictures",
    "image_axes",
    "image_shape",
    "is_bytes_of_images",
    "read_folder",
    "scale_pixels",
]

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
GREY = ("1", "L", "LA")
MOST_BYTES = 4 << 30
"""More than this is not read into memory."""

_BROKEN = (OSError, ValueError, SyntaxError, struct.error)
_PIXEL = re.compile(r".*?(\d+)\D+(\d+)")
_SMALLEST_IMAGE, _LARGEST_IMAGE = 4, 512
_CHANNELS = (1, 3, 4)
_LARGEST_SIDE = 1 << 14


@dataclasses.dataclass(frozen=True, slots=True)
class ScalePixels(Step):
    """Bring pixels into the range from 0 to 1.

    Attributes:
        brightest: what is divided by, one number: the largest that bytes (255) or two bytes (65535)
            can hold, or the largest of the training split.
    """

    kind: ClassVar[str] = "scale_pixels"

    brightest: tuple[float, ...] = ()

    def fit(self, x: Array, y: Array) -> "ScalePixels":  # noqa: ARG002 - the steps' common form
        """Learn the range from the pixels' type, or from the training split."""
        _check_pixels(x)
        if x.dtype in (np.uint8, np.uint16):
            return ScalePixels((float(np.iinfo(x.dtype).max),))
        if x.min() < 0:
            message = (
                f"scale_pixels() is for pixels from 0 on, but the smallest is {x.min():g}. "
                "Type: prep=[mb.standardize()]"
            )
            raise OptionError(message)
        return ScalePixels((max(float(x.max()), 1.0),))

    def inputs(self, x: Array) -> Array:
        """Divide by the brightest value, in float32."""
        _check_pixels(x)
        return np.asarray(x, np.float32) / np.float32(self.brightest[0])

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Return the step that `to_json` wrote; the data may come from anybody.

        Raises:
            TypeError: a field is missing or too many.
            ValueError: it is not one positive number.
        """
        step = cls(**{name: tuple(float(each) for each in value) for name, value in data.items()})
        if len(step.brightest) != 1 or not 0 < step.brightest[0] < math.inf:
            message = f"expected one positive number, got {step.brightest}"
            raise ValueError(message)
        return step


def _check_pixels(x: object) -> None:
    if isinstance(x, Columns):
        message = (
            "scale_pixels() is for images, but the inputs are a table with named columns. "
            "Type: prep=[mb.minmax(), mb.one_hot()]"
        )
        raise OptionError(message)


def scale_pixels() -> Step:
    """Bring pixels into the range from 0 to 1; images of bytes are, where no recipe is given."""
    return ScalePixels()


def is_bytes_of_images(x: object) -> bool:
    """Say whether an array holds images [n, height, width, ...] of one byte a number."""
    return isinstance(x, np.ndarray) and x.dtype == np.uint8 and x.ndim in (3, 4)


def image_shape(shape: tuple[int, ...], features: Sequence[str]) -> tuple[int, ...] | None:
    """Return the shape in which an example is a picture, or None where it is none.

    Args:
        shape: the shape of one raw example: [height, width], with 1 or 3 channels last or first, or
            one axis whose features are named after their row and column.
        features: the columns' names.

    >>> image_shape((28, 28, 3), ()), image_shape((4,), ("p_0_0", "p_0_1", "p_1_0", "p_1_1"))
    ((28, 28, 3), (2, 2))
    """
    if len(shape) == 1:
        return _named_grid(shape[0], features)
    sides = [shape[:2], shape[1:]] if len(shape) == 3 else [shape]
    channels = [shape[2:], shape[:1]] if len(shape) == 3 else [(1,)]
    for side, channel in zip(sides, channels, strict=True):
        if channel in ((1,), (3,)) and len(side) == 2:
            fits = _SMALLEST_IMAGE <= min(side) and max(side) <= _LARGEST_IMAGE
            return shape if fits else None
    return None


def as_pictures(x: Array, features: Sequence[str]) -> Array | None:
    """Return examples as pictures to draw, or None where they are none.

    Args:
        x: raw examples [n, ...].
        features: the columns' names.

    Returns:
        [n, height, width], or [n, height, width, channels].
    """
    shape = image_shape(x.shape[1:], features)
    if shape is None or x.dtype.kind not in "biuf":
        return None
    pictures = x.reshape(len(x), *shape)
    if pictures.ndim == 4 and pictures.shape[1] in (1, 3) and pictures.shape[3] not in (1, 3):
        pictures = np.moveaxis(pictures, 1, 3)
    return pictures


def image_axes(
    shape: tuple[int, ...], features: Sequence[str]
) -> tuple[tuple[int, ...], tuple[int, int]] | None:
    """Return the shape of an example as an image, and its axes of height and width; None for none.

    Of three axes the channels are the last one, unless only the first can be they.

    >>> image_axes((28, 28), ()), image_axes((3, 32, 32), ()), image_axes((7,), ())
    (((28, 28), (0, 1)), ((3, 32, 32), (1, 2)), None)
    """
    if len(shape) == 1:
        grid = _named_grid(shape[0], features)
        return None if grid is None else (grid, (0, 1))
    if len(shape) == 2:
        return shape, (0, 1)
    if len(shape) == 3:
        first = shape[0] in _CHANNELS and shape[2] not in _CHANNELS
        return shape, ((1, 2) if first else (0, 1))
    return None


def _named_grid(length: int, features: Sequence[str]) -> tuple[int, ...] | None:
    found = [_PIXEL.fullmatch(name) for name in features]
    places = [(int(each[1]), int(each[2])) for each in found if each]
    size = tuple(max(axis) + 1 for axis in zip(*places, strict=True)) if places else (0, 0)
    grid = [(row, column) for row in range(size[0]) for column in range(size[1])]
    return size if places == grid and len(places) == length else None


def as_folder(x: object) -> Path | None:
    """Return a folder that is there, or None for anything else; a name of a data set is none.

    Raises:
        DataError: a path was given at which there is no folder.
    """
    written = isinstance(x, str) and x.rstrip().endswith(("/", os.sep))
    if not isinstance(x, str | os.PathLike) or (isinstance(x, str) and not written):
        return None
    folder = Path(x).expanduser()
    if not folder.is_dir():
        message = (
            f"There is no folder {os.fspath(x)!r} in {Path.cwd()}; expected one with a folder of "
            "image files for each class."
        )
        raise DataError(message)
    return folder


def read_folder(folder: Path, size: Sequence[int] | None) -> tuple[Array, Array, tuple[str, ...]]:
    """Read a folder that has a folder of image files for each class.

    Args:
        folder: the folder.
        size: the height and width that each image is brought to; None where all have one size.

    Returns:
        Images [n, height, width] or [n, height, width, 3] uint8; class numbers [n]; class names.

    Raises:
        DataError: there is no image, an image cannot be read, or they have different sizes.
        MissingPackageError: Pillow is not installed.
    """
    try:
        from PIL import Image  # noqa: PLC0415 - only folders of images need it
    except ImportError as error:
        raise missing_package("Reading images", "PIL", "notebook") from error
    files = _files_by_class(folder)
    paths = [path for found in files.values() for path in found]
    heads = [_head(Image, path) for path in paths]
    height, width = _as_size(size) or _one_size(paths, [shape for shape, _ in heads])
    grey = all(mode in GREY for _, mode in heads)
    shape = (len(paths), height, width) if grey else (len(paths), height, width, 3)
    if math.prod(shape) > MOST_BYTES:
        message = (
            f"The {len(paths)} images of {height} x {width} pixels in {folder} need "
            f"{math.prod(shape) / 2**30:.1f} GiB of memory; expected at most {MOST_BYTES >> 30}. "
            f'Type: mb.data("{folder}", size=({max(height // 4, 1)}, {max(width // 4, 1)}))'
        )
        raise DataError(message)
    pixels = np.empty(shape, np.uint8)
    for row, path in enumerate(paths):
        pixels[row] = _pixels(Image, path, (height, width), "L" if grey else "RGB")
    y = np.repeat(np.arange(len(files)), [len(found) for found in files.values()])
    return pixels, y, tuple(files)


def _files_by_class(folder: Path) -> dict[str, list[Path]]:
    """Return the image files of each class, both in the order of their names."""
    classes = sorted(each for each in folder.iterdir() if _is_seen(each) and each.is_dir())
    files = {
        each.name: sorted(
            path
            for path in each.rglob("*")
            if _is_seen(path) and path.is_file() and path.suffix.lower() in SUFFIXES
        )
        for each in classes
    }
    empty = [name for name, found in files.items() if not found]
    if len(files) < 2 or empty:
        has = f"no image in {', '.join(empty)}" if empty else f"{len(files)} such folders"
        message = (
            f"{folder} has {has}; expected at least two folders, one a class, each with image "
            f"files ({', '.join(SUFFIXES)}), as {folder.name}/cat/1.png and {folder.name}/dog/1.png"
        )
        raise DataError(message)
    return files


def _is_seen(path: Path) -> bool:
    return not path.name.startswith(".")


def _head(image_module: Any, path: Path) -> tuple[tuple[int, int], str]:  # noqa: ANN401 - a module
    """Return an image's height and width and its mode, without reading its pixels."""
    with _opened(image_module, path) as image:
        width, height = image.size
        try:
            turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)  # the camera lay on its side
        except _BROKEN as error:
            raise _unreadable(path, error) from error
        return ((width, height) if turned else (height, width)), image.mode


def _pixels(image_module: Any, path: Path, size: tuple[int, int], mode: str) -> Array:  # noqa: ANN401 - a module
    from PIL import ImageOps  # noqa: PLC0415 - only folders of images need it

    with _opened(image_module, path) as image:
        try:
            upright = ImageOps.exif_transpose(image).convert(mode)
        except _BROKEN as error:
            raise _unreadable(path, error) from error
        if (upright.height, upright.width) != size:
            upright = upright.resize((size[1], size[0]), image_module.Resampling.BILINEAR)
        return np.asarray(upright)


def _opened(image_module: Any, path: Path) -> Any:  # noqa: ANN401 - a module; an image
    try:
        return image_module.open(path)
    except (*_BROKEN, image_module.DecompressionBombError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    message = (
        f"{path} cannot be read as an image ({str(error).rstrip('.')}). Mend it or take it out of "
        "the folder."
    )
    return DataError(message)


def _as_size(size: Sequence[int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    sides = tuple(size) if isinstance(size, Sequence) else ()
    # A magic's line gives floats.
    whole = all(type(side) in (int, float) and float(side).is_integer() for side in sides)
    if len(sides) != 2 or not whole or not 1 <= min(sides) <= max(sides) <= _LARGEST_SIDE:
        message = (
            f"size={size!r} cannot be used; expected a height and a width in pixels. "
            "Type: size=(64, 64)"
        )
        raise OptionError(message)
    return int(sides[0]), int(sides[1])


def _one_size(paths: Sequence[Path], sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    different = sorted(set(sizes), key=sizes.index)
    if len(different) == 1:
        return different[0]
    shown = ", ".join(
        f"{height} x {width} ({paths[sizes.index((height, width))].name})"
        for height, width in different[:3]
    )
    more = f" and {len(different) - 3} more" if len(different) > 3 else ""
    message = (
        f"The images have different sizes (height x width): {shown}{more}; expected one. To bring "
        'each to one size type: mb.data("photos/", size=(64, 64))'
    )
    raise DataError(message)
