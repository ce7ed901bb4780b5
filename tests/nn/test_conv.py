"""Conv2d and Conv1d against PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cyconv import functional as F
from cyconv import nn

from ..functional.helpers import both_refuse, small_integers
from .helpers import check_exact

# PyTorch warns that it copies the input.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")

CASES_2D = [
    ((3, 4, 3), {}),
    ((3, 4, (3, 2)), {"stride": 2, "padding": 1}),
    ((4, 6, 3), {"stride": (2, 1), "padding": (1, 2), "dilation": (2, 1), "groups": 2}),
    ((3, 4, 4), {"padding": "same", "bias": False}),
    ((3, 4, 3), {"padding": "valid", "dilation": 2}),
    ((3, 4, 3), {"padding": (2, 1), "padding_mode": "reflect"}),
    ((3, 4, 3), {"padding": "same", "padding_mode": "replicate"}),
    ((3, 4, 3), {"padding": 1, "stride": 3, "padding_mode": "circular"}),
    ((3, 4, [1, 3]), {"stride": [1, 2]}),
]
CASES_1D = [
    ((3, 4, 3), {}),
    ((4, 6, (5,)), {"stride": (2,), "padding": (3,), "dilation": (2,), "groups": 2}),
    ((3, 4, 4), {"padding": "same", "bias": False}),
    ((3, 4, 3), {"padding": 2, "padding_mode": "circular"}),
]


@pytest.mark.parametrize(("args", "options"), CASES_2D)
@pytest.mark.parametrize("batch", [(2,), ()])
def test_conv2d(args, options, batch):
    check_exact("Conv2d", *args, **options, shape=(*batch, args[0], 9, 8))


@pytest.mark.parametrize(("args", "options"), CASES_1D)
@pytest.mark.parametrize("batch", [(2,), ()])
def test_conv1d(args, options, batch):
    check_exact("Conv1d", *args, **options, shape=(*batch, args[0], 13))


def test_asymmetric_padding():
    x = small_integers(2, 3, 7, 6)
    layer = nn.Conv2d(3, 4, 3, padding=((1, 2), (0, 3)))
    assert "padding=((1, 2), (0, 3))" in repr(layer)
    np.testing.assert_array_equal(layer(x), F.conv2d(x, layer.weight, layer.bias, padding=((1, 2), (0, 3))))
    assert nn.Conv2d(3, 4, 3, padding=((1, 1), (2, 2))).padding == (1, 2)
    layer = nn.Conv1d(3, 4, 3, padding=((0, 2),))
    assert "padding=((0, 2),)" in repr(layer)
    np.testing.assert_array_equal(layer(x[:, :, 0]), F.conv1d(x[:, :, 0], layer.weight, layer.bias, padding=((0, 2),)))


def test_initial_values():
    """Uniform within one over the root of the inputs of an output, as PyTorch's."""
    layer = nn.Conv2d(16, 64, 5, groups=2)
    bound = 1 / np.sqrt(8 * 25)
    for array in (layer.weight, layer.bias):
        assert np.abs(array).max() <= bound
        assert np.abs(array).max() > 0.9 * bound
    # The standard deviation of a uniform distribution, with five times its own deviation for so many numbers.
    assert abs(layer.weight.std() - bound / np.sqrt(3)) < 5 * bound / np.sqrt(layer.weight.size)


@pytest.mark.parametrize(
    ("args", "options", "match"),
    [
        ((4, 6, 3), {"groups": 4}, "out_channels must be divisible by groups"),
        ((6, 4, 3), {"groups": 4}, "in_channels must be divisible by groups"),
        ((4, 6, 3), {"groups": 0}, "groups"),
        ((4, 6, 3), {"padding": "full"}, "padding"),
        ((4, 6, 3), {"padding": "same", "stride": 2}, "padding='same'"),
        ((4, 6, 3), {"padding_mode": "mirror"}, "padding_mode"),
        ((4, 6, -3), {}, "kernel_size"),
    ],
)
def test_refusals(args, options, match):
    for name in ("Conv2d", "Conv1d"):
        both_refuse(lambda: getattr(nn, name)(*args, **options), lambda: getattr(torch.nn, name)(*args, **options), match)


@pytest.mark.parametrize(
    ("options", "match"), [({"kernel_size": 0}, "kernel_size"), ({"kernel_size": (1, 2, 3)}, "kernel_size"), ({"stride": 0}, "stride")]
)
def test_refusals_that_pytorch_leaves_to_the_forward(options, match):
    for layer in (nn.Conv2d, nn.Conv1d):
        with pytest.raises((ValueError, TypeError), match=match):
            layer(3, 4, **{"kernel_size": 3, **options})
