"""The suites as asv sees them: found with NumPy alone, each benchmark runs, and each notices a kernel that computes wrongly."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from asv_runner.benchmarks.mark import SkipNotImplemented

import cyconv
from benchmarks import (
    bench_kernels,
    bench_layers,
    bench_networks,
    bench_overhead,
    bench_package,
    bench_reference,
    cases,
    kernel_cases,
    layer_cases,
    network_cases,
    setting,
)
from benchmarks.bench_overhead import Compile
from benchmarks.cases import Unusable, WrongAnswer, check, load, prepare
from cyconv._kernels.cpu import isa, runnable_isas

ROOT = Path(__file__).resolve().parents[2]
# What asv does in its environment, where NumPy and asv_runner are all there is.
DISCOVER = """
import sys

class OnlyWhatAsvInstalls:
    def find_spec(self, name, path=None, target=None):
        top = name.split(".")[0]
        if path is None and top not in sys.stdlib_module_names and top not in {"numpy", "asv_runner", "benchmarks", "cyconv", "pympler"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, OnlyWhatAsvInstalls())
from asv_runner import check, discovery
if sys.argv[1] == "check":
    check._check((sys.argv[2],))
discovery._discover((sys.argv[2], sys.argv[3]))
"""
# Small ones, so that the fast tests stay fast. The slow test runs all.
FEW_LAYERS = ["googlenet/5b/3x3", "mobilenet_v2/features.3.conv.1.0", "googlenet/4b/5x5_reduce"]
SUITES = [
    (bench_kernels.Kernel, bench_kernels, "KERNELS", bench_kernels.KERNELS),
    (bench_layers.Layer, bench_layers, "LAYERS", FEW_LAYERS),
    (bench_networks.Network, bench_networks, "NETWORKS", ["squeezenet1_1"]),
    (bench_networks.Memory, bench_networks, "NETWORKS", ["squeezenet1_1"]),
    (bench_overhead.Call, None, "", bench_overhead.Call.params),
    (bench_overhead.Compile, bench_overhead, "COMPILE_WORK", ["digits"]),
    (bench_package.Package, None, "", ()),
    (bench_reference.Machine, None, "", ()),
]


def asv_finds(tmp_path: Path, what: str) -> list[dict]:
    result = tmp_path / "result.json"
    command = [sys.executable, "-c", DISCOVER, what, str(ROOT / "benchmarks"), str(result)]
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(result.read_text()) if what == "discover" else []


def test_asv_finds_them(tmp_path):
    found = {entry["name"]: entry for entry in asv_finds(tmp_path, "discover")}
    assert len(found) >= 15
    for level in ("bench_kernels", "bench_layers", "bench_overhead", "bench_networks", "bench_package", "bench_reference"):
        assert any(name.startswith(f"{level}.") for name in found), level
    for kernels in ("bench_kernels.Kernel", "bench_layers.Layer", "bench_networks.Network"):
        ratio, time = found[f"{kernels}.track_ratio"], found[f"{kernels}.time_" + ("100_calls" if "Kernel" in kernels else "run")]
        assert ratio["params"] == time["params"] and ratio["rounds"] >= 2 and time["rounds"] >= 2
        assert ratio["unit"] == "of the reference"
    assert {entry["version"] for entry in found.values()} and all(len(entry["version"]) < 10 for entry in found.values())
    assert "bench_networks.Memory.peakmem_compile_and_run" in found


def test_asv_accepts_their_arguments(tmp_path):
    asv_finds(tmp_path, "check")


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """A folder as asv makes it, and short measurements."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYCONV_BENCH_SECONDS", "0.001")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(bench_package, "PROCESSES", 1)
    for name in ("CYCONV_ISA", "OMP_NUM_THREADS", "ASV_ENV_DIR"):
        monkeypatch.delenv(name, raising=False)
    setting.reference.cache_clear()
    yield
    for module in (bench_kernels, bench_layers, bench_networks):
        module.case.cache_clear()


