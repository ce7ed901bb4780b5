"""Weights files: both formats there and back, dtypes, refusals, and that a failed write leaves nothing behind."""

import pickle
import re
import stat
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

import cyconv
from cyconv import nn
from cyconv.io import WeightsError, load_state_dict, save_state_dict, weights

SUFFIXES = [".npz", ".safetensors"]


def some_weights() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {
        "conv.weight": rng.standard_normal((4, 3, 3, 3), np.float32),
        "conv.bias": np.array([np.nan, np.inf, -0.0, 1e-42], np.float32),
        "bn.num_batches_tracked": np.array(2**40 + 1),
        "none": np.zeros((0, 3), np.float32),
        "file": np.ones((2, 2), np.float32),
    }


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_there_and_back(tmp_path, suffix):
    path = tmp_path / f"w{suffix}"
    saved = some_weights()
    save_state_dict(path, saved)
    loaded = load_state_dict(str(path))
    assert set(loaded) == set(saved)
    for name, array in saved.items():
        got = loaded[name]
        assert got.shape == array.shape
        assert got.dtype == array.dtype
        assert got.tobytes() == array.tobytes(), name
        assert got.flags.c_contiguous
        assert got.flags.aligned
        assert not got.flags.writeable
        assert got.dtype.isnative


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_layouts_that_are_saved(tmp_path, suffix):
    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    saved = {"transposed": base.T, "strided": base[::2, ::3], "fortran": np.asfortranarray(base), "big": base.astype(">f4")}
    path = tmp_path / f"w{suffix}"
    save_state_dict(path, saved)
    for name, got in load_state_dict(path).items():
        assert np.array_equal(got, saved[name]), name


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_same_arrays_same_bytes(tmp_path, suffix):
    files = [tmp_path / f"{i}{suffix}" for i in range(2)]
    for file in files:
        save_state_dict(file, some_weights())
    assert files[0].read_bytes() == files[1].read_bytes()


def test_dtypes_from_npz(tmp_path):
    np.savez(
        tmp_path / "w.npz",
        half=np.array([0.5, 6e4], np.float16),
        double=np.array([1 / 3]),
        i=np.arange(3, dtype=np.int16),
        b=np.array([True]),
    )
    loaded = load_state_dict(tmp_path / "w.npz")
    assert {name: str(array.dtype) for name, array in loaded.items()} == {
        "half": "float32",
        "double": "float32",
        "i": "int64",
        "b": "int64",
    }
    assert loaded["half"].tolist() == [0.5, 6e4 - 6e4 % 32]
    assert loaded["double"][0] == np.float32(1 / 3)


def test_dtypes_from_safetensors(tmp_path):
    from safetensors.torch import save_file

    values = torch.tensor([[0.0, -1.5, 3.0e38], [1e-40, float("inf"), 0.1]])
    tensors = {str(dtype)[6:]: values.to(dtype) for dtype in (torch.float32, torch.bfloat16, torch.float16, torch.float64)}
    tensors["int8"] = torch.tensor([-3, 4], dtype=torch.int8)
    tensors["bool"] = torch.tensor([True, False])
    save_file(tensors, tmp_path / "w.safetensors")
    loaded = load_state_dict(tmp_path / "w.safetensors")
    assert set(loaded) == set(tensors)
    for name, tensor in tensors.items():
        expected = tensor.float().numpy() if tensor.is_floating_point() else tensor.long().numpy()
        assert loaded[name].dtype == expected.dtype
        assert loaded[name].tobytes() == expected.tobytes(), name


def test_numbers_that_do_not_fit(tmp_path):
    np.savez(tmp_path / "w.npz", a=np.array([1e300]))
    with pytest.raises(WeightsError, match=r"'a': .*beyond the range of float32"):
        load_state_dict(tmp_path / "w.npz")
    np.savez(tmp_path / "w.npz", a=np.array([2**63], np.uint64))
    with pytest.raises(WeightsError, match=r"'a': .*beyond int64"):
        load_state_dict(tmp_path / "w.npz")


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".bin", ".pkl", ".PTH"])
def test_pickles_are_refused_with_a_way_out(tmp_path, suffix):
    path = tmp_path / f"resnet{suffix}"
    with pytest.raises(WeightsError) as caught:
        load_state_dict(path)
    message = str(caught.value)
    assert str(path) in message
    assert "weights_only=True" in message


def test_the_conversion_works(tmp_path, monkeypatch):
    """The three lines of the refusal, run as they stand, make a file that loads."""
    monkeypatch.chdir(tmp_path)
    state = torch.nn.BatchNorm2d(3).state_dict()
    torch.save(state, "net.pth")
    with pytest.raises(WeightsError) as caught:
        load_state_dict("net.pth")
    lines = [line.strip() for line in str(caught.value).splitlines()[1:]]
    assert len(lines) == 3
    exec("\n".join(lines), {})
    loaded = load_state_dict("net.npz")
    assert list(loaded) == list(state)
    assert all(np.array_equal(loaded[name], state[name].numpy()) for name in state)


