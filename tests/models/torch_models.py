"""The networks of cyconv.models written in PyTorch, as second opinions: the same state_dict keys, defined independently.

AlexNet, GoogLeNetBN and the networks of torch_families.py carry the key names of torchvision, whose CPU build cannot be had
everywhere; TORCHVISION_KEYS holds a digest of the names and shapes in torchvision 0.28.0, so a slip in the names here is found too.
"""

import hashlib

import numpy as np
import torch
from torch import nn

from benchmarks.families.torch_networks import random_images, random_state
from cyconv.models import INPUT_SHAPES
from cyconv.summarize import summary

# SHA-256 over the lines "name shape" of state_dict(), computed with torchvision 0.28.0.
TORCHVISION_KEYS = {
    "alexnet": "9c198ebdae1863e4ec78a1c045e362fca5950285bfb6ae81c4f5627e216cbcbb",
    "googlenet_bn": "7f541ca29410efb168d6f2c426ba24e23aa4c831a671bece9c1e946b488add3d",
    "googlenet_bn without aux": "f66489fa14bd9d5add6d0eb8302a4271c0ecefb479c020dbecc105f5194fa5fc",
    "vgg11": "cb3dc23f2a13e18244ef17cbfe99866ac20a6c8937fd40a3601dd59ae7a8a062",
    "vgg11_bn": "8b6717e727c0ecf99bdc89d1a1d45e7bce7bd02440836869a4ef8b7c9897db70",
    "vgg13": "67c1dc8b57fde74bb2e368ccd3d138d2e514c31ad1985ea251ab52e3880b8c16",
    "vgg13_bn": "f6b0597d18a7e4d28ad04804224196e7c56b4927042eab13bfc73f0c8dbf31d4",
    "vgg16": "35c4623e0cd4a39d764245620458692bdde46e98a422e65f0794d679138ab391",
    "vgg16_bn": "347371586a8ea365f60486dc7572a8600dedd099dda98501d6fe20654e8f6bb2",
    "vgg19": "4723255af8f6c4855caebd035af2665077a589f585cfff03b8389cd9e8d6381d",
    "vgg19_bn": "fc3ff6fab2b5cc094a9aae9d96106501b6c05ca298e52c42d73cf8b27b8d8d73",
    "resnet18": "84fb10d9c6905a1cbb020b284537dc97c4f4ec55fb2a780a41152a23a2dd0e9d",
    "resnet34": "28f9096d5130749948981c6900083e57b19456b8b835829b8bdfe415bddc3f32",
    "resnet50": "d7e4f8bb0a5363446a59c81c3887ccf66900a11651a0ae2dec96d1bb1eb6ea81",
    "resnet101": "02c0f34f4842751f30e27e18a544ca36a8b33358f344c3c3165fd269ce97cd94",
    "resnet152": "685c66205bc823aa68246b01dc5273074689b1c11ed0503f961f21c380191d3b",
    "resnext50_32x4d": "e3bad165c034e60f32252299590de03a18c741ca96e086f8a6b03dc5b9aaf666",
    "resnext101_32x8d": "da7dd7525807e2ee11ad40c8f689982b463d5ec4315d20a0164264c8c81e89e8",
    "resnext101_64x4d": "90caac80ae24c51d5b7ce47baec9b93f577f2278f1ed4027ccbbc438bc471c86",
    "wide_resnet50_2": "41203d1d536c02ed7a9322bd4465f039108b2531503e14eb878bbff0fc1d3a70",
    "wide_resnet101_2": "4f088c0a152b8f5ca9265e726cf7e027de75977245ab682616cf7b7dc4d0188e",
    "squeezenet1_0": "4654d26ad581241fc6fb83a35d1b24dd83ce0fdab371a134a9b74518854a9fb3",
    "squeezenet1_1": "1d365589393f9c1eb493726a656a532b77b8924ea62f8e29b6621ca62ded2385",
    "mobilenet_v2": "37bbbce8932fd0c49fe8e941719a7aa7b25b60c17b428749b72562f754135844",
    "mobilenet_v2 with width_mult=0.35": "b270bf404dce82bd7233342be86eac933d50f0fa60bc19b81b20902c0abb82c1",
    "mobilenet_v2 with width_mult=1.4": "f56d711aee51a589d9a8b34fbfc997be5ee9ef2ec662290efdfa97512be173ed",
}


def keys_digest(state) -> str:
    lines = [f"{name} {tuple(int(d) for d in value.shape)}" for name, value in state.items()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


class Named(nn.Sequential):
    """A sequence whose layers have names."""

    def __init__(self, **layers):
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)


