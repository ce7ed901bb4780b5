"""The comparison with torchvision's networks: small ones for real, what counts as a difference, and rows that are kept."""

import json

import numpy as np
import pytest
import torch

from benchmarks.families import differences
from benchmarks.families.differences import DEEP_LIMIT, LIMIT, compare, difference, main, measure, report
from benchmarks.families.torch_networks import shared_names, torchvision_models, torchvision_network
from cyconv import models


@pytest.fixture(autouse=True)
def needs_torchvision():
    if torchvision_models() is None:
        pytest.skip("torchvision is not installed")


def test_differences():
    exact = np.array([[1.0, -4.0]])
    assert difference(exact, exact) == 0
    assert difference(np.array([[1.0, -3.5]]), exact) == 0.125
    for other in (exact.T, exact * np.nan, exact + np.inf):
        assert difference(other, exact) == difference(exact, other) == np.inf


@pytest.mark.parametrize("name", ["squeezenet1_1", "shufflenet_v2_x0_5"])
def test_a_network(name):
    row = measure(name, (3, 64, 64))
    assert (row["network"], row["image"], row["gain"]) == (name, (64, 64), None)
    for key in ("random", "initial"):
        assert row["spread"] > 0.05 and 0 < row[key] <= LIMIT and 0 < row[f"{key}_torch"] <= LIMIT
    assert row["random"] != row["initial"]  # the weights were others


def test_a_network_that_differs_is_seen():
    net, model = models.squeezenet1_1(), torchvision_network("squeezenet1_1")
    model.features[3].squeeze_activation = torch.nn.LeakyReLU(0.01)
    ours, theirs, _ = compare(net, model, (3, 64, 64))
    assert ours > DEEP_LIMIT and theirs <= LIMIT


def row(name: str, random: float, initial: float) -> dict:
    figures = {"random": random, "random_torch": 1e-6, "initial": initial, "initial_torch": 1e-6}
    return {"family": "A", "network": name, "image": [8, 9], "gain": None, "spread": 0.25, **figures}


def test_report():
    text = report([row("x", 1e-6, 2e-6), row("y", 1e-6, 3e-5), row("z", 2e-4, 1e-7)]).to_markdown()
    assert "| A | y | 8×9 |  | 25% | 1.0e-06 | 1.0e-06 | 3.0e-05 | 1.0e-06 |" in text
    assert "Within 1e-05: 1 networks. Beyond: y, z. Beyond 1e-04: z." in text


def test_rows_are_kept(tmp_path, monkeypatch, capsys):
    values = {"vgg11": 1e-6, "alexnet": 2e-6}
    monkeypatch.setattr(differences, "measure", lambda name: row(name, values[name], 1e-7))
    assert main(["vgg11", "--output", str(tmp_path)]) == 0
    assert main(["alexnet", "--output", str(tmp_path)]) == 0
    values["vgg11"] = 1.0
    assert main(["vgg11", "--output", str(tmp_path)]) == 1
    found = {r["network"]: r["random"] for r in json.loads((tmp_path / "families.json").read_text())}
    assert found == {"alexnet": 2e-6, "vgg11": 1.0}
    assert "Beyond 1e-04: vgg11" in (tmp_path / "families.md").read_text()
    assert "vgg11" in capsys.readouterr().out


def test_unknown_networks(capsys):
    with pytest.raises(SystemExit):
        main(["lenet"])
    assert "do not both have lenet" in capsys.readouterr().err


def test_results_are_of_all_networks():
    """The file in the repository has a row for each network, within the limits."""
    rows = json.loads((differences.RESULTS / "families.json").read_text())
    assert sorted(r["network"] for r in rows) == shared_names()
    assert all(max(r["random"], r["initial"]) <= DEEP_LIMIT for r in rows)
