"""ImageNet's preprocessing: every pixel as Pillow and arithmetic give it, all forms of pictures, and files that are none."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.families.torch_networks import torchvision_models
from cyconv.models import preprocess
from cyconv.models.preprocess import MEAN, STD, ImageError

SIZES = [(256, 300), (427, 640), (640, 427), (100, 80), (1, 5), (256, 256), (1000, 257), (333, 500)]


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def smooth(height, width):
    """A picture without noise, as photographs are."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    planes = [127 + 120 * np.sin(7 * x + 3 * y), 255 * x * y, 127 + 100 * np.cos(9 * y)]
    return np.stack(planes, 2).round().astype(np.uint8)


def normalised(pixels: np.ndarray) -> np.ndarray:
    """[H, W, 3] in 0..255 as a network's input, with PyTorch's float32 arithmetic, as torchvision's Normalize does it."""
    planes = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1).to(torch.float32).div(255)
    return planes.sub(torch.tensor(MEAN)[:, None, None]).div(torch.tensor(STD)[:, None, None])[None].numpy()


def reference(picture: np.ndarray, crop: int, resize: int, mode) -> np.ndarray:
    """What torchvision's preset does on a picture of Pillow, step by step."""
    height, width = picture.shape[:2]
    short, long = min(height, width), max(height, width)
    new_long = int(resize * long / short)
    size = (resize, new_long) if width <= height else (new_long, resize)
    resized = np.asarray(Image.fromarray(picture).resize(size, mode))
    top, left = round((resized.shape[0] - crop) / 2.0), round((resized.shape[1] - crop) / 2.0)
    return normalised(resized[top : top + crop, left : left + crop])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("crop", [{}, {"crop_size": 299, "resize_size": 342}, {"crop_size": 240, "interpolation": "bicubic"}])
def test_every_pixel(size, crop):
    picture = noise(*size, 3)
    mode = Image.Resampling.BICUBIC if "interpolation" in crop else Image.Resampling.BILINEAR
    expected = reference(picture, crop.get("crop_size", 224), crop.get("resize_size", 256), mode)
    got = preprocess(picture, **crop)
    assert got.shape == expected.shape and got.dtype == np.float32 and got.flags.c_contiguous
    assert np.array_equal(got, expected)


def test_the_preset_of_torchvision():
    if torchvision_models() is None:
        pytest.skip("torchvision is not installed; the tests above spell out its steps")
    from torchvision.transforms._presets import ImageClassification
    from torchvision.transforms.functional import InterpolationMode

    for size in SIZES:
        picture = Image.fromarray(noise(*size, 3))
        assert np.array_equal(preprocess(picture)[0], ImageClassification(crop_size=224)(picture).numpy())
        other = ImageClassification(crop_size=240, resize_size=300, interpolation=InterpolationMode.BICUBIC)
        assert np.array_equal(preprocess(picture, 240, 300, interpolation="bicubic")[0], other(picture).numpy())


def test_resizing_is_filtered():
    """PyTorch's antialiased resize, in floating point, differs by the rounding of Pillow's two passes only."""
    picture = smooth(900, 1200)
    planes = torch.from_numpy(picture).permute(2, 0, 1)[None].to(torch.float32)
    resized = torch.nn.functional.interpolate(planes, (256, 341), mode="bilinear", antialias=True, align_corners=False)
    expected = resized[0].permute(1, 2, 0).numpy()[16:240, 58:282]
    scale = np.array(STD, np.float32).reshape(3, 1, 1) * 255
    assert np.abs((preprocess(picture)[0] - normalised(expected)[0]) * scale).max() <= 1.01


def test_forms_of_one_picture(tmp_path):
    picture = noise(30, 40, 3)
    path = tmp_path / "picture.png"
    Image.fromarray(picture).save(path)
    expected = preprocess(picture)
    forms = [path, str(path), Image.fromarray(picture), Image.open(path), torch.from_numpy(picture), picture[None], [picture]]
    forms += [np.asfortranarray(picture), picture[::-1][::-1]]
    for form in forms:
        assert np.array_equal(preprocess(form), expected)
    grey = noise(30, 40)
    assert np.array_equal(preprocess(grey), preprocess(np.repeat(grey[:, :, None], 3, 2)))
    for mode in ("RGBA", "L", "P", "CMYK", "1"):
        other = Image.fromarray(picture).convert(mode)
        assert np.array_equal(preprocess(other), preprocess(np.asarray(other.convert("RGB"))))


def test_batches(tmp_path):
    pictures = [noise(30, 40, 3), Image.fromarray(noise(50, 30, 3)), tmp_path / "a.png", noise(2, 9, 9, 3)]
    Image.fromarray(noise(20, 20)).save(tmp_path / "a.png")
    batch = preprocess(pictures)
    assert batch.shape == (5, 3, 224, 224)
    assert np.array_equal(batch, np.concatenate([preprocess(one) for one in pictures]))
    assert preprocess([]).shape == (0, 3, 224, 224)


WRONG = [noise(5, 5, 4), noise(0, 5, 3), noise(5, 0), noise(5, 5, 3).astype(np.float32), noise(3), noise(1, 1, 2, 2, 3)]


@pytest.mark.parametrize("picture", WRONG)
def test_wrong_arrays(picture):
    with pytest.raises(ImageError, match=r"expected a picture of uint8 \[H, W, 3\]"):
        preprocess(picture)


def test_wrong_arguments():
    for picture in (None, 3, {"a": 1}):
        with pytest.raises(TypeError, match="image must be a path"):
            preprocess(picture)
    picture = noise(5, 5, 3)
    for crop in (0, -1, 257, (224,), (224, 300), (1.5, 2), True):
        with pytest.raises(ValueError, match="crop_size must be"):
            preprocess(picture, crop)
    with pytest.raises(ValueError, match="interpolation must be one of bilinear, bicubic, got 'nearest'"):
        preprocess(picture, interpolation="nearest")
    with pytest.raises(ValueError, match="3 numbers each, got 1 and 3"):
        preprocess(picture, mean=[0.5])
    with pytest.raises(ImageError, match="with pixels"):
        preprocess(Image.new("RGB", (0, 5)))
    with pytest.raises(ImageError, match="a picture of 1×60000 is too narrow"):
        preprocess(np.zeros((60000, 1, 3), np.uint8))


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00"])
def test_damaged_files(tmp_path, data):
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ImageError, match=r"a\.png"):
        preprocess(tmp_path / "a.png")
    with pytest.raises(ImageError, match="No such file"):
        preprocess(tmp_path / "b.png")


def test_decompression_bombs_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "bomb.png"
    Image.new("L", (200, 200)).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 30_000)
    with pytest.raises(ImageError, match="bomb"):
        preprocess(path)


def test_without_pillow(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r"cyconv\[images\]"):
        preprocess(noise(5, 5, 3))
