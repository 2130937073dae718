"""RWKV-4 between us and transformers: folders in both directions, the same logits."""
import json
import os
import shutil

import torch
from transformers import AutoModelForCausalLM, RwkvConfig, RwkvForCausalLM

from common import IDS, logits, must_agree, randomize, run

BOUND = 1e-4


def theirs(model):
    with torch.no_grad():
        return model.eval()(torch.tensor([IDS])).logits[0, -1].float()


run("random-model", "four.safetensors", "--arch", "rwkv4", "--layers", "8", "--width", "96",
    "--vocab", "300")
run("convert", "four.safetensors", "four/")
model, report = AutoModelForCausalLM.from_pretrained("four", output_loading_info=True)
assert not any(report.values()), report
assert isinstance(model, RwkvForCausalLM) and model.dtype == torch.float32
must_agree(logits("four.safetensors"), theirs(model), BOUND, "our folder in transformers")

for how in ({}, {"max_shard_size": "60KB"}):
    config = RwkvConfig(vocab_size=300, hidden_size=64, num_hidden_layers=8, intermediate_size=200,
                        layer_norm_epsilon=1e-4)
    model = randomize(RwkvForCausalLM(config), 0.2)
    shutil.rmtree("theirs", ignore_errors=True)
    model.save_pretrained("theirs", **how)
    files = len(os.listdir("theirs"))
    must_agree(logits("theirs"), theirs(model), BOUND, f"their folder of {files} files")

# The older form: one file of torch.save, or several with an index.
state = {k: v.clone() for k, v in RwkvForCausalLM.from_pretrained("theirs").state_dict().items()}
for name in os.listdir("theirs"):
    if name.startswith("model"):
        os.remove("theirs/" + name)
torch.save(state, "theirs/pytorch_model.bin")
must_agree(logits("theirs"), theirs(model), BOUND, "their folder with pytorch_model.bin")
os.remove("theirs/pytorch_model.bin")
names = sorted(state)
torch.save({k: state[k] for k in names[::2]}, "theirs/a.bin")
torch.save({k: state[k] for k in names[1::2]}, "theirs/b.bin")
place = {k: "ab"[i % 2] + ".bin" for i, k in enumerate(names)}
with open("theirs/pytorch_model.bin.index.json", "w", encoding="utf-8") as f:
    json.dump({"metadata": {}, "weight_map": place}, f)
must_agree(logits("theirs"), theirs(model), BOUND, "their folder with an index of .bin files")
