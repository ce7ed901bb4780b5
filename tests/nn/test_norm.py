"""Normalisation layers against PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cyconv import nn

from ..functional.helpers import EPS, assert_within, both_refuse, normal, single
from .helpers import build, check_alike


@pytest.mark.parametrize("options", [{}, {"eps": 0.001, "momentum": None}, {"affine": False}, {"bias": False}])
def test_batch_norm2d(options):
    ours, theirs = nn.BatchNorm2d(5, **options), torch.nn.BatchNorm2d(5, **options)
    check_alike(ours, theirs)
    x = normal(4, 5, 6, 7)
    assert_within(ours(x), theirs.eval()(single(x)), 8 * EPS * np.abs(x))  # mean 0, variance 1
    theirs.train()(3 * single(x) + 1)
    theirs.eval()
    ours.load_state_dict(theirs.state_dict())
    assert ours.num_batches_tracked == 1
    assert ours.num_batches_tracked.dtype == np.int64
    with torch.no_grad():
        want = theirs(single(x))
    assert_within(ours(x), want, 8 * EPS * (np.abs(x) + 4) * 4)


def test_batch_norm2d_without_statistics_is_refused():
    layer = nn.BatchNorm2d(3, track_running_stats=False)
    check_alike(layer, torch.nn.BatchNorm2d(3, track_running_stats=False))
    with pytest.raises(ValueError, match="running_mean and running_var"):
        layer(normal(1, 3, 4, 4))


def test_batch_norm2d_in_training_mode_is_refused():
    layer = nn.BatchNorm2d(3).train()
    with pytest.raises(ValueError, match=r"inference; call eval\(\) first"):
        layer(normal(1, 3, 4, 4))
    assert layer.eval()(normal(1, 3, 4, 4)).shape == (1, 3, 4, 4)


def test_old_checkpoints_lack_the_count():
    layer = nn.BatchNorm2d(3)
    state = {k: a for k, a in layer.state_dict().items() if k != "num_batches_tracked"}
    assert layer.load_state_dict(state).missing_keys == []
    torch.nn.BatchNorm2d(3).load_state_dict({k: torch.tensor(a) for k, a in state.items()})  # as PyTorch without version


@pytest.mark.parametrize("args", [(5,), (3, 0.5, 0.5, 2.0)])
def test_local_response_norm(args):
    ours, theirs = nn.LocalResponseNorm(*args), torch.nn.LocalResponseNorm(*args)
    check_alike(ours, theirs)
    x = normal(2, 9, 4, 5)
    want = theirs(single(x))
    assert_within(ours(x), want, 32 * EPS * want.abs())


@pytest.mark.parametrize(
    ("name", "args", "options", "shape"),
    [
        ("LayerNorm", (7,), {}, (2, 3, 7)),
        ("LayerNorm", ((3, 7),), {"bias": False, "eps": 0.01}, (2, 3, 7)),
        ("LayerNorm", ([7],), {"elementwise_affine": False}, (2, 3, 7)),
        ("GroupNorm", (2, 6), {}, (2, 6, 4)),
        ("GroupNorm", (3, 6), {"affine": False, "eps": 0.01}, (2, 6, 3, 4)),
        ("InstanceNorm1d", (5,), {}, (2, 5, 7)),
        ("InstanceNorm1d", (5,), {"affine": True}, (5, 7)),
        ("InstanceNorm2d", (5,), {"affine": True, "eps": 0.01}, (2, 5, 3, 4)),
        ("InstanceNorm2d", (5,), {"track_running_stats": True, "affine": True}, (2, 5, 3, 4)),
        ("InstanceNorm3d", (5,), {"track_running_stats": True}, (2, 5, 3, 4, 2)),
        ("InstanceNorm3d", (5,), {}, (5, 3, 4, 2)),
    ],
)
def test_moments(name, args, options, shape):
    ours, theirs = build(name, *args, **options)
    x = normal(*shape)
    with torch.no_grad():
        want = theirs.double()(single(x).double())
    assert_within(ours(x), want, 16 * EPS * (4 * want.abs() + 4))  # parameters of up to 4, a few roundings each


def test_moments_refusals():
    both_refuse(lambda: nn.GroupNorm(2, 5), lambda: torch.nn.GroupNorm(2, 5), r"num_channels \(5\) must be divisible by num_groups \(2\)")
    for n, shape in [(1, (2, 3, 4, 5)), (2, (3, 4)), (3, (3, 4, 5))]:
        name, x = f"InstanceNorm{n}d", normal(*shape)
        both_refuse(lambda: getattr(nn, name)(3)(x), lambda: getattr(torch.nn, name)(3)(single(x)), rf"got {len(shape)}D input")
    x = normal(2, 4, 5)
    with pytest.raises(ValueError, match=r"dim=1 to match num_features \(3\), got: 4"):
        nn.InstanceNorm1d(3)(x)
    both_refuse(lambda: nn.LayerNorm(4)(x), lambda: torch.nn.LayerNorm(4)(single(x)), r"expected input with shape \[\*, 4\]")


def test_refusals():
    x = normal(3, 4, 5)
    both_refuse(lambda: nn.BatchNorm2d(3)(x), lambda: torch.nn.BatchNorm2d(3)(single(x)), r"expected 4D input \(got 3D input\)")
    both_refuse(lambda: nn.BatchNorm2d(2)(x[None]), lambda: torch.nn.BatchNorm2d(2).eval()(single(x[None])), "running_mean")
    both_refuse(lambda: nn.LocalResponseNorm(3)(x[0]), lambda: torch.nn.LocalResponseNorm(3)(single(x[0])), "3D or higher")