def run_suite(suite: type) -> int:
    """Each benchmark of a class once for each parameter; how many."""
    made, count = suite(), 0
    if hasattr(made, "setup_cache"):
        assert made.setup_cache() is None
    for name in [n for n in vars(suite) if n.startswith(("time_", "track_", "peakmem_"))]:
        function = getattr(made, name)
        params = getattr(function, "params", getattr(made, "params", ()))
        for arguments in itertools.product(params) if params else [()]:
            result = function(*arguments)
            count += 1
            if name.startswith("track_"):
                samples = result["samples"] if isinstance(result, dict) else [result]
                assert samples and all(math.isfinite(v) and v > 0 for v in samples), (name, arguments)
    return count


@pytest.mark.parametrize(("suite", "module", "table", "names"), SUITES, ids=[s[0].__name__ for s in SUITES])
def test_each_runs(quick, monkeypatch, suite, module, table, names):
    if table and table != "COMPILE_WORK":
        monkeypatch.setattr(module, table, names)
    if table == "COMPILE_WORK":
        monkeypatch.setattr(module, table, {name: module.COMPILE_WORK[name] for name in names})
    if names:
        monkeypatch.setattr(suite, "params", names)
    assert run_suite(suite) >= max(1, len(names))


@pytest.mark.slow
@pytest.mark.parametrize("suite", [s[0] for s in SUITES], ids=[s[0].__name__ for s in SUITES])
def test_each_runs_with_all_parameters(quick, suite):
    assert run_suite(suite) >= 1


# Skipping


def test_an_instruction_set_that_is_not_in_use(monkeypatch):
    monkeypatch.setenv("CYCONV_ISA", "avx10")
    with pytest.raises(SkipNotImplemented, match="avx10 cannot run here"):
        bench_layers.Layer().time_run("googlenet/conv1")
    bench_layers.Layer().setup_cache()  # makes nothing, and does not fail


