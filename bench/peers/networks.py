#!/usr/bin/python3
"""The compared networks in PyTorch, and the files that every side reads: weights, pixels, and the
ONNX form that torch.onnx writes. Fixture tensors are functions of name and index, so all sides have
the same ones without a download. See README.md."""
import os
import sys

import numpy as np
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tests", "fixtures"))
import torch_nets                                                     # noqa: E402
from make_torch import write_safetensors                              # noqa: E402

SEED = 5


class PoolChannelGate(torch_nets.ChannelGate):
    """The same gate with pooling operators instead of reductions."""

    def forward(self, x):
        logits = self.mlp(F.adaptive_avg_pool2d(x, 1)) + self.mlp(F.adaptive_max_pool2d(x, 1))
        return x * torch.sigmoid(logits)[:, :, None, None]


class PoolSpatialGate(torch_nets.SpatialGate):
    """The same gate with a maximum that keeps no places."""

    def forward(self, x):
        planes = torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], 1)
        return x * torch.sigmoid(self.spatial(planes))


class CifarBlock(nn.Module):
    """He et al. 2016, section 4.2: two convolutions and an option-A shortcut."""

    def __init__(self, before, after, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.stride, self.extra = stride, (after - before) // 2

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        if self.stride != 1:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.extra, self.extra))
        return F.relu(y + x, inplace=True)


class CifarResNet(nn.Module):
    def __init__(self, blocks, classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = self.stage(16, 16, blocks, 1)
        self.layer2 = self.stage(16, 32, blocks, 2)
        self.layer3 = self.stage(32, 64, blocks, 2)
        self.linear = nn.Linear(64, classes)

    @staticmethod
    def stage(before, after, blocks, stride):
        first = CifarBlock(before, after, stride)
        return nn.Sequential(first, *[CifarBlock(after, after, 1) for _ in range(blocks - 1)])

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(F.adaptive_avg_pool2d(x, 1).flatten(1))


def build(model, attention, pools=False):
    """The network with its fixture weights. `pools`: the gates in their
    other form."""
    if model == "resnet20":
        net = CifarResNet(3)
    elif attention == "none":
        net = getattr(torchvision.models, model)(weights=None)
    else:
        net = torch_nets.build(model, attention, 1000)
    torch_nets.load_formula(net, SEED)
    if model == "densenet121":
        calm(net)
    for module in net.modules():
        if pools and isinstance(module, torch_nets.ChannelGate):
            module.__class__ = PoolChannelGate
        if pools and isinstance(module, torch_nets.SpatialGate):
            module.__class__ = PoolSpatialGate
    return net


def calm(net):
    """Running statistics of what the layers really see: without them the formula's weights make
    values grow from layer to layer of a network without additions."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    net.train()
    with torch.no_grad():
        net(torch.from_numpy(torch_nets.input_values(SEED + 1, 4, 64)))
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.1


def pixels(batch, size):
    return torch.from_numpy(torch_nets.input_values(SEED, batch, size))


def labels(batch, classes):
    return (37 * torch.arange(batch) + 11) % classes


def state(net):
    return {k: v.detach().contiguous().numpy() for k, v in net.state_dict().items()
            if not k.endswith("num_batches_tracked")}


def save(net, path):
    write_safetensors(path, state(net), {"format": "pt"})


def export(net, x, path):
    net.eval()
    torch.onnx.export(net, x, path, opset_version=14, do_constant_folding=True,
                      input_names=["x"], output_names=["y"])


def prepare(folder, model, attention, batch, size, onnx):
    """Writes what is not there yet: weights, the batch, the ONNX form in both pooling styles."""
    name = f"{model}-{attention}"
    weights = os.path.join(folder, f"{name}.safetensors")
    batch_file = os.path.join(folder, f"x{batch}x{size}.npy")
    if not os.path.exists(weights):
        save(build(model, attention), weights)
    if not os.path.exists(batch_file):
        np.save(batch_file, pixels(batch, size).numpy())
    for style in ("reduce", "pool") if attention == "cbam" else ("reduce",):
        path = os.path.join(folder, f"{name}-{batch}-{style}.onnx")
        if onnx and not os.path.exists(path):
            export(build(model, attention, style == "pool"), pixels(batch, size), path + ".new")
            os.rename(path + ".new", path)


if __name__ == "__main__":
    prepare(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]),
            sys.argv[6] == "onnx")
