#!/usr/bin/python3
"""Times this program beside PyTorch and ONNX Runtime: same networks, weights and inputs, turns taken
round by round. Writes results/reference/peers.md, .csv and .json. README.md here says how.

usage: make peers [ROWS=...]   or   bench/peers/peers.py [--only ROW,...] [--again] [--list]
"""
import argparse
import csv
import fcntl
import fnmatch
import json
import os
import random
import statistics
import subprocess
import sys
import time

import numpy as np

from rows import all_rows

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
WORK = os.path.join(ROOT, "build", "peers")
RESULTS = os.path.join(ROOT, "results", "reference", "peers")
PYTHON = "/usr/bin/python3"
EPOCH_IMAGES = 1280
LOGITS, LOSS, UPDATE = 1e-4, 1e-4, 2e-2
AUTO_LOGITS = 5e-4  # of a side whose convolutions may run Winograd's algorithms
BF16_LOGITS = 2e-2  # of a side whose maps and weights are bf16
TUNING = ("OPENBLAS_", "OMP_", "GOMP_", "ONEDNN_", "DNNL_")


def path(name):
    return os.path.join(WORK, name)


def say(text):
    print(text, file=sys.stderr, flush=True)


# -- files -----------------------------------------------------------------------------------

def prepare_modules():
    """npm's package, of the pinned version, into the ignored build folder."""
    if os.path.exists(path("node_modules/onnxruntime-node/package.json")):
        return
    os.makedirs(WORK, exist_ok=True)
    with open(os.path.join(HERE, "package.json")) as source, open(path("package.json"), "w") as to:
        to.write(source.read())
    subprocess.run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"],
                   cwd=WORK, check=True)


def prepare_cifar(folder):
    """The first images of CIFAR-10's first file, or as many of random pixels: speed is the same."""
    if os.path.exists(path("cifar/test_batch.bin")):
        return
    os.makedirs(path("cifar"), exist_ok=True)
    real = os.path.join(folder, "data_batch_1.bin") if folder else ""
    if os.path.exists(real):
        data = np.fromfile(real, np.uint8)[:EPOCH_IMAGES * 3073].reshape(-1, 3073)
    else:
        data = np.random.default_rng(1).integers(0, 256, (EPOCH_IMAGES, 3073), np.uint8)
        data[:, 0] %= 10
    data.tofile(path("cifar/data_batch_1.bin"))
    data[:100].tofile(path("cifar/test_batch.bin"))


def prepare_row(row, cifar):
    for side in row["sides"]:
        onnx = any(s["kind"] == "onnx" for s in row["sides"])
        subprocess.run([PYTHON, os.path.join(HERE, "networks.py"), WORK, side["model"],
                        side["attention"], str(row["batch"]), str(row["size"]),
                        "onnx" if onnx else "plain"], check=True)
    if row["name"].startswith("epoch"):
        prepare_cifar(cifar)


# -- one side --------------------------------------------------------------------------------

