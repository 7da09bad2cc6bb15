#!/usr/bin/env python3
"""This program, ONNX Runtime and PyTorch on the same networks, weights and inputs, in one interleaved
run. README.md here tells how; `make peers` runs it.

  python3 bench/peers/peers.py [--only NAME...] [--rounds N] [--again] [--list]

Each row is measured once and kept in build/peers/rows.json, so that a run that was stopped goes on
where it was; --again measures anew. At the end results/reference/peers.md and .json are written.
"""
import argparse
import datetime
import json
import os
import random
import subprocess
import sys
import time

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
WORK = os.path.join(ROOT, "build", "peers")
sys.path.insert(0, os.path.join(ROOT, "tests", "fixtures"))

NETWORKS = {"resnet50": ("resnet50", "none"), "resnet50+cbam": ("resnet50", "cbam"),
            "vgg16_bn": ("vgg16_bn", "none"), "densenet121": ("densenet121", "none")}
PAUSE = 0.02  # seconds between two samples: whoever spins after its work has stopped by then


def make_rows():
    """name: network, what (infer, train, cifar), batch, pixels, threads, the implementation and
    more options of this program, and with whom it is compared."""
    rows = {}

    def add(network, what, batch, size, rounds, impl="onednn", more="", peers=("onnx", "torch")):
        for threads in (1, 2):
            name = f"{network}:{what}:b{batch}:{size}:t{threads}"
            name += "" if impl == "onednn" else f":{impl}"
            name += f":{more.replace(' ', '=').strip('-')}" if more else ""
            rows[name] = dict(network=network, what=what, batch=batch, size=size, threads=threads,
                              rounds=rounds, impl=impl, more=more, peers=list(peers))

    for network in NETWORKS:
        add(network, "infer", 1, 224, 40)
    for network in ("resnet50", "resnet50+cbam"):
        add(network, "infer", 8, 224, 12)
    add("resnet50", "infer", 1, 224, 30, impl="openblas", peers=("onnx",))
    for network in ("resnet50", "resnet50+cbam", "vgg16_bn"):
        add(network, "train", 8, 224, 7 if network != "vgg16_bn" else 4, peers=("torch",))
    add("resnet50+cbam", "train", 128, 32, 9, peers=("torch",))
    add("resnet20", "cifar", 128, 32, 3, peers=("torch",))
    return rows


# -- the same weights and inputs for all ------------------------------------------------------

def folder_of(row):
    return os.path.join(WORK, f"{row['network']}-{row['size']}-{row['batch']}")


def prepare(row):
    """Weights and input as every side reads them; PyTorch is imported here, in a process of its
    own, so that it is not in the way while others are timed."""
    if row["what"] == "cifar":
        return
    folder = folder_of(row)
    done = os.path.join(folder, "done")
    if not os.path.exists(done):
        os.makedirs(folder, exist_ok=True)
        subprocess.run([sys.executable, os.path.join(HERE, "prepare.py"), folder,
                        *NETWORKS[row["network"]], str(row["batch"]), str(row["size"])], check=True)
        open(done, "w").close()


