"""VGG, ResNet, SqueezeNet and MobileNetV2 written in PyTorch, with torchvision's key names; see torch_models.py."""

import torch
from torch import nn

from tests.models.torch_models import Named

VGG = {
    11: "64 M 128 M 256 256 M 512 512 M 512 512 M",
    13: "64 64 M 128 128 M 256 256 M 512 512 M 512 512 M",
    16: "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M",
    19: "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M",
}


def vgg(layers, batch_norm=False, num_classes=1000, hidden=4096):
    features, ci = [], 3
    for word in VGG[layers].split():
        if word == "M":
            features.append(nn.MaxPool2d(2))
            continue
        co = int(word)
        features += [nn.Conv2d(ci, co, 3, padding="same"), *([nn.BatchNorm2d(co)] if batch_norm else []), nn.ReLU()]
        ci = co
    classifier = [nn.Linear(25088, hidden), nn.ReLU(), nn.Dropout(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout()]
    return Named(
        features=nn.Sequential(*features),
        avgpool=nn.AdaptiveAvgPool2d(7),
        flat=nn.Flatten(),
        classifier=nn.Sequential(*classifier, nn.Linear(hidden, num_classes)),
    )


class Residual(nn.Module):
    """A block of ResNet: convolutions given as (channels, kernel, stride, groups), numbered from 1, each with BatchNorm."""

    def __init__(self, ci, convs):
        super().__init__()
        channels, self.steps, all_strides = ci, len(convs), 1
        for i, (co, kernel, stride, groups) in enumerate(convs, 1):
            self.add_module(f"conv{i}", nn.Conv2d(channels, co, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False))
            self.add_module(f"bn{i}", nn.BatchNorm2d(co))
            channels, all_strides = co, all_strides * stride
        if (channels, all_strides) != (ci, 1):
            self.downsample = nn.Sequential(nn.Conv2d(ci, channels, 1, all_strides, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x):
        y = x
        for i in range(1, self.steps + 1):
            y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
            if i < self.steps:
                y = y.relu()
        return (y + (self.downsample(x) if hasattr(self, "downsample") else x)).relu()


def resnet(counts, bottleneck, groups=1, base_width=64, num_classes=1000):
    ci, layers = 64, {"conv1": nn.Conv2d(3, 64, 7, 2, 3, bias=False), "bn1": nn.BatchNorm2d(64), "relu": nn.ReLU()}
    layers["maxpool"] = nn.MaxPool2d(3, 2, 1)
    for i, (count, planes) in enumerate(zip(counts, (64, 128, 256, 512), strict=True)):
        blocks = []
        for stride in [1 if i == 0 else 2] + [1] * (count - 1):
            inner, co = planes * base_width // 64 * groups, planes * (4 if bottleneck else 1)
            basic = [(planes, 3, stride, 1), (planes, 3, 1, 1)]
            blocks.append(Residual(ci, [(inner, 1, 1, 1), (inner, 3, stride, groups), (co, 1, 1, 1)] if bottleneck else basic))
            ci = co
        layers[f"layer{i + 1}"] = nn.Sequential(*blocks)
    return Named(**layers, avgpool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(), fc=nn.Linear(ci, num_classes))


class Fire(nn.Module):
    def __init__(self, ci, squeezed, expanded):
        super().__init__()
        self.squeeze = nn.Conv2d(ci, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding="same")

    def forward(self, x):
        x = self.squeeze(x).relu()
        return torch.cat([self.expand1x1(x), self.expand3x3(x)], 1).relu()


def squeezenet(version, num_classes=1000):
    def pool():
        return nn.MaxPool2d(3, 2, ceil_mode=True)

    a, b = [Fire(128, 16, 64), Fire(128, 32, 128)], [Fire(256, 32, 128), Fire(256, 48, 192)]
    c, d = [Fire(384, 48, 192), Fire(384, 64, 256)], [Fire(512, 64, 256)]
    if version == "1_0":
        features = [nn.Conv2d(3, 96, 7, 2), nn.ReLU(), pool(), Fire(96, 16, 64), *a, pool(), *b, *c, pool(), *d]
    else:
        features = [nn.Conv2d(3, 64, 3, 2), nn.ReLU(), pool(), Fire(64, 16, 64), a[0], pool(), a[1], b[0], pool(), b[1], *c, *d]
    classifier = [nn.Dropout(), nn.Conv2d(512, num_classes, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return Named(features=nn.Sequential(*features), classifier=nn.Sequential(*classifier))


class Inverted(nn.Module):
    """A block of MobileNetV2."""

    def __init__(self, ci, co, stride, expansion):
        super().__init__()
        self.conv = nn.Sequential()
        width = ci * expansion
        if expansion > 1:
            self.conv.append(relu6_conv(ci, width, 1, 1, 1))
        self.conv.extend([relu6_conv(width, width, 3, stride, width), nn.Conv2d(width, co, 1, bias=False), nn.BatchNorm2d(co)])

    def forward(self, x):
        y = self.conv(x)
        return x + y if x.shape == y.shape else y


def relu6_conv(ci, co, kernel, stride, groups):
    return nn.Sequential(nn.Conv2d(ci, co, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(co), nn.ReLU6())


def mobilenet_v2(widths=(32, 16, 24, 32, 64, 96, 160, 320, 1280), num_classes=1000):
    """``widths``: of the first convolution, of the seven stages, of the last convolution."""
    first, *stages, last = widths
    features, ci = [relu6_conv(3, first, 3, 2, 1)], first
    for i, (co, count) in enumerate(zip(stages, (1, 2, 3, 4, 3, 3, 1), strict=True)):
        for j in range(count):
            features.append(Inverted(ci, co, 2 if j == 0 and i in (1, 2, 3, 5) else 1, 6 if i else 1))
            ci = co
    features += [relu6_conv(ci, last, 1, 1, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return Named(features=nn.Sequential(*features), classifier=nn.Sequential(nn.Dropout(), nn.Linear(last, num_classes)))
