"""The worked examples run as they stand, each in a process and an empty folder of its own, and say what they should."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# What each must print, and the files that it leaves.
EXAMPLES = {
    "numpy_functions.py": (["edges: (64, 64), largest 4.472", "..####..", ".#....#."], []),
    "onnx_model.py": (
        ["OnnxNet(input: float32[batch, 3, 224, 224]", "1000 classes", "model: it is not a sound ONNX file"],
        ["squeezenet1_1.onnx"],
    ),
    "own_network.py": (
        ["<All keys matched successfully>", "answers (8, 10), feature maps of conv2 (8, 16, 32, 32)"],
        ["net.npz"],
    ),
    "pytorch_tensors.py": (["(2, 8, 15, 15), largest difference", "input must be float32, got float64"], []),
    "torchvision_weights.py": (["class "], ["resnet18.safetensors"]),
}
TESTED_ELSEWHERE = {"convert_pth.py", "train_digits.py"}


def example(name: str, where: Path, *words: str) -> str:
    """What the example prints."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "examples" / name), *words]
    done = subprocess.run(command, cwd=where, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_all_are_listed():
    assert {path.name for path in (ROOT / "examples").glob("*.py")} == {*EXAMPLES, *TESTED_ELSEWHERE}


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(tmp_path, name):
    words, files = EXAMPLES[name]
    printed = example(name, tmp_path)
    assert [word for word in words if word not in printed] == []
    assert [path.name for path in tmp_path.iterdir()] == files


def test_files_of_your_own(tmp_path):
    first = example("torchvision_weights.py", tmp_path)
    from PIL import Image

    Image.new("RGB", (300, 300), (200, 30, 30)).save(tmp_path / "red.png")
    second = example("torchvision_weights.py", tmp_path, "resnet18.safetensors", "red.png")
    assert first.count("class ") == second.count("class ") == 5 and first != second
