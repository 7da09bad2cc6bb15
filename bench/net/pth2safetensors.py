#!/usr/bin/env python3
"""Turns a PyTorch state dict (.pth, .pt, .bin) into a safetensors file.

Needs the Python standard library alone, no PyTorch, and executes nothing that the file holds: a
pickle is a program that may call any function, so its few instructions that a state dict needs are
interpreted here, and every other one, and every name that is no part of a state dict, is refused.

    python3 bench/net/pth2safetensors.py resnet50.pth resnet50.safetensors

Reads what torch.save() writes (a zip archive), what it wrote before version 1.6 (pickles one after
the other), and what it wrote before 0.1.10 (a tar archive). A checkpoint that holds the state dict
under a key ("state_dict", "model", ...) is searched one level deep. Knows no network.
"""

import argparse
import io
import itertools
import json
import mmap
import os
import struct
import sys
import tarfile
import zipfile
import zlib

MAGIC = 0x1950A86A20F9469CFC6C  # of the format before 1.6
PROTOCOL = 1001
MOST_DIMS = 8    # what the reader in C accepts
MOST_COPIES = 16  # output bytes per input byte: tensors may share storage, within reason

# torch.XStorage and torch.XTensor -> safetensors dtype, bytes of an element
DTYPES = {
    "Float": ("F32", 4), "Double": ("F64", 8), "Half": ("F16", 2), "BFloat16": ("BF16", 2),
    "Long": ("I64", 8), "Int": ("I32", 4), "Short": ("I16", 2), "Char": ("I8", 1),
    "Byte": ("U8", 1), "Bool": ("BOOL", 1),
}
WORDS = {1: "B", 2: "H", 4: "I", 8: "Q"}  # element size -> memoryview format of the same size


class Refused(Exception):
    """The file is not what this script turns into safetensors; one line that says why."""


def check(condition, message):
    if not condition:
        raise Refused(message)


# ---- what a pickle may build ----

class Name:
    """A global name that a pickle mentions. Only a label: nothing is ever looked up or called."""

    def __init__(self, text):
        self.text = text


class Inert:
    """An object of a class that the user allowed to be there; what it was is not kept."""


class Storage:
    """A run of elements; `data` is known once its bytes were found."""

    def __init__(self, kind, count):
        check(is_size(count), "a storage without a sound size")
        self.dtype, self.item = DTYPES[kind]
        self.count = count
        self.data = None

    def put(self, data):
        check(len(data) == self.count * self.item,
              "a storage of %d bytes where %d were expected" % (len(data), self.count * self.item))
        self.data = data


class Tensor:
    """A view of a storage: offset, shape and strides in elements."""

    def __init__(self, storage, offset, shape, stride):
        check(isinstance(storage, Storage), "a tensor without a storage")
        check(isinstance(shape, tuple) and isinstance(stride, tuple) and
              len(shape) == len(stride) <= MOST_DIMS, "a tensor without a sound shape")
        check(all(is_size(n) for n in (offset,) + shape + stride), "a tensor without a sound shape")
        self.storage, self.offset, self.shape, self.stride = storage, offset, shape, stride
        self.count = 1
        for n in shape:
            self.count *= n
        if self.count:
            last = offset + sum((n - 1) * s for n, s in zip(shape, stride))
            check(last < storage.count, "a tensor reaches beyond its storage")
            check(all(s for n, s in zip(shape, stride) if n > 1), "a tensor that repeats elements")

    def values(self):
        """Its elements in C order, as bytes."""
        item = self.storage.item
        expected = 1
        dense = True
        for n, s in zip(reversed(self.shape), reversed(self.stride)):
            dense = dense and (n == 1 or s == expected)
            expected *= n
        if self.count == 0 or dense:
            return self.storage.data[self.offset * item:(self.offset + self.count) * item]
        return self.gathered()

    def gathered(self):
        """The same of a view with other strides: slice by slice along the longest dimension."""
        item = self.storage.item
        source = self.storage.data.cast(WORDS[item])
        result = bytearray(self.count * item)
        target = memoryview(result).cast(WORDS[item])
        steps = [1] * len(self.shape)  # strides of the result
        for i in range(len(self.shape) - 1, 0, -1):
            steps[i - 1] = steps[i] * self.shape[i]
        axis = max(range(len(self.shape)), key=lambda i: self.shape[i])
        n, step, stride = self.shape[axis], steps[axis], self.stride[axis]
        others = [i for i in range(len(self.shape)) if i != axis]
        for index in itertools.product(*(range(self.shape[i]) for i in others)):
            to = sum(k * steps[i] for k, i in zip(index, others))
            at = self.offset + sum(k * self.stride[i] for k, i in zip(index, others))
            target[to:to + (n - 1) * step + 1:step] = source[at:at + (n - 1) * stride + 1:stride]
        return result


