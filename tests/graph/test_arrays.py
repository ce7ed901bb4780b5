"""Arrays at the door: what works as it is, what is copied, and what is refused by name."""

import numpy as np
import pytest
import torch

from cyconv.graph.arrays import as_array, check_out

X = np.arange(24, dtype=np.float32).reshape(4, 6)


def unaligned(x: np.ndarray) -> np.ndarray:
    """A copy of x that begins one byte behind a boundary."""
    memory = np.zeros(x.nbytes + 1, np.uint8)
    view = memory[1:].view(np.float32).reshape(x.shape)
    view[...] = x
    assert not view.flags.aligned
    return view


def test_a_plain_array_is_not_copied():
    assert as_array(X, "x") is X
    frozen = X.copy()
    frozen.flags.writeable = False
    assert as_array(frozen, "x") is frozen


@pytest.mark.parametrize(
    "form", [np.asfortranarray, unaligned, lambda x: x.astype(">f4"), lambda x: np.repeat(x, 2, 1)[:, ::2], lambda x: x[::-1][::-1]]
)
def test_other_forms_are_brought_into_shape(form):
    y = as_array(form(X), "x")
    assert y.flags.c_contiguous and y.flags.aligned and y.dtype.isnative and y.dtype == np.float32
    assert np.array_equal(y, X)


@pytest.mark.parametrize(
    "dtype", [np.float64, np.float16, np.int32, np.int64, np.bool_, np.complex64, "datetime64[s]", object, "S4", np.longdouble]
)
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(TypeError, match=r"image must be float32, got .*astype"):
        as_array(np.ones(3).astype(dtype), "image")


@pytest.mark.parametrize("value", [[1.0], 1.0, None, "x", memoryview(X)])
def test_other_types_are_refused(value):
    with pytest.raises(TypeError, match=r"image must be a NumPy array of float32, got .*np.asarray"):
        as_array(value, "image")


class Elsewhere:
    """An array of a library whose memory lies on a device of DLPack's type ``device``."""

    def __init__(self, device: int):
        self.device = device

    def __dlpack_device__(self):
        return self.device, 0

    def __dlpack__(self, **options):
        raise AssertionError("nothing may be asked for before the device is known to be the CPU")


class Wrapped:
    """What has nothing but ``__array__``."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array


def test_a_tensor_of_pytorch_is_not_copied():
    tensor = torch.arange(24.0).reshape(4, 6)
    got = as_array(tensor, "x")
    assert type(got) is np.ndarray and got.ctypes.data == tensor.data_ptr()
    assert np.array_equal(got, X)
    turned = as_array(tensor.t(), "x")
    assert turned.flags.c_contiguous and np.array_equal(turned, X.T)


def test_what_has_array_is_not_copied():
    assert as_array(Wrapped(X), "x") is X
    with pytest.raises(TypeError, match=r"image must be float32, got float64; convert it with np.asarray"):
        as_array(Wrapped(X.astype(np.float64)), "image")


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        (lambda: torch.ones(2, dtype=torch.float64), "image must be float32, got float64"),
        (lambda: torch.ones(2, dtype=torch.int64), "image must be float32, got int64"),
        (lambda: torch.ones(2, dtype=torch.bfloat16), r"image \(Tensor\) cannot be used as an array of float32: .*dtype"),
        (lambda: torch.ones(2, requires_grad=True), r"image \(Tensor\) .*detach"),
        (lambda: torch.ones(2).to_sparse(), r"image \(Tensor\) .*layout"),
        (lambda: torch.ones(2, device="meta"), r"image \(Tensor\) .*meta"),
    ],
)
def test_tensors_that_are_refused(tensor, words):
    with pytest.raises(TypeError, match=words):
        as_array(tensor(), "image")


@pytest.mark.parametrize(("device", "words"), [(2, "a CUDA GPU"), (8, "a Metal GPU"), (10, "a ROCm GPU"), (77, "DLPack's type 77")])
def test_other_devices_are_refused(device, words):
    with pytest.raises(TypeError, match=rf"image \(Elsewhere\) .* it lies on .*{words}; copy it to the CPU first, in PyTorch with .cpu"):
        as_array(Elsewhere(device), "image")


def test_out():
    out = np.empty((4, 6), np.float32)
    assert check_out(out, (4, 6), [X]) is out
    with pytest.raises(TypeError, match="out must be a NumPy array of float32, got list"):
        check_out([1.0], (1,), [])
    for dtype in (np.float64, ">f4", np.int32):
        with pytest.raises(TypeError, match="out must be a NumPy array of float32"):
            check_out(np.empty((4, 6), dtype), (4, 6), [])
    with pytest.raises(ValueError, match=r"out must have shape \(4, 6\), got \(6, 4\)"):
        check_out(np.empty((6, 4), np.float32), (4, 6), [])
    frozen = out.copy()
    frozen.flags.writeable = False
    for bad in (np.asfortranarray(out), unaligned(out), frozen, np.empty((4, 12), np.float32)[:, ::2]):
        with pytest.raises(ValueError, match="contiguous, aligned and writeable"):
            check_out(bad, (4, 6), [])
    with pytest.raises(ValueError, match="share memory"):
        check_out(out, (4, 6), [X, out[1:]])
