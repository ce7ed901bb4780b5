"""Files as the input of a network: pictures, and arrays that are the input itself.

Two kinds of network: three channels take photographs with ImageNet's preprocessing, one channel takes grey pictures in 0..1.
``.npy`` files hold the network's input and need no Pillow. Files are not trusted. Layer of the house: io; called by the command line.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from cyconv.models.preprocess import ImageError, pillow, preprocess, read_picture

RESIZE = 256 / 224  # the shorter side before the centre is cut out, relative to the cut


def load_images(path: str | os.PathLike, shape: tuple[int, int, int]) -> np.ndarray:
    """Read a file as input for a network.

    Parameters
    ----------
    path : str or path
        A picture of any format that Pillow reads, or a ``.npy`` file with the network's input itself: floating-point numbers
        [C, H, W], [N, C, H, W], or [H, W] for one channel.
    shape : tuple of int
        (C, H, W) that the network takes, such as ``cyconv.models.INPUT_SHAPES["googlenet"]``.

    Returns
    -------
    ndarray of float32, [N, C, H, W]
        One image for a picture. With three channels: :func:`cyconv.models.preprocess`, the shorter side first resized to 256/224 of
        the network's longer one. With one channel: resized to the network's size (box filter), 0..1; the digits that the package's
        network knows are bright on dark.

    Raises
    ------
    ImageError
        When the file is missing or damaged, its array has another shape, or the network takes no pictures.
    ImportError
        When a picture is to be read and Pillow is not installed.
    """
    path = Path(path)
    if path.suffix.lower() == ".npy":
        return _load_array(path, shape)
    channels, height, width = shape
    if channels not in (1, 3):
        raise ImageError(f"{path}: the network takes {channels} channels, a picture has 1 or 3; a .npy file may hold its input")
    if channels == 1:
        grey = read_picture(path, "L").resize((width, height), pillow().Resampling.BOX)
        return np.asarray(grey, np.float32)[None, None] / np.float32(255)
    return preprocess(path, (height, width), round(RESIZE * max(height, width)))


def _load_array(path: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """The array of a .npy file as [N, C, H, W] float32."""
    try:
        # Mapped, so that no more memory is taken than the file has, whatever its header says; never unpickled.
        mapped = np.lib.format.open_memmap(path, mode="r")
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror or error}") from error
    except (ValueError, OverflowError, MemoryError, SyntaxError, EOFError) as error:
        raise ImageError(f"{path}: it is no sound .npy file of numbers: {error}") from error
    array_shape = mapped.shape
    if shape[0] == 1 and mapped.ndim == 2:
        array_shape = (1, *array_shape)
    if len(array_shape) == 3:
        array_shape = (1, *array_shape)
    if mapped.dtype.kind != "f" or len(array_shape) != 4 or array_shape[1:] != tuple(shape) or array_shape[0] == 0:
        wanted = " or ".join(str(list(s)) for s in [shape, ("N", *shape)]).replace("'", "")
        raise ImageError(f"{path}: expected floating-point numbers {wanted}, got {mapped.dtype} {list(mapped.shape)}")
    return np.array(mapped, np.float32, order="C").reshape(array_shape)
