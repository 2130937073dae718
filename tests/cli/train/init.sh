# From another model: its shapes and its vocabulary, and what it has learnt.
train --steps 30 --layers 1 --arch rwkv4 --out first >/dev/null 2>&1
train --steps 2 --init first/model.safetensors --layers 1 --out second >/dev/null 2>&1
"$WKV" info second/model.safetensors | grep -E '^(architecture|layers|tokenizer) '
awk -F '[:,]' 'NR == FNR { last = $4; next } FNR == 1 { exit !($4 < last + 0.5) }' \
    first/metrics.jsonl second/metrics.jsonl
expect 1 train --init no/such/model --out third
says 'no/such/model'

# What is said of a new model beside it must be what it has.
refuses() { # WHAT, and the options
    what=$1
    shift
    expect 1 train --init first/model.safetensors --layers 1 "$@" --out third
    says "$what contradicts --init: $PWD/first/model.safetensors "
}
refuses '--layers 2' --layers 2
refuses '--width 64' --width 64
refuses '--arch rwkv7' --arch rwkv7
refuses '--token-shift' --token-shift
refuses '--vocab-size 300' --vocab-size 300
printf "1 'a' 1\n2 'b' 1\n" >vocab
refuses "--vocab $PWD/vocab" --vocab vocab
[ ! -e third ]
train --steps 2 --init first/model.safetensors --layers 1 --arch rwkv4 --vocab bytes --vocab-size 256 \
    --out third >/dev/null 2>&1
cmp second/model.safetensors third/model.safetensors
# A model without a vocabulary takes the one that is given.
"$WKV" convert third/model.safetensors bare.pth >/dev/null 2>&1
train --steps 2 --init bare.pth --layers 1 --vocab bytes --out fourth >/dev/null 2>&1
[ -f fourth/model.safetensors ]
