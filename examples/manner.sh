#!/bin/sh
# manner.sh FIRST SECOND [DIR] - the manner of small models is changed without changing the models.
#
# One learns the text FIRST alone; an adapter (LoRA, then PiSSA) teaches it that of SECOND, which it
# has never seen.  Another learns both; the state that it begins with, and nothing else, is tuned
# until it speaks as FIRST does.  SECOND is a text, or JSON lines, each of them a document.
#
# Prints the loss on what is held out before and after, and what is said then.  DIR (wkv-manner)
# keeps it all.  WKV names the program; STEPS says how long models and pieces learn.
set -eu
[ $# -ge 2 ] || { echo "usage: $0 FIRST SECOND [DIR]" >&2; exit 2; }
wkv=${WKV:-$(dirname "$0")/../build/release/wkv}
first=$1 second=$2 dir=${3:-wkv-manner}
# shellcheck disable=SC2086
set -- ${STEPS:-2000 1500 300 200}
mkdir -p "$dir"

# train NAME OPTION...: a run with its log, in $dir/NAME.
train() {
    run=$1
    shift
    "$wkv" train --val-every 0 --out "$dir/$run" "$@" 2>"$dir/$run.log" >"$dir/$run.end"
}

# tuned NAME FILE: what the run of that name has come to.
tuned() {
    echo
    echo "--- $1: held out $(sed -n 's/^before the first step: validation //p' "$dir/$1.log") before," \
        "$(sed -n 's/^validation *\([0-9.]*\).*/\1/p' "$dir/$1.end") after" \
        "$(sed -n 's/^trained .*, //p' "$dir/$1.end") minutes; $(wc -c <"$2") bytes"
}

# say MODEL OPTION...: two texts, from the same seeds each time.
say() {
    model=$1
    shift
    for seed in 1 2; do
        "$wkv" generate "$dir/$model/model.safetensors" -p 'He was ' --echo -n 200 --seed "$seed" \
            --temperature 0.7 "$@"
        echo
    done
}

"$wkv" prepare --out "$dir/second" --vocab bytes "$second" 2>"$dir/prepare.log"

train one --data "$first" --val-fraction 0.1 --lr 4e-3 --steps "$1"
echo "--- the model that knows the first text"
say one
base="--init $dir/one/model.safetensors --data $dir/second --pack --ctx 256 --batch 8
    --val-fraction 0.02 --steps $3"
# shellcheck disable=SC2086
train lora $base --lora 8 --lr 1e-2 --lr-final 1e-3
tuned lora "$dir/lora/adapter.safetensors"
say one --adapter "$dir/lora/adapter.safetensors"
# shellcheck disable=SC2086
train pissa $base --pissa 8 --lr 4e-3 --lr-final 4e-4
tuned pissa "$dir/pissa/adapter.safetensors"
say one --adapter "$dir/pissa/adapter.safetensors"

train both --data "$first:1" --data "$dir/second:1" --vocab bytes --val-fraction 0.02 --ctx 128 \
    --batch 8 --lr 4e-3 --steps "$2"
echo
echo "--- the model that knows both"
say both
train state --init "$dir/both/model.safetensors" --data "$first" --ctx 64 --batch 8 \
    --val-fraction 0.02 --state-tuning --lr 0.3 --lr-final 0.01 --steps "$4"
tuned state "$dir/state/state.safetensors"
say both --state "$dir/state/state.safetensors"
