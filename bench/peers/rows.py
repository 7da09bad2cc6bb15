"""What is compared: the rows by name, the sides of each, and the ratios formed. See README.md."""

TRAINING = [("resnet50", "cbam", 8, 224), ("resnet50", "none", 8, 224),
            ("vgg16_bn", "none", 8, 224), ("resnet50", "cbam", 128, 32)]
OURS, AUTO, ONNX, TORCH = "cbam-bench", "cbam-bench auto", "ONNX Runtime", "PyTorch"
BF16 = "cbam-bench bf16"


def side(name, kind, model, attention, **more):
    """One child process. kind: ours, onnx or torch."""
    return {"name": name, "kind": kind, "model": model, "attention": attention, **more}


def title(model, attention, size=224):
    return model + ("+" + attention if attention != "none" else "") + (f"@{size}" if size != 224
                                                                       else "")


def row(name, batch, threads, sides, ratios, train=False, size=224, classes=1000):
    return {"name": f"{name}:{batch}:{threads}", "batch": batch, "threads": threads, "train": train,
            "size": size, "classes": classes, "sides": sides, "ratios": ratios}


def all_rows():
    """In the order of the table. A ratio is (name of a side, name of the side it is divided by)."""
    rows = []
    for threads in (1, 2):
        rows += [resnet50_row(1, threads), inference_row("vgg16_bn", threads),
                 inference_row("densenet121", threads), resnet50_row(8, threads)]
        if has_bf16():
            rows.append(bf16_row(threads))
    for threads in (1, 2):
        for model, attention, batch, size in TRAINING:
            rows.append(training_row(model, attention, batch, size, threads))
        names = (OURS, AUTO, TORCH)
        rows.append(row("epoch:resnet20@32", 128, threads,
                        [named_side(name, "resnet20", "none", name) for name in names],
                        [(name, TORCH) for name in names[:-1]], True, 32, 10))
    return rows


def resnet50_row(batch, threads):
    """With and without CBAM, so that what it adds is a ratio as well; and on OpenBLAS."""
    sides, ratios, added = [], [], []
    names = (OURS, AUTO, ONNX, TORCH) if batch == 1 else (OURS, ONNX, TORCH)
    for name in names:
        for attention in ("none", "cbam"):
            sides.append(named_side(name, "resnet50", attention, f"{name} {attention}"))
        added.append((f"{name} cbam", f"{name} none"))
    for attention in ("none", "cbam"):
        for other in (ONNX, TORCH):
            ratios += [(f"{name} {attention}", f"{other} {attention}") for name in names
                       if name.startswith(OURS)]
    if batch == 1:
        sides.append(side("on OpenBLAS none", "ours", "resnet50", "none", impl="openblas"))
        ratios.append(("on OpenBLAS none", f"{OURS} none"))
    return row("resnet50", batch, threads, sides, ratios + added)


def has_bf16():
    """Whether this processor has the instructions that bf16 needs here."""
    with open("/proc/cpuinfo") as file:
        return "avx512_bf16" in file.read().split()


def bf16_row(threads):
    """ResNet-50 in bf16 against this program's f32 and the others', which are f32."""
    names, forms = (OURS, BF16, ONNX, TORCH), ("none", "cbam")
    sides = [named_side(name, "resnet50", form, f"{name} {form}") for name in names
             for form in forms]
    ratios = [(f"{BF16} {form}", f"{other} {form}") for form in forms for other in (ONNX, OURS)]
    return row("bf16:resnet50", 1, threads, sides, ratios)


def inference_row(model, threads):
    sides = [named_side(name, model, "none", name) for name in (OURS, AUTO, ONNX, TORCH)]
    return row(model, 1, threads, sides, [(name, other) for other in (ONNX, TORCH)
                                          for name in (OURS, AUTO)])


def training_row(model, attention, batch, size, threads):
    names = (OURS, AUTO, TORCH) if size == 224 else (OURS, TORCH)
    sides = [named_side(name, model, attention, name) for name in names]
    return row("train:" + title(model, attention, size), batch, threads, sides,
               [(name, TORCH) for name in names[:-1]], True, size)


def named_side(name, model, attention, label):
    """One of the names above as a side called `label`."""
    kind = "onnx" if name == ONNX else "torch" if name == TORCH else "ours"
    more = {"algorithm": "auto"} if name == AUTO else {"dtype": "bf16"} if name == BF16 else {}
    return side(label, kind, model, attention, **more)