def lenet(num_classes=10):
    return Named(
        conv1=nn.Conv2d(1, 6, 5),
        act1=nn.Tanh(),
        pool1=nn.AvgPool2d(2),
        conv2=nn.Conv2d(6, 16, 5),
        act2=nn.Tanh(),
        pool2=nn.AvgPool2d(2),
        flat=nn.Flatten(),
        fc3=nn.Linear(400, 120),
        act3=nn.Tanh(),
        fc4=nn.Linear(120, 84),
        act4=nn.Tanh(),
        fc5=nn.Linear(84, num_classes),
    )


def digits():
    return Named(
        conv1=nn.Conv2d(1, 32, 3, padding=1),
        act1=nn.ReLU(),
        conv2=nn.Conv2d(32, 48, 3, padding=1),
        act2=nn.ReLU(),
        pool2=nn.MaxPool2d(2),
        conv3=nn.Conv2d(48, 64, 3, padding=1),
        act3=nn.ReLU(),
        pool3=nn.MaxPool2d(2),
        flat=nn.Flatten(),
        fc=nn.Linear(256, 10),
    )


def alexnet(num_classes=1000):
    def conv(ci, co, kernel, **options):
        return [nn.Conv2d(ci, co, kernel, **options), nn.ReLU()]

    features = [*conv(3, 64, 11, stride=4, padding=2), nn.MaxPool2d(3, 2), *conv(64, 192, 5, padding=2), nn.MaxPool2d(3, 2)]
    features += [*conv(192, 384, 3, padding=1), *conv(384, 256, 3, padding=1), *conv(256, 256, 3, padding=1), nn.MaxPool2d(3, 2)]
    classifier = [nn.Dropout(), nn.Linear(9216, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU()]
    return Named(
        features=nn.Sequential(*features),
        avgpool=nn.AdaptiveAvgPool2d(6),
        flat=nn.Flatten(),
        classifier=nn.Sequential(*classifier, nn.Linear(4096, num_classes)),
    )


class PaperLRN(nn.Module):
    """AlexNet's normalisation, as the formula in its paper stands: x / (k + α·Σ x²)^β over n = 5 neighbouring maps."""

    def forward(self, x):
        squares = nn.functional.pad(x * x, (0, 0, 0, 0, 2, 2))
        total = sum(squares[:, i : i + x.shape[1]] for i in range(5))
        return x / (2 + 1e-4 * total) ** 0.75


class TwoTowerConv(nn.Module):
    """A convolution whose two towers are computed apart, each on its own half of the maps."""

    def __init__(self, ci, co, kernel, padding):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(co, ci // 2, kernel, kernel))
        self.bias = nn.Parameter(torch.empty(co))
        self.padding = padding

    def forward(self, x):
        towers = zip(x.chunk(2, 1), self.weight.chunk(2), self.bias.chunk(2), strict=True)
        return torch.cat([nn.functional.conv2d(half, w, b, padding=self.padding) for half, w, b in towers], 1)


def alexnet_two_tower(num_classes=1000, padding=2):
    return Named(
        conv1=nn.Conv2d(3, 96, 11, stride=4, padding=padding),
        act1=nn.ReLU(),
        norm1=PaperLRN(),
        pool1=nn.MaxPool2d(3, 2),
        conv2=TwoTowerConv(96, 256, 5, 2),
        act2=nn.ReLU(),
        norm2=PaperLRN(),
        pool2=nn.MaxPool2d(3, 2),
        conv3=nn.Conv2d(256, 384, 3, padding=1),
        act3=nn.ReLU(),
        conv4=TwoTowerConv(384, 384, 3, 1),
        act4=nn.ReLU(),
        conv5=TwoTowerConv(384, 256, 3, 1),
        act5=nn.ReLU(),
        pool5=nn.MaxPool2d(3, 2),
        flat=nn.Flatten(),
        fc6=nn.Linear(9216, 4096),
        act6=nn.ReLU(),
        fc7=nn.Linear(4096, 4096),
        act7=nn.ReLU(),
        fc8=nn.Linear(4096, num_classes),
    )


def conv_block(batch_norm, ci, co, kernel, **options):
    conv = nn.Conv2d(ci, co, kernel, bias=not batch_norm, **options)
    return Named(conv=conv, bn=nn.BatchNorm2d(co, eps=1e-3), relu=nn.ReLU()) if batch_norm else Named(conv=conv, relu=nn.ReLU())


class Inception(nn.Module):
    def __init__(self, bn, ci, w1, r3, w3, r5, w5, proj):
        super().__init__()
        kernel5 = 3 if bn else 5  # torchvision keeps the 3×3 of the network that it was ported from
        self.branch1 = conv_block(bn, ci, w1, 1)
        self.branch2 = nn.Sequential(conv_block(bn, ci, r3, 1), conv_block(bn, r3, w3, 3, padding=1))
        self.branch3 = nn.Sequential(conv_block(bn, ci, r5, 1), conv_block(bn, r5, w5, kernel5, padding="same"))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1), conv_block(bn, ci, proj, 1))

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.children()], 1)


