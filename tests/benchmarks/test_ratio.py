"""Ratios: pairs that alternate, interrupted ones left out, a fixed number of samples. On a clock that the test moves."""

import pytest

from benchmarks import ratio
from benchmarks.reference import Work


class Clock:
    """A clock that only work moves, and a count of interruptions."""

    def __init__(self, monkeypatch):
        self.now, self.switches, self.log = 0.0, 0, []
        monkeypatch.setattr(ratio, "perf_counter", lambda: self.now)
        monkeypatch.setattr(ratio, "interruptions", lambda: self.switches)

    def work(self, name, seconds):
        def run(times):
            self.log.append((name, times))
            self.now += times * seconds

        return run


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def test_the_ratio_of_two_times(clock):
    pairs = ratio.pair_ratios(clock.work("kernel", 3e-6), clock.work("reference", 2e-6), 0.05)
    assert len(pairs) >= ratio.SAMPLES
    assert pairs == pytest.approx([1.5] * len(pairs))


def test_they_alternate_with_equal_calls(clock):
    ratio.pair_ratios(clock.work("kernel", 3e-6), clock.work("reference", 2e-6), 0.05)
    tail = clock.log[-20:]
    assert [name for name, _ in tail] == ["kernel", "reference"] * 10
    (calls,) = {times for _, times in tail}
    assert calls == pytest.approx(ratio.HALF_SECONDS / 3e-6, rel=0.1)


def test_slow_kernels_give_all_samples_too(clock):
    pairs = ratio.pair_ratios(clock.work("kernel", 1.0), clock.work("reference", 2.0), 0.05)
    assert pairs == [0.5] * ratio.SAMPLES


def test_interrupted_pairs_do_not_count(clock):
    number = iter(range(10**9))

    def reference(times):
        clock.now += times * 2e-6
        if next(number) % 2:  # another process takes its turn
            clock.now += 0.004
            clock.switches += 1

    pairs = ratio.pair_ratios(clock.work("kernel", 3e-6), reference, 0.05)
    assert pairs == pytest.approx([1.5] * len(pairs)) and len(pairs) >= ratio.SAMPLES


def test_all_pairs_count_where_each_is_interrupted(clock):
    def reference(times):
        clock.now += times * 2e-6
        clock.switches += 1

    begin = clock.now
    pairs = ratio.pair_ratios(clock.work("kernel", 3e-6), reference, 0.05)
    assert len(pairs) >= ratio.SAMPLES
    assert clock.now - begin < 2 * ratio.PATIENCE * 0.05


def test_samples_are_medians_of_neighbours():
    assert ratio.as_samples([1.0] * 30 + [5.0] * 70)["samples"] == [1.0] * 3 + [5.0] * 7
    assert ratio.as_samples([float(i) for i in range(10)]) == {"samples": [float(i) for i in range(10)], "number": 1}
    assert len(ratio.as_samples([2.0, 1.0, 3.0])["samples"]) == ratio.SAMPLES


def test_calls_that_last_long_enough(clock):
    assert ratio.calls_in(clock.work("kernel", 1e-6), 1e-3) == pytest.approx(1000, rel=0.01)
    assert ratio.calls_in(clock.work("kernel", 1.0), 1e-3) == 1


def test_seconds_from_the_environment(monkeypatch):
    monkeypatch.delenv("CYCONV_BENCH_SECONDS", raising=False)
    assert ratio.seconds() == ratio.SECONDS
    monkeypatch.setenv("CYCONV_BENCH_SECONDS", "0.01")
    assert ratio.seconds() == 0.01


def test_measure_gives_the_reference_the_same_number(clock, monkeypatch):
    monkeypatch.setenv("CYCONV_BENCH_SECONDS", "0.05")

    class Reference:
        def run(self, work, times):
            clock.now += times * work.macs * 1e-9

    result = ratio.measure(clock.work("kernel", 3e-6), Reference(), Work(macs=1000))
    assert result["number"] == 1 and result["samples"] == pytest.approx([3.0] * ratio.SAMPLES)


def test_interruptions_are_counted():
    before = ratio.interruptions()
    assert before >= 0 and ratio.interruptions() >= before
