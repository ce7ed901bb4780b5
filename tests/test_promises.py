"""What cyconv promises about numbers and arrays: the same bits, a bounded error, no byte outside an array touched."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import cyconv
from cyconv import functional as F
from cyconv import nn
from cyconv._kernels import cpu
from cyconv.graph import compile_function
from cyconv.graph.algorithm import BY_NAME
from cyconv.ops import OPS
from tests.guard import flush, guarded
from tests.parallel import small_plans_use_threads

THREADS = [1, 2, 3, 4]
U = 2.0**-24


@pytest.fixture(autouse=True)
def _threads():
    with small_plans_use_threads():
        yield


def floats(*shape, seed=0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)


# Networks


class Inception(nn.Module):
    """A GoogLeNet in small: stem with LRN, branches that are merged and concatenated, a classifier."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 24, 7, 2, 3), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True), nn.LocalResponseNorm(5))
        self.a, self.b, self.c, self.d = nn.Conv2d(24, 16, 1), nn.Conv2d(24, 20, 1), nn.Conv2d(24, 4, 1), nn.Conv2d(24, 9, 1)
        self.b3, self.c5 = nn.Conv2d(20, 32, 3, padding=1), nn.Conv2d(4, 16, 5, padding=2)
        self.fc = nn.Linear(73, 11)

    def forward(self, x):
        x = self.stem(x)
        branches = [F.relu(self.a(x)), F.relu(self.b3(F.relu(self.b(x)))), F.relu(self.c5(F.relu(self.c(x))))]
        y = F.cat([*branches, F.relu(self.d(F.max_pool2d(x, 3, 1, 1)))], 1)
        return F.softmax(self.fc(F.flatten(F.adaptive_avg_pool2d(y, 1), 1)), 1)


class Mobile(nn.Module):
    """A MobileNet block: expansion, depthwise, projection, with a residual connection, normalisation and hardswish."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 18, 3, 2, 1), nn.BatchNorm2d(18), nn.Hardswish())
        self.expand = nn.Sequential(nn.Conv2d(18, 54, 1, bias=False), nn.BatchNorm2d(54), nn.ReLU6())
        self.deep = nn.Sequential(nn.Conv2d(54, 54, 3, padding=1, groups=54, bias=False), nn.BatchNorm2d(54), nn.ReLU6())
        self.project = nn.Conv2d(54, 18, 1)
        self.wide = nn.Conv2d(18, 36, 5, groups=18)  # with a multiplier

    def forward(self, x):
        x = self.stem(x)
        return self.wide(x + self.project(self.deep(self.expand(x))))


class Volumes(nn.Module):
    """Three slices of one channel through layers of volumes."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv3d(1, 20, 3, padding=1), nn.Conv3d(20, 18, (2, 3, 3), (1, 2, 2), 1)
        self.up = nn.ConvTranspose3d(18, 5, (2, 4, 4), (1, 2, 2), (0, 1, 1))

    def forward(self, x):
        y = F.max_pool3d(F.relu(self.first(F.reshape(x, (x.shape[0], 1, 3, 19, 19)))), 3, (1, 2, 2), 1)
        return F.avg_pool3d(self.up(F.relu(self.second(y))), 2)


class Attention(nn.Module):
    """Products of two values of the network."""

    def forward(self, x):
        rows = F.reshape(x, (x.shape[0], 3, 19, 19))
        return F.softmax(rows @ F.transpose(rows, 2, 3), 3) @ rows


