"""Transposed convolution layers and Conv3d against PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest

from cyconv import nn

from ..functional.helpers import assert_same, single, small_integers
from .helpers import build, check_exact

OPTIONS = [
    {},
    {"stride": 2, "padding": 1, "output_padding": 1},
    {"stride": 2, "groups": 2, "bias": False},
    {"dilation": 2, "padding": 1},
]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_conv_transpose(rank, options):
    check_exact(f"ConvTranspose{rank}d", 4, 6, 3, **options, shape=(2, 4, *(5, 4, 3)[:rank]))


@pytest.mark.parametrize(
    "options", [{}, {"stride": (1, 2, 1), "padding": 1}, {"padding": "same", "groups": 2}, {"padding_mode": "reflect", "padding": 1}]
)
def test_conv3d(options):
    check_exact("Conv3d", 4, 6, (3, 2, 3), **options, shape=(2, 4, 5, 6, 7))


def test_sides_of_padding():
    layer = nn.Conv3d(2, 3, 3, padding=((1, 0), (0, 2), (1, 1)))
    assert layer.padding == ((1, 0), (0, 2), (1, 1))
    assert layer(small_integers(1, 2, 4, 4, 4)).shape == (1, 3, 3, 4, 4)


class Up(nn.Module):
    """A layer asked for a size, as a decoder asks for that of the encoder's map."""

    def __init__(self, layer, size):
        super().__init__()
        self.layer, self.size = layer, size

    def forward(self, x):
        return self.layer(x, output_size=self.size)


@pytest.mark.parametrize("size", [(9, 7), (10, 8), (2, 6, 10, 7)])
def test_output_size(size):
    ours, theirs = build("ConvTranspose2d", 4, 6, 3, 2, padding=1)
    x = small_integers(2, 4, 5, 4)
    assert_same(Up(ours, size)(x), theirs(single(x), output_size=size))


@pytest.mark.parametrize("size", [(8, 7), (11, 8), (9,), (9, 7, 1)])
def test_output_size_refusals(size):
    ours, theirs = build("ConvTranspose2d", 4, 6, 3, 2, padding=1)
    x = small_integers(2, 4, 5, 4)
    with pytest.raises(ValueError, match=r"output_size|output size"):
        theirs(single(x), output_size=size)
    with pytest.raises(ValueError, match=r"output_size|output size"):
        Up(ours, size)(x)


def test_refusals():
    with pytest.raises(ValueError, match="zeros"):
        nn.ConvTranspose2d(2, 2, 3, padding_mode="reflect")
    with pytest.raises(ValueError, match="divisible by groups"):
        nn.ConvTranspose2d(3, 2, 3, groups=2)
    with pytest.raises(ValueError, match="output padding must be smaller"):
        nn.ConvTranspose2d(2, 2, 3, output_padding=1)(np.zeros((1, 2, 4, 4), np.float32))
