#!/usr/bin/python3
"""Makes the PyTorch goldens: ops.safetensors and training.safetensors beside this file.

    sudo apt install python3-torch python3-numpy        # Debian 12: PyTorch 1.13.0
    /usr/bin/python3 tests/goldens/make_goldens.py      # from the project's folder; takes a few seconds

Inputs and weights are float32; PyTorch computes in float64 from them, so that a deviation is Pleat's own. Every
random number comes from a generator seeded by its case's name: adding a case changes no other. Training runs
are made in float64 and in float32 (whose last bits may differ between machines).

ops.safetensors: metadata "cases" is a JSON list. A case is a small network, which runs `steps` times:
    name      unique, the prefix of its tensors
    inputs    {"x": shape of one step}
    nodes     [{"name", "type", "args", "inputs"}]: layers with PyTorch's argument names; the last one is the output
    mode      "train" or "eval"; layers in "frozen" are in eval mode in either
    gradient_scale  absent, or: deviations of gradients are relative to this at least
    loss      absent, or {"kind": "cross_entropy"|"mse", "label_smoothing"}, on the output and "target"
and its tensors are, with the steps stacked in front where (S):
    NAME/in/x (S), NAME/target (S)        what goes in
    NAME/state/fc.weight                  parameters and running statistics before the first step
    NAME/out (S), NAME/dout (S)           output, and the gradient of it that is sent back
    NAME/din/x (S), NAME/dparam/fc.weight (S)
    NAME/after/bn.running_mean (S)        running statistics after each step
    NAME/eval_in/x, NAME/eval_out         one more run, after the steps, in eval mode (train cases)
training.safetensors: metadata "cases" likewise, with "model" (a built-in model) or "nodes" and "inputs",
    data, init  prefixes of DATA/x, DATA/target and INIT/fc1.weight, which cases share
    batch       step s takes `batch` rows from row s * batch on, modulo their number
    optimizer   {"kind": "sgd"|"adam"|"adamw", ...}; lr_factor: by which lr is multiplied, one a step
    compare     what must agree: "loss", "final" (weights and running statistics), "eval"
and NAME/loss64, NAME/loss32, NAME/final/fc1.weight, NAME/eval_out (all rows).
"""
import argparse
import json
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

HERE = Path(__file__).resolve().parent


def write_safetensors(file, tensors, metadata):
    kinds = {"float32": "F32", "float64": "F64", "int64": "I64"}
    header, offset, blobs = {"__metadata__": metadata}, 0, []
    for name, array in tensors.items():
        array = np.ascontiguousarray(array).reshape(np.shape(array))
        blobs.append(array.tobytes())
        header[name] = {"dtype": kinds[array.dtype.name], "shape": list(array.shape),
                        "data_offsets": [offset, offset + len(blobs[-1])]}
        offset += len(blobs[-1])
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blobs))
    print(f"{file.name}: {len(tensors)} tensors, {file.stat().st_size} bytes")


def random_of(name):
    return np.random.RandomState(zlib.crc32(name.encode()))


def f32(array):
    return np.asarray(array, dtype=np.float32)


# ---- networks ----------------------------------------------------------------------------------------------


class BatchNorm(nn.modules.batchnorm._BatchNorm):
    """nn.BatchNorm with weight and bias switched separately, ghost batches, and batch renormalization."""

    def __init__(self, num_features, scale=True, shift=True, virtual_batch_size=0, renorm=None, **args):
        super().__init__(num_features, **args)
        self.weight = self.weight if scale else None
        self.bias = self.bias if shift else None
        self.virtual_batch_size, self.renorm = virtual_batch_size, renorm

    def _check_input_dim(self, x):
        pass

    def forward(self, x):
        if not self.training or self.virtual_batch_size == 0:
            return self.normalize(x)
        parts = list(x.split(self.virtual_batch_size))
        if len(parts) > 1 and parts[-1].numel() == parts[-1].shape[1]:  # one value a channel
            parts[-2:] = [torch.cat(parts[-2:])]
        return torch.cat([self.normalize(part) for part in parts])

    def normalize(self, x):
        if not self.training or self.renorm is None:
            return super().forward(x)
        steps, limits = int(self.num_batches_tracked), self.renorm

        def ramp(end):
            return min(max((steps - limits["ramp_begin"]) / (end - limits["ramp_begin"]), 0), 1)

        r_max = 1 + (limits["r_max"] - 1) * ramp(limits["r_ramp_end"])
        d_max = limits["d_max"] * ramp(limits["d_ramp_end"])
        dims = [0, *range(2, x.dim())]
        shape = [1, -1] + [1] * (x.dim() - 2)
        mean, var = x.mean(dims), x.var(dims, unbiased=False)
        sigma, running_sigma = (var + self.eps).sqrt(), (self.running_var + self.eps).sqrt()
        r = (sigma.detach() / running_sigma).clamp(1 / r_max, r_max)
        d = ((mean.detach() - self.running_mean) / running_sigma).clamp(-d_max, d_max)
        super().forward(x.detach())  # moves the running statistics
        y = (x - mean.view(shape)) * (r / sigma).view(shape) + d.view(shape)
        return y * self.weight.view(shape) + self.bias.view(shape)


