#!/bin/sh
# shakespeare.sh TEXT [ARCH...] - what each architecture reaches on one text, as a table.
#
# The setting is that of nanoGPT's example for a processor: bytes, the last 10 % held out,
# 4 layers, width 128, 64 tokens in a row, 12 rows in a step, 2000 steps.  The validation
# loss is the mean over all windows of the held-out part, each from the initial state.
# Tokens per second are those of training, behind the first ten steps.  WKV names the program;
# STEPS, fewer steps, where speed is what is wanted.
set -eu
[ $# -ge 1 ] || { echo "usage: $0 TEXT [ARCH...]" >&2; exit 2; }
steps=${STEPS:-2000}
wkv=${WKV:-$(dirname "$0")/../build/release/wkv}
text=$1
shift
[ $# -gt 0 ] || set -- rwkv4 rwkv5 rwkv6 rwkv7 aft-simple aft-local aft-conv aft-full
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

# number FILE KEY: a number from a file of JSON.
number() { grep -o "\"$2\": *[0-9.]*" "$1" | tail -n 1 | sed 's/.*: *//'; }

# speed METRICS: tokens per second behind the first ten steps.
speed() {
    awk -F '[,:]' '{
        for (i = 1; i < NF; i++) {
            if ($i ~ /"tokens"/) tokens = $(i + 1)
            if ($i ~ /"seconds"/) seconds = $(i + 1)
        }
        if (NR == 10) { tokens0 = tokens; seconds0 = seconds }
    } END { printf "%d", (tokens - tokens0) / (seconds - seconds0) }' "$1"
}

echo "| architecture | parameters | validation loss | seconds | tokens/s | state, bytes |"
echo "|---|---|---|---|---|---|"
for arch in "$@"; do
    begin=$(date +%s)
    "$wkv" train --data "$text" --val-fraction 0.1 --arch "$arch" --layers 4 --width 128 \
        --head-size 32 --vocab bytes --ctx 64 --batch 12 --steps "$steps" --val-every 0 \
        --save-every 0 --out "$out/$arch" >"$out/log" 2>&1
    seconds=$(($(date +%s) - begin))
    "$wkv" info "$out/$arch/model.safetensors" --json >"$out/info"
    echo "| $arch | $(number "$out/info" parameters) |" \
        "$(number "$out/$arch/metrics.jsonl" val_loss | cut -c 1-5) | $seconds |" \
        "$(speed "$out/$arch/metrics.jsonl") | $(number "$out/info" state_bytes) |"
done
