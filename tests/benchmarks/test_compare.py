"""Two commits in turns: medians of rounds, verdicts with their confidence, and what asv's files hold."""

import json
import math
import random
from pathlib import Path

import pytest

from benchmarks import compare
from benchmarks.compare import judge, medians, odd_and_even, parse, read, table, verdicts


def rounds(level, noise, seed, count=8):
    rng = random.Random(seed)
    return [level * math.exp(rng.gauss(0, noise)) for _ in range(count)]


def test_medians_of_rounds():
    assert medians([1, 2, 9, 4, 5, 100], 2) == [2, 5]
    with pytest.raises(ValueError, match="7 samples do not come from 2 equal rounds"):
        medians([1.0] * 7, 2)


@pytest.mark.parametrize(("change", "word"), [(1.1, "slower"), (0.9, "faster"), (1.0, "same")])
def test_verdict_on_a_change(change, word):
    for seed in range(20):
        verdict = judge(rounds(1, 0.005, seed), rounds(change, 0.005, seed + 100), 0.03)
        assert verdict.word == word and verdict.confidence > 0.99
        assert verdict.low < verdict.ratio < verdict.high
        assert verdict.ratio == pytest.approx(change, rel=0.02)


def test_noise_is_never_a_regression():
    words = [judge(rounds(1, 0.05, s), rounds(1, 0.05, s + 1000), 0.03).word for s in range(500)]
    assert words.count("slower") + words.count("faster") <= 0.02 * len(words)
    assert "unclear" in words


def test_a_small_change_that_is_sure_is_not_slower():
    verdict = judge(rounds(1, 0.001, 1), rounds(1.01, 0.001, 2), 0.03)
    assert verdict.word == "same" and verdict.low > 1


def test_values_without_scatter():
    assert judge([100.0] * 3, [100.0] * 3, 0.03) == ("same", 1.0, 1.0, 1.0, 1.0)
    assert judge([100.0], [110.0], 0.03).word == "slower"
    assert judge([100.0], [90.0], 0.03).word == "faster"


def asv_file(folder, commit, results):
    path = folder / "machine" / f"{commit[:8]}-virtualenv.json"
    path.parent.mkdir(exist_ok=True)
    columns = ["result", "params", "version", "started_at", "duration", "stats_ci_99_a", "samples"]
    rows = {name: [result, params, "1", 0, 0, None, samples] for name, (result, params, samples) in results.items()}
    path.write_text(json.dumps({"commit_hash": commit, "result_columns": columns, "results": rows}))


COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_reading_asv_files(tmp_path):
    asv_file(
        tmp_path,
        COMMIT,
        {
            "b.B.track_ratio": ([1.5, None, math.nan], [["'a'", "'b'", "'c'"]], [[1.4, 1.6], None, None]),
            "b.B.track_wheel_bytes": ([1000], [], None),
            "b.B.time_broken": (None, [], None),
        },
    )
    found = read(tmp_path, COMMIT)
    assert found["b.B.track_ratio('a')"] == (1.5, [1.4, 1.6])
    assert found["b.B.track_ratio('b')"] == (None, None)
    assert math.isnan(found["b.B.track_ratio('c')"][0])
    assert found["b.B.track_wheel_bytes"] == (1000, None)
    assert found["b.B.time_broken"] == (None, None)
    assert len(found) == 5


def test_verdicts_of_all_kinds():
    base = {"slow": (1.0, [1.0, 1.0, 1.01, 1.0, 1.0, 1.0]), "gone": (1.0, [1.0] * 6), "bytes": (100, None), "skipped": (math.nan, None)}
    head = {"slow": (1.2, [1.2, 1.2, 1.21, 1.2, 1.2, 1.2]), "gone": (None, None), "bytes": (100, None), "skipped": (math.nan, None)}
    found = verdicts(base, head, 3, 0.03)
    assert list(found) == ["bytes", "gone", "slow"]
    assert found["slow"].word == "slower" and found["bytes"].word == "same" and found["gone"] is None
    text = table(found, base, head).to_markdown()
    assert text.index("gone") < text.index("slow") < text.index("bytes") and "not measured" in text


def test_one_commit_against_itself():
    samples = [10.0 * i + j for i in range(6) for j in range(3)]
    even, odd = odd_and_even({"a": (1.0, samples), "b": (2, None)}, 3)
    assert even["a"][1] == [1.0, 21.0, 41.0] and odd["a"][1] == [11.0, 31.0, 51.0]
    assert even["b"] == odd["b"] == (2, None)


class Asv:
    """Stands for asv: writes what it would have measured."""

    def __init__(self, levels):
        self.levels, self.calls = levels, []

    def __call__(self, *arguments, input, text):
        config = json.loads(Path(arguments[arguments.index("--config") + 1]).read_text())
        self.calls.append((arguments, config))
        count = int(arguments[arguments.index("-a") + 1].removeprefix("rounds="))
        results = Path(config["results_dir"])
        results.mkdir()
        for commit in input.split():
            samples = [v for r in range(count) for v in [self.levels(commit) * (1 + 0.001 * (r % 2))] * 10]
            asv_file(results, commit, {"b.B.track_ratio": ([samples[0]], [], [samples])})


@pytest.fixture
def run(monkeypatch, capsys):
    def call(levels, *words):
        fake = Asv(levels)
        monkeypatch.setattr(compare, "asv", fake)
        monkeypatch.setattr(compare, "commit_of", lambda name: {"base": "a" * 40, "head": "b" * 40}[name])
        monkeypatch.setattr(compare.sys, "argv", ["compare", *words])
        return compare.main(), capsys.readouterr().out, fake.calls[0]

    return call


def test_the_command(run):
    code, text, (arguments, config) = run(
        lambda commit: 1.0 + 0.2 * (commit[0] == "b"), "base", "head", "--bench", "track_", "--threads", "2"
    )
    assert code == 1 and "slower" in text and "1.200" in text
    assert "--interleave-rounds" in arguments and "rounds=6" in arguments and arguments[arguments.index("--bench") + 1] == "track_"
    nobuild = config["matrix"]["env_nobuild"]
    assert nobuild["OMP_NUM_THREADS"] == ["2"] and len(nobuild["CYCONV_ISA"]) == 1


def test_the_command_finds_nothing(run):
    code, text, _ = run(lambda commit: 1.0, "base", "head")
    assert code == 0 and "same" in text


def test_the_command_on_one_commit(run):
    code, text, (arguments, _) = run(lambda commit: 1.0, "head", "head", "--rounds", "4")
    assert code == 0 and "rounds=8" in arguments and "same" in text


def test_bad_options(capsys):
    with pytest.raises(SystemExit):
        parse(["a", "b", "--rounds", "2"])
    assert "at least 3" in capsys.readouterr().err
