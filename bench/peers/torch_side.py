#!/usr/bin/python3
"""PyTorch's side of a comparison: see README.md. Takes JSON as its only argument. Tries its settings,
keeps the fastest, then times one call for every call asked for on standard input."""
import json
import os
import statistics
import sys
import time

import numpy as np
import torch
import torchvision.transforms as T
from torch import nn

import networks

LAYOUTS = {"nchw": torch.contiguous_format, "nhwc": torch.channels_last}


def clock(call):
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e3


def choose(candidates, calls):
    """Of (setting, function) the one with the smallest median; and all medians."""
    tried, best = [], None
    for setting, make in candidates:
        call = make()
        warm = clock(call)
        for _ in range(3 if warm < 500 else 1):
            clock(call)
        ms = statistics.median(clock(call) for _ in range(calls if warm < 1000 else 2))
        tried.append({"setting": setting, "ms": ms})
        if best is None or ms < best[2]:
            best = (setting, call, ms)
    return best[0], best[1], tried


def serve(call, setting, tried, more=None):
    ready = {"ready": True, "version": f"PyTorch {torch.__version__}", "setting": setting,
             "tried": tried, **(more or {})}
    print(json.dumps(ready), flush=True)
    last = 0
    for line in sys.stdin:
        if last < 500:
            call()
        ms = [clock(call) for _ in range(int(line))]
        last = ms[-1]
        print(json.dumps({"ms": ms}), flush=True)


# -- inference -------------------------------------------------------------------------------

def inference(o, x):
    def maker(layout, form, pools):
        def make():
            net = networks.build(o["model"], o["attention"], pools).eval()
            net = net.to(memory_format=LAYOUTS[layout])
            batch = x.to(memory_format=LAYOUTS[layout])
            if form != "eager":
                net = torch.jit.freeze(torch.jit.trace(net, batch))
            if form == "optimised":
                net = torch.jit.optimize_for_inference(net)

            def call():
                with torch.inference_mode():
                    call.y = net(batch)
            return call
        return make

    styles = {"reductions": False, "pooling": True} if o["attention"] == "cbam" else {"": False}
    candidates = [(f"{layout}, {form}{', ' if style else ''}{style}", maker(layout, form, pools))
                  for layout in LAYOUTS for form in ("eager", "frozen", "optimised")
                  for style, pools in styles.items()]
    setting, call, tried = choose(candidates, 5)
    call()
    np.save(o["logits"], call.y.numpy())
    serve(call, setting, tried)


# -- training steps --------------------------------------------------------------------------

def stepper(net, x, y, lr):
    sgd = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9, weight_decay=1e-4, foreach=True)

    def call():
        sgd.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        sgd.step()
        call.loss = float(loss)
    call.sgd = sgd
    return call


def training(o, x):
    y = networks.labels(len(x), o["classes"])
    with torch.no_grad():
        np.save(o["logits"], networks.build(o["model"], o["attention"]).eval()(x).numpy())
    net = networks.build(o["model"], o["attention"]).train()
    first = stepper(net, x, y, 0.01)
    first()
    networks.save(net, o["after"])

    def maker(layout, pools):
        def make():
            again = networks.build(o["model"], o["attention"], pools).train()
            again = again.to(memory_format=LAYOUTS[layout])
            return stepper(again, x.to(memory_format=LAYOUTS[layout]), y, 1e-7)
        return make

    styles = {"reductions": False, "pooling": True} if o["attention"] == "cbam" else {"": False}
    setting, call, tried = choose([(f"{layout}{', ' if style else ''}{style}", maker(layout, pools))
                                   for layout in LAYOUTS for style, pools in styles.items()], 5)
    serve(call, setting, tried, {"loss": first.loss})


# -- epochs ----------------------------------------------------------------------------------

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def read_cifar(folder):
    data = np.fromfile(os.path.join(folder, "data_batch_1.bin"), np.uint8).reshape(-1, 3073)
    return (torch.from_numpy(data[:, 1:].reshape(-1, 3, 32, 32).copy()),
            torch.from_numpy(data[:, 0].astype(np.int64)))


class Pictures(torch.utils.data.Dataset):
    """As most people do it: a transform a picture, by torchvision."""

    def __init__(self, images, classes):
        self.images, self.classes = images, classes
        self.rule = T.Compose([T.RandomCrop(32, padding=4), T.RandomHorizontalFlip(),
                               T.ConvertImageDtype(torch.float32), T.Normalize(MEAN, STD)])

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return self.rule(self.images[i]), int(self.classes[i])


def whole_batches(images, classes, batch):
    """Crop, flip and normalise a whole batch with a few operations on tensors."""
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    padded = torch.nn.functional.pad(images, (4, 4, 4, 4))
    row = torch.arange(32)
    order = torch.randperm(len(images))
    for i in range(0, len(images) - batch + 1, batch):
        at = order[i:i + batch]
        rows = torch.randint(0, 9, (batch, 1)) + row
        columns = torch.randint(0, 9, (batch, 1)) + row
        flip = torch.rand(batch, 1) < 0.5
        columns = torch.where(flip, columns.flip(1), columns)
        x = padded[at[:, None, None], :, rows[:, :, None], columns[:, None, :]]
        yield (x.permute(0, 3, 1, 2).float().div_(255) - mean) / std, classes[at]


def epochs(o):
    images, classes = read_cifar(o["data"])

    def maker(layout, loading, steps):
        net = networks.build("resnet20", "none").train().to(memory_format=LAYOUTS[layout])
        sgd = torch.optim.SGD(net.parameters(), lr=1e-4, momentum=0.9, weight_decay=5e-4,
                              foreach=True)
        workers = torch.utils.data.DataLoader(
            Pictures(images, classes), o["batch"], shuffle=True, drop_last=True,
            num_workers=max(loading, 0), persistent_workers=loading > 0)

        def call():
            done = 0
            source = whole_batches(images, classes, o["batch"]) if loading < 0 else workers
            for x, y in source:
                sgd.zero_grad(set_to_none=True)
                loss = nn.functional.cross_entropy(net(x.to(memory_format=LAYOUTS[layout])), y)
                loss.backward()
                sgd.step()
                call.loss = float(loss)
                done += 1
                if done == steps:
                    break
        return call

    names = {-1: "whole batches augmented by tensor operations", 0: "DataLoader, in the process",
             1: "DataLoader, 1 worker"}
    kinds = {f"{layout}, {name}": (layout, loading)
             for layout in LAYOUTS for loading, name in names.items()}
    setting, _, tried = choose([(name, lambda kind=kind: maker(*kind, 3))
                                for name, kind in kinds.items()], 2)
    serve(maker(*kinds[setting], 0), setting, tried)


def main():
    o = json.loads(sys.argv[1])
    torch.set_num_threads(o["threads"])
    torch.set_flush_denormal(True)
    if "data" in o:
        epochs(o)
        return
    x = torch.from_numpy(np.load(o["pixels"]))
    (training if o["train"] else inference)(o, x)


if __name__ == "__main__":
    main()
