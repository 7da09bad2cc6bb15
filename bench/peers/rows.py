"""What is compared: the rows by name, the sides of each, and the ratios formed. See README.md."""

INFERENCE = [("resnet50", "none", (1, 8)), ("resnet50", "cbam", (1, 8)), ("vgg16_bn", "none", (1,)),
             ("densenet121", "none", (1,))]
TRAINING = [("resnet50", "cbam", 8, 224), ("resnet50", "none", 8, 224),
            ("vgg16_bn", "none", 8, 224), ("resnet50", "cbam", 128, 32)]
OURS, ONNX, TORCH = "cbam-bench", "ONNX Runtime", "PyTorch"


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
        for model, attention, batches in INFERENCE:
            for batch in batches:
                sides = [side(OURS, "ours", model, attention), side(ONNX, "onnx", model, attention),
                         side(TORCH, "torch", model, attention)]
                rows.append(row(title(model, attention), batch, threads, sides,
                                [(OURS, ONNX), (OURS, TORCH)]))
        for batch in (1, 8):
            rows.append(attention_row(batch, threads))
        rows.append(row("openblas", 1, threads,
                        [side(OURS, "ours", "resnet50", "none"),
                         side("on OpenBLAS", "ours", "resnet50", "none", impl="openblas")],
                        [("on OpenBLAS", OURS)]))
    for threads in (1, 2):
        for model, attention, batch, size in TRAINING:
            sides = [side(OURS, "ours", model, attention), side(TORCH, "torch", model, attention)]
            rows.append(row("train:" + title(model, attention, size), batch, threads, sides,
                            [(OURS, TORCH)], True, size))
        sides = [side(OURS, "ours", "resnet20", "none"), side(TORCH, "torch", "resnet20", "none")]
        rows.append(row("epoch:resnet20@32", 128, threads, sides, [(OURS, TORCH)], True, 32, 10))
    return rows


def attention_row(batch, threads):
    """What CBAM adds to ResNet-50, for each of the three."""
    sides, ratios = [], []
    for name, kind in ((OURS, "ours"), (ONNX, "onnx"), (TORCH, "torch")):
        for attention in ("none", "cbam"):
            sides.append(side(f"{name} {attention}", kind, "resnet50", attention))
        ratios.append((f"{name} cbam", f"{name} none"))
    return row("attention:resnet50", batch, threads, sides, ratios)