class Side:
    """A child process that takes a turn whenever it is told to."""

    def __init__(self, row, side):
        self.name, self.side = side["name"], side
        self.stem = f"{side['model']}-{side['attention']}"
        self.tag = side["name"].replace(" ", "-")
        self.pixels = path(f"x{row['batch']}x{row['size']}.npy")
        self.logits, self.after = path(f"{self.tag}.npy"), path(f"{self.tag}.safetensors")
        self.ready, self.ms, self.last = None, [], 0
        env = {k: v for k, v in os.environ.items() if not k.startswith(TUNING)}
        env["OMP_NUM_THREADS"] = str(row["threads"])
        self.command = getattr(self, side["kind"])(row)
        self.child = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      text=True, env=env, cwd=ROOT)
        self.ready = self.read()

    def ours(self, row):
        command = [path("turns"), "--model", self.side["model"], "--attention",
                   self.side["attention"], "--impl", self.side.get("impl", "onednn"), "--threads",
                   str(row["threads"])]
        if "algorithm" in self.side:
            command += ["--algorithm", f"{self.side['algorithm']}:{self.fresh_decisions(row)}"]
        if "dtype" in self.side:
            command += ["--dtype", self.side["dtype"]]
        if row["name"].startswith("epoch"):
            return command + ["--data", f"cifar10:{path('cifar')}", "--batch", str(row["batch"])]
        command += ["--weights", path(f"{self.stem}.safetensors"), "--pixels", self.pixels,
                    "--logits", self.logits]
        return command + (["--after", self.after] if row["train"] else [])

    def fresh_decisions(self, row):
        """Which algorithm is fastest is decided anew for every row, before its rounds."""
        file = path(f"{row['name']}-{self.tag}.json")
        if os.path.exists(file):
            os.unlink(file)
        return file

    def onnx(self, row):
        styles = ("reduce", "pool") if self.side["attention"] == "cbam" else ("reduce",)
        models = [path(f"{self.stem}-{row['batch']}-{style}.onnx") for style in styles]
        shape = [row["batch"], 3, row["size"], row["size"]]
        return ["node", os.path.join(HERE, "onnx_side.js"), json.dumps(
            {"modules": path("node_modules"), "models": models, "pixels": self.pixels,
             "shape": shape, "threads": row["threads"], "logits": self.logits})]

    def torch(self, row):
        o = {"model": self.side["model"], "attention": self.side["attention"],
             "threads": row["threads"], "pixels": self.pixels, "logits": self.logits,
             "after": self.after, "train": row["train"], "classes": row["classes"],
             "batch": row["batch"]}
        if row["name"].startswith("epoch"):
            o["data"] = path("cifar")
        return [PYTHON, os.path.join(HERE, "torch_side.py"), json.dumps(o)]

    def read(self):
        line = self.child.stdout.readline()
        if not line:
            sys.exit(f"{self.name}: ended without an answer: {' '.join(self.command)}")
        return json.loads(line)

    def turn(self, calls):
        self.child.stdin.write(f"{calls}\n")
        self.child.stdin.flush()
        times = self.read()["ms"]
        self.last = statistics.median(times)
        self.ms.append(self.last)

    def end(self):
        self.child.kill()
        self.child.wait()


# -- agreement -------------------------------------------------------------------------------

def distance(a, b):
    a, b = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def read_tensors(file):
    with open(file, "rb") as f:
        size = int.from_bytes(f.read(8), "little")
        header = json.loads(f.read(size))
        data = f.read()
    header.pop("__metadata__", None)
    return {k: np.frombuffer(data[v["data_offsets"][0]:v["data_offsets"][1]], np.float32)
            for k, v in header.items()}


def update_distance(ours, torch, stem):
    """How far two first updates are apart, relative to the update: all gradients and all running
    statistics. VGG's dropout draws other numbers on each side, so that only statistics before it
    can agree."""
    before = read_tensors(path(f"{stem}.safetensors"))
    a, b = read_tensors(ours.after), read_tensors(torch.after)
    names = [k for k in before if "running_" in k or not stem.startswith("vgg")]
    change = {k: (a[k] - before[k], b[k] - before[k]) for k in names}
    return distance(np.concatenate([c[0] for c in change.values()]),
                    np.concatenate([c[1] for c in change.values()]))


def check(row, sides):
    """Largest distances from PyTorch that were found; ends the program when one is beyond its bound."""
    found = {}
    if row["name"].startswith("epoch"):
        return found
    torch = {side.stem: side for side in sides if side.side["kind"] == "torch"}
    for side in sides:
        other = torch[side.stem]
        if side is not other:
            bf16 = "dtype" in side.side
            hold(row, found, "logits in bf16" if bf16 else "logits",
                 distance(np.load(side.logits), np.load(other.logits)),
                 BF16_LOGITS if bf16 else AUTO_LOGITS if "algorithm" in side.side else LOGITS)
            if row["train"]:
                check_training(row, found, side, other)
    return found


