"""The README: its Python runs, and the files and commands that it names are there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from cyconv import cli

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
SOURCE_README = (ROOT / "src" / "README.md").read_text()


def test_examples_run():
    """In a fresh process, as a reader would."""
    blocks = re.findall(r"```python\n(.*?)```", README, re.S)
    assert len(blocks) == 3
    done = subprocess.run([sys.executable, "-c", "\n".join(blocks)], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stderr == ""
    assert done.stdout.startswith("[1 0]\n")
    assert "GFLOP/s" in done.stdout
    assert done.stdout.endswith("[4. 6. 6. 6. 6. 6. 4.]]\n")


@pytest.mark.parametrize("text", [README, SOURCE_README], ids=["README.md", "src/README.md"])
def test_paths_exist(text):
    named = set(re.findall(r"\b((?:src|cyconv|tests|examples|benchmarks)/[\w/.*]*\w)", text))
    assert len(named) > 5
    assert [path for path in sorted(named) if not any(ROOT.glob(path))] == []


def test_commands_exist():
    """The README's table of commands is that of the program."""
    commands = re.findall(r"^\| `(\w+)[^|]*\| ", README.split("## On the command line")[1].split("##")[0], re.M)
    assert commands[0] == "cyconv"
    assert len(commands) == 8
    for command in commands[1:]:
        assert cli.main([command, "--help"]) == 0
