"""RWKV-7 in PyTorch, from the formulas of docs/math/rwkv7.md, to measure against.

The recurrence comes in two forms: `plain`, a loop over time in PyTorch itself, and `cpp`, the
operator of wkv7.cpp.  Everything else is the same.
"""

import math
import os

import torch
import torch.nn as nn
import torch.nn.functional as F


CHUNK = 16  # steps between the states that wkv7.cpp keeps


def wkv7_plain(r, w, k, v, a, b):
    """All (B, T, H, N).  S is (B, H, N, N), values by keys."""
    B, T, H, N = r.shape
    S = r.new_zeros(B, H, N, N)
    out = []
    for t in range(T):
        sa = S @ a[:, t].unsqueeze(-1)
        S = S * w[:, t].unsqueeze(-2) + sa @ b[:, t].unsqueeze(-2) + v[:, t].unsqueeze(-1) @ k[:, t].unsqueeze(-2)
        out.append((S @ r[:, t].unsqueeze(-1)).squeeze(-1))
    return torch.stack(out, 1)


class WKV7(torch.autograd.Function):
    @staticmethod
    def forward(ctx, *inputs):
        inputs = [x.contiguous() for x in inputs]
        y, keep = torch.ops.bench.wkv7(*inputs)
        ctx.save_for_backward(*inputs, keep)
        return y

    @staticmethod
    def backward(ctx, dy):
        return tuple(torch.ops.bench.wkv7_backward(*ctx.saved_tensors, dy.contiguous()))


def load_cpp():
    from torch.utils.cpp_extension import load

    here = os.path.dirname(os.path.abspath(__file__))
    load("bench_wkv7", [os.path.join(here, "wkv7.cpp")], is_python_module=False,
         extra_cflags=["-O3", "-march=native", "-ffast-math", "-fopenmp"], extra_ldflags=["-fopenmp"])

    # What torch.compile must know: the shapes of the results.
    @torch.library.register_fake("bench::wkv7")
    def _(r, w, k, v, a, b):
        B, T, H, N = r.shape
        return [torch.empty_like(r), r.new_empty(B, H, (T + CHUNK - 1) // CHUNK, N, N)]

    @torch.library.register_fake("bench::wkv7_backward")
    def _(r, w, k, v, a, b, keep, dy):
        return [torch.empty_like(r) for _ in range(6)]


def ranks(C):
    def rank(f):
        return max(32, 32 * round(f * math.sqrt(C) / 32))
    return rank(2.5), rank(2.5), rank(1.7), rank(5)


def shift(x):
    return F.pad(x, (0, 0, 1, -1)) - x


class TimeMix(nn.Module):
    def __init__(self, C, N, layer, wkv):
        super().__init__()
        self.H, self.N, self.layer, self.wkv = C // N, N, layer, wkv
        self.mix = nn.Parameter(torch.rand(6, C))
        rw, ra, rv, rg = ranks(C)

        def low(rank):
            return nn.Parameter(torch.randn(C, rank) * 0.01), nn.Parameter(torch.randn(rank, C) * 0.01)

        self.w1, self.w2 = low(rw)
        self.a1, self.a2 = low(ra)
        self.g1, self.g2 = low(rg)
        if layer > 0:
            self.v1, self.v2 = low(rv)
            self.v0 = nn.Parameter(torch.zeros(C))
        self.w0, self.a0 = nn.Parameter(torch.zeros(C)), nn.Parameter(torch.zeros(C))
        self.k_k, self.k_a = nn.Parameter(torch.ones(C) * 0.7), nn.Parameter(torch.ones(C))
        self.r_k = nn.Parameter(torch.zeros(C // N, N))
        self.receptance, self.key, self.value, self.output = (nn.Linear(C, C, bias=False) for _ in range(4))
        self.ln_x = nn.GroupNorm(C // N, C, eps=64e-5)

    def forward(self, x, v_first):
        B, T, C = x.shape
        heads = (B, T, self.H, self.N)
        xx = shift(x)
        xr, xw, xk, xv, xa, xg = (torch.addcmul(x, xx, m) for m in self.mix)
        r, k, v = self.receptance(xr), self.key(xk), self.value(xv)
        w = torch.exp(-0.6065306597126334 * torch.sigmoid(self.w0 + torch.tanh(xw @ self.w1) @ self.w2))
        if self.layer == 0:
            v_first = v
        else:
            v = v + (v_first - v) * torch.sigmoid(self.v0 + (xv @ self.v1) @ self.v2)
        a = torch.sigmoid(self.a0 + (xa @ self.a1) @ self.a2)
        g = torch.sigmoid(xg @ self.g1) @ self.g2
        kk = F.normalize((k * self.k_k).view(heads), dim=-1)
        k = (k * (1 + (a - 1) * self.k_a)).view(heads)
        r, v = r.view(heads), v.view(heads)
        y = self.wkv(r, w.view(heads), k, v, -kk, kk * a.view(heads))
        y = self.ln_x(y.reshape(B * T, C)).view(B, T, C)
        y = y + ((r * k * self.r_k).sum(-1, keepdim=True) * v).view(B, T, C)
        return self.output(y * g), v_first


class ChannelMix(nn.Module):
    def __init__(self, C):
        super().__init__()
        self.mix = nn.Parameter(torch.rand(C))
        self.key, self.value = nn.Linear(C, 4 * C, bias=False), nn.Linear(4 * C, C, bias=False)

    def forward(self, x):
        return self.value(torch.relu(self.key(torch.addcmul(x, shift(x), self.mix))) ** 2)


class Block(nn.Module):
    def __init__(self, C, N, layer, wkv):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(C), nn.LayerNorm(C)
        self.att, self.ffn = TimeMix(C, N, layer, wkv), ChannelMix(C)

    def forward(self, x, v_first):
        y, v_first = self.att(self.ln1(x), v_first)
        x = x + y
        return x + self.ffn(self.ln2(x)), v_first


class RWKV7(nn.Module):
    def __init__(self, V, C, L, N, wkv):
        super().__init__()
        self.emb = nn.Embedding(V, C)
        self.ln0, self.ln_out = nn.LayerNorm(C), nn.LayerNorm(C)
        self.blocks = nn.ModuleList(Block(C, N, l, wkv) for l in range(L))
        self.head = nn.Linear(C, V, bias=False)

    def forward(self, ids):
        x, v_first = self.ln0(self.emb(ids)), None
        for block in self.blocks:
            x, v_first = block(x, v_first)
        return self.head(self.ln_out(x))
