"""Steps to a multiple of the time, which asv's weights would hide: they are found, and named."""

from dataclasses import replace
from pathlib import Path

from asv._stats import get_weight
from asv.results import Results
from asv.step_detect import detect_regressions, detect_steps

from benchmarks.service.asv import without_intervals
from benchmarks.service.files import write_json
from tests.benchmarks.service.scratch import TINY, Repository, SimulatedAsv, settle, simulated

# A kernel that lost its optimisation at the fifth commit, on a machine with other work: the value and half the width of its interval.
MEASURED = [(0.90, 0.04), (0.91, 0.05), (0.90, 0.04), (0.92, 0.05), (12.8, 2.0), (34.3, 3.3), (32.2, 2.5)]


def found_by_asv(folder: Path, results: list[dict]) -> list[tuple]:
    """The steps that asv reports for result files: last commit before and first one after each."""
    values, weights = [], []
    for result in results:
        write_json(folder / "box" / "result.json", result)
        loaded = Results.load(str(folder / "box" / "result.json"))
        values += loaded.get_result_value("a", [])
        weights += [stats and get_weight(stats) for stats in loaded.get_result_stats("a", [])]
    return [step[:2] for step in detect_regressions(detect_steps(values, weights), 0.05)[2] or []]


def test_a_large_step_with_wide_intervals(tmp_path: Path):
    head = {"version": 2, "commit_hash": "c" * 40, "env_name": "py3", "date": 0, "python": "3", "requirements": {}}
    head |= {"params": {"machine": "box"}, "env_vars": {}}
    columns = ["result", "params", "version", "stats_ci_99_a", "stats_ci_99_b", "stats_q_25"]
    rows = [{"a": [[value], [], "1", [value - half], [value + half], [value]]} for value, half in MEASURED]
    results = [head | {"result_columns": columns, "results": row} for row in rows]
    assert found_by_asv(tmp_path, results) == []  # why it is done
    assert (3, 4) in found_by_asv(tmp_path, list(map(without_intervals, results)))
    assert results[0]["results"] == rows[0]


def test_a_large_step_is_named_through_asvs_pages(config, no_vendor, tmp_path: Path, monkeypatch):
    """Intervals of the same width in percent, which make the slow values count less and less."""
    monkeypatch.setattr(SimulatedAsv, "real_pages", True)
    repo = Repository(tmp_path / "repo", TINY)
    shas = [repo.commit("a change") for _ in MEASURED]

    def value(commit: str, env: str, entry: str, count: int) -> float:
        """The first time as above, in a bad moment; from then on what it is."""
        number = shas.index(commit)
        return 1.0 if "ratio" not in entry else MEASURED[number][0] if count <= len(shas) else 30.0 if number >= 4 else 0.9

    runner, _ = simulated(replace(config, publish_seconds=1000.0), value)
    settle(runner)
    (record,) = runner.store.records()
    assert (record["commit"], record["parent"]) == (shas[4], shas[3])
