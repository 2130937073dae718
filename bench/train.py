#!/usr/bin/env python3
"""Training speed of wkv beside PyTorch on this machine, for one RWKV-7.

    python bench/train.py [--layers 6 --width 512 --ctx 512 --batch 8 --vocab 256 --threads 0]

Needs `make bench` (build/release/bench/bench_train) and PyTorch with ninja to build its C++
operator.  wkv, PyTorch with its recurrence as a C++ operator, and plain PyTorch take their steps
in turn, so that whatever else the machine does hits all of them; the best step of each counts.
All do the same: forward, cross-entropy, backward, clipping, AdamW (PyTorch's fused one), in float32.
"""

import argparse
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "torch"))

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    sys.exit("bench/train.py: PyTorch is not installed for " + sys.executable)

import rwkv7  # noqa: E402


def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in dict(layers=6, width=512, ctx=512, batch=8, vocab=256, threads=0, rounds=3).items():
        p.add_argument(f"--{name}", type=int, default=default)
    p.add_argument("--wkv", default=os.path.join(HERE, "..", "build", "release", "bench", "bench_train"))
    p.add_argument("--no-plain", action="store_true", help="leave plain PyTorch out, which takes long")
    p.add_argument("--compile", action="store_true", help="torch.compile what is not the recurrence")
    return p.parse_args()


def ours(o):
    names = dict(layers=o.layers, width=o.width, ctx=o.ctx, batch=o.batch, vocab=o.vocab, threads=o.threads)
    command = [o.wkv, "json=1", "steps=3"] + [f"{k}={v}" for k, v in names.items()]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


class Theirs:
    def __init__(self, o, wkv):
        torch.manual_seed(1)
        self.model = rwkv7.RWKV7(o.vocab, o.width, o.layers, 64, wkv)
        if o.compile:
            self.model = torch.compile(self.model)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, fused=True)
        self.ids = torch.randint(o.vocab, (o.batch, o.ctx + 1))
        self.best = None

    def step(self):
        start = time.perf_counter()
        logits = self.model(self.ids[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), self.ids[:, 1:].flatten())
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        seconds = time.perf_counter() - start
        self.best = seconds if self.best is None else min(self.best, seconds)


def share_of(mine):
    """Of oneDNN's peak, which is 0 where wkv was built without it."""
    peak = mine["peak_onednn"]
    return f"{100 * mine['flops'] / peak:.1f} % of oneDNN's peak" if peak > 0 else ""


def main():
    o = options()
    if o.threads:
        torch.set_num_threads(o.threads)
    rwkv7.load_cpp()
    rivals = {"PyTorch, C++ operator": Theirs(o, rwkv7.WKV7.apply)}
    if not o.no_plain:
        rivals["PyTorch, plain"] = Theirs(o, rwkv7.wkv7_plain)
    best = {}
    for round_ in range(o.rounds + 1):  # the first warms up
        mine = ours(o)
        if round_ > 0 and (not best or mine["tokens_per_s"] > best["tokens_per_s"]):
            best = mine
        for name, r in rivals.items():
            if round_ == 1:
                r.best = None
            r.step()
            if "plain" not in name:
                r.step()
    tokens = o.ctx * o.batch
    print(f"RWKV-7 L{o.layers} C{o.width} ctx {o.ctx} batch {o.batch} V{o.vocab}, {best['threads']} threads, "
          f"PyTorch {torch.__version__}")
    print(f"{'wkv':24} {best['tokens_per_s']:9.1f} tokens/s   {share_of(best)}")
    for name, r in rivals.items():
        rate = tokens / r.best
        print(f"{name:24} {rate:9.1f} tokens/s   wkv is {best['tokens_per_s'] / rate:.2f} times as fast")


if __name__ == "__main__":
    main()
