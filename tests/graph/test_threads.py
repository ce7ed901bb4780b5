"""The default number of threads: what sets it, what bounds it, what it refuses."""

from pathlib import Path

import pytest

import cyconv
from cyconv.graph import threads


@pytest.fixture(autouse=True)
def _reset(monkeypatch):
    monkeypatch.setattr(threads, "_default", None)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def test_default_is_what_the_process_may_use():
    assert cyconv.get_num_threads() == threads.available_threads() >= 1


def test_set():
    cyconv.set_num_threads(3)
    assert cyconv.get_num_threads() == 3
    assert threads.check_num_threads(None) == 3
    assert threads.check_num_threads(5) == 5


@pytest.mark.parametrize("value", [1.0, "2", True, [1]])
def test_wrong_types(value):
    with pytest.raises(TypeError, match="num_threads must be an int"):
        cyconv.set_num_threads(value)


@pytest.mark.parametrize("value", [0, -1, 1025])
def test_wrong_values(value):
    with pytest.raises(ValueError, match=r"num_threads must be between 1 and 1024"):
        cyconv.set_num_threads(value)
    assert cyconv.get_num_threads() == threads.available_threads()


def test_omp_num_threads(monkeypatch):
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda pid: set(range(8)))
    monkeypatch.setattr(threads, "CGROUPS", Path("/nowhere"))
    for text, count in [("3", 3), ("2,4", 2), (" 5 ", 5), ("100", 8), ("0", 8), ("x", 8), ("", 8), ("-1", 8)]:
        monkeypatch.setenv("OMP_NUM_THREADS", text)
        assert threads.available_threads() == count, text


QUOTA, PERIOD = "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"


@pytest.mark.parametrize(
    ("files", "count"),
    [
        ({"cpu.max": "max 100000\n"}, 8),
        ({"cpu.max": "200000 100000\n"}, 2),
        ({"cpu.max": "250000 100000\n"}, 3),  # a part of a CPU counts as one
        ({"cpu.max": "10000 100000\n"}, 1),
        ({"cpu.max": "9900000 100000\n"}, 8),
        ({"cpu.max": ""}, 8),
        ({"cpu.max": "many 0"}, 8),
        ({"cpu.max": "100000 0"}, 8),
        ({QUOTA: "-1\n", PERIOD: "100000\n"}, 8),
        ({QUOTA: "300000\n", PERIOD: "100000\n"}, 3),
        ({QUOTA: "300000\n"}, 8),
        ({"user.slice/service/cpu.max": "200000 100000\n"}, 2),
        ({"user.slice/cpu.max": "300000 100000\n", "user.slice/service/cpu.max": "max 100000\n"}, 3),
        ({"user.slice/other/cpu.max": "100000 100000\n"}, 8),
        ({"cpu/jobs/one/cpu.cfs_quota_us": "150000\n", "cpu/jobs/one/cpu.cfs_period_us": "100000\n"}, 2),
        ({}, 8),
    ],
)
def test_cgroup_quota(monkeypatch, tmp_path, files, count):
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda pid: set(range(8)))
    monkeypatch.setattr(threads, "CGROUPS", tmp_path)
    monkeypatch.setattr(threads, "OWN_CGROUP", tmp_path / "own")
    (tmp_path / "own").write_text("3:cpu,cpuacct:/jobs/one\n0::/user.slice/service\n")
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert threads.available_threads() == count