NETS = {
    "volumes": Volumes,
    "attention": Attention,
    "upsampling": lambda: nn.Sequential(
        nn.Conv2d(3, 20, 3, 2), nn.ConvTranspose2d(20, 18, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(18, 18, 3, 2, 1, 1, groups=18)
    ),
    "inception": Inception,
    "mobile": Mobile,
    "grouped": lambda: nn.Sequential(
        nn.Conv2d(3, 48, 3), nn.ReLU(), nn.Conv2d(48, 48, 3, groups=2), nn.Conv2d(48, 30, 3, groups=3, dilation=2)
    ),
    "small groups": lambda: nn.Sequential(
        nn.Conv2d(3, 15, 3), nn.LeakyReLU(0.1), nn.Conv2d(15, 15, 3, groups=3), nn.Conv2d(15, 30, 1, groups=5)
    ),
    "linear": lambda: nn.Sequential(nn.Flatten(), nn.Linear(3 * 19 * 19, 70), nn.GELU(), nn.Linear(70, 33), nn.LogSoftmax(1)),
    "lrn": lambda: nn.Sequential(nn.LocalResponseNorm(2), nn.Conv2d(3, 37, 1), nn.LocalResponseNorm(7, 0.1, 0.5, 2.0), nn.Softmax(1)),
    "pools": lambda: nn.Sequential(nn.AvgPool2d(3, 2, 1), nn.AdaptiveAvgPool2d(7), nn.AdaptiveMaxPool2d((3, 5)), nn.SiLU(), nn.Softmax(3)),
}
NETS["3x3"] = lambda: nn.Sequential(
    nn.Conv2d(3, 20, 3, padding=1), nn.ReLU(), nn.Conv2d(20, 33, 3), nn.ReLU(), nn.Conv2d(33, 7, 3, padding=2)
)
IMAGES = floats(9, 3, 19, 19)
WINOGRAD = [(name, "auto") for name in NETS] + [(name, kind) for name in ("3x3", "inception") for kind in BY_NAME]


def make(name: str) -> nn.Module:
    nn.init.manual_seed(0)
    return NETS[name]()


@pytest.mark.parametrize(("name", "winograd"), WINOGRAD)
def test_same_bits_for_any_batch(name, winograd):
    """Each image alone, and at every position of batches of 1 to 9."""
    net = make(name)
    alone = [cyconv.compile(net, (1, 3, 19, 19), 1, winograd)(IMAGES[i : i + 1])[0] for i in range(9)]
    assert all(np.isfinite(a).all() and np.count_nonzero(a) > a.size / 4 for a in alone)
    assert not np.array_equal(alone[0], alone[1])
    for n in range(1, 10):
        plan = cyconv.compile(net, (n, 3, 19, 19), 1 + n % 3, winograd)
        assert plan.num_threads == 1 + n % 3
        for first in range(9):
            order = [(first + k) % 9 for k in range(n)]
            for got, i in zip(plan(IMAGES[order]), order, strict=True):
                assert np.array_equal(got, alone[i]), (n, order)


@pytest.mark.parametrize(("name", "winograd"), WINOGRAD)
def test_same_bits_for_any_number_of_threads(name, winograd):
    net = make(name)
    plans = [cyconv.compile(net, (5, 3, 19, 19), threads, winograd) for threads in THREADS]
    want = plans[0](IMAGES[:5])
    for plan, threads in zip(plans, THREADS, strict=True):
        assert plan.num_threads == threads
        assert all(np.array_equal(plan(IMAGES[:5]), want) for _ in range(5))


@pytest.mark.parametrize("name", NETS)
def test_images_of_a_batch_do_not_touch_each_other(name):
    """NaN and infinity in one image change no bit of its neighbours."""
    plan = cyconv.compile(make(name), (5, 3, 19, 19), 2)
    want = plan(IMAGES[:5])
    for value in (np.nan, np.inf, -np.inf):
        x = IMAGES[:5].copy()
        x[2] = value
        y = plan(x)
        assert np.array_equal(y[[0, 1, 3, 4]], want[[0, 1, 3, 4]])
        assert not np.array_equal(y[2], want[2])


def test_same_bits_of_functions():
    x, w, b = floats(7, 20, 9, 9), floats(33, 20, 3, 3), floats(33)
    alone = [F.conv2d(x[i], w, b, padding=1) for i in range(7)]
    before = cyconv.get_num_threads()
    for threads in THREADS:
        cyconv.set_num_threads(threads)
        assert np.array_equal(F.conv2d(x, w, b, padding=1), alone)
        assert np.array_equal(F.linear(x.reshape(7, -1), floats(5, 1620)), [F.linear(v.ravel(), floats(5, 1620)) for v in x])
    cyconv.set_num_threads(before)


# Many callers


@pytest.mark.parametrize("threads", [1, 2])
def test_called_from_many_threads_at_once(threads):
    """Eight callers with inputs of their own share two plans: no result is mixed up."""
    plans = [cyconv.compile(make(name), (2, 3, 19, 19), threads) for name in ("inception", "mobile")]
    inputs = [floats(2, 3, 19, 19, seed=k) for k in range(8)]
    want = [[plan(x) for x in inputs] for plan in plans]

    def caller(k: int) -> bool:
        out = np.empty_like(want[0][k])
        same = True
        for round_ in range(25):
            which = (k + round_) % 2
            y = plans[which](inputs[k], out=out) if which == 0 and round_ % 3 == 0 else plans[which](inputs[k])
            same &= np.array_equal(y, want[which][k])
        y, maps = plans[0](inputs[k], capture=["stem", "fc"])
        return same and np.array_equal(y, want[0][k]) and maps["fc"].shape == (2, 11)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(caller, range(8)))


