"""Photographs as the input of a network: resized, cropped and scaled as torchvision's reference does it for ImageNet.

Pillow (the extra ``images``) reads and resizes; its resize filters over all pixels that a new one covers ("antialias"). Files are
not trusted. Layer of the house: models; called by users, :mod:`cyconv.io.images` and the demo.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cyconv.graph.arrays import as_numpy

# Mean and standard deviation of ImageNet's training images by channel, in 0..1, as torchvision's networks expect.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
INTERPOLATIONS = ("bilinear", "bicubic")
MAX_PIXELS = 2**26  # of a resized picture; one of a few pixels' width would grow to gigabytes, of which the crop shows a sliver


class ImageError(ValueError):
    """A picture that cannot be read or does not suit the network; the message names the file."""


def preprocess(
    image,
    crop_size: int | tuple[int, int] = 224,
    resize_size: int = 256,
    mean: Sequence[float] = MEAN,
    std: Sequence[float] = STD,
    interpolation: str = "bilinear",
) -> np.ndarray:
    """Turn pictures into the input of a network that was trained on ImageNet.

    Parameters
    ----------
    image : path, PIL.Image.Image, array of uint8, or a list of these
        A file of any format that Pillow reads; a picture of Pillow; an array [H, W, 3], [H, W] (grey) or [N, H, W, 3]. Pictures of
        other modes are converted to RGB.
    crop_size : int or (int, int)
        Size of the network's images: height and width.
    resize_size : int
        The shorter side before the centre is cut out.
    mean, std : sequence of 3 floats
        Of the training images by channel, in 0..1.
    interpolation : "bilinear" or "bicubic"
        Some networks were trained with the latter.

    Returns
    -------
    ndarray of float32, [N, 3, height, width]
        One image for each picture: the shorter side resized to ``resize_size``, the centre cut out, (pixel / 255 - mean) / std.

    Raises
    ------
    ImageError
        When a file is missing or damaged, or an array has another dtype or shape.
    TypeError, ValueError
        When ``image`` is none of these, or the other arguments do not fit each other.
    ImportError
        When Pillow is not installed.

    Notes
    -----
    torchvision.transforms._presets.ImageClassification on a picture of Pillow gives the same numbers, without the first axis.
    """
    crop = (crop_size, crop_size) if isinstance(crop_size, int) else tuple(crop_size)
    if len(crop) != 2 or not all(type(side) is int and 0 < side <= resize_size for side in crop):
        raise ValueError(f"crop_size must be one or two positive ints up to resize_size ({resize_size}), got {crop_size!r}")
    if interpolation not in INTERPOLATIONS:
        raise ValueError(f"interpolation must be one of {', '.join(INTERPOLATIONS)}, got {interpolation!r}")
    if len(mean) != 3 or len(std) != 3:
        raise ValueError(f"mean and std must have 3 numbers each, got {len(mean)} and {len(std)}")
    pictures = _pictures(image)
    result = np.empty((len(pictures), 3, *crop), np.float32)
    shift, scale = (np.array(numbers, np.float32).reshape(3, 1, 1) for numbers in (mean, std))
    for planes, picture in zip(result, pictures, strict=True):
        pixels = np.asarray(_centre(picture, crop, resize_size, interpolation), np.float32)
        planes[...] = (pixels.transpose(2, 0, 1) / np.float32(255) - shift) / scale
    return result


def _centre(picture, crop: tuple[int, ...], resize_size: int, interpolation: str):
    """The centre of a Pillow picture whose shorter side is resized first."""
    shorter = min(picture.size)
    width, height = (resize_size * side // shorter for side in picture.size)
    if width * height > MAX_PIXELS:
        raise ImageError(f"a picture of {picture.size[0]}×{picture.size[1]} is too narrow: it would be resized to {width}×{height}")
    resized = picture.resize((width, height), getattr(pillow().Resampling, interpolation.upper()))
    top, left = round((height - crop[0]) / 2), round((width - crop[1]) / 2)
    return resized.crop((left, top, left + crop[1], top + crop[0]))


def pillow():
    """Pillow's Image module; ImportError, which says how to get it, when it is not installed."""
    try:
        from PIL import Image
    except ImportError:
        raise ImportError("reading and resizing pictures needs Pillow: pip install 'cyconv[images]'") from None
    return Image


def _pictures(image) -> list:
    """``image`` as Pillow's pictures in RGB."""
    if isinstance(image, (list, tuple)):
        return [picture for one in image for picture in _pictures(one)]
    if isinstance(image, (str, os.PathLike)):
        return [read_picture(image, "RGB")]
    if "PIL.Image" in sys.modules and isinstance(image, sys.modules["PIL.Image"].Image):
        if 0 in image.size:
            raise ImageError(f"expected a picture with pixels, got one of size {image.size}")
        return [image.convert("RGB")]
    if not hasattr(image, "__array__") and not hasattr(image, "__dlpack__"):
        raise TypeError(f"image must be a path, a picture of Pillow, an array of uint8 or a list of these, got {type(image).__name__}")
    array = as_numpy(image, "image", ("uint8",))
    shaped = array.ndim == 2 or (array.ndim in (3, 4) and array.shape[-1] == 3)
    if array.dtype != np.uint8 or not shaped or 0 in array.shape[-3:]:
        wanted = "uint8 [H, W, 3], [H, W] or [N, H, W, 3]"
        raise ImageError(f"expected a picture of {wanted}, got {array.dtype} {list(array.shape)}")
    pictures = array if array.ndim == 4 else array[None]
    return [pillow().fromarray(np.ascontiguousarray(one)).convert("RGB") for one in pictures]


def read_picture(path: str | os.PathLike, mode: str):
    """The picture in a file, converted to one of Pillow's modes; ImageError when it cannot be read."""
    images = pillow()
    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", images.DecompressionBombWarning)
            with images.open(path) as picture:
                return picture.convert(mode)
    except images.UnidentifiedImageError:
        raise ImageError(f"{path}: it is no picture that Pillow can read") from None
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror or error}") from error
    except MemoryError:
        raise ImageError(f"{path}: there is not enough memory to read it") from None
    except Exception as error:  # Pillow's decoders raise many kinds on damaged files
        raise ImageError(f"{path}: {error}") from error
