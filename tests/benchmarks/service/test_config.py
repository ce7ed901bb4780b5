"""The configuration: what is accepted, what is refused and how, and the default for this repository."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from benchmarks.service import config
from benchmarks.service.config import ROOT, load, parse


def test_paths_start_at_the_file(tmp_path: Path):
    found = parse('repo = "r"\ndata = "d"\nwebhook_secret_file = "s"\nmin_free_gb = 3', tmp_path)
    assert (found.repo, found.data, found.webhook_secret_file) == (str(tmp_path / "r"), tmp_path / "d", tmp_path / "s")
    assert found.vendor_dir == tmp_path / "d" / "vendor" and found.url == "http://127.0.0.1:8765" and found.min_free_gb == 3
    assert parse('repo = "https://host/r.git"\ndata = "d"\npublic_url = "https://b/"', tmp_path).url == "https://b"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("pol_seconds = 3", "pol_seconds\n  Unexpected keyword"),
        ('port = "80"', "port\n  Input should be a valid integer"),
        ("port = true", "port\n  Input should be a valid integer"),
        ("pairs = 5", "pairs\n  Input should be greater than or equal to 8"),
        ("environment = 3", "environment\n  Input should be a valid dict"),
        ("vendor = 3", "vendor\n  Input should be an instance of Path"),
        ("data = 3", "data\n  Input should be an instance of Path"),
    ],
)
def test_mistakes_are_named(line: str, complaint: str, tmp_path: Path):
    with pytest.raises(ValueError, match=complaint):
        parse(f'repo = "r"\n{line}' + ("" if "data" in line else '\ndata = "d"'), tmp_path)


def test_repository_and_data_must_be_given(tmp_path: Path):
    with pytest.raises(ValueError, match="repo\n  Field required"):
        parse("", tmp_path)
    with pytest.raises(tomllib.TOMLDecodeError):
        parse("repo", tmp_path)


def test_default_is_this_repository():
    found = load(None)
    assert found.environment["PIP_CONSTRAINT"] == str(ROOT / "benchmarks" / "constraints.txt")
    assert found.repo == str(ROOT) and found.data == ROOT / ".asv" / "service" and found.host == "127.0.0.1"


def test_read_me_and_unit_name_real_keys():
    text = (Path(config.__file__).parent / "README.md").read_text()
    example = text.split("```toml\n")[1].split("```")[0]
    assert parse(example, Path("/")).webhook_url


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_accepts_the_units(tmp_path: Path):
    for unit in Path(config.__file__).parent.glob("cyconv-benchmarks.*"):
        text = unit.read_text().replace("/opt/cyconv/.venv/bin/python", sys.executable)
        (tmp_path / unit.name).write_text(text)
    found = subprocess.run(["systemd-analyze", "verify", *tmp_path.iterdir()], capture_output=True, text=True, check=False)
    assert found.returncode == 0 and str(tmp_path) not in found.stderr, found.stderr