def aux(ci, num_classes):
    return Named(
        avgpool=nn.AdaptiveAvgPool2d(4),
        conv=conv_block(True, ci, 128, 1),
        flat=nn.Flatten(),
        fc1=nn.Linear(2048, 1024),
        relu=nn.ReLU(),
        fc2=nn.Linear(1024, num_classes),
    )


class GoogLeNet(nn.Module):
    """With ``bn`` torchvision's network, without it the lecture's."""

    def __init__(self, bn, num_classes=1000, aux_logits=False, lrn=False, transform_input=False):
        super().__init__()
        self.transform_input = transform_input
        layers = {
            "conv1": conv_block(bn, 3, 64, 7, stride=2, padding=3),
            "maxpool1": nn.MaxPool2d(3, 2, ceil_mode=True),
            "norm1": nn.LocalResponseNorm(5, 1e-4, 0.75, 1.0) if lrn else nn.Identity(),
            "conv2": conv_block(bn, 64, 64, 1),
            "conv3": conv_block(bn, 64, 192, 3, padding=1),
            "norm2": nn.LocalResponseNorm(5, 1e-4, 0.75, 1.0) if lrn else nn.Identity(),
            "maxpool2": nn.MaxPool2d(3, 2, ceil_mode=True),
            "inception3a": Inception(bn, 192, 64, 96, 128, 16, 32, 32),
            "inception3b": Inception(bn, 256, 128, 128, 192, 32, 96, 64),
            "maxpool3": nn.MaxPool2d(3, 2, ceil_mode=True),
            "inception4a": Inception(bn, 480, 192, 96, 208, 16, 48, 64),
            "inception4b": Inception(bn, 512, 160, 112, 224, 24, 64, 64),
            "inception4c": Inception(bn, 512, 128, 128, 256, 24, 64, 64),
            "inception4d": Inception(bn, 512, 112, 144, 288, 32, 64, 64),
            "inception4e": Inception(bn, 528, 256, 160, 320, 32, 128, 128),
            "maxpool4": nn.MaxPool2d(2 if bn else 3, 2, ceil_mode=True),
            "inception5a": Inception(bn, 832, 256, 160, 320, 32, 128, 128),
            "inception5b": Inception(bn, 832, 384, 192, 384, 48, 128, 128),
        }
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.trunk = list(layers)
        if aux_logits:
            self.aux1 = aux(512, num_classes)
            self.aux2 = aux(528, num_classes)
        self.fc = nn.Linear(1024, num_classes)

    def forward(self, x):
        if self.transform_input:
            means, deviations = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
            x = torch.stack([x[:, c] * (deviations[c] / 0.5) + (means[c] - 0.5) / 0.5 for c in range(3)], 1)
        for name in self.trunk:
            x = getattr(self, name)(x)
        return self.fc(x.mean((2, 3)))


def assert_agrees(net, model: nn.Module, input_shape: tuple[int, ...], seed: int, tolerance: float = 1e-5, gain: float = 1.0) -> None:
    """Our network and a torch model: the same keys and shapes, and with the same random weights the same output.

    The output may differ by ``tolerance`` of its largest number from torch's in float64. It must be worth comparing: spread out, and
    different from image to image.
    """
    state = random_state(model, seed, gain)
    assert [(k, v.shape) for k, v in net.state_dict().items()] == [(k, v.shape) for k, v in state.items()]
    net.load_state_dict(state)
    for name, value in model.state_dict().items():
        value.copy_(torch.from_numpy(state[name]))
    x = random_images(input_shape, seed)
    with torch.inference_mode():
        expected = model.double().eval()(torch.from_numpy(x).double()).numpy()
    largest = np.abs(expected).max()
    assert expected.std() > 0.05 * largest, "the outputs are all alike"
    assert np.abs(expected[0] - expected[-1]).max() > 0.05 * largest, "every image gives the same output"
    got = net(x)
    assert got.dtype == np.float32
    assert got.shape == expected.shape
    error = np.abs(got - expected).max() / largest
    assert error <= tolerance, f"the largest error is {error:.1e} of the largest output"


def assert_is_torchvisions(net, name: str, gmacs: float) -> None:
    """Names and shapes of the state dict are torchvision's, and so are the multiply-adds that it publishes (1e9, three decimals)."""
    assert keys_digest(net.state_dict()) == TORCHVISION_KEYS[name]
    costs = summary(net, INPUT_SHAPES[name])
    assert round(costs.macs / 1e9, 3) == gmacs
    assert costs.unused_parameters == 0
    assert costs.records[-1]["output_shape"] == (1, 1000)
