# From another model: its shapes and its vocabulary, and what it has learnt.
train --steps 30 --layers 1 --arch rwkv4 --out first >/dev/null 2>&1
train --steps 2 --init first/model.safetensors --out second >/dev/null 2>&1
"$WKV" info second/model.safetensors | grep -E '^(architecture|layers|tokenizer) '
awk -F '[:,]' 'NR == FNR { last = $4; next } FNR == 1 { exit !($4 < last + 0.5) }' \
    first/metrics.jsonl second/metrics.jsonl
expect 1 train --init no/such/model --out third
says 'no/such/model'
