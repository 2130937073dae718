"""make.py - models with random weights, in the names and shapes of their files.

The numbers are of a size that a trained model's have, so that every part of a formula
shows in the result: decays from slow to fast, mixes over the whole range, no zeros.
"""

import numpy as np


class Maker:
    """Collects parameters: name -> array."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.params = {}

    def normal(self, name, *shape, scale=1.0, mean=0.0):
        self.params[name] = mean + scale * self.rng.standard_normal(shape)

    def uniform(self, name, *shape, low=0.0, high=1.0):
        self.params[name] = self.rng.uniform(low, high, shape)

    def matrix(self, name, out, into, gain=1.0):
        self.normal(name, out, into, scale=gain / np.sqrt(into))

    def norm(self, name, C):
        self.normal(name + ".weight", C, scale=0.2, mean=1.0)
        self.normal(name + ".bias", C, scale=0.1)

    def low_rank(self, name1, name2, C, rank):
        self.matrix(name1, C, rank, gain=np.sqrt(rank / C))
        self.matrix(name2, rank, C, gain=np.sqrt(C / rank))


def frame(m, V, C, ln0=True, head_bias=False):
    m.normal("emb.weight", V, C)
    if ln0:
        m.norm("blocks.0.ln0", C)
    m.norm("ln_out", C)
    m.matrix("head.weight", V, C)
    if head_bias:
        m.normal("head.bias", V, scale=0.3)


def linears(m, at, C, F, names, ffn_gate=True):
    for name in names:
        m.matrix(f"{at}.att.{name}.weight", C, C)
    m.matrix(f"{at}.ffn.key.weight", F, C)
    m.matrix(f"{at}.ffn.value.weight", C, F)
    if ffn_gate:
        m.matrix(f"{at}.ffn.receptance.weight", C, C)


def block_4(m, at, l, C, F):
    for j in "kvr":
        m.uniform(f"{at}.att.time_mix_{j}", 1, 1, C)
    for j in "kr":
        m.uniform(f"{at}.ffn.time_mix_{j}", 1, 1, C)
    m.uniform(f"{at}.att.time_decay", C, low=-5.0, high=1.5)
    m.normal(f"{at}.att.time_first", C, mean=-0.5)
    linears(m, at, C, F, ("key", "value", "receptance", "output"))


def block_5(m, at, l, C, F, N, form):
    """form: "5.0"; "5.1", whose bonus is raw; "5.1-first", an exponential; "5.2"."""
    H, gate = C // N, form != "5.0"
    for j in "kvrg" if gate else "kvr":
        m.uniform(f"{at}.att.time_mix_{j}", 1, 1, C)
    for j in "kr":
        m.uniform(f"{at}.ffn.time_mix_{j}", 1, 1, C)
    per_head = (H, N) if form == "5.2" else (H,)
    m.uniform(f"{at}.att.time_decay", *per_head, low=-5.0, high=1.0)
    bonus = "time_first" if form in ("5.0", "5.1-first") else "time_faaaa"
    m.normal(f"{at}.att.{bonus}", *per_head, scale=0.5)
    m.norm(f"{at}.att.ln_x", C)
    linears(m, at, C, F, ("key", "value", "receptance", "output") + ("gate",) * gate)


def block_6(m, at, l, C, F, N, rank, decay_rank):
    for j in "xwkvrg":
        m.uniform(f"{at}.att.time_maa_{j}", 1, 1, C)
    for j in "kr":
        m.uniform(f"{at}.ffn.time_maa_{j}", 1, 1, C)
    m.matrix(f"{at}.att.time_maa_w1", C, 5 * rank, gain=np.sqrt(5 * rank / C))
    m.normal(f"{at}.att.time_maa_w2", 5, rank, C, scale=0.5 / np.sqrt(rank))
    m.uniform(f"{at}.att.time_decay", 1, 1, C, low=-5.0, high=1.0)
    m.low_rank(f"{at}.att.time_decay_w1", f"{at}.att.time_decay_w2", C, decay_rank)
    m.normal(f"{at}.att.time_faaaa", C // N, N, scale=0.5)
    m.norm(f"{at}.att.ln_x", C)
    linears(m, at, C, F, ("key", "value", "receptance", "output", "gate"))


def block_7(m, at, l, C, F, N, ranks):
    for j in "rwkvag":
        m.uniform(f"{at}.att.x_{j}", 1, 1, C)
    m.uniform(f"{at}.ffn.x_k", 1, 1, C)
    m.uniform(f"{at}.att.w0", 1, 1, C, low=-6.0, high=1.0)
    m.normal(f"{at}.att.a0", 1, 1, C, scale=0.5)
    m.normal(f"{at}.att.k_k", 1, 1, C, scale=0.2, mean=0.7)
    m.normal(f"{at}.att.k_a", 1, 1, C, scale=0.2, mean=1.0)
    m.normal(f"{at}.att.r_k", C // N, N, scale=0.2)
    if l > 0:
        m.normal(f"{at}.att.v0", 1, 1, C, scale=0.5)
    for j in "wavg":
        if j != "v" or l > 0:
            m.low_rank(f"{at}.att.{j}1", f"{at}.att.{j}2", C, ranks[j])
    m.norm(f"{at}.att.ln_x", C)
    linears(m, at, C, F, ("key", "value", "receptance", "output"), ffn_gate=False)


def aft_frame(m, at, C, F, shift):
    for j in "qkv" if shift else "":
        m.uniform(f"{at}.att.time_mix_{j}", 1, 1, C)
    for j in "kr":
        m.uniform(f"{at}.ffn.time_mix_{j}", 1, 1, C)
    linears(m, at, C, F, ("query", "key", "value", "output"))


def block_aft_simple(m, at, l, C, F, shift=False):
    aft_frame(m, at, C, F, shift)


def block_aft_local(m, at, l, C, F, P, S, shift=False):
    aft_frame(m, at, C, F, shift)
    m.normal(f"{at}.att.position_bias", P, S)


def block_aft_conv(m, at, l, C, F, N, S, shift=False, offset=0.5):
    aft_frame(m, at, C, F, shift)
    m.normal(f"{at}.att.position_kernel", C // N, S)
    m.normal(f"{at}.att.position_gain", C // N)
    m.normal(f"{at}.att.position_offset", C // N, scale=offset)


def block_aft_full(m, at, l, C, F, P, rank, shift=False):
    aft_frame(m, at, C, F, shift)
    for j in "uz":
        m.normal(f"{at}.att.position_{j}", P, rank, scale=rank ** -0.25)


BLOCKS = {"rwkv4": block_4, "rwkv5": block_5, "rwkv6": block_6, "rwkv7": block_7,
          "aft-simple": block_aft_simple, "aft-local": block_aft_local,
          "aft-conv": block_aft_conv, "aft-full": block_aft_full}


def model(version, seed, V, C, F, layers, ln0=True, head_bias=False, **shape):
    """name -> array of float64; shape: what the version's block asks for."""
    m = Maker(seed)
    frame(m, V, C, ln0, head_bias)
    for l in range(layers):
        at = f"blocks.{l}"
        m.norm(f"{at}.ln1", C)
        m.norm(f"{at}.ln2", C)
        BLOCKS[version](m, at, l, C, F, **shape)
    return m.params
