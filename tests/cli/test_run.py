"""`cyconv run`: pictures and arrays, weights and labels from files, and probabilities that are the network's own."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cyconv import functional as F
from cyconv import load_onnx, models, save_state_dict
from cyconv.io import load_images
from cyconv.nn import init

from .conftest import small_model


def test_run_digits(run, digit):
    code, out, err = run("run", "digits", digit, "--top", 2)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert len(lines) == 4
    assert lines[2].split()[:3] == [str(digit), "1", "3"]
    records = json.loads(run("run", "digits", digit, "--top", 99, "--json")[1])["records"]
    assert [r["rank"] for r in records] == list(range(1, 11))
    assert sum(r["probability"] for r in records) == pytest.approx(1, abs=1e-5)


def test_run_names_each_image_of_an_array(run, tmp_path):
    np.save(tmp_path / "many.npy", np.random.default_rng(0).random((3, 1, 8, 8)))
    out = run("run", "digits", tmp_path / "many.npy", "--top", 1)[1]
    assert all(f"many.npy[{i}]" in out for i in range(3))


def test_run_with_the_shipped_file_and_labels(run, digit, tmp_path):
    shipped = Path(models.__file__).with_name("digits.npz")
    labels = tmp_path / "labels.txt"
    labels.write_text("zero\none\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\n")
    out = run("run", "digits", "--weights", shipped, "--labels", labels, digit, "--top", 1)[1]
    assert "three" in out
    assert run("run", "digits", digit, "--json")[1] == run("run", "digits", "--weights", shipped, digit, "--json")[1]


def test_run_photograph_with_torchvision_style_weights(run, tmp_path):
    """The probabilities are those of the network by itself, with the input rescaled as torchvision does with its weights."""
    init.manual_seed(1)
    net = models.googlenet_bn(transform_input=True)
    save_state_dict(tmp_path / "w.npz", net.state_dict())
    picture = tmp_path / "picture.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 260, 3), np.uint8)).save(picture)
    records = json.loads(run("run", "googlenet_bn", "--weights", tmp_path / "w.npz", picture, "--json", "--top", 3)[1])["records"]
    logits = net(load_images(picture, (3, 224, 224)))[0].astype(np.float64)
    chances = np.exp(logits - logits.max())
    chances /= chances.sum()
    assert [r["class"] for r in records] == list(np.argsort(-chances)[:3])
    assert [r["probability"] for r in records] == pytest.approx(list(np.sort(chances)[:-4:-1]), rel=1e-5)


@pytest.mark.parametrize("softmax", [False, True])
def test_run_a_model(run, tmp_path, softmax):
    """Scores go through softmax, probabilities stay as they are."""
    path = small_model(tmp_path / "small.onnx", softmax=softmax)
    picture = tmp_path / "picture.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 260, 3), np.uint8)).save(picture)
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"label {i}\n" for i in range(10)))
    records = json.loads(run("run", path, picture, "--top", 3, "--labels", labels, "--json")[1])["records"]
    answer = load_onnx(path)(load_images(picture, (3, 32, 32)))
    chances = answer[0] if softmax else F.softmax(answer, 1)[0]
    best = np.argsort(-chances)[:3]
    assert [(r["class"], r["label"]) for r in records] == [(k, f"label {k}") for k in best]
    assert [r["probability"] for r in records] == pytest.approx(list(chances[best]), rel=1e-5)
