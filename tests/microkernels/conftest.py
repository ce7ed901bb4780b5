"""The instruction sets that micro-kernels are tested for, and why one is left out."""

import pytest

from cyconv._kernels import cpu


@pytest.fixture(params=["baseline", "avx2", "avx512"])
def isa(request):
    """One instruction set; skipped where it was not compiled in or the CPU lacks it. What amx adds to avx512: test_isa_amx.py."""
    if request.param not in cpu.compiled_isas():
        pytest.skip(f"{request.param} was not compiled in")
    if request.param not in cpu.runnable_isas():
        pytest.skip(f"this CPU lacks {request.param}")
    return request.param
