"""LeNet-5, the network that read handwritten digits on cheques.

Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition", 1998.
Layer of the house: models, above nn.
"""

from __future__ import annotations

from cyconv import nn
from cyconv.models.registry import register


class LeNet(nn.Module):
    """Two convolutions with average pooling and tanh, then three linear layers.

    Simpler than the paper in three places, as is usual: every map of ``conv2`` sees all six maps of ``conv1``,
    the pools have no trained scale, and the output is linear.
    """

    def __init__(self, num_classes: int = 10):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.tanh1 = nn.Tanh()
        self.pool1 = nn.AvgPool2d(2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.tanh2 = nn.Tanh()
        self.pool2 = nn.AvgPool2d(2)
        self.flatten = nn.Flatten()
        self.fc3 = nn.Linear(16 * 5 * 5, 120)
        self.tanh3 = nn.Tanh()
        self.fc4 = nn.Linear(120, 84)
        self.tanh4 = nn.Tanh()
        self.fc5 = nn.Linear(84, num_classes)

    def forward(self, x):
        x = self.pool1(self.tanh1(self.conv1(x)))
        x = self.pool2(self.tanh2(self.conv2(x)))
        x = self.tanh3(self.fc3(self.flatten(x)))
        return self.fc5(self.tanh4(self.fc4(x)))


@register((1, 32, 32))
def lenet(num_classes: int = 10) -> LeNet:
    """LeNet-5.

    Parameters
    ----------
    num_classes : int
        Size of the output.

    Returns
    -------
    LeNet
        [N, 1, 32, 32] float32 → [N, num_classes] logits.
    """
    return LeNet(num_classes)