class GlobalAvgPool(nn.Module):
    def __init__(self, keep_dims=False):
        super().__init__()
        self.keep_dims = keep_dims

    def forward(self, x):
        return x.mean(dim=list(range(2, x.dim())), keepdim=self.keep_dims)


class Flatten(nn.Module):
    def __init__(self, start_dim=1):
        super().__init__()
        self.start_dim = start_dim

    def forward(self, x):
        return torch.flatten(x, self.start_dim)


class Add(nn.Module):
    def forward(self, a, b):
        return a + b


class Concat(nn.Module):
    def __init__(self, dim=1):
        super().__init__()
        self.dim = dim

    def forward(self, *x):
        return torch.cat(x, self.dim)


LAYERS = {kind: getattr(nn, kind) for kind in (
    "Linear Conv1d Conv2d ReLU ReLU6 LeakyReLU Sigmoid SiLU Hardswish Tanh MaxPool2d AvgPool2d Dropout").split()}
LAYERS.update({kind: BatchNorm for kind in ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d")})
LAYERS.update(GlobalAvgPool=GlobalAvgPool, Flatten=Flatten, Add=Add, Concat=Concat,
              Softmax=lambda: nn.Softmax(-1), LogSoftmax=lambda: nn.LogSoftmax(-1))


class Network(nn.Module):
    def __init__(self, nodes):
        super().__init__()
        self.nodes = nodes
        for node in nodes:
            setattr(self, node["name"], LAYERS[node["type"]](**node["args"]))

    def forward(self, inputs):
        values = dict(inputs)
        for node in self.nodes:
            y = getattr(self, node["name"])(*[values[i] for i in node["inputs"]])
            values[node["name"]] = y
        return y


def node(name, kind, inputs="x", **args):
    return {"name": name, "type": kind, "args": args, "inputs": inputs.split()}


def chain(*layers):
    nodes, last = [], "x"
    for name, kind, args in layers:
        nodes.append(node(name, kind, last, **args))
        last = name
    return nodes


def random_state(network, random, running=False):
    """float32 values for every parameter, and for the running statistics where `running`."""
    state = {}
    for name, tensor in network.state_dict().items():
        value = tensor.numpy()
        norm = isinstance(network.get_submodule(name.rsplit(".", 1)[0]), BatchNorm)
        if name.endswith("running_mean"):
            value = f32(random.uniform(-0.5, 0.5, value.shape) if running else value)
        elif name.endswith("running_var"):
            value = f32(random.uniform(0.4, 2, value.shape) if running else value)
        elif name.endswith("num_batches_tracked"):
            value = np.array(3 if running else 0, dtype=np.int64)
        elif norm and name.endswith("weight"):
            value = f32(random.uniform(0.5, 1.5, value.shape) * np.where(np.arange(value.size) % 3 == 1, -1, 1))
        elif norm:
            value = f32(random.uniform(-0.5, 0.5, value.shape))
        else:
            fan_in = value[0].size if value.ndim > 1 else 4
            value = f32(random.uniform(-1, 1, value.shape) / math.sqrt(fan_in))
        state[name] = value
    return state


def load(network, state):
    network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in state.items()})


def loss_of(loss, y, target):
    if loss["kind"] == "cross_entropy":
        return F.cross_entropy(y, target, label_smoothing=loss.get("label_smoothing", 0.0))
    return F.mse_loss(y, target)


# ---- ops ---------------------------------------------------------------------------------------------------


def run_case(case, values=None, eval_run=False):
    """Adds the case's tensors to a new dict. `values`: (random, shape) -> array, instead of normal numbers."""
    name = case["name"]
    random = random_of(name)
    values = values or (lambda r, shape: r.randn(*shape))
    torch.manual_seed(0)
    network = Network(case["nodes"]).double()
    steps, training = case["steps"], case["mode"] == "train"
    state = random_state(network, random, running=not training or bool(case["frozen"]))
    load(network, state)

    def set_mode(train):
        network.train(train)
        for layer in case["frozen"]:
            getattr(network, layer).eval()

    def draw():
        return {key: f32(values(random, shape)) for key, shape in case["inputs"].items()}

    stacks = {}

    def put(key, array):
        stacks.setdefault(key, []).append(np.array(array))

    set_mode(training)
    for step in range(steps):
        arrays = draw()
        inputs = {key: torch.from_numpy(a).double().requires_grad_() for key, a in arrays.items()}
        for key, a in arrays.items():
            put(f"in/{key}", a)
        network.zero_grad()
        y = network(inputs)
        if case.get("loss"):
            if case["loss"]["kind"] == "mse":
                target = f32(random.randn(*y.shape))
                put("target", target)
                y = loss_of(case["loss"], y, torch.from_numpy(target).double())
            else:
                target = random.randint(0, y.shape[1], y.shape[0]).astype(np.int64)
                put("target", target)
                y = loss_of(case["loss"], y, torch.from_numpy(target))
            dy = np.ones((), dtype=np.float32)
        else:
            dy = f32(random.uniform(-1, 1, tuple(y.shape)))
            for key, skip in case.get("no_gradient_at", {}).items():
                dy[np.isin(arrays[key], f32(skip))] = 0
            put("dout", dy)
        put("out", y.detach().numpy())
        if training:
            y.backward(torch.from_numpy(np.array(dy)).double())
            for key, tensor in inputs.items():
                put(f"din/{key}", tensor.grad.numpy())
            for key, parameter in network.named_parameters():
                put(f"dparam/{key}", parameter.grad.numpy())
            for key, buffer in network.named_buffers():
                put(f"after/{key}", buffer.numpy())
    if not training:
        stacks.pop("dout", None)
    tensors = {f"{name}/state/{key}": value for key, value in state.items()}
    tensors.update({f"{name}/{key}": np.stack(arrays) for key, arrays in stacks.items()})
    if eval_run:
        set_mode(False)
        arrays = draw()
        tensors.update({f"{name}/eval_in/{key}": a for key, a in arrays.items()})
        with torch.no_grad():
            y = network({key: torch.from_numpy(a).double() for key, a in arrays.items()})
        tensors[f"{name}/eval_out"] = y.numpy()
    return tensors