def environment(threads):
    """What is set for all sides: no tuning from outside, threads as asked for."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(("OPENBLAS_", "OMP_", "GOMP_", "ONEDNN_", "DNNL_"))}
    env["OMP_NUM_THREADS"] = str(threads)
    return env


# -- sides --------------------------------------------------------------------------------------

def commands(row):
    """name of a side: the command that starts it."""
    folder, (model, attention) = folder_of(row), NETWORKS.get(row["network"], ("resnet20", "none"))
    b, s, t = str(row["batch"]), str(row["size"]), str(row["threads"])
    sides = {}
    if row["what"] != "cifar":
        sides["cbam-bench"] = [os.path.join(ROOT, "build", "peers-side"), model, attention,
                               row["impl"], b, t, s, row["what"],
                               os.path.join(folder, "w.safetensors"), *row["more"].split()]
    if "onnx" in row["peers"]:
        sides["onnxruntime"] = ["node", os.path.join(HERE, "onnx_side.js"),
                                os.path.join(folder, "model.onnx"), os.path.join(folder, "x.f32"),
                                b, s, t, os.path.join(folder, "onnx.f32")]
    if "torch" in row["peers"]:
        for form in ("nchw", "nhwc"):
            sides[f"torch {form}"] = [sys.executable, os.path.join(HERE, "torch_side.py"),
                                      f"{row['what']}-{form}", model, attention, b, s, t, folder]
    return sides


class Side:
    """A process that takes a sample when it is asked for one."""

    def __init__(self, command, threads):
        self.command = command
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=environment(threads), cwd=HERE)
        self.expect("ready")

    def expect(self, word=None):
        while True:
            line = self.process.stdout.readline()
            if not line:
                sys.exit(f"{' '.join(self.command)}: ended with {self.process.wait()}")
            if word is None or line.strip() == word:
                return line

    def sample(self):
        time.sleep(PAUSE)
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.expect())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Epochs:
    """An epoch of this program's `train` on CIFAR-10: a process for each sample."""

    def __init__(self, row):
        self.command = [os.path.join(ROOT, "build", "cbam-bench"), "train", "--model", "resnet20",
                        "--data", "cifar10:cifar-10-batches-bin", "--epochs", "1", "--batch", "128",
                        "--lr", "0.01", "--schedule", "constant", "--nesterov", "on",
                        "--weight-decay", "5e-4", "--augment", "on", "--impl", row["impl"],
                        "--threads", str(row["threads"]), "--quiet", "--format", "json"]
        self.threads = row["threads"]

    def sample(self):
        done = subprocess.run(self.command, capture_output=True, text=True, check=True,
                              env=environment(self.threads))
        return json.loads(done.stdout)["curve"][0]["seconds"] * 1e3

    def close(self):
        pass


# -- one row ------------------------------------------------------------------------------------

def distance(a, b):
    a, b = np.asarray(a, np.float64).ravel(), np.asarray(b, np.float64).ravel()
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def check(row):
    """Relative 2-norm between this program's logits and each peer's, before anything is timed."""
    if row["what"] != "infer":
        return {}
    folder, (model, attention) = folder_of(row), NETWORKS[row["network"]]
    mine = os.path.join(folder, "mine.npy")
    subprocess.run([os.path.join(ROOT, "build", "cbam-bench"), "predict", "--model", model,
                    "--attention", attention, "--weights", os.path.join(folder, "w.safetensors"),
                    "--input", os.path.join(folder, "x.npy"), "--output", mine, "--impl",
                    row["impl"], "--threads", str(row["threads"]), *row["more"].split()],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   env=environment(row["threads"]))
    found = {"torch": distance(np.load(mine), np.load(os.path.join(folder, "answer.npy")))}
    for name, file in (("onnxruntime", "onnx.f32"), ("torch nchw", "infer-nchw.npy"),
                       ("torch nhwc", "infer-nhwc.npy")):
        path = os.path.join(folder, file)
        if os.path.exists(path):
            answer = np.fromfile(path, np.float32) if file.endswith("f32") else np.load(path)
            found[name] = distance(np.load(mine), answer)
    limit = 1e-4 if "winograd" not in row["more"] and "auto" not in row["more"] else 5e-4
    limit = 2e-2 if "bf16" in row["more"] else limit
    for name, value in found.items():
        if not value <= limit:
            sys.exit(f"{row}: logits are {value:.2e} from those of {name}")
    return found


def interval(ratios, seed=1):
    """Median of the ratios of the rounds, and a bootstrap interval over rounds."""
    rng = np.random.default_rng(seed)
    ratios = np.asarray(ratios)
    medians = np.median(ratios[rng.integers(0, len(ratios), (4000, len(ratios)))], axis=1)
    return [float(np.median(ratios)), float(np.quantile(medians, 0.025)),
            float(np.quantile(medians, 0.975))]


def measure(row, rounds):
    prepare(row)
    sides = {name: Side(command, row["threads"]) for name, command in commands(row).items()}
    if row["what"] == "cifar":
        sides["cbam-bench"] = Epochs(row)
    agreement = check(row)
    samples = {name: [] for name in sides}
    if row["what"] != "cifar":
        for _ in range(3 if row["what"] == "infer" else 1):
            for side in sides.values():
                side.sample()
    for _ in range(rounds):
        order = list(sides)
        random.shuffle(order)
        for name in order:
            samples[name].append(sides[name].sample())
    for side in sides.values():
        side.close()
    ratios = {name: interval(np.asarray(samples["cbam-bench"]) / np.asarray(samples[name]))
              for name in sides if name != "cbam-bench"}
    return dict(row, rounds=rounds, samples=samples, ratios=ratios, agreement=agreement,
                median_ms={name: float(np.median(v)) for name, v in samples.items()},
                date=datetime.datetime.now().isoformat(timespec="seconds"))