def check_training(row, found, ours, torch):
    if not ours.stem.startswith("vgg"):
        hold(row, found, "loss", abs(ours.ready["loss"] / torch.ready["loss"] - 1), LOSS)
    hold(row, found, "update", update_distance(ours, torch, ours.stem), UPDATE)


def hold(row, found, name, value, bound):
    if not value <= bound:
        sys.exit(f"{row['name']}: {name} differ by {value:.2g}, at most {bound:g} was expected: "
                 "nothing is timed")
    found[name] = max(value, found.get(name, 0))


# -- rounds ----------------------------------------------------------------------------------

def interval(values, rng):
    """95 % interval of the median, bootstrap over rounds."""
    medians = sorted(statistics.median(rng.choices(values, k=len(values))) for _ in range(2000))
    return medians[50], medians[1949]


def run_rounds(row, sides, seconds):
    rng = random.Random(row["name"])
    for side in sides:
        side.turn(1)
    for side in sides:
        side.ms.clear()
    calls = {s.name: max(1, min(20, int(100 / s.last))) for s in sides}
    end = time.monotonic() + seconds
    rounds = 0
    while rounds < 5 or (time.monotonic() < end and rounds < 60):
        for side in rng.sample(sides, len(sides)):
            time.sleep(0.03)  # the others' threads spin no more
            side.turn(calls[side.name])
        rounds += 1
    return calls


def summarise(row, sides, calls, agreement):
    rng = random.Random(1)
    by_name = {s.name: s for s in sides}
    ratios = []
    for a, b in row["ratios"]:
        pairs = [x / y for x, y in zip(by_name[a].ms, by_name[b].ms)]
        low, high = interval(pairs, rng)
        ratios.append({"of": a, "by": b, "median": statistics.median(pairs), "low": low,
                       "high": high})
    shown = [{"name": s.name, "median_ms": statistics.median(s.ms), "min_ms": min(s.ms),
              "calls_a_turn": calls[s.name], "ms": s.ms, "version": s.ready["version"],
              "setting": s.ready["setting"], "tried": s.ready.get("tried", [])} for s in sides]
    return {"row": row["name"], "batch": row["batch"], "threads": row["threads"],
            "train": row["train"], "rounds": len(sides[0].ms), "agreement": agreement,
            "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "sides": shown,
            "ratios": ratios, "command": f"make peers ROWS={row['name']}"}


def measure(row, options):
    prepare_row(row, options.cifar)
    sides = []
    try:
        for side in row["sides"]:
            sides.append(Side(row, side))
        agreement = check(row, sides)
        calls = run_rounds(row, sides, options.seconds)
        return summarise(row, sides, calls, agreement)
    finally:
        for side in sides:
            side.end()


# -- tables ----------------------------------------------------------------------------------

def load_results():
    if not os.path.exists(RESULTS + ".json"):
        return {}
    with open(RESULTS + ".json") as file:
        return {r["row"]: r for r in json.load(file)["rows"]}


def machine():
    with open("/proc/cpuinfo") as file:
        name = next((line.split(":")[1].strip() for line in file if line.startswith("model name")),
                    "unknown")
    return f"{name}, {len(os.sched_getaffinity(0))} cores"


def write_json(results):
    with open(RESULTS + ".json.new", "w") as file:
        json.dump({"machine": machine(), "rows": results}, file, indent=1)
        file.write("\n")
    os.rename(RESULTS + ".json.new", RESULTS + ".json")


def write_csv(results):
    with open(RESULTS + ".csv", "w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["row", "batch", "threads", "side", "version", "setting", "rounds",
                      "median_ms", "min_ms", "ratio_by", "ratio", "low", "high", "date", "command"])
        for r in results:
            for s in r["sides"]:
                of = [x for x in r["ratios"] if x["of"] == s["name"]] or [{}]
                for x in of:
                    out.writerow([r["row"], r["batch"], r["threads"], s["name"], s["version"],
                                  s["setting"], r["rounds"], f"{s['median_ms']:.4g}",
                                  f"{s['min_ms']:.4g}", x.get("by", ""),
                                  *[f"{x[k]:.4f}" if k in x else "" for k in
                                    ("median", "low", "high")], r["date"], r["command"]])


