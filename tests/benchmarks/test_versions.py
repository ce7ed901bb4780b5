"""A benchmark's method and its version change together: history is kept only where the same thing is measured."""

import pytest

from benchmarks import bench_kernels, bench_layers, ratio, versions
from benchmarks.versions import bare, benchmarks, changed_in_silence, current, recorded

NAMES = [name for _, _, name in benchmarks()]


def test_versions_are_recorded():
    new, old = current(), recorded()
    assert changed_in_silence(old, new) == [], "give these a new version, then run python -m benchmarks.versions"
    assert new == old, "run python -m benchmarks.versions"


def test_every_benchmark_has_a_version():
    new = current()
    assert len(new) == len(NAMES) >= 10
    assert all(isinstance(entry["version"], str) and entry["version"] for entry in new.values())
    assert len({entry["method"] for entry in new.values()}) == len(new)


def one(name: str) -> dict[str, str]:
    return current()[name]


@pytest.mark.parametrize("attribute", ["rounds", "repeat", "sample_time", "warmup_time"])
def test_timing_attributes_are_part_of_the_method(monkeypatch, attribute):
    name = "bench_layers.Layer.time_run"
    before = current()
    monkeypatch.setattr(bench_layers.Layer, attribute, 7)
    assert name in changed_in_silence(before, current())
    monkeypatch.setattr(bench_layers.Layer, "version", "2")
    assert name not in changed_in_silence(before, current())


def test_attributes_of_one_method_change_that_method_only(monkeypatch):
    before = current()
    monkeypatch.setattr(bench_kernels.Kernel.track_ratio, "rounds", 7)
    assert changed_in_silence(before, current()) == ["bench_kernels.Kernel.track_ratio"]


def test_shared_code_is_part_of_the_method(monkeypatch):
    before = current()
    sources = versions.inspect.getsource
    changed = lambda thing: sources(thing) + ("\nX = 1\n" if thing is ratio else "")  # noqa: E731
    monkeypatch.setattr(versions.inspect, "getsource", changed)
    silent = changed_in_silence(before, current())
    assert "bench_layers.Layer.track_ratio" in silent and "bench_networks.Network.track_ratio" in silent


def test_the_reference_is_part_of_the_method(monkeypatch):
    before = current()
    monkeypatch.setattr(versions.reference, "FLAGS", ("-O0",))
    assert changed_in_silence(before, current()) == list(before)


def test_more_names_to_measure_change_nothing(monkeypatch):
    before = current()
    monkeypatch.setattr(bench_layers, "LAYERS", [*bench_layers.LAYERS, "googlenet/conv2"])
    monkeypatch.setattr(bench_layers.Layer, "params", bench_layers.LAYERS)
    assert current() == before


def test_words_and_form_change_nothing():
    code = 'def f(x):\n    """Says."""\n    # a remark\n    return x + 1\n'
    assert bare(code) == bare("def f(x):\n\n    return x  +  1\n") != bare("def f(x):\n    return x + 2\n")


def test_writing_refuses_a_silent_change(monkeypatch, tmp_path, capsys):
    record = tmp_path / "versions.json"
    monkeypatch.setattr(versions, "RECORD", record)
    run = lambda *words: (monkeypatch.setattr(versions.argparse._sys, "argv", ["versions", *words]), versions.main())[1]  # noqa: E731
    assert run() == 0 and recorded() == current()
    first = record.read_text()
    monkeypatch.setattr(bench_layers.Layer, "repeat", 7)
    assert run() == 1 and record.read_text() == first
    assert "bench_layers.Layer.time_run" in capsys.readouterr().out
    assert run("--same-method") == 0 and recorded() == current()
