"""RWKV-7 between us and flash-linear-attention: folders in both directions, the same logits.

Its kernels need a GPU.  Here they are replaced by the references in PyTorch that stand beside
them, and the recurrence by the three lines that it is."""
import shutil
import sys

import torch

try:
    import fla.layers.rwkv7 as layer
    import fla.models.rwkv7.modeling_rwkv7 as modeling
    from fla.models.rwkv7 import RWKV7Config, RWKV7ForCausalLM
    from fla.ops.rwkv7.fused_addcmul import torch_addcmul_rwkv7
    from fla.ops.rwkv7.fused_k_update import k_update_ref
    from fla.ops.rwkv7.gate_output_correction import gate_output_correction_ref
except ImportError as e:
    print(f"skipped: this flash-linear-attention is another one: {e}")
    sys.exit(77)

from common import IDS, logits, must_agree, randomize, run

BOUND = 1e-4


def token_shift(x, cu_seqlens=None, output_cache=False, cache=None):
    before = torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], 1)
    return before - x, x[:, -1:]


def recurrence(r, w, k, v, kk, a, **_):
    B, T, H, N = r.shape
    S = torch.zeros(B, H, N, v.shape[-1])
    out = []
    for t in range(T):
        removed = torch.einsum("bhkv,bhk->bhv", S, -kk[:, t])
        S = (S * w[:, t].exp()[..., None] + (kk * a)[:, t][..., None] * removed[:, :, None] +
             k[:, t][..., None] * v[:, t][:, :, None])
        out.append(torch.einsum("bhkv,bhk->bhv", S, r[:, t]))
    return torch.stack(out, 1), S


layer.token_shift = modeling.token_shift = token_shift
layer.fused_addcmul_rwkv7 = torch_addcmul_rwkv7
layer.fused_k_rwkv7 = k_update_ref
layer.gate_output_correction = gate_output_correction_ref
layer.fused_mul_recurrent_rwkv7 = recurrence


def theirs(model):
    for module in model.modules():
        if hasattr(module, "act_fn"):
            module.act_fn = lambda x: torch.relu(x) ** 2
    with torch.no_grad():
        return model.eval()(torch.tensor([IDS]), use_cache=False).logits[0, -1].float()


run("random-model", "seven.safetensors", "--layers", "3", "--width", "128", "--vocab", "300")
run("convert", "seven.safetensors", "seven/")
model, report = RWKV7ForCausalLM.from_pretrained("seven", output_loading_info=True)
assert not any(report.values()), report
must_agree(logits("seven.safetensors"), theirs(model), BOUND, "our folder in their program")

variants = ((dict(), dict()), (dict(max_shard_size="60KB"), dict()),
            (dict(), dict(tie_word_embeddings=True)),
            (dict(), dict(norm_first=False, norm_eps=1e-3)))
for how, what in variants:
    torch.manual_seed(0)
    config = RWKV7Config(hidden_size=96, num_hidden_layers=3, head_dim=32, vocab_size=300,
                         intermediate_size=200, decay_low_rank_dim=8, gate_low_rank_dim=24,
                         a_low_rank_dim=16, v_low_rank_dim=40, fuse_norm=False,
                         fuse_cross_entropy=False, **what)
    model = randomize(RWKV7ForCausalLM(config), 0.1)
    shutil.rmtree("theirs", ignore_errors=True)
    model.save_pretrained("theirs", **how)
    must_agree(logits("theirs"), theirs(model), BOUND, f"their folder {how or ''} {what or ''}")
