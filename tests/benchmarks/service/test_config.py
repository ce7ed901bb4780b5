"""The configuration: what is accepted, what is refused and how, and the default for this repository."""

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
        ("pol_seconds = 3", "unknown keys in the configuration: pol_seconds"),
        ('port = "80"', "port must be of type int, got '80'"),
        ("port = true", "port must be of type int"),
        ("pairs = 5", "pairs must be at least 8, got 5"),
        ("environment = 3", "environment must be of type"),
    ],
)
def test_mistakes_are_named(line: str, complaint: str, tmp_path: Path):
    with pytest.raises(ValueError, match=complaint):
        parse(f'repo = "r"\ndata = "d"\n{line}', tmp_path)


def test_repository_and_data_must_be_given(tmp_path: Path):
    with pytest.raises(ValueError, match="no repo and no data"):
        parse("", tmp_path)
    with pytest.raises(tomllib.TOMLDecodeError):
        parse("repo", tmp_path)


def test_default_is_this_repository():
    found = load(None)
    assert found.repo == str(ROOT) and found.data == ROOT / ".asv" / "service" and found.host == "127.0.0.1"


def test_read_me_and_unit_name_real_keys():
    text = (Path(config.__file__).parent / "README.md").read_text()
    example = text.split("```toml\n")[1].split("```")[0]
    assert parse(example, Path("/")).webhook_url