def is_size(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def storage_kind(name):
    """ "Float" of the name torch.FloatStorage or torch.FloatTensor; None of any other."""
    text = name.text if isinstance(name, Name) else ""
    for end in ("Storage", "Tensor"):
        kind = text[len("torch."):-len(end)]
        if text == "torch." + kind + end and kind in DTYPES:
            return kind
    return None


def rebuild_tensor(storage, offset, shape, stride, *_):
    return Tensor(storage, offset, shape, stride)


def rebuild_parameter(tensor, *_):
    check(isinstance(tensor, Tensor), "a parameter that is no tensor")
    return tensor


def make_dict(pairs=()):
    check(isinstance(pairs, (list, tuple)), "an OrderedDict of something else than pairs")
    result = {}
    for pair in pairs:
        check(isinstance(pair, (list, tuple)) and len(pair) == 2, "an OrderedDict of no pairs")
        put_item(result, *pair)
    return result


def make_size(dims=()):
    check(isinstance(dims, (list, tuple)), "a torch.Size of something else than numbers")
    return tuple(dims)


# The functions that a state dict's pickle "calls", and what is done in their place.
CALLS = {
    "collections.OrderedDict": make_dict,
    "torch._utils._rebuild_tensor": rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": rebuild_tensor,
    "torch._utils._rebuild_parameter": rebuild_parameter,
    "torch.Size": make_size,
}


def put_item(target, key, value):
    if isinstance(target, Inert):
        return
    check(isinstance(target, dict), "an entry is put into something that is no dictionary")
    # Nothing else is hashed: a tuple nested a million deep would end the interpreter.
    check(key is None or isinstance(key, (str, int, float)), "a key that is no string or number")
    target[key] = value


# ---- pickles ----

class Reader:
    """Bytes taken one after the other; taking more than there are is refused."""

    def __init__(self, data):
        self.data = memoryview(data)
        self.at = 0

    def left(self):
        return len(self.data) - self.at

    def take(self, count):
        check(count <= self.left(), "the file is cut off")
        self.at += count
        return self.data[self.at - count:self.at]

    def unsigned(self, size):
        return int.from_bytes(self.take(size), "little")

    def signed(self, size):
        return int.from_bytes(self.take(size), "little", signed=True)

    def text(self, size, encoding="utf-8"):
        try:
            return str(self.take(self.unsigned(size)), encoding, "surrogatepass")
        except UnicodeDecodeError:
            raise Refused("a text that is not %s" % encoding) from None

    def line(self):
        limit = bytes(self.data[self.at:self.at + 1024]).find(b"\n")
        check(limit >= 0, "a name without an end")
        text = str(self.take(limit + 1)[:-1], "utf-8", "replace")
        return text


class Pickle:
    """Interprets one pickle. `persistent` gives the object of a persistent id; `inert` are names
    the user allows besides those of a state dict."""

    def __init__(self, reader, persistent=None, inert=()):
        self.reader, self.persistent, self.inert = reader, persistent, inert
        self.stack, self.marks, self.memo = [], [], {}

    def load(self):
        while True:
            code = self.reader.unsigned(1)
            if code == ord("."):
                return self.pop()
            step = STEPS.get(code)
            check(step, "its pickle has the instruction 0x%02x, which no state dict needs" % code)
            step(self)

    def push(self, value):
        self.stack.append(value)

    def pop(self):
        check(self.stack, "a damaged pickle")
        return self.stack.pop()

    def top(self):
        check(self.stack, "a damaged pickle")
        return self.stack[-1]

    def pop_mark(self):
        """What was pushed since the last mark."""
        check(self.marks, "a damaged pickle")
        values, self.stack = self.stack, self.marks.pop()
        return values

    def mark(self):
        self.marks.append(self.stack)
        self.stack = []

    def fetch(self, index):
        check(index in self.memo, "a damaged pickle")
        self.push(self.memo[index])

    def store(self, index):
        self.memo[index] = self.top()

    def name(self, module, name):
        check(isinstance(module, str) and isinstance(name, str), "a damaged pickle")
        text = module + "." + name
        value = Name(text)
        check(text in CALLS or text in self.inert or storage_kind(value),
              "it names %s, which is no part of a state dict: refused, nothing was executed (only "
              "files of torch.save(model.state_dict(), ...) can be turned; --inert NAME passes "
              "over what stands beside the state dict)" % printable(text))
        self.push(value)

    def stack_name(self):
        name = self.pop()
        self.name(self.pop(), name)

    def call(self):
        arguments, function = self.pop(), self.pop()
        text = function.text if isinstance(function, Name) else ""
        check(isinstance(arguments, tuple), "a damaged pickle")
        if text in self.inert:
            self.push(Inert())
            return
        check(text in CALLS, "its pickle calls something that no state dict calls: %s" %
              (printable(text) or "no name"))
        try:
            self.push(CALLS[text](*arguments))
        except TypeError:
            raise Refused("%s with the wrong number of arguments" % text) from None

    def new(self):
        arguments, kind = self.pop(), self.pop()
        self.stack += [kind, arguments]
        self.call()

    def build(self):
        # The attributes of an OrderedDict (PyTorch keeps the versions of modules there).
        self.pop()
        check(isinstance(self.top(), (dict, Inert)), "its pickle sets attributes of an object")

    def persist(self):
        check(self.persistent, "a persistent id where there is none")
        self.push(self.persistent(self.pop()))

    def items(self):
        values = self.pop_mark()
        check(len(values) % 2 == 0, "a damaged pickle")
        for i in range(0, len(values), 2):
            put_item(self.top(), values[i], values[i + 1])

    def item(self):
        value, key = self.pop(), self.pop()
        put_item(self.top(), key, value)

    def extend(self, values):
        if isinstance(self.top(), Inert):
            return
        check(isinstance(self.top(), list), "its pickle appends to something that is no list")
        self.top().extend(values)

    def collect(self, count):
        values = [self.pop() for _ in range(count)]
        self.push(tuple(reversed(values)))

    def dictionary(self):
        values = self.pop_mark()
        self.push(make_dict([tuple(values[i:i + 2]) for i in range(0, len(values), 2)]))

    def integer(self, size):
        self.push(int.from_bytes(self.reader.take(size), "little", signed=True))


STEPS = {
    0x80: lambda p: check(p.reader.unsigned(1) <= 5, "a pickle of an unknown version"),  # PROTO
    0x95: lambda p: p.reader.take(8),                                                   # FRAME
    ord("("): Pickle.mark,
    ord("0"): Pickle.pop,
    ord("1"): Pickle.pop_mark,
    ord("2"): lambda p: p.push(p.top()),                                                # DUP
    ord("N"): lambda p: p.push(None),
    0x88: lambda p: p.push(True),
    0x89: lambda p: p.push(False),
    ord("J"): lambda p: p.push(p.reader.signed(4)),                                     # BININT
    ord("K"): lambda p: p.push(p.reader.unsigned(1)),
    ord("M"): lambda p: p.push(p.reader.unsigned(2)),
    0x8A: lambda p: p.integer(p.reader.unsigned(1)),                                    # LONG1
    0x8B: lambda p: p.integer(p.reader.unsigned(4)),                                    # LONG4
    ord("G"): lambda p: p.push(struct.unpack(">d", p.reader.take(8))[0]),               # BINFLOAT
    ord("X"): lambda p: p.push(p.reader.text(4)),                                       # BINUNICODE
    0x8C: lambda p: p.push(p.reader.text(1)),
    0x8D: lambda p: p.push(p.reader.text(8)),
    ord("U"): lambda p: p.push(p.reader.text(1, "latin-1")),  # strings of Python 2
    ord("T"): lambda p: p.push(p.reader.text(4, "latin-1")),
    ord("C"): lambda p: p.push(bytes(p.reader.take(p.reader.unsigned(1)))),             # BINBYTES
    ord("B"): lambda p: p.push(bytes(p.reader.take(p.reader.unsigned(4)))),
    0x8E: lambda p: p.push(bytes(p.reader.take(p.reader.unsigned(8)))),
    ord("]"): lambda p: p.push([]),
    ord("l"): lambda p: p.push(p.pop_mark()),
    ord("a"): lambda p: p.extend([p.pop()]),
    ord("e"): lambda p: p.extend(p.pop_mark()),
    ord(")"): lambda p: p.push(()),
    0x85: lambda p: p.collect(1),
    0x86: lambda p: p.collect(2),
    0x87: lambda p: p.collect(3),
    ord("t"): lambda p: p.push(tuple(p.pop_mark())),
    ord("}"): lambda p: p.push({}),
    ord("d"): Pickle.dictionary,
    ord("s"): Pickle.item,
    ord("u"): Pickle.items,
    ord("q"): lambda p: p.store(p.reader.unsigned(1)),                                  # BINPUT
    ord("r"): lambda p: p.store(p.reader.unsigned(4)),
    0x94: lambda p: p.store(len(p.memo)),                                               # MEMOIZE
    ord("h"): lambda p: p.fetch(p.reader.unsigned(1)),                                  # BINGET
    ord("j"): lambda p: p.fetch(p.reader.unsigned(4)),
    ord("c"): lambda p: p.name(p.reader.line(), p.reader.line()),                       # GLOBAL
    0x93: Pickle.stack_name,
    ord("R"): Pickle.call,                                                              # REDUCE
    0x81: Pickle.new,                                                                   # NEWOBJ
    ord("b"): Pickle.build,
    ord("Q"): Pickle.persist,
}


# ---- the three containers ----

class Storages:
    """The storages that a pickle mentions by ("storage", kind, key, device, count), once each."""

    def __init__(self):
        self.by_key = {}

    def find(self, key, kind, count):
        check(isinstance(key, (str, int)), "a storage without a key")
        storage = self.by_key.get(key)
        if storage is None:
            storage = self.by_key[key] = Storage(kind, count)
        check(storage.dtype == DTYPES[kind][0] and storage.count == count,
              "one storage is mentioned with two types or sizes")
        return storage

    def persistent(self, id):
        check(isinstance(id, tuple) and len(id) in (5, 6) and id[0] == "storage",
              "a persistent id that is no storage")
        kind = storage_kind(id[1])
        check(kind, "a storage of a type that is not known")
        # The sixth member, of the format before 1.6, would be a view of another storage.
        check(len(id) == 5 or id[5] is None, "a view of a storage, as PyTorch wrote it before 0.4")
        return self.find(id[2], kind, id[4])


def zip_entry(archive, data, info):
    """The bytes of an entry that is stored as it is, without a copy."""
    check(info.compress_type == zipfile.ZIP_STORED and info.compress_size == info.file_size,
          "%s is compressed, which torch.save() never does" % printable(info.filename))
    head = Reader(data)
    head.take(info.header_offset)
    fields = struct.unpack("<4s22xHH", head.take(30))
    check(fields[0] == b"PK\x03\x04", "a damaged zip archive")
    head.take(fields[1] + fields[2])
    content = head.take(info.file_size)
    check(zlib.crc32(content) == info.CRC, "%s does not have the checksum that the archive "
          "records" % printable(info.filename))
    return content


def read_zip(file, data, inert):
    with zipfile.ZipFile(file) as archive:
        entries = {}
        for info in archive.infolist():
            check(info.filename not in entries, "a zip archive with two entries of one name")
            entries[info.filename] = info
        roots = [name[:-len("data.pkl")] for name in entries
                 if name == "data.pkl" or name.endswith("/data.pkl")]
        check(len(roots) == 1, "a zip archive without one data.pkl is not from torch.save()")
        root = roots[0]
        order = entries.get(root + "byteorder")
        check(not order or bytes(zip_entry(archive, data, order)) == b"little",
              "it was written by a big-endian machine")
        storages = Storages()
        pickle = Pickle(Reader(zip_entry(archive, data, entries[root + "data.pkl"])),
                        storages.persistent, inert)
        value = pickle.load()
        for key, storage in storages.by_key.items():
            name = "%sdata/%s" % (root, key)
            check(name in entries, "the archive has no entry %s" % printable(name))
            storage.put(zip_entry(archive, data, entries[name]))
    return value


def read_pickles(data, inert):
    reader = Reader(data)
    check(Pickle(reader).load() == MAGIC, "a pickle, but not one of torch.save()")
    check(Pickle(reader).load() == PROTOCOL, "an unknown version of PyTorch's format")
    system = Pickle(reader).load()
    check(isinstance(system, dict) and system.get("little_endian") is True,
          "it was written by a big-endian machine")
    storages = Storages()
    value = Pickle(reader, storages.persistent, inert).load()
    keys = Pickle(reader).load()
    check(isinstance(keys, list), "a damaged list of storages")
    for key in keys:
        check(isinstance(key, (str, int)) and key in storages.by_key,
              "it has a storage that no tensor uses")
        storage = storages.by_key[key]
        check(storage.data is None and reader.unsigned(8) == storage.count,
              "a storage of another size than its tensors say")
        storage.put(reader.take(storage.count * storage.item))
    check(all(s.data is not None for s in storages.by_key.values()), "a storage is missing")
    check(reader.left() == 0, "%d bytes behind its end" % reader.left())
    return value


def tar_member(archive, name):
    member = archive.getmember(name)
    check(member.isreg(), "%s is no file in the archive" % name)
    return Reader(archive.extractfile(member).read())


def tar_storages(reader):
    found = {}
    for _ in range(Pickle(reader).load()):
        key, _, name = Pickle(reader).load()
        kind = storage_kind(name)
        check(kind and is_size(key), "a storage of a type that is not known")
        found[key] = Storage(kind, reader.unsigned(8))
        found[key].put(reader.take(found[key].count * found[key].item))
    views = Pickle(reader).load()
    check(not views, "a view of a storage, as PyTorch wrote it before 0.1.10")
    return found


def tar_tensors(reader, storages):
    found = {}
    for _ in range(Pickle(reader).load()):
        key, storage, _ = Pickle(reader).load()
        check(is_size(key) and is_size(storage) and storage in storages, "a damaged tensor")
        dims = reader.unsigned(4)
        check(dims <= MOST_DIMS, "a tensor without a sound shape")
        reader.take(4)
        shape = tuple(reader.signed(8) for _ in range(dims))
        stride = tuple(reader.signed(8) for _ in range(dims))
        found[key] = Tensor(storages[storage], reader.signed(8), shape, stride)
    return found


def read_tar(file, inert):
    with tarfile.open(fileobj=file, mode="r:") as archive:
        system = Pickle(tar_member(archive, "sys_info")).load()
        check(isinstance(system, dict) and system.get("little_endian") is True,
              "it was written by a big-endian machine")
        tensors = tar_tensors(tar_member(archive, "tensors"),
                              tar_storages(tar_member(archive, "storages")))

        def persistent(id):
            check(isinstance(id, (str, int)) and int(id) in tensors,
                  "a persistent id that is no tensor")
            return tensors[int(id)]

        return Pickle(tar_member(archive, "pickle"), persistent, inert).load()


def read(path, inert):
    """What torch.load() would give, as plain values."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        check(size > 0, "an empty file")
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        if data[:4] == b"PK\x03\x04":
            return read_zip(file, data, inert), size
        if data[257:262] == b"ustar":
            return read_tar(io.BytesIO(data), inert), size
        check(data[0] == 0x80, "neither a zip archive, nor a pickle, nor a tar archive: not from "
              "torch.save()")
        return read_pickles(data, inert), size


# ---- the state dict ----

def is_state(value):
    """Whether a value is a dictionary of tensors; other small values may stand between."""
    return (isinstance(value, dict) and any(isinstance(v, Tensor) for v in value.values()) and
            all(isinstance(k, str) for k in value) and
            not any(isinstance(v, (dict, list)) for v in value.values()))


def find_state(value, key):
    """The state dict of a checkpoint, and the key it stood under ("" for none)."""
    if key is not None:
        check(isinstance(value, dict) and key in value, "it has no entry '%s'" % printable(key))
        check(is_state(value[key]), "its entry '%s' is no state dict" % printable(key))
        return value[key], key
    if is_state(value):
        return value, ""
    check(isinstance(value, dict), "it holds no dictionary of tensors")
    found = [k for k, v in value.items() if is_state(v)]
    names = ", ".join("'%s'" % printable(str(k)) for k in (found or value))[:400]
    check(found, "none of its entries is a state dict: %s" % names)
    check(len(found) == 1, "it holds several state dicts, choose one with --key: %s" % names)
    return value[found[0]], found[0]


def check_names(state):
    for name in state:
        check(name and name != "__metadata__" and not any(is_control(c) for c in name),
              "the tensor name '%s' cannot be" % printable(name))


def is_control(character):
    code = ord(character)
    return code < 32 or 127 <= code < 160 or 0xD800 <= code < 0xE000


def printable(text):
    return "".join("?" if is_control(c) else c for c in text[:200])


# ---- safetensors ----

def write(path, state, metadata):
    """Writes beside, syncs, renames: the file appears whole or not at all."""
    # Wide elements first: every tensor is then aligned to its element.
    tensors = sorted(state.items(), key=lambda entry: -entry[1].storage.item)
    header, at = {"__metadata__": metadata}, 0
    for name, tensor in tensors:
        end = at + tensor.count * tensor.storage.item
        header[name] = {"dtype": tensor.storage.dtype, "shape": list(tensor.shape),
                        "data_offsets": [at, end]}
        at = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    beside = "%s.tmp-%d" % (path, os.getpid())
    try:
        with open(beside, "wb") as file:
            file.write(struct.pack("<Q", len(text)))
            file.write(text)
            for _, tensor in tensors:
                file.write(tensor.values())
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        if os.path.exists(beside):
            os.unlink(beside)
        raise


def convert(arguments):
    if os.path.exists(arguments.output):
        check(not os.path.samefile(arguments.input, arguments.output), "input and output are one "
              "file")
    value, size = read(arguments.input, frozenset(arguments.inert))
    entries, key = find_state(value, arguments.key)
    check_names(entries)
    state = {name: value for name, value in entries.items() if isinstance(value, Tensor)}
    total = sum(t.count * t.storage.item for t in state.values())
    check(total <= MOST_COPIES * size, "its tensors would fill %d bytes, %d times the file" %
          (total, total // size))
    metadata = {"format": "pt"}
    for pair in arguments.metadata:
        name, equals, text = pair.partition("=")
        check(name and equals, "--metadata %s: KEY=VALUE was expected" % printable(pair))
        metadata[name] = text
    write(arguments.output, state, metadata)
    for name in entries:
        if name not in state:
            print("note: '%s' is no tensor and was left out" % printable(name), file=sys.stderr)
    print("%s%s: %d tensors, %d elements -> %s" %
          (arguments.input, key and ", its '%s'" % printable(str(key)), len(state),
           sum(t.count for t in state.values()), arguments.output), file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(
        description="Turns a PyTorch state dict into a safetensors file without PyTorch, executing "
        "nothing that it holds.")
    parser.add_argument("input", help="file of torch.save(): .pth, .pt, .bin, .tar")
    parser.add_argument("output", help="safetensors file to write")
    parser.add_argument("--key", help="entry of a checkpoint that is the state dict, where there "
                        "are several")
    parser.add_argument("--inert", metavar="NAME", action="append", default=[],
                        help="a class that may be there, beside the state dict: it is passed over, "
                        "never made; argparse.Namespace, say")
    parser.add_argument("--metadata", metavar="KEY=VALUE", action="append", default=[],
                        help="metadata to add: 'mean=0.485 0.456 0.406', "
                        "'class_names=[\"cat\",\"dog\"]'")
    arguments = parser.parse_args()
    try:
        convert(arguments)
    except OSError as error:
        print("pth2safetensors: %s" % error, file=sys.stderr)
        return 1
    except Refused as error:
        print("pth2safetensors: %s: %s" % (arguments.input, error), file=sys.stderr)
        return 1
    except (zipfile.BadZipFile, tarfile.TarError, ValueError, TypeError, KeyError, IndexError,
            OverflowError, MemoryError, RecursionError, NotImplementedError, struct.error,
            EOFError) as error:
        print("pth2safetensors: %s: damaged (%s: %s)" %
              (arguments.input, type(error).__name__, printable(str(error))), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
