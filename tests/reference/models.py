"""models.py - the forward pass of every model version, as its paper has it.

One function a version for time mixing, one for channel mixing; a whole text at a time, from
the initial state, in float64.  Written for reading: the sums over earlier tokens are loops
over t.  Nothing here knows how the program computes the same.

Sources: RWKV-4 arXiv 2305.13048, RWKV-5 and 6 arXiv 2404.05892, RWKV-7 arXiv 2503.14456, AFT
arXiv 2105.14103.

B batch, T time, C width, H heads, N head size.  x is (B, T, C), layer-normed; p(name) is a
parameter of the layer, in the shape of its file; W of a linear layer is [out, in].
"""

import math

import numpy as np

from tensor import Tensor, exp, maximum, relu, sigmoid, stack, tanh


class Config:
    def __init__(self, version, layers, head_size=None, ln_eps=1e-5, gn_eps=64e-5):
        self.version, self.layers, self.head_size = version, layers, head_size
        self.ln_eps, self.gn_eps = ln_eps, gn_eps


def logits(config, params, tokens):
    """(B, T, V) of tokens (B, T); params: name -> Tensor."""
    x = params["emb.weight"][tokens]
    if "blocks.0.ln0.weight" in params:
        x = norm(x, params, "blocks.0.ln0", config)
    shared = {}  # what a layer leaves for those after it
    for l in range(config.layers):
        time_mix, channel_mix = VERSIONS[config.version]
        block = Layer(params, l, config, shared)
        x = x + time_mix(block, norm(x, params, f"blocks.{l}.ln1", config))
        x = x + channel_mix(block, norm(x, params, f"blocks.{l}.ln2", config))
    z = linear(norm(x, params, "ln_out", config), params["head.weight"])
    return z + params["head.bias"] if "head.bias" in params else z


