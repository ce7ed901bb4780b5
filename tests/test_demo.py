"""The demo: its parts by themselves, and, slowly, all of it."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from cyconv import cli, demo, models


def test_the_example_is_right():
    lines = demo.example_lines()
    text = "\n".join(lines)
    assert "O11 = I11·K11 + I12·K12 + I13·K13 + I21·K21" in text
    sums = [line for line in lines if line.startswith("O") and "·" in line and "I11" not in line]
    assert len(sums) == 10
    for line in sums:
        name, written, result = line.split(" = ")
        row, column = int(name[1]) - 1, int(name[2]) - 1
        products = (demo.IMAGE[row : row + 3, column : column + 3] * demo.KERNEL).sum() + demo.BIAS
        assert eval(written.replace("·", "*")) == int(result) == products
    assert lines[-1].endswith("yes")
    table = [list(map(int, line.split())) for line in lines[-6:-1]]
    assert np.shape(table) == (5, 5)


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        ({"op": "conv2d", "shape": (1, 64, 28, 28)}, "convolution"),
        ({"op": "conv2d", "shape": (1, 1000)}, "linear"),
        ({"op": "conv2d", "shape": (1, 4096, 1, 1)}, "linear"),
        ({"op": "max_pool2d", "shape": (1, 64, 28, 28)}, "pooling"),
        ({"op": "adaptive_avg_pool2d", "shape": (1, 64, 6, 6)}, "pooling"),
        ({"op": "local_response_norm", "shape": (1, 64, 6, 6)}, "normalisation"),
        ({"op": "relayout", "shape": (1, 3, 224, 224)}, "data movement"),
    ],
)
def test_kinds_of_steps(record, kind):
    assert demo.kind_of(record) == kind
    assert kind in demo.KINDS


class FakeProfile:
    """Three steps of two layers."""

    isa, num_threads = "baseline", 1
    records = [  # noqa: RUF012
        {"name": "features.0", "op": "conv2d", "shape": (1, 8, 5, 5), "ms": 2.0},
        {"name": "inception3a.branch1.conv + inception3a.branch2.0.conv", "op": "conv2d", "shape": (1, 8, 5, 5), "ms": 1.0},
        {"name": "inception3a.branch4.0", "op": "max_pool2d", "shape": (1, 8, 5, 5), "ms": 0.5},
    ]


def test_times_of_layers():
    assert demo.layer_times(FakeProfile()) == [("features.0", {"convolution": 2.0}), ("inception3a", {"convolution": 1.0, "pooling": 0.5})]


def is_picture(path):
    with Image.open(path) as image:
        return image.format == "PNG" and min(image.size) > 400 and len(np.unique(np.asarray(image))) > 10


def test_pictures(tmp_path):
    rng = np.random.default_rng(0)
    images, chances = rng.random((12, 8, 8)), rng.random((12, 10))
    assert is_picture(demo.draw_digits(tmp_path / "digits.png", images, rng.integers(0, 10, 12), chances))
    assert is_picture(demo.draw_profiles(tmp_path / "time.png", {"a": FakeProfile(), "b": FakeProfile()}))
    maps = {"conv": rng.random((9, 14, 14)), "dead": np.zeros((8, 7, 7))}
    photograph = rng.integers(0, 256, (40, 60, 3), np.uint8)
    assert is_picture(demo.draw_maps(tmp_path / "feature_maps_x.png", photograph, rng.random((1, 3, 32, 32)), maps))


def test_digits_part(tmp_path, capsys):
    assert is_picture(demo.digits_part(tmp_path))
    right, count = models.digits.__globals__["trained_result"]()
    out = capsys.readouterr().out
    assert f"{count} held-out scans: {right} read correctly" in out
    assert "when training ended: the same." in out
    assert out.count("wrong:") == count - right


def test_random_networks_pass_the_picture_on():
    net = demo.random_network("googlenet")
    x = np.random.default_rng(0).standard_normal((1, 3, 224, 224), np.float32)
    y = net(x)
    assert 0.01 < y.std() < 100
    assert np.array_equal(demo.random_network("googlenet")(x), y)


@pytest.mark.parametrize("module", ["matplotlib", "PIL", "sklearn"])
def test_missing_extras(monkeypatch, capsys, tmp_path, module):
    real = demo.importlib.util.find_spec
    monkeypatch.setattr(demo.importlib.util, "find_spec", lambda name: None if name == module else real(name))
    assert cli.main(["demo", "--output", str(tmp_path / "out")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"cyconv: error: the demo needs {demo.EXTRAS[module]}: pip install 'cyconv[demo]'\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_all_of_it(tmp_path):
    command = [sys.executable, "-m", "cyconv", "demo", "--output", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert "NOT" not in done.stdout
    assert "DIFFERENT" not in done.stdout
    pictures = sorted((tmp_path / "out").iterdir())
    assert [p.name for p in pictures] == ["digits.png", "feature_maps_china.png", "feature_maps_flower.png", "time_per_layer.png"]
    for path in pictures:
        assert str(path) in done.stdout
        assert is_picture(path)