def write_markdown(results):
    lines = ["# Beside PyTorch and ONNX Runtime", "",
             "Made by `make peers` (`bench/peers/README.md` says how the sides are set up, checked "
             "and timed).", f"Machine: {machine()}. A row is model:batch:threads. Milliseconds are medians of the "
             "rounds;", "ratios are formed within a round: median [95 % interval, bootstrap over "
             "rounds].", "",
             "| row | rounds | ms of each side | ratios | differ by |", "| --- | --: | --- | --- | --- |"]
    for r in results:
        times = "; ".join(f"{s['name']} {s['median_ms']:.4g}" for s in r["sides"])
        ratios = "; ".join(f"{x['of']} / {x['by']} **{x['median']:.3f}** [{x['low']:.3f}, "
                           f"{x['high']:.3f}]" for x in r["ratios"])
        differ = ", ".join(f"{k} {v:.1e}" for k, v in r["agreement"].items())
        lines.append(f"| `{r['row']}` | {r['rounds']} | {times} | {ratios} | {differ} |")
    lines += ["", "## Settings", "", "| row | side | version | setting | date |",
              "| --- | --- | --- | --- | --- |"]
    for r in results:
        for s in r["sides"]:
            lines.append(f"| `{r['row']}` | {s['name']} | {s['version']} | {s['setting']} | "
                         f"{r['date']} |")
    lines += ["", "One row again: `make peers ROWS=resnet50:1:1`. All settings that were tried, and "
              "all samples: `peers.json`."]
    with open(RESULTS + ".md", "w") as file:
        file.write("\n".join(lines) + "\n")


def write_tables(found, rows):
    results = [found[r["name"]] for r in rows if r["name"] in found]
    os.makedirs(os.path.dirname(RESULTS), exist_ok=True)
    write_json(results)
    write_csv(results)
    write_markdown(results)


def our_version(result):
    return next((s["version"] for s in result["sides"] if s["version"].startswith("cbam-bench")), "")


def build_commit():
    with open(os.path.join(ROOT, "build", "obj", "build_info.h")) as file:
        return file.read().split('"')[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--only", default="*", help="rows to measure anew, by name or pattern")
    parser.add_argument("--again", action="store_true", help="also rows that this build has")
    parser.add_argument("--list", action="store_true", help="names of the rows")
    parser.add_argument("--seconds", type=float, default=40, help="rounds of a row take this long")
    parser.add_argument("--print", action="store_true", help="print results, write no tables")
    parser.add_argument("--cifar", default=os.path.join(os.environ.get("CBAM_DATA", "."),
                                                        "cifar-10-batches-bin"),
                        help="folder of CIFAR-10 (without one: random pixels)")
    options = parser.parse_args()
    rows = all_rows()
    if options.list:
        print("\n".join(r["name"] for r in rows))
        return
    wanted = [r for r in rows if any(fnmatch.fnmatch(r["name"], p)
                                     for p in options.only.split(","))]
    if not wanted:
        sys.exit(f"--only {options.only}: no such row; --list names them")
    os.makedirs(WORK, exist_ok=True)
    lock = open(path("lock"), "w")
    fcntl.flock(lock, fcntl.LOCK_EX)  # two runs would spoil each other's files and times
    prepare_modules()
    found = load_results()
    for row in wanted:
        old = found.get(row["name"])
        if options.only == "*" and old and not options.again and build_commit() in our_version(old):
            continue
        result = measure(row, options)
        for x in result["ratios"]:
            say(f"{row['name']}: {x['of']} / {x['by']} {x['median']:.3f} [{x['low']:.3f}, "
                f"{x['high']:.3f}]")
        say("   " + "; ".join(f"{s['name']} {s['median_ms']:.4g} ms ({s['setting'][:60]})"
                              for s in result["sides"]))
        if not options.print:
            found[row["name"]] = result
            write_tables(found, rows)


if __name__ == "__main__":
    main()
