"""The runner on made-up measurements and real git; the slow half of the tests leaves pages and steps to asv itself."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.service.files import read_json, write_json
from benchmarks.service.mirror import git
from benchmarks.service.regressions import is_open
from tests.benchmarks.service.scratch import TINY, Repository, SimulatedAsv, settle, simulated


@pytest.fixture(autouse=True, params=["steps", pytest.param("asv", marks=pytest.mark.slow)])
def pages(request, monkeypatch) -> None:
    """Who finds the steps: a few lines here, or asv itself."""
    monkeypatch.setattr(SimulatedAsv, "real_pages", request.param == "asv")


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    """The tiny project with four commits."""
    made = Repository(tmp_path / "repo", TINY)
    made.shas = [made.commit(f"number {i}") for i in range(4)]
    return made


def noisy(slow: dict[str, float], scatter: float = 0.005, seed: int = 0):
    """Measurements with some noise; `slow` has the ratio of commits that are not at 1."""
    rng = random.Random(seed)
    return lambda commit, env, entry, count: (slow.get(commit, 1.0) if "ratio" in entry else 1.0) * rng.lognormvariate(0, scatter)


def test_slowdown_is_named_told_once_and_resolved_once(config, repo, no_vendor):
    slow: dict[str, float] = {}
    culprit = repo.commit("slow", x="1")
    later = [repo.commit("later") for _ in range(2)]
    slow |= dict.fromkeys([culprit, *later], 1.2)
    runner, asv = simulated(config, noisy(slow))
    settle(runner)
    assert asv.runs[:5] == [[sha] for sha in [*repo.shas, culprit]]  # oldest first
    (record,) = runner.store.records()
    (series,) = record["series"].values()
    assert (record["commit"], record["parent"], record["subject"]) == (culprit, repo.shas[-1], "slow")
    assert series["ratio"] == pytest.approx(1.2, abs=0.02) and series["low"] > 1.15 and series["reference"] == pytest.approx(1, abs=0.01)
    assert f"{repo.shas[-1]} {culprit}" in record["reproduce"]
    for _ in range(4):
        repo.commit("fixed")
    settle(runner)
    (record,) = runner.store.records()
    assert [event["kind"] for event in record["events"]] == ["regression", "resolved"] and not is_open(record)
    before = len(asv.runs)
    settle(runner)
    assert len(asv.runs) == before


def test_one_outlier_raises_no_alert(config, repo, no_vendor):
    shas = [*repo.shas, repo.commit("outlier")]
    base = noisy({})
    runner, asv = simulated(config, lambda c, env, entry, n: base(c, env, entry, n) * (1.5 if n == 5 and "ratio" in entry else 1))
    settle(runner)
    assert runner.store.state()["asked"] and runner.store.records() == []
    measured = len(asv.runs)
    repo.commit("after")
    settle(runner)
    assert len(asv.runs) == measured + 1 and runner.store.records() == [] and shas


def test_broken_builds_block_nothing_and_are_tried_again(config, repo, no_vendor):
    bad = [repo.commit("broken") for _ in range(2)]
    good = repo.commit("good")
    runner, asv = simulated(replace(config, retry_seconds=0.0), lambda c, *_: None if c in bad else 1.0)
    settle(runner)
    assert asv.runs[4:7] == [[bad[0]], [bad[1]], [good]]  # the good one does not wait for the others' next tries
    assert [asv.runs.count([sha]) for sha in (*bad, good)] == [3, 3, 1]
    repo.commit("another")
    settle(runner)
    assert [asv.runs.count([sha]) for sha in bad] == [4, 4]  # the machine was well meanwhile: once more
    repo.commit("yet another")
    settle(runner)
    assert [asv.runs.count([sha]) for sha in bad] == [4, 4]
    assert sorted(runner.status["failed"]) == sorted(bad)
    assert set(runner.store.results(good))


@pytest.mark.slow
def test_a_gap_is_filled_until_one_commit_is_named(config, repo, no_vendor):
    shas = repo.shas + [repo.commit(f"more {i}") for i in range(14)]
    slow = dict.fromkeys(shas[10:], 1.3)
    runner, asv = simulated(replace(config, stride_above=4), noisy(slow))
    settle(runner)
    (record,) = runner.store.records()
    assert record["commit"] == shas[10]
    first = [run[0] for run in asv.runs[: next(i for i, run in enumerate(asv.runs) if len(run) == 2)]]
    assert len(first) < len(shas) and {shas[9], shas[10]} <= set(first)  # named before everything was measured


@pytest.mark.slow
def test_a_commit_that_cannot_be_built_stands_between(config, repo, no_vendor):
    broken = repo.commit("broken")
    slow = [repo.commit("slow") for _ in range(3)]
    measure = noisy(dict.fromkeys(slow, 1.3))
    runner, _ = simulated(replace(config, retry_seconds=0.0), lambda c, *rest: None if c == broken else measure(c, *rest))
    settle(runner)
    (record,) = runner.store.records()
    assert (record["commit"], record["parent"], record["unbuildable"]) == (slow[0], repo.shas[-1], [broken])


@pytest.mark.slow
def test_a_misnamed_neighbour_is_put_right(config, repo, no_vendor):
    """The commit before the culprit had a slow outlier, so asv names it."""
    outlier, culprit = repo.commit("innocent"), repo.commit("slow")
    shas = [culprit] + [repo.commit("later") for _ in range(3)]
    base = noisy(dict.fromkeys(shas, 1.3))
    runner, _ = simulated(config, lambda c, env, entry, n: base(c, env, entry, n) * (1.3 if n == 5 and "ratio" in entry else 1))
    settle(runner)
    assert [record["commit"] for record in runner.store.records()] == [culprit] and outlier


def test_a_run_with_a_drifting_reference_is_repeated(config, repo, no_vendor):
    runner, asv = simulated(config, lambda c, env, entry, n: 1.3 if n == 4 else 1.0)
    runner.store.open()
    for _ in range(9):
        runner.store.repair()
        runner.step()
    assert asv.runs == [[repo.shas[0]], [repo.shas[1]], [repo.shas[2]], [repo.shas[3]], [repo.shas[3]]]
    assert runner.store.values(repo.shas[3])["virtualenv-py3|bench.track_ratio"] == 1.0
    assert runner.status["trouble"] == {}


@pytest.mark.slow
def test_noise_sets_each_series_threshold(config, repo, no_vendor):
    rng = random.Random(3)
    spread = {"bench.track_ratio": 0.03, "bench.track_reference": 0.001}
    runner, _ = simulated(replace(config, aa_days=7.0), lambda c, env, entry, n: rng.lognormvariate(0, spread[entry]))
    settle(runner)
    (path,) = (runner.store.path / "noise").iterdir()
    assert len(read_json(path)["runs"]) == config.aa_runs
    runner.update()
    found = runner.asv.conf["regressions_thresholds"]
    assert found[r"^bench\.track_reference(@|$)"] == 0.05 and 0.05 < found[r"^bench\.track_ratio(@|$)"] < 0.4


def test_noise_goes_on_with_its_commit_when_others_come(config, repo, no_vendor):
    runner, asv = simulated(replace(config, aa_days=7.0), lambda *_: 1.0)
    runner.store.open()
    while len(asv.runs) < 7:  # four commits and three runs of the last one
        runner.step()
    new = repo.commit("new")
    settle(runner)
    assert asv.runs[7:] == [[new], *[[repo.shas[-1]]] * (config.aa_runs - 3)]
    assert [len(found["runs"]) for found in runner.store.snapshots("noise")] == [config.aa_runs]


@pytest.mark.slow
def test_force_push_and_removed_branch(config, repo, no_vendor):
    slow = [repo.commit("slow") for _ in range(3)]
    runner, _ = simulated(config, noisy(dict.fromkeys(slow, 1.4)))
    settle(runner)
    assert len(runner.store.records()) == 1
    repo.git("reset", "--hard", repo.shas[1])
    new = [repo.commit(f"new {i}") for i in range(3)]
    settle(runner)
    (record,) = runner.store.records()
    assert not is_open(record) and "left the branch" in record["events"][-1]["note"]
    assert all(runner.store.results(sha) for sha in (*slow, *new))
    repo.git("checkout", "--quiet", "-b", "other")
    repo.git("branch", "-D", "main")
    settle(runner)
    assert "fetch failed" in runner.status["trouble"]["fetch"] and (config.data / "public" / "current").exists()


@pytest.mark.parametrize("victim", ["objects", "HEAD", "config", "refs/heads/main"])
def test_a_damaged_mirror_is_fetched_again(config, repo, no_vendor, victim):
    runner, _ = simulated(config, noisy({}))
    runner.update()
    place = config.data / "mirror" / victim
    for file in [place] if place.is_file() else [path for path in place.rglob("*") if path.is_file()]:
        file.chmod(0o644)
        file.write_bytes(b"{")
    new = repo.commit("new")
    runner.last_fetch = float("-inf")
    assert runner.update() == [*repo.shas, new] and "fetch" not in runner.status["trouble"]


@pytest.mark.slow
def test_what_the_suite_gained_is_measured_and_the_rest_taken_over(config, repo, no_vendor, monkeypatch):
    runner, asv = simulated(config, lambda *_: 1.0)
    settle(runner)
    seeds = []
    run = asv.run
    monkeypatch.setattr(asv, "run", lambda *a, seed=(), **k: (seeds.append(list(seed)), run(*a, **k))[1])
    asv.entries = (*asv.entries, "bench.track_new")
    new = repo.commit("suite", benchmarks__bench_new_dot_py="'''New.'''\n")
    settle(runner)
    assert asv.runs[4][0] == new and sorted(run[0] for run in asv.runs[5:]) == sorted(repo.shas)
    assert all("bench.track_ratio" in seed[0]["results"] and "bench.track_reference" not in seed[0]["results"] for seed in seeds[1:])


@pytest.mark.slow
def test_killed_between_any_two_writes_nothing_is_lost_or_told_twice(config, repo, no_vendor, monkeypatch):
    """Every write fails once, as if the runner had been killed there; a new runner takes over each time."""
    culprit = repo.commit("slow")
    slow = dict.fromkeys([culprit, repo.commit("later"), repo.commit("latest")], 1.3)
    measure = noisy(slow)
    real, budget = write_json, [0]

    class Killed(BaseException):
        pass

    def write(path: Path, value: object) -> None:
        budget[0] -= 1
        if budget[0] < 0:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_name(f".aside-{path.name}").write_text("{")
            raise Killed
        real(path, value)

    monkeypatch.setattr("benchmarks.service.store.write_json", write)
    monkeypatch.setattr("benchmarks.service.publish.write_json", write)
    for kill in range(400):
        budget[0] = kill % 5 + 1
        runner, _ = simulated(config, measure)
        (runner.store.path / ".git").mkdir(parents=True, exist_ok=True)
        (runner.store.path / ".git" / "index.lock").touch()
        try:
            settle(runner)
            break
        except Killed:
            continue
    assert kill > 3
    (record,) = runner.store.records()
    assert record["commit"] == culprit and len(record["events"]) == 1
    assert all(runner.store.results(sha) for sha in (*repo.shas, *slow))
    assert git(runner.store.path, "status", "--porcelain") == ""


@pytest.mark.slow
def test_suspects_only_of_series_that_raise_alerts(config, repo, no_vendor):
    slow = [repo.commit("slow") for _ in range(3)]
    runner, _ = simulated(replace(config, alert="nothing"), noisy(dict.fromkeys(slow, 1.5)))
    settle(runner)
    found = read_json(config.data / "public" / "current" / "asv" / "regressions.json")["regressions"]
    assert found and runner.store.records() == []
