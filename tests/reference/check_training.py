"""check_training.py WKV - holds `wkv train` against trainer.py, step by step.

Both start from the same file of weights and read the same tokens.  The program computes in
float32, the reference in float64 and with gradients that nobody wrote down.
"""

import json
import subprocess
import sys
import tempfile

import numpy as np

import make
from files import read_safetensors, rounded, write_binidx, write_safetensors
from models import Config
from trainer import Settings, train

# Ten times tighter than float32 needs to be called equal: a wrong group or a missing L2Wrap shows.
LOSS_BOUND = 1e-5   # relative, at every step
PARAM_BOUND = 1e-4  # relative, of each tensor after the last step
NORM_BOUND = 1e-3   # relative, at every step

FRAME = {"V": 53, "C": 32, "F": 44, "layers": 2}
N = 16

# name, version, shape, settings that differ.  Together: both orders, with clipping and without.
CASES = [
    ("RWKV-4", "rwkv4", {}, {}),
    ("RWKV-5.0", "rwkv5", {"N": N, "form": "5.0"}, {"clip": 1e9}),
    ("RWKV-5.2", "rwkv5", {"N": N, "form": "5.2"}, {"order": "sequential"}),
    ("RWKV-6", "rwkv6", {"N": N, "rank": 5, "decay_rank": 7}, {"weight_decay": 0.01}),
    ("RWKV-7", "rwkv7", {"N": N, "ranks": {"w": 5, "a": 6, "v": 7, "g": 8}}, {}),
    ("AFT-simple", "aft-simple", {"shift": True}, {}),
    ("AFT-local", "aft-local", {"P": 13, "S": 5}, {"order": "sequential"}),
    ("AFT-conv", "aft-conv", {"N": N, "S": 7}, {"clip": 1e9}),
    ("AFT-full", "aft-full", {"P": 19, "rank": 7, "shift": True}, {"weight_decay": 0.01}),
]


def tokens_to_learn():
    """Half rule, half chance: a model can learn some of it."""
    rng = np.random.default_rng(0)
    ids = [1, 2]
    while len(ids) < 3605:  # 200 windows, a little above the prime 197
        rule = (3 * ids[-1] + ids[-2]) % FRAME["V"]
        ids.append(rule if rng.random() < 0.5 else int(rng.integers(0, FRAME["V"])))
    return ids


def run(wkv, folder, s):
    options = {"data": f"{folder}/ids", "init": f"{folder}/init.safetensors", "out": folder,
               "steps": s.steps, "batch": s.batch, "ctx": s.ctx, "lr": s.lr,
               "lr-final": s.lr_final, "warmup": s.warmup, "beta1": s.beta1, "beta2": s.beta2,
               "adam-eps": s.eps, "weight-decay": s.weight_decay, "clip": s.clip,
               "order": s.order, "threads": 1}
    command = [wkv, "train"]
    for name, value in options.items():
        command += ["--" + name, str(value)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    with open(f"{folder}/metrics.jsonl") as f:
        steps = [json.loads(line) for line in f]
    return steps, read_safetensors(f"{folder}/model.safetensors")


def relative(got, want):
    return np.linalg.norm(np.subtract(got, want)) / np.linalg.norm(want)


def check(wkv, seed, case):
    name, version, shape, different = case
    s = Settings(**different)
    params = make.model(version, seed, **FRAME, **shape)
    params = {key: rounded(x, "F32") for key, x in params.items()}
    ids = tokens_to_learn()
    with tempfile.TemporaryDirectory() as folder:
        write_safetensors(f"{folder}/init.safetensors", params)
        write_binidx(f"{folder}/ids", ids)
        steps, trained = run(wkv, folder, s)
    config = Config(version, FRAME["layers"], shape.get("N"))
    want = np.array(list(train(config, params, ids, s)))
    got = np.array([[line[key] for key in ("loss", "lr", "grad_norm")] for line in steps])
    loss, lr, norm = np.abs(got / want - 1).max(axis=0)
    worst, where = max((relative(trained[key].reshape(x.shape), x), key)
                       for key, x in params.items())
    ok = (loss <= LOSS_BOUND and lr <= 1e-12 and norm <= NORM_BOUND and worst <= PARAM_BOUND
          and trained.keys() == params.keys() and want[-10:, 0].mean() < want[:10, 0].mean())
    print(f"{name}: loss {want[0, 0]:.3f} to {want[-1, 0]:.3f}; relative differences: loss "
          f"{loss:.1e}, gradient norm {norm:.1e}, parameters {worst:.1e} ({where}): "
          f"{'ok' if ok else 'FAILED'}")
    return ok


def main():
    good = [check(sys.argv[1], seed, case) for seed, case in enumerate(CASES, 1)]
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