class Cases:
    def __init__(self):
        self.cases, self.tensors = [], {}

    def add(self, name, inputs, nodes, mode="train", steps=1, frozen=(), values=None, eval_run=False, **more):
        if isinstance(inputs, tuple):
            inputs = {"x": inputs}
        case = dict(name=name, inputs=inputs, nodes=nodes, mode=mode, steps=steps, frozen=list(frozen), **more)
        assert name not in [c["name"] for c in self.cases], name
        self.cases.append(case)
        self.tensors.update(run_case(case, values, eval_run))

    def one(self, name, shape, kind, values=None, **args):
        self.add(name, shape, [node("layer", kind, **args)], values=values)


def linear_and_conv(cases):
    one = cases.one
    one("linear 7 to 3", (5, 7), "Linear", in_features=7, out_features=3)
    one("linear without bias", (4, 8), "Linear", in_features=8, out_features=5, bias=False)
    one("linear of rank 3", (2, 3, 7), "Linear", in_features=7, out_features=4)
    one("linear 33 to 17", (9, 33), "Linear", in_features=33, out_features=17)
    one("linear on one item", (1, 16), "Linear", in_features=16, out_features=9)

    def conv1d(name, shape, c_out, k, **args):
        one("conv1d " + name, shape, "Conv1d", in_channels=shape[1], out_channels=c_out, kernel_size=k, **args)

    conv1d("k3", (2, 3, 9), 4, 3)
    conv1d("k1", (2, 5, 6), 3, 1)
    conv1d("stride 2 padding 1", (3, 2, 10), 4, 3, stride=2, padding=1)
    conv1d("dilation 2 padding 3", (2, 3, 11), 2, 3, dilation=2, padding=3)
    conv1d("groups 2 without bias", (2, 4, 8), 6, 5, groups=2, padding=2, bias=False)
    conv1d("depthwise", (2, 9, 8), 9, 3, groups=9, padding=1)
    conv1d("stride 3 dilation 2 groups 3", (2, 6, 17), 9, 4, stride=3, dilation=2, padding=1, groups=3)

    def conv2d(name, shape, c_out, k, **args):
        one("conv2d " + name, shape, "Conv2d", in_channels=shape[1], out_channels=c_out, kernel_size=k, **args)

    conv2d("3x3", (2, 3, 6, 7), 4, 3)
    conv2d("3x3 padding 1 without bias", (2, 8, 6, 6), 9, 3, padding=1, bias=False)
    conv2d("3x3 padding 1, 16 channels", (1, 16, 7, 9), 16, 3, padding=1)
    conv2d("1x1", (2, 7, 5, 4), 9, 1)
    conv2d("1x1 stride 2 without bias", (2, 8, 5, 6), 4, 1, stride=2, bias=False)
    conv2d("1x1 padding 1", (1, 2, 3, 3), 3, 1, padding=1)
    conv2d("3x3 stride 2 padding 1", (2, 3, 8, 7), 5, 3, stride=2, padding=1)
    conv2d("7x7 stride 2 padding 3", (1, 3, 12, 11), 8, 7, stride=2, padding=3)
    conv2d("5x5 padding 2", (2, 2, 7, 7), 3, 5, padding=2)
    conv2d("2x3 stride 2x1 padding 0x2", (2, 3, 6, 5), 4, (2, 3), stride=(2, 1), padding=(0, 2))
    conv2d("dilation 2", (2, 2, 9, 8), 3, 3, dilation=2, padding=2)
    conv2d("dilation 1x3 padding 2x1", (1, 3, 5, 9), 2, (3, 2), dilation=(1, 3), padding=(2, 1))
    conv2d("groups 2", (2, 6, 5, 5), 4, 3, groups=2, padding=1)
    conv2d("groups 4 of 8 and 16, stride 2", (1, 32, 5, 6), 16, 3, groups=4, stride=2, padding=1, bias=False)
    conv2d("depthwise", (2, 9, 6, 5), 9, 3, groups=9, padding=1, bias=False)
    conv2d("depthwise stride 2", (2, 8, 7, 8), 8, 3, groups=8, padding=1, stride=2)
    conv2d("depthwise 5x5 dilation 2", (1, 4, 9, 9), 4, 5, groups=4, padding=4, dilation=2)
    conv2d("depthwise, two filters a channel", (2, 3, 6, 6), 6, 3, groups=3, padding=1)
    conv2d("kernel as large as the image", (3, 4, 4, 5), 6, (4, 5))
    conv2d("padding wider than the image", (1, 2, 2, 2), 3, 3, padding=2)
    conv2d("stride past the end", (1, 2, 6, 7), 3, 2, stride=4)


