"""files.py - the files that the checks exchange with the program, in their simplest form.

safetensors: eight bytes, the size of the header; the header, JSON; the numbers.
binidx: docs/file-format.md, "Token files".
"""

import json
import struct

import numpy as np


def _to_bf16(x):
    """The upper halves of float32, rounded to the nearest, ties to even."""
    bits = x.astype("<f4").view("<u4")
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("<u2")


def _from_bf16(halves):
    return (halves.astype("<u4") << 16).view("<f4")


_TYPES = {
    "F64": (lambda x: x.astype("<f8"), lambda raw: np.frombuffer(raw, "<f8")),
    "F32": (lambda x: x.astype("<f4"), lambda raw: np.frombuffer(raw, "<f4")),
    "F16": (lambda x: x.astype("<f2"), lambda raw: np.frombuffer(raw, "<f2")),
    "BF16": (_to_bf16, lambda raw: _from_bf16(np.frombuffer(raw, "<u2"))),
}


def rounded(x, dtype):
    """x as a file of this type keeps it, in float64."""
    encode, decode = _TYPES[dtype]
    return decode(encode(np.asarray(x)).tobytes()).astype(np.float64).reshape(np.shape(x))


def write_safetensors(path, tensors, dtype="F32", meta=None):
    header, data = {}, b""
    if meta:
        header["__metadata__"] = meta
    for name, x in tensors.items():
        raw = _TYPES[dtype][0](np.asarray(x)).tobytes()
        header[name] = {"dtype": dtype, "shape": list(np.shape(x)),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def read_safetensors(path):
    """name -> array, float64."""
    with open(path, "rb") as f:
        content = f.read()
    (size,) = struct.unpack("<Q", content[:8])
    header, data = json.loads(content[8:8 + size]), content[8 + size:]
    header.pop("__metadata__", None)
    out = {}
    for name, entry in header.items():
        first, end = entry["data_offsets"]
        x = _TYPES[entry["dtype"]][1](data[first:end])
        out[name] = x.astype(np.float64).reshape(entry["shape"])
    return out


def write_binidx(prefix, ids):
    """One document of 16-bit ids."""
    with open(prefix + ".bin", "wb") as f:
        f.write(np.asarray(ids).astype("<u2").tobytes())
    with open(prefix + ".idx", "wb") as f:
        f.write(b"MMIDIDX\0\0" + struct.pack("<QBQQ", 1, 8, 1, 2))
        f.write(struct.pack("<iqqq", len(ids), 0, 0, 1))
