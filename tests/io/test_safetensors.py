"""The .safetensors reader on sound files (the safetensors package's own) and on damaged and hostile ones."""

import json
import tracemalloc

import numpy as np
import pytest
import safetensors
import safetensors.numpy

from cyconv.io import WeightsError, load_state_dict
from cyconv.io import safetensors as module
from cyconv.io.npz import MAX_TOTAL_BYTES
from cyconv.io.safetensors import read_safetensors

RNG = np.random.default_rng(0)
SOUND = {"a.weight": RNG.standard_normal((3, 5), np.float32), "b": np.arange(4), "empty": np.zeros((0, 2), np.float32)}


def tensor(dtype="F32", shape=(2, 3), begin=0, end=None, **more) -> dict:
    """One entry of a header; it ends where a float32 tensor of that shape would."""
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, begin + 4 * int(np.prod(shape)) if end is None else end], **more}


def file_of(path, header, data: bytes, length: int | None = None):
    """A file with a header of our choice, given as JSON or as an object."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)
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
    assert peak < 2**20


def test_reads_what_the_package_writes(tmp_path):
    path = tmp_path / "w.safetensors"
    safetensors.numpy.save_file(SOUND, path, metadata={"made": "here"})
    read = read_safetensors(path)
    assert set(read) == set(SOUND)
    for name, array in SOUND.items():
        assert (read[name].dtype, read[name].shape) == (array.dtype, array.shape)
        assert np.array_equal(read[name], array)


def test_data_at_any_byte(tmp_path):
    """The format does not align its data; a view of such floats could not be used by every kernel."""
    values = RNG.standard_normal((2, 3), np.float32)
    for pad in range(4):
        header = json.dumps({"x": tensor()}).encode() + b" " * pad
        x = load_state_dict(file_of(tmp_path / f"{pad}.safetensors", header, values.tobytes()))["x"]
        assert x.flags.aligned and not x.flags.writeable and np.array_equal(x, values)


def test_tensors_are_found_by_their_offsets(tmp_path):
    header = {"last": tensor(shape=(2,), begin=8), "none": tensor(shape=(0,), begin=8), "first": tensor(shape=(2,)), "__metadata__": {}}
    read = read_safetensors(file_of(tmp_path / "w.safetensors", header, np.arange(4, dtype=np.float32).tobytes()))
    assert {name: array.tolist() for name, array in read.items()} == {"first": [0, 1], "none": [], "last": [2, 3]}
    assert read_safetensors(file_of(tmp_path / "w.safetensors", {}, b"")) == {}


DATA = bytes(24)
HOSTILE = {
    "no length": (None, b"1234567", "ends within the length"),
    "a long header": (None, (2**63).to_bytes(8, "little") + b"{}", "header has 9223372036854775808 bytes"),
    "a header without end": (None, (100).to_bytes(8, "little") + b"{}", "ends after 2 of 100 bytes"),
    "an array": (b"[]", b"", "does not begin with {"),
    "a space": (b" {}", b"", "does not begin with {"),
    "no JSON": (b"{'a': 1}", b"", "quotes"),
    "no UTF-8": (b'{"\xff": 1}', b"", "utf-8"),
    "half a character": (rb'{"\ud800": 1}', b"", "surrogates"),
    "NaN": (b'{"x": NaN}', b"", "NaN, which is no JSON"),
    "a number of many digits": (b'{"x": ' + b"9" * 5000 + b"}", b"", "digits"),
    "depth": (b'{"x": ' + b"[" * 100_000, b"", "nested too deeply|Expecting value"),
    "one name twice": (b'{"x": 1, "x": 2}', b"", "'x' stands in its header twice"),
    "one field twice": (b'{"x": {"dtype": "F32", "dtype": "F16"}}', b"", "'dtype' stands in its header twice"),
    "metadata of numbers": ({"__metadata__": {"a": 1}}, b"", "not an object of strings"),
    "metadata in a list": ({"__metadata__": ["a"]}, b"", "not an object of strings"),
    "no object": ({"x": [1]}, DATA, "exactly the fields"),
    "a field too many": ({"x": tensor(path="/etc/passwd")}, DATA, "exactly the fields"),
    "a field too few": ({"x": {"dtype": "F32", "shape": []}}, DATA, "exactly the fields"),
    "an unknown dtype": ({"x": tensor("F8_E4M3")}, DATA, "dtype F8_E4M3 is not read"),
    "a dtype that is no text": ({"x": tensor(["F32"])}, DATA, "is not read"),
    "a negative size": ({"x": tensor(shape=(-2, -3))}, DATA, "shape"),
    "a fraction": ({"x": tensor(shape=(2.0, 3))}, DATA, "shape"),
    "a bool": ({"x": tensor(shape=(True, 6))}, DATA, "shape"),
    "many dimensions": ({"x": tensor(shape=(1,) * 33)}, DATA, "shape"),
    "a size that wraps": ({"x": tensor(shape=(2**62, 4), end=0)}, DATA, "needs 73786976294838206464 bytes"),
    "an enormous size": ({"x": tensor(shape=(2**70,), end=24)}, DATA, "shape"),
    "a size bomb": ({"x": tensor(shape=(2**31, 2), end=2**34)}, DATA, "data_offsets are not two whole numbers up to"),
    "more than there is": ({"x": tensor(shape=(2**30,))}, DATA, "end at byte 4294967296 of the data, of which there are 24"),
    "the wrong size": ({"x": tensor(shape=(2, 2), end=24)}, DATA, r"needs 16 bytes, but its data_offsets are \[0, 24\]"),
    "backwards": ({"x": tensor(begin=24, end=0)}, DATA, "needs 24 bytes"),
    "three offsets": ({"x": {"dtype": "F32", "shape": [6], "data_offsets": [0, 24, 24]}}, DATA, "data_offsets are not two"),
    "overlap": ({"x": tensor(), "y": tensor(shape=(3,), begin=12)}, DATA, "'y' begins at byte 12 of the data, .* ends at 24"),
    "two names for one tensor": ({"x": tensor(), "y": tensor()}, DATA, "'y' begins at byte 0"),
    "a hole": ({"x": tensor(shape=(2,)), "y": tensor(shape=(3,), begin=12)}, DATA, "'y' begins at byte 12 of the data, .* ends at 8"),
    "data in front": ({"x": tensor(shape=(5,), begin=4)}, DATA, "'x' begins at byte 4"),
    "data behind": ({"x": tensor()}, DATA + b"PK", "end at byte 24 of the data, of which there are 26"),
    "data cut": ({"x": tensor()}, DATA[:-1], "of which there are 23"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files(tmp_path, kind):
    header, data, words = HOSTILE[kind]
    path = tmp_path / "w.safetensors"
    if header is None:
        path.write_bytes(data)
    else:
        file_of(path, header, data)
    refused(path, words)


def test_caps(tmp_path, monkeypatch):
    path = tmp_path / "w.safetensors"
    with path.open("wb") as file:
        file.truncate(MAX_TOTAL_BYTES + 1)  # a hole: it takes no room on the disk
    refused(path, "at most")
    file_of(path, {str(i): tensor(shape=(0,)) for i in range(5)}, b"")
    assert len(read_safetensors(path)) == 5
    monkeypatch.setattr(module, "MAX_MEMBERS", 4)
    refused(path, "holds 5 tensors")


def test_what_is_read_the_package_reads_alike(tmp_path):
    """Whatever byte is changed and wherever the file ends: an answer that is the package's too, or a WeightsError."""
    path = tmp_path / "w.safetensors"
    sound = safetensors.numpy.save(SOUND)
    outcomes = {"read": 0, "refused": 0}
    for case in range(2000):
        data = bytearray(sound)
        for at in RNG.integers(0, len(data) if case % 2 else 200, 1 + case % 3):
            data[at] = RNG.integers(256)
        if case % 4 == 0:
            del data[RNG.integers(1, len(data)) :]
        path.write_bytes(bytes(data))
        try:
            read = read_safetensors(path)
        except ValueError:
            outcomes["refused"] += 1
            continue
        theirs = safetensors.numpy.load(bytes(data))
        assert {name: a.tobytes() for name, a in read.items()} == {name: a.tobytes() for name, a in theirs.items()}
        outcomes["read"] += 1
    assert outcomes["refused"] > 1000
    assert outcomes["read"] > 100
