"""trainer.py - the reference trainer of RWKV-LM in a few lines: which tokens a step takes,
loss, clipping, AdamW by groups, schedule.

Source: BlinkDL/RWKV-LM, RWKV-v7/train_temp and, for the groups of older versions, RWKV-v4neo;
docs/math/training.md has the same as formulas.
"""

import math

import numpy as np

from models import logits
from tensor import Tensor, exp, log


class Settings:
    def __init__(self, **values):
        self.steps, self.batch, self.ctx = 50, 3, 18
        self.lr, self.lr_final, self.warmup = 2e-3, 2e-4, 10
        self.beta1, self.beta2, self.eps = 0.9, 0.99, 1e-18
        self.weight_decay, self.clip = 0.1, 1.0
        self.order = "random"
        self.__dict__.update(values)


# ---- which tokens -----------------------------------------------------------------------------


def magic_prime(n):
    """The largest prime of the form 3 i + 2 up to n."""
    def is_prime(p):
        return p > 1 and all(p % d for d in range(2, math.isqrt(p) + 1))
    return next(p for p in range(n, 1, -1) if p % 3 == 2 and is_prime(p))


def batch_of(ids, step, s):
    """Inputs and targets (B, T) of step 0, 1, ..."""
    rows = []
    for b in range(s.batch):
        i = step * s.batch + b
        if s.order == "sequential":
            start = i % ((len(ids) - 1) // s.ctx) * s.ctx
        else:
            prime = magic_prime(len(ids) // s.ctx - 1)
            assert prime > 0.9 * (len(ids) // s.ctx), "the reference wants more tokens"
            factor = int(prime * ((math.sqrt(5) - 1) / 2))
            start = factor * (i + 1) ** 3 % prime * s.ctx
        rows.append(ids[start:start + s.ctx + 1])
    rows = np.array(rows)
    return rows[:, :-1], rows[:, 1:]


# ---- loss -------------------------------------------------------------------------------------


def losses(config, params, inputs, targets):
    """The mean cross-entropy, and what is minimised: with it L2Wrap, whose gradient is 1e-4 of
    the largest logit, at that logit."""
    z = logits(config, params, inputs)
    V = z.shape[-1]
    z, y = z.reshape(-1, V), targets.reshape(-1)
    every = np.arange(len(y))
    largest = z[every, z.data.argmax(-1)]
    shifted = z - largest.data[:, None]
    cross_entropy = (log(exp(shifted).sum(-1)) - shifted[every, y]).mean()
    return cross_entropy, cross_entropy + (largest * largest).mean() * (0.5 * 1e-4)


# ---- optimiser --------------------------------------------------------------------------------


def rate(step, s):
    """Of step 0, 1, ...: a cosine after the warm-up."""
    p = min(max((step - s.warmup) / (s.steps - s.warmup), 0.0), 1.0)
    f = s.lr_final / s.lr
    lr = s.lr * ((0.5 + f / 2) + (0.5 - f / 2) * math.cos(math.pi * p))
    return lr * (0.01 + 0.99 * step / s.warmup) if step < s.warmup else lr


def multiplier(name):
    if name.endswith((".att.w0", ".att.time_decay")):
        return 2.0
    return 3.0 if name.endswith(".att.time_first") else 1.0


def decays(name, x):
    if name.endswith((".att.position_bias", ".att.position_u", ".att.position_z")):
        return True
    return ".weight" in name and sum(n > 1 for n in x.shape) >= 2


def train(config, params, ids, s):
    """Trains params (name -> array) in place; yields (loss, rate, gradient norm) of each step."""
    m = {name: np.zeros_like(x) for name, x in params.items()}
    v = {name: np.zeros_like(x) for name, x in params.items()}
    for step in range(s.steps):
        tensors = {name: Tensor(x) for name, x in params.items()}
        loss, objective = losses(config, tensors, *batch_of(ids, step, s))
        objective.backward()
        norm = math.sqrt(sum((t.grad ** 2).sum() for t in tensors.values()))
        lr = rate(step, s)
        for name, x in params.items():
            g = tensors[name].grad * min(1.0, s.clip / norm)
            m[name] += (1 - s.beta1) * (g - m[name])
            v[name] += (1 - s.beta2) * (g * g - v[name])
            update = (m[name] / (1 - s.beta1 ** (step + 1))
                      / (np.sqrt(v[name] / (1 - s.beta2 ** (step + 1))) + s.eps))
            if decays(name, x):
                update = update + s.weight_decay * x
            x -= lr * multiplier(name) * update
        yield float(loss.data), lr, norm
