"""AlexNet twice: as torchvision has it, and as the 2012 paper and the lecture draw it, in two towers.

Sources: Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014 (the single tower);
Krizhevsky, Sutskever, Hinton, "ImageNet classification with deep convolutional neural networks", 2012 (two towers).
Layer of the house: models, above nn.
"""

from __future__ import annotations

from cyconv import nn
from cyconv.models.registry import register


class AlexNet(nn.Module):
    """torchvision's AlexNet: one tower, no response normalisation, the same state_dict keys."""

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.flatten = nn.Flatten()
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x):
        return self.classifier(self.flatten(self.avgpool(self.features(x))))


class AlexNetTwoTower(nn.Module):
    """The AlexNet of the paper and the lecture: conv2, conv4 and conv5 see only their own tower (two groups).

    The paper's normalisation adds α·Σ without dividing by the window's size n = 5 as ``LocalResponseNorm`` does,
    so its α = 1e-4 stands here as 5e-4.
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5, padding: int = 2):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, 11, stride=4, padding=padding)
        self.relu1 = nn.ReLU()
        self.norm1 = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
        self.pool1 = nn.MaxPool2d(3, stride=2)
        self.conv2 = nn.Conv2d(96, 256, 5, padding=2, groups=2)
        self.relu2 = nn.ReLU()
        self.norm2 = nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)
        self.pool2 = nn.MaxPool2d(3, stride=2)
        self.conv3 = nn.Conv2d(256, 384, 3, padding=1)
        self.relu3 = nn.ReLU()
        self.conv4 = nn.Conv2d(384, 384, 3, padding=1, groups=2)
        self.relu4 = nn.ReLU()
        self.conv5 = nn.Conv2d(384, 256, 3, padding=1, groups=2)
        self.relu5 = nn.ReLU()
        self.pool5 = nn.MaxPool2d(3, stride=2)
        self.flatten = nn.Flatten()
        self.fc6 = nn.Linear(256 * 6 * 6, 4096)
        self.relu6 = nn.ReLU()
        self.drop6 = nn.Dropout(dropout)
        self.fc7 = nn.Linear(4096, 4096)
        self.relu7 = nn.ReLU()
        self.drop7 = nn.Dropout(dropout)
        self.fc8 = nn.Linear(4096, num_classes)

    def forward(self, x):
        x = self.pool1(self.norm1(self.relu1(self.conv1(x))))
        x = self.pool2(self.norm2(self.relu2(self.conv2(x))))
        x = self.relu4(self.conv4(self.relu3(self.conv3(x))))
        x = self.pool5(self.relu5(self.conv5(x)))
        x = self.drop6(self.relu6(self.fc6(self.flatten(x))))
        x = self.drop7(self.relu7(self.fc7(x)))
        return self.fc8(x)


@register()
def alexnet(num_classes: int = 1000, dropout: float = 0.5) -> AlexNet:
    """AlexNet as torchvision builds it; torchvision's weights load without renaming.

    Parameters
    ----------
    num_classes : int
        Size of the output.
    dropout : float
        Share of features that the two Dropout layers zero in training.

    Returns
    -------
    AlexNet
        [N, 3, 224, 224] float32 (any size from 63×63 up) → [N, num_classes] logits.
    """
    return AlexNet(num_classes, dropout)


@register()
def alexnet_two_tower(num_classes: int = 1000, dropout: float = 0.5, padding: int = 2) -> AlexNetTwoTower:
    """AlexNet of the 2012 paper and of the lecture: two towers, response normalisation, overlapping pools.

    Parameters
    ----------
    num_classes : int
        Size of the output.
    dropout : float
        Share of features that the two Dropout layers zero in training.
    padding : int
        Padding of conv1: 2 for 224×224 images, 0 for 227×227; both give the 55×55 map of the paper.

    Returns
    -------
    AlexNetTwoTower
        [N, 3, 224, 224] float32 → [N, num_classes] logits.
    """
    return AlexNetTwoTower(num_classes, dropout, padding)
