"""check_logits.py WKV - holds the program's logits against the formulas in models.py.

Models of odd sizes in files of every type, read at once and token by token.
"""

import subprocess
import sys
import tempfile

import numpy as np

import make
from files import rounded, write_safetensors
from models import Config, logits
from tensor import Tensor

BOUND = 1e-5  # on the logits, which are of the size of 1

FRAME = {"V": 61, "C": 96, "F": 148, "layers": 3}
N = 32

# name, version, type of the file, what else the shape has, metadata
CASES = [
    ("RWKV-4", "rwkv4", "F32", {}, {}),
    ("RWKV-4, no ln0, a bias at the head", "rwkv4", "F16", {"ln0": False, "head_bias": True}, {}),
    ("RWKV-4, another epsilon", "rwkv4", "BF16", {}, {"wkv.ln_eps": "0.001"}),
    ("RWKV-5.0", "rwkv5", "F32", {"N": N, "form": "5.0"}, {}),
    ("RWKV-5.1", "rwkv5", "F32", {"N": N, "form": "5.1"}, {}),
    ("RWKV-5.1, bonus as exponential", "rwkv5", "BF16", {"N": N, "form": "5.1-first"}, {}),
    ("RWKV-5.2", "rwkv5", "F16", {"N": N, "form": "5.2"}, {}),
    ("RWKV-5.2, another epsilon", "rwkv5", "F32", {"N": N, "form": "5.2"}, {"wkv.gn_eps": "0.01"}),
    ("RWKV-6", "rwkv6", "F32", {"N": N, "rank": 8, "decay_rank": 40}, {}),
    ("RWKV-6", "rwkv6", "F16", {"N": N, "rank": 12, "decay_rank": 20}, {}),
    ("RWKV-6, heads of 24", "rwkv6", "BF16", {"N": 24, "rank": 17, "decay_rank": 9}, {}),
    ("RWKV-7", "rwkv7", "F32", {"N": N, "ranks": {"w": 8, "a": 24, "v": 12, "g": 40}}, {}),
    ("RWKV-7", "rwkv7", "F16", {"N": N, "ranks": {"w": 40, "a": 8, "v": 9, "g": 33}}, {}),
    ("RWKV-7, heads of 48", "rwkv7", "BF16", {"N": 48, "ranks": {"w": 16, "a": 10, "v": 32, "g": 11}},
     {}),
    ("AFT-simple", "aft-simple", "F32", {}, {}),
    ("AFT-simple, token shift", "aft-simple", "F16", {"shift": True}, {}),
    ("AFT-local", "aft-local", "F32", {"P": 41, "S": 7}, {}),
    ("AFT-local, token shift, longer than trained", "aft-local", "BF16",
     {"P": 21, "S": 7, "shift": True}, {}),
    ("AFT-local, a window beyond the text", "aft-local", "F16", {"P": 41, "S": 51}, {}),
    ("AFT-conv", "aft-conv", "F32", {"N": N, "S": 5}, {}),
    ("AFT-conv, token shift, heads of 24", "aft-conv", "F16", {"N": 24, "S": 11, "shift": True},
     {}),
    ("AFT-conv, large biases", "aft-conv", "F32", {"N": 3, "S": 9, "offset": 50}, {}),
    ("AFT-conv, one head, a window of 1", "aft-conv", "BF16", {"N": 96, "S": 1}, {}),
    ("AFT-full", "aft-full", "F32", {"P": 37, "rank": 9}, {}),
    ("AFT-full, token shift", "aft-full", "F16", {"P": 39, "rank": 33, "shift": True}, {}),
    ("AFT-full, another epsilon", "aft-full", "BF16", {"P": 45, "rank": 5},
     {"wkv.ln_eps": "0.001"}),
]

# Longer than the state is kept for at once (16), and than a group of four.
LENGTH = 37


def run(wkv, path, tokens, *options):
    ids = ",".join(str(t) for t in tokens)
    out = subprocess.run([wkv, "logits", path, "--ids", ids, *options], check=True,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True).stdout
    return np.array(out.split(), dtype=np.float64)


def check(wkv, folder, seed, case):
    name, version, dtype, shape, meta = case
    params = make.model(version, seed, **FRAME, **shape)
    params = {key: rounded(x, dtype) for key, x in params.items()}
    path = f"{folder}/{seed}.safetensors"
    write_safetensors(path, params, dtype, meta)
    config = Config(version, FRAME["layers"], shape.get("N"),
                    ln_eps=float(meta.get("wkv.ln_eps", 1e-5)),
                    gn_eps=float(meta.get("wkv.gn_eps", 64e-5)))
    tokens = np.random.default_rng(seed).integers(0, FRAME["V"], (1, LENGTH))
    want = logits(config, {key: Tensor(x) for key, x in params.items()}, tokens).data[0]
    errors = []
    for n, options in ((LENGTH, ()), (LENGTH, ("--step",)), (1, ()), (6, ())):
        got = run(wkv, path, tokens[0, :n], *options)
        errors.append(np.abs(got - want[n - 1]).max())
    ok = max(errors) <= BOUND and 0.1 < np.abs(want).max() < 10
    print(f"{name}, {dtype}: largest logit {np.abs(want).max():.2f}, off by "
          f"{errors[0]:.1e} at once, {errors[1]:.1e} step by step: {'ok' if ok else 'FAILED'}")
    return ok


def main():
    with tempfile.TemporaryDirectory() as folder:
        good = [check(sys.argv[1], folder, seed, case) for seed, case in enumerate(CASES, 1)]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