def test_a_module_called_from_many_threads_at_once():
    net = make("inception")
    inputs = [floats(1 + k % 3, 3, 19, 19, seed=k) for k in range(8)]
    want = [cyconv.compile(net, x.shape, 1)(x) for x in inputs]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            assert all(np.array_equal(y, w) for y, w in zip(pool.map(net, inputs), want, strict=True))


# Accuracy


LAYERS = {  # n, ci, h, w, co, kernel, stride, padding, groups
    "first layer": (1, 3, 40, 40, 64, 7, 2, 3, 1),
    "3x3": (1, 96, 14, 14, 40, 3, 1, 1, 1),
    "3x3 of 7x7": (2, 192, 7, 7, 33, 3, 1, 1, 1),
    "5x5": (1, 32, 14, 14, 35, 5, 1, 2, 1),
    "1x1": (1, 480, 14, 14, 70, 1, 1, 0, 1),
    "two towers": (1, 96, 13, 13, 64, 5, 1, 2, 2),
    "small groups": (1, 60, 13, 13, 60, 3, 1, 1, 12),
    "depthwise": (2, 70, 20, 20, 70, 3, 1, 1, 70),
    "depthwise 7x7": (1, 33, 20, 20, 33, 7, 2, 3, 33),
}


def check_error(y, want, magnitude, k: int, zero_mean: bool) -> None:
    """|error| ≤ K·u·Σ|x||w|, and ≤ 8·u·Σ|x||w| on zero-mean data; the result's own rounding is within the first."""
    error = np.abs(y.astype(np.float64) - want)
    bound = min(k, 8) if zero_mean else k
    assert y.size > 0 and np.all(error <= bound * U * magnitude), (error / (U * magnitude)).max()


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("zero_mean", [True, False])
def test_accuracy_of_convolutions(layer, zero_mean):
    n, ci, h, w, co, k, stride, padding, groups = LAYERS[layer]
    x, weight = floats(n, ci, h, w, seed=1), floats(co, ci // groups, k, k, seed=2)
    if not zero_mean:
        x, weight = np.abs(x) + 1, np.abs(weight) * np.where(floats(co, 1, 1, 1) > 0, np.float32(1), np.float32(-3))
    attrs = {"stride": (stride, stride), "padding": (padding,) * 4, "dilation": (1, 1), "groups": groups}
    reference = OPS["conv2d"].reference
    exact = [a.astype(np.float64) for a in (x, weight)]
    got = F.conv2d(x, weight, stride=stride, padding=padding, groups=groups)
    check_error(got, reference(exact, attrs)[0], reference([np.abs(a) for a in exact], attrs)[0], ci // groups * k * k, zero_mean)


@pytest.mark.parametrize(("rows", "k", "m"), [(1, 1024, 1000), (1, 9216, 64), (17, 333, 45), (3, 7, 5)])
@pytest.mark.parametrize("zero_mean", [True, False])
def test_accuracy_of_linear(rows, k, m, zero_mean):
    x, w = floats(rows, k, seed=1), floats(m, k, seed=2)
    if not zero_mean:
        x, w = np.abs(x), np.abs(w) + 2
    exact = x.astype(np.float64), w.astype(np.float64)
    check_error(F.linear(x, w), exact[0] @ exact[1].T, np.abs(exact[0]) @ np.abs(exact[1]).T, k, zero_mean)


# Arrays


def fenced(array: np.ndarray, where: str) -> np.ndarray:
    """A copy flush against memory that must not be touched, of the same shape."""
    return flush(array, where).reshape(array.shape)


FUNCTIONS = {
    "planar": (lambda x, w, b: F.conv2d(x, w, b), (2, 3, 7, 9), (5, 3, 3, 3), (5,)),
    "planar, padded": (lambda x, w, b: F.conv2d(x, w, b, padding=2), (2, 3, 7, 9), (17, 3, 3, 2), (17,)),
    "planar, one pixel": (lambda x, w: F.conv2d(x, w), (3, 5, 3, 3), (17, 5, 3, 3)),
    "dense": (lambda x, w, b: F.conv2d(x, w, b, 2, 1), (2, 19, 7, 9), (21, 19, 3, 3), (21,)),
    "1x1 on pixels": (lambda x, w: F.conv2d(x, w), (3, 37, 1, 1), (18, 37, 1, 1)),
    "depthwise": (lambda x, w, b: F.conv2d(x, w, b, groups=19), (2, 19, 5, 6), (19, 1, 3, 3), (19,)),
    "groups": (lambda x, w: F.conv2d(x, w, groups=3), (2, 15, 5, 6), (15, 5, 3, 3)),
    "two towers": (lambda x, w: F.conv2d(x, w, groups=2), (1, 6, 5, 6), (40, 3, 3, 3)),
    "reflected": (lambda x, w: F.conv2d(x, w, padding=1, padding_mode="reflect"), (1, 3, 5, 6), (4, 3, 3, 3)),
    "max pool": (lambda x: F.max_pool2d(x, 3, 2, 1), (2, 19, 7, 9)),
    "max pool, indices": (lambda x: F.max_pool2d(x, 3, 2, 1, return_indices=True), (2, 19, 7, 9)),
    "average pool": (lambda x: F.avg_pool2d(x, 3, 2, 1), (2, 19, 7, 9)),
    "adaptive pool": (lambda x: F.adaptive_avg_pool2d(x, 3), (2, 5, 7, 9)),
    "linear": (lambda x, w, b: F.linear(x, w, b), (5, 37), (19, 37), (19,)),
    "linear, vector": (lambda x, w: F.linear(x, w), (37,), (19, 37)),
    "relu": (F.relu, (2, 3, 5)),
    "gelu": (F.gelu, (37,)),
    "prelu": (lambda x, w: F.prelu(x, w), (2, 5, 3, 3), (5,)),
    "add": (lambda x, y: F.add(x, y), (2, 19, 3), (19, 1)),
    "mul, channels": (lambda x, y: F.mul(x, y), (2, 19, 3, 3), (1, 19, 1, 1)),
    "batch norm": (lambda x, m, v: F.batch_norm(x, m, F.mul(v, v)), (2, 19, 3, 3), (19,), (19,)),
    "lrn": (lambda x: F.local_response_norm(x, 5), (2, 19, 3, 5)),
    "softmax": (lambda x: F.softmax(x, 1), (3, 37, 5)),
    "softmax, rows": (lambda x: F.softmax(x, 1), (3, 37)),
    "pad": (lambda x: F.pad(x, (1, 2, 3, 4)), (2, 3, 5, 7)),
    "cat": (lambda x, y: F.cat([x, y], 1), (2, 3, 5), (2, 4, 5)),
}


@pytest.mark.parametrize("where", ["end", "start"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_nothing_beyond_the_arrays_is_read(name, where):
    function, *shapes = FUNCTIONS[name]
    arrays = [floats(*shape, seed=i) for i, shape in enumerate(shapes)]
    want = function(*arrays)
    close = [fenced(a, where) for a in arrays]
    for a in close:
        a.flags.writeable = False  # nor is an input ever written
    got = function(*close)
    for g, w in zip(got if isinstance(got, tuple) else [got], want if isinstance(want, tuple) else [want], strict=True):
        assert np.array_equal(g, w)


@pytest.mark.parametrize("where", ["end", "start"])
@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "max pool, indices"])
def test_nothing_beyond_the_result_is_written(name, where):
    function, *shapes = FUNCTIONS[name]
    plan = compile_function(function, shapes, [f"x{i}" for i in range(len(shapes))], 2)
    arrays = [floats(*shape, seed=i) for i, shape in enumerate(shapes)]
    (shape,) = plan.output_shapes
    out = guarded(int(np.prod(shape)), where).reshape(shape)
    assert plan(*[fenced(a, where) for a in arrays], out=out) is out
    assert np.array_equal(out, plan(*arrays))


@pytest.mark.parametrize(("name", "winograd"), WINOGRAD)
def test_whole_networks_stay_within_their_arrays(name, winograd):
    plan = cyconv.compile(make(name), (3, 3, 19, 19), 2, winograd)
    want = plan(IMAGES[:3])
    for where in ("end", "start"):
        out = guarded(want.size, where).reshape(want.shape)
        x = fenced(IMAGES[:3], where)
        plan(x, out=out)
        assert np.array_equal(out, want) and np.array_equal(x, IMAGES[:3])


@pytest.mark.parametrize("name", ["dense", "depthwise", "max pool", "linear", "gelu", "add", "softmax"])
def test_arrays_of_any_form(name):
    """Read-only, strided, unaligned and big-endian arrays give what plain ones give."""
    function, *shapes = FUNCTIONS[name]
    arrays = [floats(*shape, seed=i) for i, shape in enumerate(shapes)]
    want = function(*arrays)

    def unaligned(a):
        memory = np.zeros(a.nbytes + 3, np.uint8)
        view = memory[3:].view(np.float32).reshape(a.shape)
        view[...] = a
        return view

    for form in (
        unaligned,
        np.asfortranarray,
        lambda a: a.astype(">f4"),
        lambda a: np.repeat(a, 3, -1)[..., ::3],
        lambda a: a[::-1].copy()[::-1],
    ):
        changed = [form(a) for a in arrays]
        copies = [a.copy() for a in changed]
        assert np.array_equal(function(*changed), want)
        assert all(np.array_equal(a, b) for a, b in zip(changed, copies, strict=True))


@pytest.mark.parametrize("isa", [isa for isa in cpu.runnable_isas() if isa != cyconv.isa()])
def test_on_other_instruction_sets(isa):
    """These promises, and that random networks are exact, in a process of each instruction set."""
    if os.environ.get("CYCONV_ISA"):
        pytest.skip("this process is one of them")
    files = ["tests/test_promises.py", *(f"tests/graph/test_lower{part}.py" for part in ("", "_conv", "_pool", "_simple"))]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *files]
    root = Path(__file__).resolve().parents[1]
    run = subprocess.run(command, cwd=root, env={**os.environ, "CYCONV_ISA": isa}, capture_output=True, text=True, timeout=200)
    assert run.returncode == 0, run.stdout[-3000:]