def activations(cases):
    special = f32([-100, -88.5, -20, -6, -3, -1, -1e-8, -0.0, 0.0, 1e-30, 1e-8, 0.5, 1, 3, 6, 20, 88.5, 100])

    def values(random, shape):
        x = f32(random.uniform(-8, 8, shape)).ravel()
        x[: special.size] = special
        return x.reshape(shape)

    for kind in ("ReLU", "ReLU6", "LeakyReLU", "Sigmoid", "SiLU", "Tanh"):
        cases.one(kind.lower(), (3, 23), kind, values)
    cases.one("leakyrelu slope 0.2", (3, 23), "LeakyReLU", values, negative_slope=0.2)
    # PyTorch's versions differ in hardswish's gradient exactly at its kinks.
    cases.add("hardswish", (3, 23), [node("layer", "Hardswish")], values=values, no_gradient_at={"x": [-3, 3]})
    cases.one("relu of an image", (2, 3, 5, 7), "ReLU")
    cases.one("dropout that drops nothing", (3, 5), "Dropout", p=0.0)


def pools_and_shapes(cases):
    def ties(random, shape):
        return random.randint(-2, 3, shape)

    one = cases.one
    one("maxpool 2", (2, 3, 6, 8), "MaxPool2d", kernel_size=2)
    one("maxpool 2 with a rest", (2, 3, 5, 7), "MaxPool2d", kernel_size=2)
    one("maxpool 3 stride 2 padding 1", (2, 3, 8, 7), "MaxPool2d", kernel_size=3, stride=2, padding=1)
    one("maxpool 2x3 stride 1x2 padding 1", (1, 4, 5, 6), "MaxPool2d", kernel_size=(2, 3), stride=(1, 2), padding=1)
    one("maxpool of equal values", (2, 3, 6, 6), "MaxPool2d", ties, kernel_size=3, stride=1, padding=1)
    one("avgpool 2", (2, 3, 6, 8), "AvgPool2d", kernel_size=2)
    one("avgpool 3 stride 1", (2, 3, 5, 6), "AvgPool2d", kernel_size=3, stride=1)
    for count in (True, False):
        text = "padding counted" if count else "padding not counted"
        one(f"avgpool 3 stride 2 padding 1, {text}", (2, 3, 8, 7), "AvgPool2d", kernel_size=3, stride=2, padding=1,
            count_include_pad=count)
        one(f"avgpool 3x4 stride 2x1 padding 1x2, {text}", (1, 2, 6, 5), "AvgPool2d", kernel_size=(3, 4),
            stride=(2, 1), padding=(1, 2), count_include_pad=count)
    one("globalavgpool of lines", (2, 3, 7), "GlobalAvgPool")
    one("globalavgpool of images", (2, 5, 4, 6), "GlobalAvgPool")
    one("globalavgpool of volumes", (2, 3, 2, 3, 4), "GlobalAvgPool")
    one("globalavgpool that keeps dimensions", (2, 5, 4, 3), "GlobalAvgPool", keep_dims=True)
    one("flatten", (2, 3, 4, 5), "Flatten")
    one("flatten from 2", (2, 3, 4, 5), "Flatten", start_dim=2)
    two = {"x": (2, 3, 4), "z": (2, 3, 4)}
    cases.add("add", two, [node("layer", "Add", "x z")])
    cases.add("add of a value to itself", (2, 9), [node("layer", "Add", "x x")])
    cases.add("concat of channels", {"x": (2, 3, 4), "z": (2, 1, 4)}, [node("layer", "Concat", "x z")])
    cases.add("concat of three images", {"x": (2, 3, 2, 5), "z": (2, 4, 2, 5), "w": (2, 1, 2, 5)},
              [node("layer", "Concat", "x z w")])
    cases.add("concat along 2", {"x": (2, 3, 2, 2), "z": (2, 3, 5, 2)}, [node("layer", "Concat", "x z", dim=2)])
    cases.add("concat of a value with itself", (2, 3, 4), [node("layer", "Concat", "x x")])
    cases.add("a value used three times", (3, 8),
              [node("a", "Tanh"), node("b", "Sigmoid", "a"), node("c", "Add", "a b"), node("d", "Concat", "c a x")])


