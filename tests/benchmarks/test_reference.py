"""The frozen reference computes what it says, and does as much work as it is asked for."""

import ctypes

import numpy as np
import pytest

from benchmarks import reference
from benchmarks.reference import BUFFER_BYTES, Reference, Work, library
from cyconv._kernels.cpu import runnable_isas

STEPS, X_PIXEL = 128, 132
LANES = {"avx512": 16, "avx2": 8, "baseline": 4}


@pytest.mark.parametrize("isa", [isa for isa in runnable_isas() if isa in LANES])
def test_a_tile_is_a_product(isa):
    lib, lanes = library(), LANES[isa]
    which = lib.reference_find(isa.encode())
    pixels, rest = divmod(lib.reference_tile_macs(which), STEPS * 2 * lanes)
    assert rest == 0 and pixels >= 4
    x, w = ctypes.POINTER(ctypes.c_float)(), ctypes.POINTER(ctypes.c_float)()
    y = np.full((2, pixels, lanes), np.nan, np.float32)
    lib.reference_tile(which, ctypes.byref(x), ctypes.byref(w), y.ctypes.data_as(ctypes.c_void_p))
    inputs = np.ctypeslib.as_array(x, (pixels, X_PIXEL))[:, :STEPS].astype(np.float64)
    weights = np.ctypeslib.as_array(w, (STEPS, 2, lanes)).astype(np.float64)
    exact = np.einsum("pi,ibl->bpl", inputs, weights)
    bound = STEPS * 2.0**-24 * np.einsum("pi,ibl->bpl", abs(inputs), abs(weights))
    assert np.all(abs(y - exact) <= bound)
    assert np.count_nonzero(y) == y.size and len(np.unique(inputs)) == inputs.size


class Recorder:
    """Stands for the library and notes what it is asked to do."""

    def __init__(self):
        self.done = []

    def reference_find(self, isa):
        return 0 if isa == b"avx2" else -1

    def reference_tile_macs(self, which):
        return 1000

    def reference_multiply(self, which, tiles, threads):
        self.done.append(("tiles", tiles, threads))

    def reference_read(self, which, address, count, threads):
        self.done.append(("bytes", address, count))


@pytest.fixture
def recorder(monkeypatch):
    made = Recorder()
    monkeypatch.setattr(reference, "library", lambda: made)
    return made


def test_as_much_work_as_asked_for(recorder):
    what = Reference("avx2", 2)
    what.run(Work(macs=20_000), 3)
    what.run(Work(macs=10))
    assert recorder.done == [("tiles", 60, 2), ("tiles", 1, 2)]


def test_reading_goes_round_the_buffer(recorder):
    what = Reference("avx2", 1)
    what.run(Work(bytes=BUFFER_BYTES - 100))
    what.run(Work(bytes=300))
    start = recorder.done[0][1]
    assert recorder.done == [
        ("bytes", start, BUFFER_BYTES - 100),
        ("bytes", start + BUFFER_BYTES - 100, 100),
        ("bytes", start, 200),
    ]


def test_unknown_instruction_set(recorder):
    with pytest.raises(ValueError, match="no kernel for 'neon'"):
        Reference("neon", 1)


def test_compiled_once_where_asv_keeps_it(monkeypatch, tmp_path):
    monkeypatch.setenv("ASV_ENV_DIR", str(tmp_path))
    library.cache_clear()
    try:
        library()
        (made,) = tmp_path.rglob("*.so")
        time = made.stat().st_mtime_ns
        library.cache_clear()
        library()
        assert made.stat().st_mtime_ns == time and made.name == f"reference-{reference.method_hash()[:16]}.so"
    finally:
        library.cache_clear()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("isa", runnable_isas())
def test_runs(isa, threads):
    Reference(isa, threads).run(Work(macs=1_000_000, bytes=1_000_000), 2)
