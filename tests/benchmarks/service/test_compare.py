"""The interval of a median, the scatter, and comparisons of two commits on made-up measurements."""

import math
import random
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.service.compare import compare, summary
from benchmarks.service.config import parse
from benchmarks.service.noise import scatter
from tests.benchmarks.service.scratch import Repository, simulated

KEY = "virtualenv-py3|bench.track_ratio"


def exact_coverage(n: int, k: int) -> float:
    """How often the median lies between the k-th values from either end: from the binomial distribution's definition."""
    return sum(math.comb(n, i) for i in range(k, n - k + 1)) / 2**n


@pytest.mark.parametrize("n", range(8, 40))
def test_the_interval_is_the_narrowest_of_its_confidence(n: int):
    found = summary([(1.0, 1.0 + i) for i in range(n)], [])
    k = round(found.low)
    assert found.high == n + 1 - k
    assert exact_coverage(n, k) >= found.confidence > exact_coverage(n, k + 1)


def test_interval_holds_the_median_as_often_as_it_says():
    rng = random.Random(0)
    found = [summary([(1.0, rng.lognormvariate(0, 0.5)) for _ in range(12)], []) for _ in range(1000)]
    assert sum(comparison.low <= 1 <= comparison.high for comparison in found) >= 980


def test_an_outlier_changes_little():
    pairs = [(1.0, 1.1 + 0.001 * i) for i in range(12)]
    calm = summary(pairs, [1.0])
    wild = summary([*pairs[:-1], (1.0, 50.0)], [1.0])
    assert wild.ratio == pytest.approx(calm.ratio, abs=0.01) and wild.slower(0.05)
    assert not summary([(1.0, 1.0)] * 11 + [(1.0, 3.0)], []).slower(0.05)
    assert not summary([(1.0, 1.01)] * 12, []).slower(0.05)  # sure, and too small to count


def test_scatter():
    rng = random.Random(1)
    assert scatter([rng.gauss(10, 0.3) for _ in range(4001)]) == pytest.approx(0.03, rel=0.1)
    assert scatter([10, 10.1, 9.9, 10, 99]) == pytest.approx(0.0148, abs=1e-3)
    assert scatter([0.0, 0.0, 0.0]) == 0


@pytest.fixture
def two(tmp_path: Path):
    """A made-up asv over two commits."""

    def make(value):
        repo = Repository(tmp_path / "repo", Path(__file__).parent / "tiny")
        base, head = repo.commit("one"), repo.commit("two")
        text = f'repo = "{repo.path}"\ndata = "{tmp_path}/data"\nreference = "track_reference"\npairs = 8'
        runner, asv = simulated(parse(text, tmp_path), lambda *a: value(a[0] == head, *a[2:]))
        runner.store.open()
        runner.update()
        return asv, base, head

    return make


def test_order_alternates(two, tmp_path: Path):
    asv, base, head = two(lambda is_head, entry, count: 1.2 if is_head and "ratio" in entry else 1.0)
    found = compare(asv, base, head, [KEY], tmp_path / "out")[KEY]
    assert (found.before, found.after, found.ratio, found.pairs, found.reference) == (1.0, 1.2, 1.2, 8, 1.0)
    assert asv.runs[:2] == [[base, head], [head, base]] and all(first != second for first, second in pairwise(asv.runs))


def test_pairs_with_a_drifting_reference_are_repeated(two, tmp_path: Path):
    asv, base, head = two(lambda is_head, entry, count: 1.5 if "reference" in entry and count in (3, 8) else 1.0)
    found = compare(asv, base, head, [KEY], tmp_path / "out")[KEY]
    assert found.pairs == 8 and len(asv.runs) == 10 and found.reference == 1.0


def test_commits_that_cannot_be_measured_give_nothing(two, tmp_path: Path):
    asv, base, head = two(lambda is_head, entry, count: None if is_head else 1.0)
    assert compare(asv, base, head, [KEY], tmp_path / "out") == {} and len(asv.runs) == 2
