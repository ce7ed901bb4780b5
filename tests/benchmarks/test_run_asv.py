"""asv's configuration: asv reads it, its environments are the settings, its versions are pinned, its paths hold from anywhere."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys

import pytest
from asv.config import Config
from asv.environment import get_environments

from benchmarks import build_wheel, run_asv
from benchmarks.run_asv import CONFIG, CONSTRAINTS, ROOT, config, variables


def pins() -> dict[str, str]:
    lines = [line for line in CONSTRAINTS.read_text().splitlines() if line and not line.startswith("#")]
    found = dict(line.split("==") for line in lines)
    assert len(found) == len(lines)
    return found


@pytest.fixture(scope="module")
def loaded():
    before = os.getcwd()
    os.chdir(ROOT)
    yield Config.load(str(CONFIG))
    os.chdir(before)


def test_asv_reads_it(loaded):
    assert loaded.project == "cyconv" and loaded.environment_type == "virtualenv" and loaded.branches == ["main"]
    assert (ROOT / loaded.benchmark_dir / "__init__.py").exists()


def test_environments_are_the_settings(loaded):
    settings = {(env.env_vars["CYCONV_ISA"], env.env_vars["OMP_NUM_THREADS"]) for env in get_environments(loaded, [])}
    assert settings == set(itertools.product(("avx512", "avx2", "baseline", "amx"), ("1", "2")))


def test_settings_share_one_build(loaded):
    assert len({env.dir_name for env in get_environments(loaded, [])}) == 1


def test_versions_are_pinned():
    found = pins()
    for name, (version,) in config()["matrix"]["req"].items():
        assert found[name] == version
    # What asv itself installs into an environment.
    assert {"asv_runner", "build", "pip", "pympler", "wheel"} <= set(found)
    assert all(re.fullmatch(r"[\d.]+", version) for version in found.values())


def test_the_tools_are_those_that_are_pinned():
    text = (ROOT / "pyproject.toml").read_text()
    assert f'"asv_runner=={pins()["asv_runner"]}"' in text and '"asv==0.6.6"' in text


def test_constraints_are_installed_however_asv_is_called(loaded):
    assert any("constraints.txt" in command for command in loaded.install_command)
    assert all("--no-deps" in command for command in loaded.install_command if "{wheel_file}" in command)


def test_paths_hold_from_anywhere():
    made = config(results_dir="/elsewhere")
    assert made["results_dir"] == "/elsewhere" and made["repo"] == str(ROOT) and made["benchmark_dir"] == str(ROOT / "benchmarks")
    assert str(ROOT / "benchmarks/build_wheel.py") in made["build_command"][0]
    assert "{conf_dir}" not in "".join(made["build_command"] + made["install_command"])


def test_network_only_without_a_wheelhouse(tmp_path, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX", raising=False)
    assert variables(tmp_path)["PIP_FIND_LINKS"] == str(tmp_path) and variables(tmp_path)["PIP_NO_INDEX"] == "1"
    assert "PIP_NO_INDEX" not in variables(tmp_path / "none")
    assert variables()["PIP_CONSTRAINT"] == str(CONSTRAINTS) and CONSTRAINTS.exists()


def test_asv_is_called_with_them(monkeypatch):
    seen = []
    monkeypatch.setattr(run_asv, "machine_known", lambda: True)
    monkeypatch.setattr(subprocess, "run", lambda command, **options: seen.append((command, options)))
    run_asv.asv("run", "HEAD", cwd="/")
    ((command, options),) = seen
    assert command == [sys.executable, "-m", "asv", "run", "HEAD"] and options["env"]["PIP_CONSTRAINT"]


def test_the_machine_is_described_before_asv_asks(monkeypatch):
    seen = []
    monkeypatch.setattr(run_asv, "machine_known", lambda: False)
    monkeypatch.setattr(subprocess, "run", lambda command, **options: seen.append(command[3:]))
    run_asv.asv("run")
    assert seen == [["machine", "--yes"], ["run"]]


@pytest.mark.parametrize(
    ("ccache", "chosen", "expected"),
    [
        (True, None, "ccache gcc"),
        (False, None, "gcc"),
        (True, "clang", "ccache clang"),
        (True, "ccache cc", "ccache cc"),
        (False, "cc", "cc"),
    ],
)
def test_ccache_where_there_is_one(monkeypatch, ccache, chosen, expected):
    monkeypatch.setattr(build_wheel.shutil, "which", lambda name: f"/usr/bin/{name}" if ccache else None)
    monkeypatch.delenv("CC", raising=False)
    if chosen:
        monkeypatch.setenv("CC", chosen)
    assert build_wheel.compiler() == expected


def test_wheels_are_built_without_isolation(monkeypatch):
    seen = []
    monkeypatch.setattr(subprocess, "call", lambda command, env: seen.append((command, env)) or 0)
    assert build_wheel.main("source", "wheels") == 0
    ((command, env),) = seen
    assert {"--no-build-isolation", "--no-deps"} <= set(command) and command[-3:] == ["--wheel-dir", "wheels", "source"] and env["CC"]


@pytest.mark.slow
def test_environments_are_made_without_a_network_once_the_wheelhouse_is_filled(tmp_path):
    alone = ["unshare", "--net", "--map-root-user"]
    if subprocess.run([*alone, "true"], check=False, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("this system gives no network namespace")
    wheelhouse = tmp_path / "wheelhouse"
    fill = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(wheelhouse), "--requirement", str(CONSTRAINTS)]
    subprocess.run(fill, check=True)
    made = tmp_path / "asv.conf.json"
    made.write_text(json.dumps(config(env_dir=str(tmp_path / "env"), results_dir=str(tmp_path / "results"))))
    machine = [sys.executable, "-m", "asv", "machine", "--yes"]
    setup = [*alone, sys.executable, "-m", "asv", "setup", "--config", str(made)]
    # No configuration of pip's counts but what the service gives it.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    environment |= {"HOME": str(tmp_path), "PIP_CONFIG_FILE": os.devnull} | variables(wheelhouse)
    subprocess.run(machine, env=environment, check=True)
    done = subprocess.run(setup, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    (made,) = tmp_path.glob("env/*/lib/python*/site-packages")  # the exit status says nothing: asv exits with its list of environments
    assert all((made / name).exists() for name in ("numpy", "Cython", "asv_runner", "pympler", "build")), done.stdout + done.stderr
