"""Networks that Pleat has built in, in PyTorch: torchvision's, and those of its own."""

from pathlib import Path

import torch.nn.functional as F
from torch import nn
from torchvision import models


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al. 2016)."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet20(nn.Module):
    """For CIFAR; parameters are named as Pleat names them."""

    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        width = 16
        for stage, outputs in enumerate((16, 32, 64), 1):
            blocks = []
            for block in range(3):
                blocks.append(Block(width, outputs, 2 if stage > 1 and block == 0 else 1))
                width = outputs
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        return self.fc(self.layer3(self.layer2(self.layer1(x))).mean((2, 3)))


def net():
    return nn.Sequential(nn.Linear(10, 20), nn.BatchNorm1d(20), nn.ReLU(), nn.Linear(20, 10))


def mlp():
    hidden = nn.Linear(784, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU()
    return nn.Sequential(*hidden, nn.Linear(512, 10))


def mymodel():
    stem = nn.Conv2d(3, 64, 3), nn.BatchNorm2d(64), nn.ReLU(inplace=True)
    pool = nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(*stem, *pool, nn.Linear(64, 10), nn.BatchNorm1d(10))


# What builds a network, an item of its input, and its classes.
OWN = {
    "net": (net, (10,), 10),
    "mlp": (mlp, (784,), 10),
    "mymodel": (mymodel, (3, 32, 32), 10),
    "resnet20": (ResNet20, (3, 32, 32), 10),
}


def find(network, size):
    """As in OWN, of a name such as mobilenetv2 (torchvision's mobilenet_v2), also of a file; None where there is none."""
    name = Path(network).stem.replace("_", "")
    if name in OWN:
        return OWN[name]
    for found, build in vars(models).items():
        if found.islower() and callable(build) and found.replace("_", "") == name:
            return build, (3, size, size), 1000
    return None
