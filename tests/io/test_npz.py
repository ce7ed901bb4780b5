"""The .npz reader on sound files (NumPy's own) and on damaged and hostile ones."""

import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from cyconv.io import WeightsError, load_state_dict
from cyconv.io import npz as npz_module
from cyconv.io.npz import read_npz, write_npz

RNG = np.random.default_rng(0)


def npy(header: str, data: bytes, version: int = 1) -> bytes:
    """A .npy stream with a header of our choice."""
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header.encode("latin-1") + data


def header(descr="<f4", fortran=False, shape=(2, 3)) -> str:
    return repr({"descr": descr, "fortran_order": fortran, "shape": shape})


def archive(path, members: dict[str, bytes], method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as z:
        for name, data in members.items():
            z.writestr(name, data)
    return path


def refused(path, words: str) -> None:
    """Loading raises WeightsError with the path and ``words``, and takes little memory on the way."""
    tracemalloc.start()
    try:
        with pytest.raises(WeightsError, match=words) as caught:
            load_state_dict(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(path) in str(caught.value)
    assert peak < 8 * 2**20


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_reads_what_numpy_writes(tmp_path, save):
    arrays = {
        "conv.weight": RNG.standard_normal((4, 3, 2, 2), np.float32),
        "fortran": np.asfortranarray(RNG.standard_normal((5, 7), np.float32)),
        "scalar": np.float32(3.5).reshape(()),
        "empty": np.zeros((0, 4), np.float32),
        "big_endian": np.arange(6, dtype=">f4").reshape(2, 3),
        "double": np.linspace(0, 1, 9),
        "half": np.linspace(-4, 4, 9).astype(np.float16),
        "count": np.array(7),
        "flags": np.array([True, False]),
        "zeros": np.zeros(300_000, np.float32),
    }
    save(tmp_path / "a.npz", **arrays)
    read = read_npz(tmp_path / "a.npz")
    assert list(read) == list(arrays)
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype
        assert read[name].shape == array.shape
        assert np.array_equal(read[name], array), name


def test_numpy_reads_what_is_written(tmp_path):
    arrays = {"a.weight": RNG.standard_normal((3, 5), np.float32), "n": np.array(4), "file": np.ones(1, np.float32)}
    with open(tmp_path / "a.npz", "wb") as file:
        write_npz(file, arrays)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as read:
        assert list(read) == list(arrays)
        for name, array in arrays.items():
            assert np.array_equal(read[name], array)
            assert read[name].dtype == array.dtype


@pytest.mark.parametrize("version", [1, 2, 3])
def test_header_versions(tmp_path, version):
    data = np.arange(6, dtype="<f4")
    path = archive(tmp_path / "a.npz", {"x.npy": npy(header(), data.tobytes(), version)})
    assert np.array_equal(read_npz(path)["x"], data.reshape(2, 3))


@pytest.mark.parametrize(
    ("stream", "words"),
    [
        (b"", "ends within its header"),
        (b"\x93NUMPY\x01\x00\x76", "ends within its header"),
        (b"PK\x03\x04 not an array", "does not begin as"),
        (npy(header(), bytes(24), 9), "does not begin as"),
        (npy(header(shape=(2**30, 2**10)), bytes(24)), "needs .* bytes"),
        (npy(header(shape=(2, 4)), bytes(24)), "needs 32 bytes of data, but 24"),
        (npy(header(shape=(2, 2)), bytes(24)), "needs 16 bytes of data, but 24"),
        (npy(header(shape=(0,)), bytes(24)), "needs 0 bytes"),
        (npy(header(shape=(-2, -3)), bytes(24)), "shape"),
        (npy(header(shape=(True, 6)), bytes(24)), "shape"),
        (npy(header(shape=(6.0,)), bytes(24)), "shape"),
        (npy(header(shape=[2, 3]), bytes(24)), "shape"),
        (npy(header(shape=(2**31, 0)), b""), "shape"),
        (npy(header(shape=(1,) * 33), bytes(4)), "shape"),
        (npy(header(descr="|O"), bytes(24)), "dtype"),
        (npy(header(descr="<c8"), bytes(48)), "dtype"),
        (npy(header(descr=[("a", "<f4")]), bytes(24)), "dtype"),
        (npy(header(fortran=1), bytes(24)), "fortran_order"),
        (npy("{'descr': '<f4', 'shape': (6,)}", bytes(24)), "exactly the keys"),
        (npy(header()[:-1] + ", 'more': 1}", bytes(24)), "exactly the keys"),
        (npy("[1, 2]", bytes(24)), "exactly the keys"),
        (npy("(" * 5000, bytes(24)), "not a Python literal"),
        (npy("__import__('os')", bytes(24)), "not a Python literal"),
        (npy("{'descr': \x00", bytes(24)), "not a Python literal"),
        (b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + bytes(99), "header has 4294967295 bytes"),
        (npy(header() + " " * 10_000, bytes(24)), "header has"),
    ],
)
def test_hostile_member(tmp_path, stream, words):
    refused(archive(tmp_path / "a.npz", {"x.npy": stream}), words)


def test_bomb(tmp_path):
    """Many small members that together unpack to far more than the file holds."""
    data = npy(header(shape=(2**20,)), bytes(2**22))
    refused(archive(tmp_path / "a.npz", {f"{i}.npy": data for i in range(20)}, zipfile.ZIP_DEFLATED), "claims to unpack")


def test_other_compression(tmp_path):
    data = npy(header(), bytes(24))
    refused(archive(tmp_path / "a.npz", {"x.npy": data}, zipfile.ZIP_LZMA), "compressed by method 14")


def test_other_member(tmp_path):
    refused(archive(tmp_path / "a.npz", {"data.pkl": b"x"}), "is not an array")
    refused(archive(tmp_path / "b.npz", {".npy": b"x"}), "is not an array")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_duplicate(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as z:
        z.writestr("x.npy", npy(header(), bytes(24)))
        z.writestr("x.npy", npy(header(), bytes(24)))
    refused(tmp_path / "a.npz", "twice")


def patch_directory(path, offset: int, value: bytes) -> None:
    """Overwrite a field of the first entry of the zip file's table of contents."""
    data = bytearray(path.read_bytes())
    start = data.index(b"PK\x01\x02")
    data[start + offset : start + offset + len(value)] = value
    path.write_bytes(bytes(data))


def test_encrypted(tmp_path):
    path = archive(tmp_path / "a.npz", {"x.npy": npy(header(), bytes(24))})
    patch_directory(path, 8, b"\x01\x00")
    refused(path, "encrypted")


def test_declared_sizes_lie(tmp_path):
    stream = npy(header(shape=(1000,)), bytes(24))  # as long as an array of 1000 would be, says the directory
    long = struct.pack("<I", len(stream) - 24 + 4000)
    path = archive(tmp_path / "a.npz", {"x.npy": stream})
    patch_directory(path, 24, long)
    refused(path, "data ends after 24|claims|CRC|Truncated")
    path = archive(tmp_path / "b.npz", {"x.npy": stream})
    patch_directory(path, 20, long + long)
    refused(path, "members overlap")


def test_checksum(tmp_path):
    path = archive(tmp_path / "a.npz", {"x.npy": npy(header(), b"abcdefgh" * 3)})
    path.write_bytes(path.read_bytes().replace(b"abcdefgh", b"abcdefgx", 1))
    refused(path, "CRC")


def test_caps(tmp_path, monkeypatch):
    path = archive(tmp_path / "a.npz", {f"{i}.npy": npy(header(), bytes(24)) for i in range(4)})
    monkeypatch.setattr(npz_module, "MAX_TOTAL_BYTES", 300)
    refused(path, "unpacks to")
    monkeypatch.setattr(npz_module, "MAX_MEMBERS", 3)
    refused(path, "holds 4 members")


def test_damaged_anywhere(tmp_path):
    """Whatever byte is changed and wherever the file ends: an answer or a WeightsError, never another exception."""
    path = tmp_path / "a.npz"
    np.savez_compressed(path, weight=RNG.standard_normal((4, 5), np.float32), bias=np.zeros(4, np.float32), n=np.array(3))
    sound = path.read_bytes()
    outcomes = {"read": 0, "refused": 0}
    for case in range(600):
        data = bytearray(sound)
        for at in RNG.integers(0, len(data), 1 + case % 3):
            data[at] = RNG.integers(256)
        if case % 4 == 0:
            del data[RNG.integers(1, len(data)) :]
        path.write_bytes(bytes(data))
        try:
            load_state_dict(path)
            outcomes["read"] += 1
        except WeightsError:
            outcomes["refused"] += 1
    assert outcomes["refused"] > 300
    assert outcomes["read"] > 20
