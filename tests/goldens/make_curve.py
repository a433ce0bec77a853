#!/usr/bin/env python3
"""Makes resnet20_curve.safetensors beside this file: PyTorch's first 100 steps of resnet20 on CIFAR-10.

    sudo apt install python3-torch python3-numpy                  # Debian 12: PyTorch 1.13.0
    /usr/bin/python3 tests/goldens/make_curve.py CIFAR10_FOLDER   # takes some minutes

Step s takes images s * batch on of the data_batch files, as they stand there. Initial weights are the function of
tensor and place that `initial` gives, so that they need no file. `build/tests/pleat_curve CIFAR10_FOLDER` follows.
A network with batch norm amplifies rounding: float strays from double by percents within 100 steps, in PyTorch as
anywhere, so both are kept. loss64, loss32: the losses; final64/NAME, final32/NAME: running statistics at the end.
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from make_goldens import write_safetensors

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench/peers"))
from pytorch_networks import ResNet20

BATCH, STEPS = 128, 100
LR, MOMENTUM, WEIGHT_DECAY = 0.008, 0.9, 5e-4
MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)


def initial(tensor, shape):
    """Uniform in +-sqrt(6 / fan_in): 24 bits of SplitMix64 of 2^32 * tensor + place."""
    with np.errstate(over="ignore"):
        z = np.arange(np.prod(shape), dtype=np.uint64) + np.uint64((tensor << 32) + 0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = (z ^ (z >> np.uint64(31))) >> np.uint64(40)
    bound = np.sqrt(6 / np.prod(shape[1:]))
    return ((z.astype(np.float64) / 2**23 - 1) * bound).astype(np.float32).reshape(shape)


def load(folder, count):
    items = np.concatenate([np.fromfile(Path(folder) / f"data_batch_{i}.bin", np.uint8) for i in range(1, 6)])
    items = items.reshape(-1, 3073)[:count]
    images = items[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32) / np.float32(255)
    mean, std = (np.array(v, np.float32).reshape(1, 3, 1, 1) for v in (MEAN, STD))
    return (images - mean) / std, items[:, 0].astype(np.int64)


def train(images, labels, dtype):
    network = ResNet20().to(dtype)
    with torch.no_grad():
        for tensor, (name, parameter) in enumerate(sorted(network.named_parameters())):
            if parameter.dim() > 1:
                parameter.copy_(torch.from_numpy(initial(tensor, tuple(parameter.shape))))
        network.fc.bias.zero_()
    optimizer = torch.optim.SGD(network.parameters(), LR, MOMENTUM, weight_decay=WEIGHT_DECAY)
    losses = []
    for step in range(STEPS):
        rows = slice(step * BATCH, (step + 1) * BATCH)
        optimizer.zero_grad()
        loss = F.cross_entropy(network(torch.from_numpy(images[rows]).to(dtype)), torch.from_numpy(labels[rows]))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        print(f"\r{dtype} step {step + 1} of {STEPS}: {losses[-1]:.4f}", end="", flush=True)
    print()
    return np.array(losses), {k: v.numpy() for k, v in network.state_dict().items() if "running" in k}


def main():
    images, labels = load(sys.argv[1], BATCH * STEPS)
    tensors = {}
    for bits, dtype in ((32, torch.float32), (64, torch.float64)):
        tensors[f"loss{bits}"], statistics = train(images, labels, dtype)
        tensors.update({f"final{bits}/{name}": value.astype(np.float32) for name, value in statistics.items()})
    run = dict(batch=BATCH, lr=LR, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY, mean=MEAN, std=STD)
    file = Path(__file__).resolve().parent / "resnet20_curve.safetensors"
    write_safetensors(file, tensors, {"cases": json.dumps([run])})


if __name__ == "__main__":
    main()
