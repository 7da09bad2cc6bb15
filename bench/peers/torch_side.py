#!/usr/bin/env python3
"""PyTorch's side of `make peers`. As a program: one network in one form, which writes its answer to
the saved input, then takes one sample for every line it reads and answers with milliseconds.

  torch_side.py FORM MODEL ATTENTION BATCH SIZE THREADS FOLDER
    FORM: infer-nchw, infer-nhwc (inference mode, scripted, frozen, optimised for inference),
          train-nchw, train-nhwc (forward, backward, SGD with momentum), cifar-nchw, cifar-nhwc (a
          sample is an epoch of ResNet-20 on CIFAR-10, augmentation included)
    FOLDER has w.pt and x.npy; the answer goes to FORM.npy
"""
import os
import sys
import time

import numpy as np
import torch
from torch import nn

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tests/fixtures"))
import torch_nets  # noqa: E402


def layout(form):
    return torch.channels_last if form.endswith("nhwc") else torch.contiguous_format


def inference(net, x, form, folder):
    """The fastest form known that changes no result: scripted by tracing, frozen (which folds batch
    normalisation), optimised for inference."""
    net.eval()
    with torch.inference_mode():
        net = torch.jit.trace(net, x)
        net = torch.jit.optimize_for_inference(torch.jit.freeze(net))
        for _ in range(3):
            y = net(x)
        np.save(os.path.join(folder, form + ".npy"), y.numpy())

    def sample():
        with torch.inference_mode():
            net(x)
    return sample


def training(net, x, batch):
    net.train()
    labels = torch.arange(batch) % 1000
    sgd = torch.optim.SGD(net.parameters(), lr=1e-7, momentum=0.9, weight_decay=1e-4)

    def sample():
        sgd.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(net(x), labels).backward()
        sgd.step()
    return sample


class OptionA(nn.Module):
    """Every second pixel, channels padded with zeros on both sides."""

    def __init__(self, pad):
        super().__init__()
        self.pad = pad

    def forward(self, x):
        return nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad))


class CifarBlock(nn.Module):
    def __init__(self, c_in, c, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(c_in, c, 3, stride, 1, bias=False), nn.BatchNorm2d(c)
        self.conv2, self.bn2 = nn.Conv2d(c, c, 3, 1, 1, bias=False), nn.BatchNorm2d(c)
        self.shortcut = OptionA((c - c_in) // 2) if stride > 1 else nn.Identity()

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + self.shortcut(x))


def resnet20():
    layers = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    for stage, c in enumerate((16, 32, 64)):
        for i in range(3):
            first = i == 0 and stage > 0
            layers.append(CifarBlock(c // 2 if first else c, c, 2 if first else 1))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def read_cifar(folder):
    images, labels = [], []
    for name in sorted(os.listdir(folder)):
        if name.startswith("data_batch"):
            rows = np.fromfile(os.path.join(folder, name), np.uint8).reshape(-1, 3073)
            labels.append(rows[:, 0])
            images.append(rows[:, 1:].reshape(-1, 3, 32, 32))
    return torch.from_numpy(np.concatenate(images)), torch.from_numpy(np.concatenate(labels)).long()


def cifar_epoch(form):
    """Batches of 128; every image padded by 4, cropped and flipped anew, the whole batch at once by
    indexing, which is faster than image by image."""
    images, labels = read_cifar(os.path.join(os.environ["CBAM_DATA"], "cifar-10-batches-bin"))
    mean = torch.tensor([0.4914, 0.4822, 0.4465]).view(1, 3, 1, 1)
    deviation = torch.tensor([0.2470, 0.2435, 0.2616]).view(1, 3, 1, 1)
    data = nn.functional.pad((images.float() / 255 - mean) / deviation, (4, 4, 4, 4))
    net = resnet20().to(memory_format=layout(form))
    sgd = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4,
                          nesterov=True)
    rows = torch.arange(32).view(1, 32)

    def batch(index):
        n = len(index)
        y = torch.randint(0, 9, (n, 1)) + rows
        x = torch.randint(0, 9, (n, 1)) + rows
        x = torch.where(torch.rand(n, 1) < 0.5, x, x.flip(1))
        picked = data[index[:, None, None, None], torch.arange(3).view(1, 3, 1, 1),
                      y.view(n, 1, 32, 1), x.view(n, 1, 1, 32)]
        return picked.contiguous(memory_format=layout(form))

    def sample():
        net.train()
        for index in torch.randperm(len(data)).split(128):
            if len(index) < 128:
                continue
            sgd.zero_grad(set_to_none=True)
            nn.functional.cross_entropy(net(batch(index)), labels[index]).backward()
            sgd.step()
    return sample


def main(form, model, attention, batch, size, threads, folder):
    torch.set_num_threads(int(threads))
    torch.set_flush_denormal(True)
    if form.startswith("cifar"):
        sample = cifar_epoch(form)
    else:
        net = torch_nets.build(model, attention, 1000)
        net.load_state_dict(torch.load(os.path.join(folder, "w.pt")))
        net = net.to(memory_format=layout(form))
        x = torch.from_numpy(np.load(os.path.join(folder, "x.npy")))
        x = x.to(memory_format=layout(form))
        sample = (inference(net, x, form, folder) if form.startswith("infer")
                  else training(net, x, int(batch)))
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        sample()
        print(f"{(time.perf_counter() - start) * 1e3:.4f}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
