"""PyTorch opens our .pth, and we open what it writes: both forms, every type, views and shared
storages, and the pieces of models that trainers save."""
import sys

import torch

from common import read_safetensors, run, same

# ---- ours in PyTorch's hands -------------------------------------------------------------------
run("random-model", "model.safetensors", "--layers", "2", "--width", "64", "--vocab", "300")
for dtype in (None, "f32", "f16", "bf16"):
    choice = [] if dtype is None else ["--dtype", dtype]
    run("convert", "model.safetensors", "model.pth", *choice)
    run("convert", "model.safetensors", "same.safetensors", *choice)
    ours = torch.load("model.pth", map_location="cpu", weights_only=True)
    want = read_safetensors("same.safetensors")
    assert list(ours) == list(want), "other names, or in another order"
    for name, t in ours.items():
        if not same(t, want[name]):
            sys.exit(f"{dtype}: {name}: {t.dtype} {tuple(t.shape)} differs")
    matrix = ours["blocks.0.att.key.weight"].dtype
    assert matrix == {None: torch.float32, "f32": torch.float32, "f16": torch.float16,
                      "bf16": torch.bfloat16}[dtype]
    print(f"{len(ours)} tensors of {matrix} opened by torch.load(weights_only=True)")

# ---- PyTorch's in ours ---------------------------------------------------------------------------
torch.manual_seed(0)
base = torch.randn(6, 8)
half = torch.randn(40).to(torch.bfloat16)
written = {
    "whole": base,
    "turned": base.t(),
    "inside": base[1:4, 2:7],
    "every.second": half[1::2],
    "head": half[:10].view(2, 5),
    "repeated": torch.tensor([1.5, -0.0]).expand(3, 2),
    "bf16": torch.tensor([[float("nan"), -0.0], [1e-40, 3e38]], dtype=torch.bfloat16),
    "f16": torch.randn(3, 1, 2).half(),
    "f64": torch.randn(2, 2, dtype=torch.float64),
    "i64": torch.arange(-3, 3),
    "u8": torch.arange(5, dtype=torch.uint8),
    "bool": torch.tensor([True, False]),
    "scalar": torch.tensor(2.5),
    "nothing": torch.empty(0, 4),
    "parameter": torch.nn.Parameter(torch.randn(2, 3)),
}
for zipped in (True, False):
    torch.save(written, "theirs.pth", _use_new_zipfile_serialization=zipped)
    run("convert", "theirs.pth", "theirs.safetensors")
    got = read_safetensors("theirs.safetensors")
    assert set(got) == set(written)
    for name, t in written.items():
        if not same(got[name], t.detach()):
            sys.exit(f"zip {zipped}: {name} differs: {got[name]} for {t}")
    # And through our own .pth, back into PyTorch.
    run("convert", "theirs.pth", "again.pth")
    again = torch.load("again.pth", weights_only=True)
    assert all(same(again[name], t.detach()) for name, t in written.items())
    print(f"{len(written)} tensors read from {'the ZIP' if zipped else 'the older'} form")

# ---- pieces of models ------------------------------------------------------------------------------
lora = {f"blocks.{i}.att.key.lora_{f}": torch.zeros((8, 64) if f == "A" else (64, 8))
        for i in range(2) for f in "AB"}
pieces = {
    "LoRA adapter": lora,
    "PiSSA factors": {k.replace("lora_", "init_lora_"): v for k, v in lora.items()},
    "Bone adapter": {"blocks.0.att.key.bone": torch.zeros(8, 8, 8)},
    "initial state": {f"blocks.{i}.att.time_state": torch.zeros(2, 4, 4) for i in range(2)},
}
for kind, tensors in pieces.items():
    for wrap in ("", "model."):
        torch.save({wrap + k: v for k, v in tensors.items()}, "piece.pth")
        said = run("info", "piece.pth")
        assert f"kind          {kind}: " in said, said
print(f"{len(pieces)} pieces of models recognised")
