# One thread and two give the same bits.
train --out one >/dev/null 2>&1
train --out two --threads 2 >/dev/null 2>&1
cmp one/model.safetensors two/model.safetensors