def test_threads_where_one_is_all(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert setting.threads() == 2
    assert setting.reason_to_skip() is None
    assert setting.reason_to_skip(one_thread=True) == "runs on one thread only"


def test_best_instruction_set_only(monkeypatch):
    monkeypatch.setattr(setting, "isa", lambda: "baseline")
    monkeypatch.delenv("CYCONV_ISA", raising=False)
    expected = None if runnable_isas() == ["baseline"] else "does not depend on the instruction set"
    assert setting.reason_to_skip(best_isa=True) == expected


# Answers


def broken(kind_of, change):
    """The kinds as they are, with something done to each answer."""

    def broken_kind(name):
        kind = kind_of(name)

        def case(name, data):
            made = kind.case(name, data)

            def answer():
                got = np.array(made.answer())
                change(got)
                return got

            return made._replace(answer=answer)

        return kind._replace(case=case)

    return broken_kind


def noticed(name, kind_of):
    """What asv would show instead of a time."""
    prepare([name], kind_of)
    with pytest.raises(Unusable, match="WrongAnswer") as error:
        load(name, kind_of)
    return str(error.value)


def last_element(got):
    got.reshape(-1)[-1] += 0.02 * np.abs(got).max()


def one_nan(got):
    got.reshape(-1)[got.size // 2] = np.nan


@pytest.mark.parametrize("change", [last_element, one_nan])
@pytest.mark.parametrize("name", bench_kernels.KERNELS)
def test_a_wrong_float_of_a_kernel_is_noticed(quick, name, change):
    prepare([name], kernel_cases.kind_of)
    load(name, kernel_cases.kind_of)
    assert noticed(name, broken(kernel_cases.kind_of, change))


@pytest.mark.parametrize("change", [last_element, one_nan])
@pytest.mark.parametrize("name", [*FEW_LAYERS, "googlenet/fc"])
def test_a_wrong_float_of_a_layer_is_noticed(quick, name, change):
    assert noticed(name, broken(layer_cases.kind_of, change))


@pytest.mark.parametrize("name", bench_kernels.KERNELS)
def test_a_kernel_that_does_nothing_is_noticed(quick, name):
    kind = kernel_cases.kind_of(name)
    data = kind.data(name)
    with pytest.raises(WrongAnswer):
        check(name, kind.case(name, data)._replace(run=lambda times: None), data)


def test_one_bad_case_takes_no_other_with_it(quick):
    names = ["relu/googlenet/3a/3x3", "no_such_kernel/googlenet/3a/3x3", "sigmoid/googlenet/3a/3x3"]
    prepare(names, kernel_cases.kind_of)
    with pytest.raises(Unusable, match="KeyError: 'no_such_kernel'"):
        load(names[1], kernel_cases.kind_of)
    assert all(load(name, kernel_cases.kind_of).work.macs for name in names[::2])


def test_a_wrong_network_is_noticed(quick, monkeypatch):
    """Both when its answer is not known yet, and when it is."""
    right = cyconv.Plan.__call__

    def wrong(self, *inputs, out=None, **options):
        result = right(self, *inputs, out=out, **options)
        result.reshape(-1)[-1] += 0.01 * np.abs(result).max()
        return result

    prepare(["digits"], network_cases.kind_of)
    load("digits", network_cases.kind_of)
    monkeypatch.setattr(cyconv.Plan, "__call__", wrong)
    assert noticed("digits", network_cases.kind_of)

    class Inexact:
        records = [{"l2": 0.01}]  # noqa: RUF012

    monkeypatch.setattr(cyconv.Plan, "accuracy", lambda self, x: Inexact())
    for path in network_cases.kept().glob("answer-*"):
        path.unlink()
    assert "of a network" in noticed("digits", network_cases.kind_of)


@pytest.mark.parametrize(
    "name", ["googlenet/5b/3x3", "mobilenet_v2/features.3.conv.1.0", "alexnet_two_tower/conv5", "resnet18/layer2.0.conv1"]
)
def test_expected_convolutions_are_the_reference(name):
    conv, data = layer_cases.CONVS[name], layer_cases.conv_data(name)
    attrs = {"stride": (conv.sh, conv.sw), "padding": (conv.ph, conv.ph, conv.pw, conv.pw), "dilation": (1, 1), "groups": conv.g}
    exact = cyconv.ops.OPS["conv2d"].reference([data["input"].astype(float), data["weight"].astype(float)], attrs)[0]
    assert np.allclose(data["expected"], exact + data["bias"].reshape(-1, 1, 1), rtol=0, atol=1e-9)


def test_data_is_the_same_in_every_process(quick):
    name = "conv/googlenet/4e/1x1"
    prepare([name], kernel_cases.kind_of)
    first = dict(np.load(cases.file_of(name)))
    prepare([name], kernel_cases.kind_of)
    assert all(np.array_equal(first[key], array) for key, array in np.load(cases.file_of(name)).items())
    assert len(np.unique(first["x"])) > 100
    made = load(name, kernel_cases.kind_of)
    made.run(2)
    assert np.abs(made.answer() - first["expected"]).max() < 1e-3 and made.work.macs > 0


def test_arrays_begin_at_a_cache_line():
    for shape in ((3,), (5, 7), (1, 2, 3)):
        array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
        copy = cases.aligned(array)
        assert copy.ctypes.data % cases.LINE == 0 and np.array_equal(copy, array) and copy.flags.c_contiguous


def test_work_of_networks():
    assert network_cases.work_of("googlenet").macs == pytest.approx(1.58e9, rel=0.02)
    assert network_cases.work_of("alexnet").bytes == 4 * (9216 * 4096 + 4096 * 4096 + 4096 * 1000)


def test_deflated_bytes(tmp_path):
    (tmp_path / "a.py").write_bytes(b"x" * 10_000)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").write_bytes(bytes(range(256)) * 10)
    assert 10 < bench_package.deflated_bytes(tmp_path) < 200


def test_compile_measures_compiling(quick, monkeypatch):
    seen = []
    monkeypatch.setattr(cyconv, "compile", lambda module, shape, num_threads: seen.append((shape, num_threads)))
    Compile().time_compile("digits")
    Compile().time_compile("digits")
    assert seen == [((1, 1, 8, 8), 1)] * 2 and isa() == runnable_isas()[0]
