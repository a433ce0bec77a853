"""Networks that Pleat has built in, in PyTorch: torchvision's, and those of its own."""

from pathlib import Path

import torch
from torch import nn
from torchvision import models


class Residual(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al. 2016)."""

    def __init__(self, channels, width, stride):
        super().__init__()
        self.body = nn.Sequential(
            *conv3x3(channels, width, stride), nn.ReLU(inplace=True), *conv3x3(width, width)
        )
        same = stride == 1 and channels == width
        self.shortcut = nn.Identity() if same else nn.Sequential(*conv(channels, width, 1, stride, 0))

    def forward(self, x):
        return torch.relu(self.body(x) + self.shortcut(x))


def conv(channels, width, kernel, stride, padding):
    return nn.Conv2d(channels, width, kernel, stride, padding, bias=False), nn.BatchNorm2d(width)


def conv3x3(channels, width, stride=1):
    return conv(channels, width, 3, stride, 1)


def pooled(head):
    return nn.AdaptiveAvgPool2d(1), nn.Flatten(), head


def net():
    return nn.Sequential(nn.Linear(10, 20), nn.BatchNorm1d(20), nn.ReLU(), nn.Linear(20, 10))


def mymodel():
    stem = nn.Conv2d(3, 64, 3), nn.BatchNorm2d(64), nn.ReLU(inplace=True)
    return nn.Sequential(*stem, *pooled(nn.Linear(64, 10)), nn.BatchNorm1d(10))


def resnet20():
    layers, channels = [*conv3x3(3, 16), nn.ReLU(inplace=True)], 16
    for width in (16, 32, 64):
        for block in range(3):
            layers.append(Residual(channels, width, 2 if block == 0 and width > 16 else 1))
            channels = width
    return nn.Sequential(*layers, *pooled(nn.Linear(64, 10)))


# What builds a network, an item of its input, and its classes.
OWN = {"net": (net, (10,), 10), "mymodel": (mymodel, (3, 32, 32), 10), "resnet20": (resnet20, (3, 32, 32), 10)}


def find(network, size):
    """As in OWN, of a name such as mobilenetv2 (torchvision's mobilenet_v2), also of a file; None where there is none."""
    name = Path(network).stem.replace("_", "")
    if name in OWN:
        return OWN[name]
    for found, build in vars(models).items():
        if found.islower() and callable(build) and found.replace("_", "") == name:
            return build, (3, size, size), 1000
    return None