def softmax_and_loss(cases):
    def large(random, shape):
        return random.randn(*shape) * 30 + 200

    for kind in ("Softmax", "LogSoftmax"):
        cases.one(kind.lower(), (5, 10), kind)
        cases.one(f"{kind.lower()} of rank 3", (2, 3, 9), kind)
        cases.one(f"{kind.lower()} of large values", (4, 17), kind, large)
    same = [node("layer", "Dropout", p=0.0)]
    for smoothing in (0.0, 0.1):
        loss = {"kind": "cross_entropy", "label_smoothing": smoothing}
        cases.add(f"cross entropy, smoothing {smoothing}", (6, 10), same, loss=loss)
        cases.add(f"cross entropy on 17 classes, smoothing {smoothing}", (3, 17), same, loss=loss)
        cases.add(f"cross entropy on one item, smoothing {smoothing}", (1, 4), same, loss=loss)
        cases.add(f"cross entropy of large values, smoothing {smoothing}", (5, 9), same, values=large, loss=loss)
    cases.add("mse", (6, 3), same, loss={"kind": "mse"})
    cases.add("mse of images", (2, 3, 4, 5), same, loss={"kind": "mse"})


def batch_norm(cases):
    shapes = {(6, 5): 1, (4, 3, 7): 1, (3, 4, 3, 5): 2, (2, 3, 2, 3, 4): 3}
    affines = [{}, {"affine": False}, {"shift": False}, {"scale": False}]
    count = 0
    for shape, dims in shapes.items():
        for affine in affines:
            for track in (True, False):
                eps = (1e-5, 1e-3)[(count // 2) % 2]
                momentum = (0.1, 0.5, None)[(count // 2) % 3]
                count += 1
                args = dict(num_features=shape[1], eps=eps, momentum=momentum, track_running_stats=track, **affine)
                text = "".join(f", {key} off" for key in affine) + ("" if track else ", not tracked")
                cases.add(f"batchnorm{dims}d of rank {len(shape)}, eps {eps}, momentum {momentum}{text}", shape,
                          [node("bn", f"BatchNorm{dims}d", **args)], steps=3, eval_run=True)

    def spread(mean, deviation):
        return lambda random, shape: mean + deviation * random.randn(*shape)

    image = [node("bn", "BatchNorm2d", num_features=3)]
    cases.add("batchnorm far from zero", (4, 3, 4, 4), image, steps=2, values=spread(1e4, 1.0), eval_run=True)
    cases.add("batchnorm of tiny values", (4, 3, 4, 4), image, steps=2, values=spread(0, 1e-3), eval_run=True)
    cases.add("batchnorm of a constant", (4, 3, 2, 3), image, values=spread(2.5, 0.0), eval_run=True)
    cases.add("batchnorm on one item", (1, 3, 4, 5), image, steps=2, eval_run=True)
    # Of two items one is at +1, the other at -1: the input's gradient is what remains of terms near 1.
    cases.add("batchnorm on two items", (2, 9), [node("bn", "BatchNorm1d", num_features=9)], steps=5, eval_run=True,
              gradient_scale=1)
    cases.add("batchnorm of 17 channels", (3, 17, 3, 3), [node("bn", "BatchNorm2d", num_features=17)], eval_run=True)
    cases.add("batchnorm, relu", (3, 4, 3, 5), chain(("bn", "BatchNorm2d", dict(num_features=4)), ("relu", "ReLU", {})),
              steps=2, eval_run=True)
    cases.add("batchnorm, add, relu", {"x": (3, 4, 3, 5), "z": (3, 4, 3, 5)},
              [node("bn", "BatchNorm2d", num_features=4), node("add", "Add", "bn z"), node("relu", "ReLU", "add")],
              steps=2, eval_run=True)
    frozen = chain(("conv", "Conv2d", dict(in_channels=2, out_channels=4, kernel_size=3)),
                   ("bn", "BatchNorm2d", dict(num_features=4)), ("relu", "ReLU", {}), ("pool", "GlobalAvgPool", {}),
                   ("fc", "Linear", dict(in_features=4, out_features=3, bias=False)), ("bn2", "BatchNorm1d", dict(num_features=3)))
    cases.add("a frozen batchnorm while others train", (4, 2, 6, 5), frozen, steps=3, frozen=["bn"], eval_run=True)
    alone = [node("bn", "BatchNorm1d", num_features=4)]
    cases.add("a frozen batchnorm alone", (3, 4), alone, steps=2, frozen=["bn"], eval_run=True)


def small_batches(cases):
    """Ghost batch normalization and batch renormalization."""
    def add(name, shape, dims, steps=3, **args):
        cases.add(name, shape, [node("bn", f"BatchNorm{dims}d", num_features=shape[1], **args)], steps=steps,
                  eval_run=True)

    add("ghost batchnorm", (8, 3, 4, 5), 2, virtual_batch_size=4)
    add("ghost batchnorm, ragged", (7, 3, 2, 3), 2, virtual_batch_size=3)
    add("ghost batchnorm, the last item joins", (7, 5), 1, virtual_batch_size=2)
    add("ghost batchnorm larger than the batch", (3, 5), 1, virtual_batch_size=8)
    add("ghost batchnorm, cumulative", (6, 3, 4), 1, virtual_batch_size=2, momentum=None)
    add("ghost batchnorm of long rows", (40, 3, 18), 1, steps=1, virtual_batch_size=33)
    cases.add("ghost batchnorm, add, relu", {"x": (5, 4, 3, 5), "z": (5, 4, 3, 5)},
              [node("bn", "BatchNorm2d", num_features=4, virtual_batch_size=2), node("add", "Add", "bn z"),
               node("relu", "ReLU", "add")], steps=2, eval_run=True)
    ramps = dict(r_max=1.5, d_max=0.6, ramp_begin=1, r_ramp_end=3, d_ramp_end=4)
    add("batch renorm", (6, 3, 4, 5), 2, steps=6, renorm=ramps)
    add("batch renorm of ghost batches", (7, 4), 1, steps=3, virtual_batch_size=3, renorm=ramps, momentum=0.01)
    wide = dict(r_max=100, d_max=100, ramp_begin=0, r_ramp_end=1, d_ramp_end=1)
    add("batch renorm within its limits", (4, 3, 5), 1, steps=3, renorm=wide)
    cases.add("batch renorm, relu", (6, 4, 3, 5),
              chain(("bn", "BatchNorm2d", dict(num_features=4, renorm=wide)), ("relu", "ReLU", {})), steps=3,
              eval_run=True)


def inference(cases):
    """Networks in eval mode: what folding must not change."""
    affines = {"": {}, ", affine off": {"affine": False}, ", scale off": {"scale": False},
               ", shift off": {"shift": False}}
    for bias in (True, False):
        for text, affine in affines.items():
            layers = chain(("conv", "Conv2d", dict(in_channels=4, out_channels=6, kernel_size=3, padding=1, groups=2,
                                                   bias=bias)),
                           ("bn", "BatchNorm2d", dict(num_features=6, **affine)), ("relu", "ReLU", {}))
            name = "eval conv, batchnorm, relu" + ("" if bias else ", no bias") + text
            cases.add(name, (2, 4, 4, 5), layers, mode="eval")
    line = chain(("conv", "Conv1d", dict(in_channels=3, out_channels=5, kernel_size=3)),
                 ("bn", "BatchNorm1d", dict(num_features=5, eps=1e-3)), ("act", "SiLU", {}))
    cases.add("eval conv1d, batchnorm, silu", (2, 3, 8), line, mode="eval")
    flat = chain(("fc", "Linear", dict(in_features=6, out_features=5)), ("bn", "BatchNorm1d", dict(num_features=5)))
    cases.add("eval linear, batchnorm", (3, 6), flat, mode="eval")
    # The batchnorm is over dimension 1, not over the linear layer's outputs, though both are 5.
    cases.add("eval linear of rank 3, batchnorm over dimension 1", (2, 5, 6), flat, mode="eval")
    first = chain(("bn", "BatchNorm2d", dict(num_features=3)),
                  ("conv", "Conv2d", dict(in_channels=3, out_channels=4, kernel_size=3, padding=1)))
    cases.add("eval batchnorm, conv with padding", (2, 3, 5, 5), first, mode="eval")
    twice = [node("conv", "Conv2d", in_channels=3, out_channels=4, kernel_size=1),
             node("bn", "BatchNorm2d", "conv", num_features=4), node("add", "Add", "bn conv")]
    cases.add("eval conv used twice", (2, 3, 4, 4), twice, mode="eval")
    residual = [node("conv1", "Conv2d", in_channels=4, out_channels=4, kernel_size=3, padding=1, bias=False),
                node("bn1", "BatchNorm2d", "conv1", num_features=4), node("relu1", "ReLU", "bn1"),
                node("conv2", "Conv2d", "relu1", in_channels=4, out_channels=4, kernel_size=3, padding=1, bias=False),
                node("bn2", "BatchNorm2d", "conv2", num_features=4), node("add", "Add", "bn2 x"),
                node("relu2", "ReLU", "add")]
    cases.add("eval residual block", (2, 4, 5, 5), residual, mode="eval")
    cases.add("residual block", (2, 4, 5, 5), residual, steps=2, eval_run=True)
    moved = chain(("conv", "Conv2d", dict(in_channels=3, out_channels=4, kernel_size=3)), ("pool", "MaxPool2d",
                  dict(kernel_size=2)), ("bn", "BatchNorm2d", dict(num_features=4)), ("relu", "ReLU", {}))
    cases.add("eval conv, maxpool, batchnorm", (2, 3, 6, 6), moved, mode="eval")
    untracked = chain(("fc", "Linear", dict(in_features=6, out_features=5)),
                      ("bn", "BatchNorm1d", dict(num_features=5, track_running_stats=False)))
    cases.add("eval linear, batchnorm not tracked", (4, 6), untracked, mode="eval")


# ---- training ----------------------------------------------------------------------------------------------

NET = chain(("fc1", "Linear", dict(in_features=10, out_features=20)), ("bn1", "BatchNorm1d", dict(num_features=20)),
            ("relu", "ReLU", {}), ("fc2", "Linear", dict(in_features=20, out_features=10)))
CUSTOM = chain(("fc1", "Linear", dict(in_features=64, out_features=128)),
               ("bn1", "BatchNorm1d", dict(num_features=128)), ("relu", "ReLU", {}),
               ("fc2", "Linear", dict(in_features=128, out_features=10)), ("bn2", "BatchNorm1d", dict(num_features=10)))
MYMODEL = chain(("conv1", "Conv2d", dict(in_channels=3, out_channels=64, kernel_size=3)),
                ("bn1", "BatchNorm2d", dict(num_features=64)), ("relu", "ReLU", {}), ("pool", "GlobalAvgPool", {}),
                ("fc1", "Linear", dict(in_features=64, out_features=10)), ("bn2", "BatchNorm1d", dict(num_features=10)))
# Adam divides a gradient by its own size: a bias before a batchnorm, whose true gradient is zero, walks by
# rounding noise. Where running means and weights are compared under Adam, that bias is left out.
LEAN = chain(("fc1", "Linear", dict(in_features=10, out_features=20, bias=False)),
             ("bn1", "BatchNorm1d", dict(num_features=20)), ("relu", "ReLU", {}),
             ("fc2", "Linear", dict(in_features=20, out_features=10)))


def training_data(digits_file):
    rows = np.loadtxt(digits_file, delimiter=",", dtype=np.float32, skiprows=0 if is_number(digits_file) else 1)[:320]
    random = random_of("training data")
    vectors = f32(random.randn(160, 10))
    classes = (vectors @ random.randn(10, 10) + 0.3 * random.randn(160, 10)).argmax(axis=1)
    labels = random.randint(0, 10, 40)
    y, x = np.mgrid[0:12, 0:12]
    waves = np.stack([np.sin((k % 5 + 1) * (x if k < 5 else y) * 0.5) for k in labels])
    images = waves[:, None] * random.uniform(0.5, 1.5, (40, 3, 1, 1)) + 0.3 * random.randn(40, 3, 12, 12)
    values = f32(np.tanh(vectors @ random.randn(10, 10) * 0.5))
    return {"digits": (f32(rows[:, :64] / 16), rows[:, 64].astype(np.int64)), "vectors": (vectors, classes),
            "images": (f32(images), labels), "regression": (vectors, values)}


def is_number(digits_file):
    with open(digits_file) as lines:
        return next(lines).split(",")[0].replace(".", "").isdigit()


def train(case, nodes, init, x, target, dtype):
    network = Network(nodes).to(dtype)
    load(network, init)
    settings = dict(case["optimizer"])
    kind, clip = settings.pop("kind"), settings.pop("clip_grad_norm", 0)
    spared, decay = [], []
    for name, parameter in network.named_parameters():
        norm = isinstance(network.get_submodule(name.rsplit(".", 1)[0]), BatchNorm)
        (spared if norm or name.endswith("bias") else decay).append(parameter)
    groups = [{"params": decay}, {"params": spared}]
    if not settings.pop("decay_norm_and_bias", True):
        groups[1]["weight_decay"] = 0
    optimizer = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[kind](
        groups, **{key: tuple(v) if isinstance(v, list) else v for key, v in settings.items()})
    losses, norms = [], []
    for step in range(case["steps"]):
        at = (np.arange(case["batch"]) + step * case["batch"]) % len(x)
        batch = torch.from_numpy(x[at]).to(dtype)
        wanted = torch.from_numpy(target[at])
        wanted = wanted if wanted.dtype == torch.int64 else wanted.to(dtype)
        for group in optimizer.param_groups:
            group["lr"] = settings["lr"] * case["lr_factor"][step]
        optimizer.zero_grad()
        loss = loss_of(case["loss"], network({"x": batch}), wanted)
        loss.backward()
        norms.append(float(nn.utils.clip_grad_norm_(network.parameters(), clip if clip else math.inf)))
        optimizer.step()
        losses.append(float(loss.detach()))
    network.eval()
    with torch.no_grad():
        y = network({"x": torch.from_numpy(x).to(dtype)}).numpy()
    return np.array(losses), np.array(norms), {k: v.numpy() for k, v in network.state_dict().items()}, y


def training(cases, tensors, digits_file):
    data = training_data(digits_file)
    for name, (x, target) in data.items():
        tensors[f"{name}/x"], tensors[f"{name}/target"] = x, target
    inits = {}
    for name, nodes in dict(net=NET, custom=CUSTOM, mymodel=MYMODEL, lean=LEAN).items():
        inits[name] = random_state(Network(nodes), random_of("weights of " + name))
        for key in [k for k in inits[name] if k.endswith("bn1.weight") or k.endswith("bn2.weight")]:
            inits[name][key] = np.abs(inits[name][key])
        tensors.update({f"init {name}/{key}": value for key, value in inits[name].items()})

    def add(name, init, source, steps, batch, optimizer, loss=None, compare=("loss", "final", "eval"),
            lr_factor=None):
        nodes = dict(net=NET, custom=CUSTOM, mymodel=MYMODEL, lean=LEAN)[init]
        x, target = data[source]
        network = dict(model=init) if init != "lean" else dict(nodes=nodes, inputs={"x": x.shape})
        case = dict(name=name, **network, data=source, init="init " + init, steps=steps, batch=batch,
                    optimizer=optimizer, loss=loss or {"kind": "cross_entropy"}, compare=list(compare),
                    lr_factor=lr_factor or [1] * steps)
        cases.append(case)
        loss64, norm64, final, y = train(case, nodes, inits[init], x, target, torch.float64)
        loss32, _, final32, _ = train(case, nodes, inits[init], x, target, torch.float32)
        tensors[f"{name}/loss64"], tensors[f"{name}/loss32"] = loss64, loss32
        if "final" in compare:
            for key, value in final.items():
                tensors[f"{name}/final/{key}"] = value if value.dtype == np.int64 else f32(value)
        if "eval" in compare:
            tensors[f"{name}/eval_out"] = f32(y)
        worst = max(np.abs(final[k] - final32[k]).max() / max(np.abs(final[k]).max(), 1e-30) for k in final)
        print(f"  {name}: loss {loss64[0]:.4f} to {loss64[-1]:.4f}, norms {norms_text(norm64)}; float32 against "
              f"float64: loss {np.abs(loss32 / loss64 - 1).max():.1e}, weights {worst:.1e}")

    sgd = dict(kind="sgd", lr=0.05, momentum=0.9)
    add("net sgd", "net", "vectors", 50, 16, sgd)
    add("custom sgd", "custom", "digits", 50, 32, sgd)
    add("mymodel sgd", "mymodel", "images", 50, 10, dict(sgd, lr=0.02))
    add("net mse", "net", "regression", 50, 16, sgd, loss={"kind": "mse"})
    add("net label smoothing", "net", "vectors", 20, 16, sgd, loss={"kind": "cross_entropy", "label_smoothing": 0.1})
    add("net plain sgd", "net", "vectors", 20, 16, dict(kind="sgd", lr=0.1, momentum=0.0))
    add("net nesterov", "net", "vectors", 20, 16, dict(sgd, nesterov=True))
    add("net weight decay", "net", "vectors", 20, 16, dict(sgd, weight_decay=0.01))
    add("net nesterov, weight decay spares norm and bias", "net", "vectors", 20, 16,
        dict(sgd, nesterov=True, weight_decay=0.01, decay_norm_and_bias=False))
    add("net clipped", "net", "vectors", 20, 16, dict(sgd, clip_grad_norm=0.5))
    add("net falling rate", "net", "vectors", 20, 16, sgd,
        lr_factor=[0.5 * (1 + math.cos(math.pi * s / 20)) for s in range(20)])
    adam = dict(kind="adam", lr=0.01)
    add("lean adam", "lean", "vectors", 20, 16, adam)
    add("lean adam, other betas", "lean", "vectors", 20, 16, dict(adam, betas=[0.8, 0.95], eps=1e-6))
    add("lean adam, weight decay", "lean", "vectors", 20, 16, dict(adam, weight_decay=0.01))
    add("lean adamw", "lean", "vectors", 20, 16, dict(kind="adamw", lr=0.01, weight_decay=0.05))
    add("lean adamw, clipped, spares norm and bias", "lean", "vectors", 20, 16,
        dict(kind="adamw", lr=0.01, weight_decay=0.05, decay_norm_and_bias=False, clip_grad_norm=0.5))
    add("net adam", "net", "vectors", 50, 16, adam, compare=["loss"])
    add("custom adamw", "custom", "digits", 20, 32, dict(kind="adamw", lr=0.002, weight_decay=0.01), compare=["loss"])
    add("mymodel adam", "mymodel", "images", 20, 8, dict(kind="adam", lr=0.002), compare=["loss"])


def norms_text(norms):
    return f"{norms.min():.2g} to {norms.max():.2g}"


def main():
    parser = argparse.ArgumentParser(description="Makes the PyTorch goldens beside this file.")
    parser.add_argument("--digits", default=str(HERE.parents[1] / "data" / "uci_digits_8x8.csv"),
                        help="the UCI digits' CSV (default: %(default)s)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)

    cases = Cases()
    for family in (linear_and_conv, activations, pools_and_shapes, softmax_and_loss, batch_norm, small_batches, inference):
        family(cases)
    metadata = {"made_by": f"tests/goldens/make_goldens.py, PyTorch {torch.__version__}",
                "cases": json.dumps(cases.cases, separators=(",", ":"))}
    write_safetensors(HERE / "ops.safetensors", cases.tensors, metadata)

    runs, tensors = [], {}
    training(runs, tensors, arguments.digits)
    metadata = dict(metadata, cases=json.dumps(runs, separators=(",", ":")))
    write_safetensors(HERE / "training.safetensors", tensors, metadata)


if __name__ == "__main__":
    main()
