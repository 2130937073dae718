"""What the checks share: running the program, reading safetensors without any library."""
import json
import subprocess
import sys
import tempfile
import os

import torch

WKV = os.path.abspath(sys.argv[1])
IDS = [1, 2, 3, 4, 250]
DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
          "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
          "U8": torch.uint8, "BOOL": torch.bool}

os.chdir(tempfile.mkdtemp(prefix="wkv-torch-"))


def run(*args):
    done = subprocess.run([WKV, *args], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"wkv {' '.join(args)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def logits(model):
    out = run("logits", model, "--ids", ",".join(map(str, IDS)), "--threads", "1")
    return torch.tensor([float(line.split()[-1]) for line in out.splitlines()])


def read_safetensors(path):
    data = open(path, "rb").read()
    n = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + n])
    header.pop("__metadata__", None)
    tensors = {}
    for name, t in header.items():
        begin, end = t["data_offsets"]
        raw = bytearray(data[8 + n + begin:8 + n + end])
        kind = DTYPES[t["dtype"]]
        tensors[name] = (torch.frombuffer(raw, dtype=kind) if raw else torch.empty(0, dtype=kind)
                         ).reshape(t["shape"])
    return tensors


def same(a, b):
    """Bit for bit, NaN and minus zero included."""
    return (a.dtype == b.dtype and a.shape == b.shape and
            a.contiguous().flatten().view(torch.uint8).equal(b.contiguous().flatten().view(torch.uint8)))


def must_agree(ours, theirs, bound, what):
    error = (ours - theirs).abs().max().item()
    print(f"{what}: largest difference of logits {error:.2g}, of {theirs.abs().max():.3g}")
    if not error <= bound:
        sys.exit(f"{what}: {error} is more than {bound}")


def randomize(model, scale):
    torch.manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * scale)
    return model.eval()
