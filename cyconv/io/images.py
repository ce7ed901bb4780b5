"""Pictures as the input of a network: read, resized, cropped and scaled as the network's training did it.

Two kinds of network: three channels take photographs with ImageNet's preprocessing, one channel takes grey pictures in 0..1.
Pictures are read through Pillow (the extra ``images``); ``.npy`` files hold the network's input itself and need
nothing. Files are not trusted. Layer of the house: io; called by the command line and the demo.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np

# Mean and standard deviation of ImageNet's training images by channel, in 0..1, as torchvision's networks expect.
MEAN = np.array([0.485, 0.456, 0.406], np.float32).reshape(3, 1, 1)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32).reshape(3, 1, 1)
RESIZE = 256 / 224  # the shorter side before the centre is cut out, relative to the cut


class ImageError(ValueError):
    """A picture that cannot be read or does not suit the network; the message names the file."""


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
        One image for a picture; see :func:`preprocess`.

    Raises
    ------
    ImageError
        When the file is missing or damaged, or its array has another shape.
    ImportError
        When a picture is to be read and Pillow is not installed.
    """
    path = Path(path)
    if path.suffix.lower() == ".npy":
        return _load_array(path, shape)
    return preprocess(_load_picture(path, "L" if shape[0] == 1 else "RGB"), shape)[None]


def preprocess(picture: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Turn a picture into one image for a network.

    Parameters
    ----------
    picture : ndarray of uint8
        [H, W, 3] for a network with three channels, [H, W] for one with one channel.
    shape : tuple of int
        (C, H, W) that the network takes.

    Returns
    -------
    ndarray of float32, [C, H, W]
        Three channels: the shorter side resized to 256/224 of the network's (bilinear), the centre cut out, 0..1,
        ImageNet's mean subtracted, divided by its deviation. One channel: resized to the network's size (box filter),
        0..1; the digits that the package's network knows are bright on dark.

    Raises
    ------
    ImageError
        When the picture has another dtype or shape.
    ImportError
        When Pillow is not installed.
    """
    channels, height, width = shape
    expected = (3,) if channels == 3 else ()
    if picture.dtype != np.uint8 or picture.ndim != 2 + len(expected) or picture.shape[2:] != expected or 0 in picture.shape:
        raise ImageError(f"expected a picture of uint8 [H, W{', 3' if channels == 3 else ''}], got {picture.dtype} {list(picture.shape)}")
    pillow = _pillow()
    image = pillow.fromarray(picture)
    if channels == 1:
        return np.asarray(image.resize((width, height), pillow.Resampling.BOX), np.float32)[None] / np.float32(255)
    shorter = min(image.size)
    target = round(RESIZE * min(height, width))
    size = [target * side // shorter for side in image.size]
    left, top = round((size[0] - width) / 2), round((size[1] - height) / 2)
    cut = image.resize((size[0], size[1]), pillow.Resampling.BILINEAR).crop((left, top, left + width, top + height))
    planes = np.asarray(cut, np.float32).transpose(2, 0, 1) / np.float32(255)
    return np.ascontiguousarray((planes - MEAN) / DEVIATION)


def _pillow():
    """Pillow's Image module."""
    try:
        from PIL import Image
    except ImportError:
        raise ImportError("reading and resizing pictures needs Pillow: pip install 'cyconv[images]'") from None
    return Image


def _load_picture(path: Path, mode: str) -> np.ndarray:
    """The pixels as uint8: [H, W] for mode L, [H, W, 3] for RGB."""
    pillow = _pillow()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pillow.DecompressionBombWarning)
            with pillow.open(path) as image:
                return np.array(image.convert(mode))
    except pillow.UnidentifiedImageError:
        raise ImageError(f"{path}: it is no picture that Pillow can read") from None
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror or error}") from error
    except MemoryError:
        raise ImageError(f"{path}: there is not enough memory to read it") from None
    except Exception as error:  # Pillow's decoders raise many kinds on damaged files
        raise ImageError(f"{path}: {error}") from error


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
