#!/usr/bin/env python3
"""Weights, input and answer of one network for all sides of `make peers`:
  prepare.py FOLDER MODEL ATTENTION BATCH SIZE
writes w.safetensors, w.pt, x.npy, x.f32, answer.npy (PyTorch, plain) and model.onnx."""
import os
import sys

import numpy as np
import torch
from torch import nn

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/fixtures"))
import check_predict  # noqa: E402
import torch_nets  # noqa: E402


def pool_for_onnx(self, x):
    """The channel gate with global pools, which ONNX Runtime does without leaving its own layout;
    the same function."""
    mean = nn.functional.adaptive_avg_pool2d(x, 1)
    most = nn.functional.adaptive_max_pool2d(x, 1)
    return x * torch.sigmoid(self.mlp(mean) + self.mlp(most))[:, :, None, None]


def planes_for_onnx(self, x):
    planes = torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], 1)
    return x * torch.sigmoid(self.spatial(planes))


def main(folder, model, attention, batch, size):
    check_predict.SIZE = int(size)
    net = check_predict.random_network(model, "cbam" if attention == "cbam" else attention, 7)
    if attention == "none":
        named = torch_nets.build(model, attention, 1000)
        named.load_state_dict(net.state_dict())
        net = named.eval()
    x = torch.randn(int(batch), 3, int(size), int(size))
    with torch.no_grad():
        answer = net(x)
    torch.save(net.state_dict(), os.path.join(folder, "w.pt"))
    check_predict.save(net, os.path.join(folder, "w.safetensors"))
    np.save(os.path.join(folder, "x.npy"), x.numpy())
    x.numpy().tofile(os.path.join(folder, "x.f32"))
    np.save(os.path.join(folder, "answer.npy"), answer.numpy())
    torch_nets.ChannelGate.forward = pool_for_onnx
    torch_nets.SpatialGate.forward = planes_for_onnx
    torch.onnx.export(net, x, os.path.join(folder, "model.onnx"), opset_version=14,
                      input_names=["x"], output_names=["y"], do_constant_folding=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
