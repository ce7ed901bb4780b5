"""`cyconv info`: what it says of this machine, and of machines that say less."""

import json

import cyconv
from cyconv.cli.info import caches, cpu_model


def test_info(run):
    code, out, err = run("info")
    assert (code, err) == (0, "")
    assert f"{cyconv.isa()} in use" in out
    assert "baseline" in out
    assert "GFLOP/s" in out
    facts = json.loads(run("info", "--json")[1])
    assert facts["isa"] == cyconv.isa()
    assert facts["peak_gflops"] > 0
    assert facts["peak_gflops_all"] > 0
    assert run("info", "--markdown")[1].startswith("| ")


def test_caches_and_cpu_of_other_systems(tmp_path):
    for index, (level, kind, size) in enumerate([("1", "Data", "48K"), ("2", "Unified", "1024K")]):
        folder = tmp_path / f"index{index}"
        folder.mkdir()
        for name, text in (("level", level), ("type", kind), ("size", size)):
            (folder / name).write_text(f"{text}\n")
    (tmp_path / "index2").mkdir()
    assert caches(str(tmp_path)) == ["L1 data 48K", "L2 1024K"]
    assert caches(str(tmp_path / "nowhere")) == []
    assert cpu_model(str(tmp_path / "nowhere"))
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Some CPU: fast\n")
    assert cpu_model(str(tmp_path / "cpuinfo")) == "Some CPU: fast"
