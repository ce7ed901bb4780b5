"""Profiles: one record a step, sums that fit, and the table."""

import numpy as np
import pytest

import cyconv
from cyconv import nn
from cyconv.graph.profile import Profile, plan_table

STEPS = [
    {"name": "conv", "op": "conv2d", "shape": (1, 2), "layout": "nchw", "algorithm": "dense", "out_bytes": 8, "macs": 5_000_000},
    {"name": "relu", "op": "relu", "shape": (1, 2), "layout": "nchw", "algorithm": "relu", "out_bytes": 8, "macs": 0},
]


def test_records():
    profile = Profile(STEPS, [0.1, 0.3], 0.5, 200.0, 2, "avx2")
    conv, relu = profile.records
    assert (conv["ms"], conv["percent"], conv["gflops"], conv["share_of_peak"]) == pytest.approx((0.1, 20.0, 100.0, 0.5))
    assert (relu["gflops"], relu["share_of_peak"]) == (None, None) and relu["percent"] == pytest.approx(60)
    assert "gflops" not in STEPS[0]


def test_table():
    text = str(Profile(STEPS, [0.1, 0.3], 0.5, 200.0, 2, "avx2"))
    assert repr(Profile(STEPS, [0.1, 0.3], 0.5, 200.0, 2, "avx2")) == text
    assert "% of peak" in text and "0.100" in text and "60.0" in text
    assert "total 0.500 ms, 5 M multiply-adds, 20 GFLOP/s = 10 % of the measured peak (200 GFLOP/s, avx2, 2 thread(s))" in text
    assert "| conv |" in Profile(STEPS, [0.1, 0.3], 0.5, 200.0, 2, "avx2").to_markdown()


def test_nothing_is_divided_by_zero():
    assert "total 0.000 ms" in str(Profile(STEPS, [0.0, 0.0], 0.0, 0.0, 1, "baseline"))
    assert "step" in plan_table([])


@pytest.mark.parametrize("threads", [1, 2])
def test_of_a_plan(threads):
    net = nn.Sequential(nn.Conv2d(3, 40, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(40 * 49, 10))
    plan = cyconv.compile(net, (1, 3, 16, 16), threads)
    x = np.ones((1, 3, 16, 16), np.float32)
    profile = plan.profile(x, repeats=3)
    assert [r["name"] for r in profile.records] == [s["name"] for s in plan.steps()]
    times = [r["ms"] for r in profile.records]
    assert all(t >= 0 for t in times) and profile.total_ms > 0 and profile.peak_gflops > 0
    assert (profile.num_threads, profile.isa) == (threads, cyconv.isa())
    for step, r in zip(plan.steps(), profile.records, strict=True):
        assert {k: r[k] for k in step} == step


@pytest.mark.parametrize("repeats", [0, -1, 1.5, True, None])
def test_repeats(repeats):
    plan = cyconv.compile(nn.ReLU(), (1, 3))
    with pytest.raises(ValueError, match="repeats must be a positive int"):
        plan.profile(np.ones((1, 3), np.float32), repeats=repeats)
