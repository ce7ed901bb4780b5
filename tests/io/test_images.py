"""Files as input: pictures for each kind of network, what .npy files may hold, and files that are none."""

import numpy as np
import pytest
from PIL import Image

from cyconv.io import ImageError, load_images
from cyconv.models import preprocess

PHOTOGRAPH, DIGIT = (3, 224, 224), (1, 8, 8)


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def test_grey_is_the_mean_of_each_box(tmp_path):
    picture = np.kron(noise(8, 8), np.ones((4, 4), np.uint8))
    Image.fromarray(picture).save(tmp_path / "grey.png")
    expected = picture[::4, ::4].astype(np.float32) / np.float32(255)
    assert np.array_equal(load_images(tmp_path / "grey.png", DIGIT)[0, 0], expected)


@pytest.mark.parametrize("shape", [(3, 299, 299), (3, 40, 96)])
def test_other_sizes(tmp_path, shape):
    path = tmp_path / "picture.png"
    Image.fromarray(noise(300, 400, 3)).save(path)
    expected = preprocess(path, shape[1:], round(max(shape[1:]) * 256 / 224))
    assert np.array_equal(load_images(path, shape), expected)


def test_networks_that_take_no_pictures(tmp_path):
    with pytest.raises(ImageError, match="takes 4 channels"):
        load_images(tmp_path / "picture.png", (4, 8, 8))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "CMYK", "1"])
def test_files_of_all_modes(tmp_path, mode):
    path = tmp_path / "picture.tiff"
    Image.fromarray(noise(30, 40, 3)).convert(mode).save(path)
    assert load_images(path, PHOTOGRAPH).shape == (1, *PHOTOGRAPH)
    assert load_images(path, DIGIT).shape == (1, *DIGIT)


def test_a_file_is_its_pixels(tmp_path):
    path = tmp_path / "picture.png"
    Image.fromarray(noise(30, 40, 3)).save(path)
    assert np.array_equal(load_images(path, PHOTOGRAPH), preprocess(noise(30, 40, 3)))


@pytest.mark.parametrize("shape", [(8, 8), (1, 8, 8), (1, 1, 8, 8), (3, 1, 8, 8)])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<f2"])
def test_arrays_are_taken_as_they_are(tmp_path, shape, dtype):
    array = np.random.default_rng(1).random(shape).astype(dtype)
    np.save(tmp_path / "a.npy", array)
    out = load_images(tmp_path / "a.npy", DIGIT)
    assert out.dtype == np.dtype(np.float32)
    assert np.array_equal(out, array.astype(np.float32).reshape(-1, 1, 8, 8))
    assert type(out) is np.ndarray


@pytest.mark.parametrize("array", [np.zeros((8, 7)), np.zeros((2, 8, 8)), np.zeros((0, 1, 8, 8)), np.zeros((8, 8), np.uint8), np.zeros(64)])
def test_wrong_arrays(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(ImageError, match=r"a\.npy"):
        load_images(tmp_path / "a.npy", DIGIT)


def damaged_files():
    header = b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000, 8, 8), }"
    return {
        "empty.npy": b"",
        "text.npy": b"hello",
        "huge.npy": header.ljust(127) + b"\n" + bytes(64),
        "long_header.npy": b"\x93NUMPY\x02\x00\xff\xff\xff\x7f{",
        "code.npy": b"\x93NUMPY\x01\x00\x20\x00" + b"__import__('os').abort()".ljust(31) + b"\n",
        "empty.png": b"",
        "text.jpg": b"hello",
        "cut.png": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00",
    }


@pytest.mark.parametrize("name", damaged_files())
def test_damaged_files(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(damaged_files()[name])
    with pytest.raises(ImageError, match=name.replace(".", r"\.")):
        load_images(path, DIGIT)


def test_pickled_objects_stay_pickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(ImageError):
        load_images(tmp_path / "a.npy", DIGIT)


@pytest.mark.parametrize("name", ["nowhere.png", "nowhere.npy"])
def test_missing_files(tmp_path, name):
    with pytest.raises(ImageError, match="No such file"):
        load_images(tmp_path / name, DIGIT)