class Layer:
    """The parameters of one layer, by call, and what its formulas need besides."""

    def __init__(self, params, index, config, shared):
        self.params, self.index, self.config, self.shared = params, index, config, shared

    def __call__(self, name):
        return self.params[f"blocks.{self.index}.{name}"]

    def has(self, name):
        return f"blocks.{self.index}.{name}" in self.params

    def heads(self, x):
        """(..., C) as (..., H, N)."""
        N = self.config.head_size
        return x.reshape(*x.shape[:-1], x.shape[-1] // N, N)


# ---- parts that the versions share ---------------------------------------------------------


def linear(x, W):
    return x @ W.T


def silu(x):
    return x * sigmoid(x)


def normalised(x, eps):
    d = x - x.mean(-1, keepdims=True)
    return d * ((d * d).mean(-1, keepdims=True) + eps) ** -0.5


def norm(x, params, name, config):
    return normalised(x, config.ln_eps) * params[name + ".weight"] + params[name + ".bias"]


def head_norm(p, y):
    """Each head of y (B, T, H, N) normalised alone; then (B, T, C)."""
    y = normalised(y, p.config.gn_eps)
    y = y.reshape(*y.shape[:2], -1)
    return y * p("att.ln_x.weight") + p("att.ln_x.bias")


def before(x):
    """x' : the previous token's x, zero before the first."""
    shifted = np.zeros_like(x.data)
    shifted[:, 1:] = x.data[:, :-1]

    def pull(g):
        out = np.zeros_like(g)
        out[:, :-1] = g[:, 1:]
        return out
    return Tensor(shifted, (x, pull))


def mixed(x, m):
    """x of the token by m, of the one before by 1 - m."""
    return x * m + before(x) * (1.0 - m)


def each_step(*tensors):
    """The tensors (B, T, ...) at t = 0, 1, ..."""
    return ([x[:, t] for x in tensors] for t in range(tensors[0].shape[1]))


# ---- RWKV-4 ------------------------------------------------------------------------------------


def wkv4(w, u, k, v):
    """sum_{i<t} e^{(t-1-i) w + k_i} v_i + e^{u+k_t} v_t over the same without v, with the
    largest exponent so far taken out of both sums."""
    B, _, C = k.shape
    a, b, p = Tensor(np.zeros((B, C))), Tensor(np.zeros((B, C))), np.full((B, C), -1e30)
    out = []
    for kt, vt in each_step(k, v):
        uk = u + kt
        q = np.maximum(p, uk.data)
        old, new = np.exp(p - q), exp(uk - q)
        out.append((a * old + new * vt) / (b * old + new))
        # p is a number that may be chosen freely; w p's share of the exponent is in `faded`.
        faded = w + p
        q = np.maximum(faded.data, kt.data)
        old, new = exp(faded - q), exp(kt - q)
        a, b, p = a * old + new * vt, b * old + new, q
    return stack(out, 1)


def time_mix_4(p, x):
    r = sigmoid(linear(mixed(x, p("att.time_mix_r")), p("att.receptance.weight")))
    k = linear(mixed(x, p("att.time_mix_k")), p("att.key.weight"))
    v = linear(mixed(x, p("att.time_mix_v")), p("att.value.weight"))
    y = wkv4(-exp(p("att.time_decay")), p("att.time_first"), k, v)
    return linear(r * y, p("att.output.weight"))


def gated_channel_mix(p, xk, xr):
    k = relu(linear(xk, p("ffn.key.weight")))
    r = sigmoid(linear(xr, p("ffn.receptance.weight")))
    return r * linear(k * k, p("ffn.value.weight"))


def channel_mix_4(p, x):
    return gated_channel_mix(p, mixed(x, p("ffn.time_mix_k")), mixed(x, p("ffn.time_mix_r")))


# ---- RWKV-5 and 6 --------------------------------------------------------------------------------


def eagle(r, k, v, w, u):
    """y_t = r_t (diag(u) k_t^T v_t + S);  S <- k_t^T v_t + diag(w_t) S.  All (B, T, H, N), but
    u (H, N); S has a row a key channel, a column a value channel."""
    B, _, H, N = k.shape
    S = Tensor(np.zeros((B, H, N, N)))
    out = []
    for rt, kt, vt, wt in each_step(r, k, v, w):
        kv = column(kt) * row(vt)
        out.append((column(rt) * (column(u) * kv + S)).sum(-2))
        S = kv + column(wt) * S
    return stack(out, 1)


def column(x):
    return x.reshape(*x.shape, 1)


def row(x):
    return x.reshape(*x.shape[:-1], 1, x.shape[-1])


def time_mix_5(p, x):
    r = linear(mixed(x, p("att.time_mix_r")), p("att.receptance.weight"))
    k = linear(mixed(x, p("att.time_mix_k")), p("att.key.weight"))
    v = linear(mixed(x, p("att.time_mix_v")), p("att.value.weight"))
    r, k, v = p.heads(r), p.heads(k), p.heads(v)
    H = k.shape[2]
    # (H, 1), one decay a head, or (H, N), one a channel; the older bonus is an exponential.
    w = exp(-exp(p("att.time_decay").reshape(H, -1)))
    u = p("att.time_faaaa") if p.has("att.time_faaaa") else exp(p("att.time_first"))
    ones = np.ones(k.shape)
    y = head_norm(p, eagle(r, k, v, w * ones, u.reshape(H, -1) * ones[0, 0]))
    if p.has("att.gate.weight"):
        y = y * silu(linear(mixed(x, p("att.time_mix_g")), p("att.gate.weight")))
    return linear(y, p("att.output.weight"))


def time_mix_6(p, x):
    s = before(x) - x
    low = tanh((x + s * p("att.time_maa_x")) @ p("att.time_maa_w1"))
    R = low.shape[-1] // 5
    xs = {}
    for i, j in enumerate("wkvrg"):
        d = low[:, :, i * R:(i + 1) * R] @ p("att.time_maa_w2")[i]
        xs[j] = x + s * (p("att.time_maa_" + j) + d)
    r = p.heads(linear(xs["r"], p("att.receptance.weight")))
    k = p.heads(linear(xs["k"], p("att.key.weight")))
    v = p.heads(linear(xs["v"], p("att.value.weight")))
    z = tanh(xs["w"] @ p("att.time_decay_w1")) @ p("att.time_decay_w2")
    w = p.heads(exp(-exp(p("att.time_decay") + z)))
    y = head_norm(p, eagle(r, k, v, w, p("att.time_faaaa")))
    return linear(y * silu(linear(xs["g"], p("att.gate.weight"))), p("att.output.weight"))


def channel_mix_6(p, x):
    s = before(x) - x
    return gated_channel_mix(p, x + s * p("ffn.time_maa_k"), x + s * p("ffn.time_maa_r"))


# ---- RWKV-7 ------------------------------------------------------------------------------------------


def goose(r, w, k, v, kappa, a):
    """S <- S diag(w) - (S kappa) (kappa a)^T + v k^T;  y = S r.  All (B, T, H, N); S has a row
    a value channel, a column a key channel."""
    B, _, H, N = k.shape
    S = Tensor(np.zeros((B, H, N, N)))
    out = []
    for rt, wt, kt, vt, ct, at in each_step(r, w, k, v, kappa, a):
        removed = (S * row(ct)).sum(-1)
        S = S * row(wt) - column(removed) * row(ct * at) + column(vt) * row(kt)
        out.append((S * row(rt)).sum(-1))
    return stack(out, 1)


def time_mix_7(p, x):
    s = before(x) - x
    xr, xw, xk, xv, xa, xg = (x + s * p("att.x_" + j) for j in "rwkvag")
    r = linear(xr, p("att.receptance.weight"))
    k = linear(xk, p("att.key.weight"))
    v = linear(xv, p("att.value.weight"))
    w = p("att.w0") + tanh(xw @ p("att.w1")) @ p("att.w2")
    w = exp(-math.exp(-0.5) * sigmoid(w))
    if p.index == 0:
        p.shared["v_first"] = v
    else:
        share = sigmoid(p("att.v0") + (xv @ p("att.v1")) @ p("att.v2"))
        v = v + (p.shared["v_first"] - v) * share
    a = sigmoid(p("att.a0") + (xa @ p("att.a1")) @ p("att.a2"))
    g = sigmoid(xg @ p("att.g1")) @ p("att.g2")
    kappa = p.heads(k * p("att.k_k"))
    length = ((kappa * kappa).sum(-1, keepdims=True)) ** 0.5
    kappa = kappa / maximum(length, 1e-12)
    k = k * (1.0 + (a - 1.0) * p("att.k_a"))
    r, w, k, v, a = (p.heads(t) for t in (r, w, k, v, a))
    y = head_norm(p, goose(r, w, k, v, kappa, a))
    bonus = v * (r * k * p("att.r_k")).sum(-1, keepdims=True)
    y = y + bonus.reshape(*x.shape)
    return linear(y * g, p("att.output.weight"))


def channel_mix_7(p, x):
    k = relu(linear(x + (before(x) - x) * p("ffn.x_k"), p("ffn.key.weight")))
    return linear(k * k, p("ffn.value.weight"))


# ---- AFT -------------------------------------------------------------------------------------------
#
# A variant is what it adds to the exponents of the tokens i = 0 ... t: (t + 1, 1), the same for
# all channels, or (t + 1, C).


def position_simple(p, t):
    return 0.0


def near(t, S):
    """The distances t - i, no larger than S - 1, and where they are so of themselves."""
    distance = t - np.arange(t + 1)
    return np.minimum(distance, S - 1), distance < S


def position_local(p, t):
    bias = p("att.position_bias")
    P, S = bias.shape
    distance, inside = near(t, S)
    return (bias[min(t, P - 1), distance] * inside).reshape(t + 1, 1)


def position_conv(p, t):
    kernel = normalised(p("att.position_kernel"), 1e-5)
    H, S = kernel.shape
    kernel = kernel * column(p("att.position_gain")) + column(p("att.position_offset"))
    distance, inside = near(t, S)
    of_heads = (kernel[:, distance] * inside).T
    return (column(of_heads) * np.ones(p.config.head_size)).reshape(t + 1, -1)


def position_full(p, t):
    return (p("att.position_z")[:t + 1] * p("att.position_u")[t]).sum(-1, keepdims=True)


def weighted_mean(p, position, k, v):
    """sum_{i<=t} e^{k_i + w_ti} v_i over the same without v, the largest exponent taken out."""
    out = []
    for t in range(k.shape[1]):
        e = k[:, :t + 1] + position(p, t)
        e = exp(e - e.data.max(1, keepdims=True))
        out.append((e * v[:, :t + 1]).sum(1) / e.sum(1))
    return stack(out, 1)


def aft(position):
    def time_mix(p, x):
        if p.has("att.time_mix_q"):
            xq, xk, xv = (mixed(x, p("att.time_mix_" + j)) for j in "qkv")
        else:
            xq = xk = xv = x
        k = linear(xk, p("att.key.weight"))
        v = linear(xv, p("att.value.weight"))
        q = sigmoid(linear(xq, p("att.query.weight")))
        return linear(q * weighted_mean(p, position, k, v), p("att.output.weight"))
    return time_mix, channel_mix_4


VERSIONS = {
    "rwkv4": (time_mix_4, channel_mix_4),
    "rwkv5": (time_mix_5, channel_mix_4),
    "rwkv6": (time_mix_6, channel_mix_6),
    "rwkv7": (time_mix_7, channel_mix_7),
    "aft-simple": aft(position_simple),
    "aft-local": aft(position_local),
    "aft-conv": aft(position_conv),
    "aft-full": aft(position_full),
}
