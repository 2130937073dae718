"""check_chain.py WKV - models of every version through every format that holds them, and back.

pth, safetensors, GGUF, rwkv.cpp's .bin (which has no place for AFT), pth: at every link the logits
are those of the formulas, and at the end every tensor is what it was, bit for bit.  The .bin
holds some values of RWKV-4 and 5 as functions of them; of these the function is what must be
kept, to float32's precision.  And it knows a gated RWKV-5 as 5.2 alone.
"""

import subprocess
import sys
import tempfile

import numpy as np

import make
from check_logits import BOUND, FRAME, N, run
from files import read_safetensors, rounded, write_safetensors
from models import Config, logits
from tensor import Tensor

# name, version, what else the shape has
CASES = [
    ("RWKV-4", "rwkv4", {}),
    ("RWKV-5.0", "rwkv5", {"N": N, "form": "5.0"}),
    ("RWKV-5.1", "rwkv5", {"N": N, "form": "5.1"}),
    ("RWKV-5.1, bonus as exponential", "rwkv5", {"N": N, "form": "5.1-first"}),
    ("RWKV-5.2", "rwkv5", {"N": N, "form": "5.2"}),
    ("RWKV-6", "rwkv6", {"N": N, "rank": 8, "decay_rank": 40}),
    ("RWKV-7", "rwkv7", {"N": N, "ranks": {"w": 8, "a": 24, "v": 12, "g": 40}}),
    ("AFT-simple", "aft-simple", {"shift": True}),
    ("AFT-local", "aft-local", {"P": 21, "S": 7}),
    ("AFT-conv", "aft-conv", {"N": N, "S": 5, "shift": True}),
    ("AFT-full", "aft-full", {"P": 37, "rank": 9}),
]

LENGTH = 9


def links(version):
    yield from ("one.pth", "two.safetensors", "three.gguf")
    if not version.startswith("aft"):
        yield "four.bin"
    yield from ("five.pth", "six.safetensors")


def same(version, gated, name, before, last):
    """What the .bin keeps of a tensor is in `last`, a name -> array."""
    before, after = before.ravel(), last.get(name, np.zeros(0)).ravel()
    if version == "rwkv4" and name.endswith("att.time_decay"):
        return close(np.exp(before), np.exp(after))
    if version == "rwkv5":
        if name.endswith("att.value.weight"):
            after = after * 8  # a smaller epsilon undoes this
        if gated and name.endswith(("att.time_decay", "att.time_faaaa")):
            before = np.repeat(before, after.size // before.size)  # rwkv.cpp wants all channels
        if name.endswith("att.time_decay"):
            return close(np.exp(-np.exp(before)), np.exp(-np.exp(after)))
        if name.endswith("att.time_first") and gated:
            # and of the bonus the value that is multiplied with
            after = last[name.replace("first", "faaaa")].ravel()
            return close(np.repeat(np.exp(before), after.size // before.size), after)
        if name.endswith("att.time_first"):
            return close(np.exp(before), np.exp(after))
    return np.array_equal(before, after)


def close(x, y):
    return x.shape == y.shape and bool((np.abs(x - y) <= 2e-7 * np.maximum(x, 1e-3)).all())


def check(wkv, folder, seed, case):
    name, version, shape = case
    params = make.model(version, seed, **FRAME, **shape)
    params = {key: rounded(x, "F32") for key, x in params.items()}
    path = f"{folder}/made.safetensors"
    write_safetensors(path, params)
    config = Config(version, FRAME["layers"], shape.get("N"))
    tokens = np.random.default_rng(seed).integers(0, FRAME["V"], (1, LENGTH))
    want = logits(config, {key: Tensor(x) for key, x in params.items()}, tokens).data[0, -1]
    worst = 0.0
    for link in links(version):
        subprocess.run([wkv, "convert", path, f"{folder}/{link}"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        path = f"{folder}/{link}"
        worst = max(worst, np.abs(run(wkv, path, tokens[0]) - want).max())
    last = read_safetensors(path)
    gated = "blocks.0.att.gate.weight" in params
    changed = [key for key, x in params.items() if not same(version, gated, key, x, last)]
    ok = worst <= BOUND and not changed and len(last) == len(params)
    print(f"{name}: logits off by {worst:.1e} at most; tensors that changed: "
          f"{', '.join(changed) or 'none'}: {'ok' if ok else 'FAILED'}")
    return ok


def main():
    with tempfile.TemporaryDirectory() as folder:
        good = [check(sys.argv[1], folder, seed, case) for seed, case in enumerate(CASES, 1)]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