@pytest.mark.parametrize("name", ["w.h5", "w", "w.npy", "npz"])
def test_other_endings(tmp_path, name):
    for action in (lambda: load_state_dict(tmp_path / name), lambda: save_state_dict(tmp_path / name, {})):
        with pytest.raises(WeightsError, match=r"expected a name that ends in \.npz or \.safetensors"):
            action()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_files_that_are_none(tmp_path, suffix):
    path = tmp_path / f"w{suffix}"
    with pytest.raises(WeightsError, match="No such file"):
        load_state_dict(path)
    path.mkdir()
    with pytest.raises(WeightsError, match="not a regular file"):
        load_state_dict(path)
    other = tmp_path / f"other{suffix}"
    other.write_bytes(b"")
    with pytest.raises(WeightsError):
        load_state_dict(other)
    other.write_bytes(b"\xff" * 100)
    with pytest.raises(WeightsError):
        load_state_dict(other)


def mapping(address: int) -> tuple[str, dict[str, int]]:
    """The first line of /proc/self/smaps on the mapping around ``address``, and its figures in bytes."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    heads = [i for i, line in enumerate(lines) if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line)]
    for head, end in zip(heads, [*heads[1:], len(lines)], strict=True):
        first, last = (int(word, 16) for word in lines[head].split()[0].split("-"))
        if first <= address < last:
            sizes = re.findall(r"(\w+): +(\d+) kB", "\n".join(lines[head + 1 : end]))
            return lines[head], {name: 1024 * int(size) for name, size in sizes}
    raise AssertionError(f"{address:x} is not mapped")


WORKER = """
import sys, cyconv
net = cyconv.nn.Linear(512, 1024)
net.load_state_dict(cyconv.load_state_dict(sys.argv[1]))
print(net.weight.sum(), flush=True)
sys.stdin.read()
"""


def test_workers_share_the_pages_of_a_network(tmp_path):
    path = tmp_path / "w.safetensors"
    save_state_dict(path, {"weight": np.ones((1024, 512), np.float32), "bias": np.zeros(1024, np.float32)})
    net = nn.Linear(512, 1024)
    arrays = load_state_dict(path)
    net.load_state_dict(arrays)
    assert net.weight is arrays["weight"]
    x = np.ones((1, 512), np.float32)
    assert (net(x) == 512).all()
    with subprocess.Popen([sys.executable, "-c", WORKER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert float(worker.stdout.readline()) == 512 * 1024
        head, sizes = mapping(net.weight.ctypes.data + 2**20)
        worker.stdin.close()
    assert str(path) in head and head.split()[1] == "r--s"
    assert sizes["Shared_Clean"] >= 2**21 - 2**14  # two MiB, but for pages at the ends
    assert sizes["Private_Dirty"] == sizes["Shared_Dirty"] == 0


def test_a_mapped_array_cannot_be_written(tmp_path):
    path = tmp_path / "w.safetensors"
    save_state_dict(path, {"weight": np.ones((2, 2), np.float32), "bias": np.zeros(2, np.float32)})
    array = load_state_dict(path)["weight"]
    for view in (array, array[1:], array.reshape(-1)):
        with pytest.raises(ValueError, match="WRITEABLE"):
            view.flags.writeable = True
    net = nn.Linear(2, 2)
    net.load_state_dict(load_state_dict(path))
    save_state_dict(path, {"weight": np.zeros((2, 2), np.float32)})  # a new file takes the name; the mapped one lives on
    assert net.weight.sum() == 4
    again = pickle.loads(pickle.dumps(net))
    assert again.weight.sum() == 4 and again.weight.flags.owndata and not again.weight.flags.writeable


def test_names_of_the_package():
    assert cyconv.load_state_dict is load_state_dict
    assert cyconv.save_state_dict is save_state_dict


def test_without_the_extra(tmp_path, monkeypatch):
    path = tmp_path / "w.safetensors"
    save_state_dict(path, some_weights())
    before = path.read_bytes()
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    assert set(load_state_dict(path)) == set(some_weights())
    with pytest.raises(WeightsError, match=r"pip install cyconv\[safetensors\]"):
        save_state_dict(path, {})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"a": np.zeros(3)}, "'a' must be float32 or int64, got float64"),
        ({"a": np.array(["x"], object)}, "'a' must be float32"),
        ({"": np.zeros(3, np.float32)}, "names of arrays"),
        ({3: np.zeros(3, np.float32)}, "names of arrays"),
    ],
)
def test_state_that_is_not_saved(tmp_path, state, words):
    with pytest.raises(WeightsError, match=words):
        save_state_dict(tmp_path / "w.npz", state)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_failed_write_keeps_the_old_file(tmp_path, suffix, monkeypatch):
    path = tmp_path / f"w{suffix}"
    save_state_dict(path, {"a": np.ones(3, np.float32)})

    def full_disk(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(weights.os, "fsync", full_disk)
    with pytest.raises(WeightsError, match="No space left"):
        save_state_dict(path, {"a": np.zeros(1000, np.float32)})
    assert load_state_dict(path)["a"].tolist() == [1, 1, 1]
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(WeightsError, match="No such file"):
        save_state_dict(tmp_path / "missing" / f"w{suffix}", {})


def test_mode_follows_the_umask(tmp_path):
    plain = tmp_path / "plain"
    plain.touch()
    save_state_dict(tmp_path / "w.npz", {})
    assert stat.S_IMODE((tmp_path / "w.npz").stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_reader_never_sees_half_a_file(tmp_path):
    path = tmp_path / "w.npz"
    states = [{"a": np.full(50_000, i, np.float32)} for i in range(2)]
    save_state_dict(path, states[0])
    stop = threading.Event()

    def write():
        while not stop.is_set():
            for state in states:
                save_state_dict(path, state)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(50):
            array = load_state_dict(path)["a"]
            assert (array == array[0]).all()
    finally:
        stop.set()
        writer.join()
