"""The converter of PyTorch checkpoints: each form of checkpoint gives the weights of its network."""

import numpy as np
import pytest
import torch

import cyconv
from examples import convert_pth

NET = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
STATE = NET.state_dict()
FORMS = {
    "a state dict": STATE,
    "parameters": {**STATE, **dict(NET.named_parameters())},
    "a checkpoint": {"epoch": 3, "state_dict": STATE, "optimizer": {"lr": 0.1}},
    "a parallel network": {"model": {f"module.{key}": tensor for key, tensor in STATE.items()}},
    "half the width": {key: tensor.bfloat16() if tensor.is_floating_point() else tensor for key, tensor in STATE.items()},
}


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize("form", FORMS)
def test_forms(tmp_path, capsys, form, suffix):
    torch.save(FORMS[form], tmp_path / "net.pth")
    convert_pth.main([str(tmp_path / "net.pth"), str(tmp_path / f"net{suffix}")])
    assert "7 arrays, 129 numbers" in capsys.readouterr().out
    arrays = cyconv.load_state_dict(tmp_path / f"net{suffix}")
    assert set(arrays) == set(STATE)
    for key, tensor in STATE.items():
        want = tensor.bfloat16().float() if form == "half the width" and tensor.is_floating_point() else tensor
        assert np.array_equal(arrays[key], want.numpy()) and arrays[key].dtype == tensor.numpy().dtype
    net = cyconv.nn.Sequential(cyconv.nn.Conv2d(3, 4, 3), cyconv.nn.BatchNorm2d(4))
    assert net.load_state_dict(arrays) == ([], [])


def test_a_whole_network_is_refused(tmp_path):
    torch.save(NET, tmp_path / "net.pth")
    with pytest.raises(Exception, match="weights_only"):
        convert_pth.main([str(tmp_path / "net.pth"), str(tmp_path / "net.npz")])
    torch.save({"lr": 0.1}, tmp_path / "net.pth")
    with pytest.raises(SystemExit, match="no tensors: lr"):
        convert_pth.main([str(tmp_path / "net.pth"), str(tmp_path / "net.npz")])
    assert list(tmp_path.iterdir()) == [tmp_path / "net.pth"]
