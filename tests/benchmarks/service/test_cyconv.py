"""The service on a clone of cyconv itself: plans that lost their threads, and one file that lost its optimisation. Needs two idle CPUs."""

import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from benchmarks.service.config import ROOT
from benchmarks.service.files import read_json
from benchmarks.service.noise import scatter
from tests.benchmarks.service.scratch import Repository, Service

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]

SUITE = '''"""One layer and nothing else, since this history is measured in a test."""

from functools import cache

from benchmarks import ratio
from benchmarks.cases import load, prepare
from benchmarks.layer_cases import kind_of
from benchmarks.reference import Work
from benchmarks.setting import reference

LAYERS = ["googlenet/3a/3x3"]


@cache
def case(name):
    """The layer, made at the first call."""
    return load(name, kind_of)


class Layer:
    version = "1"
    params = LAYERS
    param_names = ("layer",)
    rounds, repeat, sample_time, warmup_time = 1, 10, 0.01, 0.2

    def setup_cache(self):
        prepare(LAYERS, kind_of)

    def time_run(self, name):
        case(name).run(1)

    def track_ratio(self, name):
        return ratio.measure(case(name).run, reference(), case(name).work)

    def track_reference(self, name):
        rates = []
        for _ in range(20):
            begin = ratio.perf_counter()
            reference().run(Work(macs=20_000_000))
            rates.append(ratio.perf_counter() - begin)
        return 1e3 * min(rates)
'''


@pytest.fixture
def clone(tmp_path: Path) -> Repository:
    """This repository's newest commit with one small suite on top, and two commits that change nothing that is measured."""
    path = tmp_path / "repo"
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(path)], check=True)
    subprocess.run(["git", "checkout", "--quiet", "-B", "main"], cwd=path, check=True)
    repo = Repository(path)
    repo.day = 2000  # later than the commits that are there
    for bench in (path / "benchmarks").glob("bench_*.py"):
        bench.unlink()
    (path / "benchmarks" / "bench_small.py").write_text(SUITE)
    conf = path / "asv.conf.json"
    conf.write_text(re.sub(r'("CYCONV_ISA": )\[[^]]*\](, "OMP_NUM_THREADS": )\[[^]]*\]', r'\1["avx2"]\2["2"]', conf.read_text()))
    repo.shas = [repo.commit("A small suite")] + [repo.commit(f"Nothing {i}") for i in range(2)]
    return repo


def test_lost_threads_and_lost_optimisation(clone, tmp_path: Path):
    if not shutil.which("ccache"):
        pytest.skip("without ccache this takes hours")
    slow = clone.edit("One thread is enough", "src/plan/program.pyx", "parallel(num_threads=threads)", "parallel(num_threads=1)")
    clone.commit("Nothing 2")
    slower = clone.edit("Easier to debug", "setup.py", 'ISA_FLAGS["avx2"] = [', 'ISA_FLAGS["avx2"] = ["-O0", ')
    for i in (3, 4):  # asv wants to see the last slowdown twice, should one of the two be measured in a bad moment
        clone.commit(f"Nothing {i}")
    environment = {"PIP_CONSTRAINT": str(ROOT / "benchmarks" / "constraints.txt"), "CCACHE_DIR": str(ROOT / ".asv" / "ccache")}
    service = Service(tmp_path / "service", clone.path, history=8, environment=environment, max_drift=0.3, pairs=12, aa_days=7, aa_runs=4)
    service.start()
    try:
        begin = time.monotonic()
        service.wait(lambda: len(service.json("/regressions.json")["regressions"]) == 2 and service.idle(8), 6600)
        records = {record["commit"]: record for record in service.json("/regressions.json")["regressions"]}
        for record in records.values():
            (series,) = record["series"].values()
            print(record["subject"], {key: series[key] for key in ("before", "after", "ratio", "low", "high", "pairs", "reference")})
        print(f"8 commits built and measured, 2 slowdowns confirmed in {time.monotonic() - begin:.0f} s")
        assert set(records) == {slow, slower}
        (path,) = service.wait(lambda: list((service.data / "results" / "noise").glob("*.json")), 1200)
        runs = service.wait(lambda: len(read_json(path)["runs"]) == 4 and read_json(path)["runs"], 1200)
        print({key.split("|")[1]: round(scatter([run[key] for run in runs]), 4) for key in runs[0]})
    finally:
        service.close()
