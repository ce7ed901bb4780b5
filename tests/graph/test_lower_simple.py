"""Normalisation and softmax: which layout they run in, and their numbers in either."""

import numpy as np
import pytest

from cyconv import functional as F
from cyconv._kernels import cpu
from cyconv.graph.compile import compile_function
from cyconv.graph.trace import apply
from tests.graph.helpers import evaluate, integers, record
from tests.graph.test_lower_elements import blocked, check

L = cpu.lanes()


@pytest.mark.parametrize("shape", [(5,), (2, 5), (2, 5, 3), (2, 5, 3, 4), (2, 5, 3, 4, 2), (2, L + 1, 3, 4)])
@pytest.mark.parametrize("known", [False, True])
def test_channel_parameters_of_any_rank(shape, known):
    c = shape[1] if len(shape) > 1 else 1
    vectors = [integers((c,), 1), np.full(c, 4, np.float32), integers((c,), 2), integers((c,), 3)]
    if len(shape) > 1:
        norm = lambda x, *v: apply("batch_norm", [x, *v], {"eps": 0.0})[0]  # noqa: E731
        if known:
            check(lambda x: norm(x, *vectors), shape)
        else:
            arrays = [integers(shape, 5), *vectors]
            plan = compile_function(norm, [a.shape for a in arrays], list("xmvwb"), 1)
            assert np.array_equal(plan(*arrays), evaluate(record(norm, *[a.shape for a in arrays]), *arrays)[0])
    for slopes in (integers((1,), 4), integers((c,), 4)):
        if known:
            check(lambda x: F.prelu(x, slopes), shape)
        else:
            check(lambda x, w: F.prelu(x, w), shape, slopes.shape)


@pytest.mark.parametrize("shape", [(2, 5, 3), (2, 7, 3, 4), (1, L + 3, 2, 2, 2)])
def test_lrn(shape):
    check(lambda x: F.local_response_norm(x, 5, 0.001, 0.75, 2.0), shape, exact=False, threads=3)
    check(lambda x: F.local_response_norm(blocked(x) if len(shape) == 4 else x, 2), shape, exact=False)


@pytest.mark.parametrize("dim", [0, 1, 2, 3])
def test_softmax(dim):
    check(lambda x: F.softmax(x, dim), (2, 5, 3, 4), exact=False)
    check(lambda x: F.log_softmax(blocked(x), dim), (2, 5, 3, 4), exact=False)