# -- report -------------------------------------------------------------------------------------

def versions():
    program = os.path.join(ROOT, "build", "cbam-bench")
    mine = subprocess.run([program, "--version"], capture_output=True, text=True).stdout.strip()
    torch = subprocess.run([sys.executable, "-c", "import torch; print(torch.__version__)"],
                           capture_output=True, text=True).stdout.strip()
    with open(os.path.join(HERE, "package.json")) as file:
        onnx = json.load(file)["dependencies"]["onnxruntime-node"]
    cpu = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo")
               if line.startswith("model name"))
    return [mine, f"PyTorch {torch}", f"ONNX Runtime {onnx} (onnxruntime-node)", cpu]


def better_torch(row):
    forms = [name for name in row["median_ms"] if name.startswith("torch")]
    return min(forms, key=lambda name: row["median_ms"][name]) if forms else None


def cell(row, name):
    if not name or name not in row["ratios"]:
        return "-", "-"
    ratio, low, high = row["ratios"][name]
    return f"{row['median_ms'][name]:.1f}", f"{ratio:.3f} [{low:.3f}, {high:.3f}]"


def report(rows):
    lines = ["# This program, ONNX Runtime and PyTorch", "",
             "Made by `make peers` (OPENBLAS_CORETYPE unset): interleaved, round by round, the same "
             "weights and inputs, outputs compared before anything was timed. A share is the median "
             "over rounds of this program's time by the peer's in the same round, with a bootstrap "
             "interval over rounds. PyTorch: the better of its two layouts.", "",
             *(f"- {line}" for line in versions()), "",
             "| row | ms | ONNX Runtime ms | share | PyTorch ms (layout) | share | rounds | logits apart |",
             "| --- | --: | --: | --- | --- | --- | --: | --: |"]
    for name, row in rows.items():
        onnx, torch = cell(row, "onnxruntime"), better_torch(row)
        times, share = cell(row, torch)
        apart = max(row["agreement"].values(), default=None)
        lines.append(f"| {name} | {row['median_ms']['cbam-bench']:.1f} | {onnx[0]} | {onnx[1]} | "
                     f"{times}{f' ({torch[6:]})' if torch else ''} | {share} | {row['rounds']} | "
                     f"{'-' if apart is None else f'{apart:.1e}'} |")
    lines += ["", "Row: network, inference or training step (cifar: an epoch of ResNet-20 on 20,000 "
              "CIFAR-10 images with augmentation), batch, pixels, threads, implementation where it "
              "is not oneDNN, and other options."]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="*", default=[], help="rows whose name contains one of these")
    parser.add_argument("--rounds", type=int, help="rounds of each row")
    parser.add_argument("--again", action="store_true", help="measure rows that are there already")
    parser.add_argument("--list", action="store_true", help="print the rows and what is known")
    args = parser.parse_args()
    os.makedirs(WORK, exist_ok=True)
    path = os.path.join(WORK, "rows.json")
    known = json.load(open(path)) if os.path.exists(path) else {}
    rows = make_rows()
    if args.list:
        print("\n".join(rows))
        return
    for name, row in rows.items():
        if args.only and not any(part in name for part in args.only):
            continue
        if name in known and not args.again:
            continue
        known[name] = measure(row, args.rounds or row["rounds"])
        with open(path + ".new", "w") as file:
            json.dump(known, file)
        os.replace(path + ".new", path)
        print(name, {k: round(v, 2) for k, v in known[name]["median_ms"].items()},
              {k: [round(x, 3) for x in v] for k, v in known[name]["ratios"].items()}, flush=True)
    done = {name: known[name] for name in rows if name in known}
    target = os.path.join(ROOT, "results", "reference")
    os.makedirs(target, exist_ok=True)
    with open(os.path.join(target, "peers.md"), "w") as file:
        file.write(report(done))
    with open(os.path.join(target, "peers.json"), "w") as file:
        json.dump(done, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
