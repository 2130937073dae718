# Killed at random moments and resumed, on one thread and on two in turn, a run loses no
# checkpoint and damages none: all are those of a run that was left alone, to the last bit, and
# so is the end.  Its guard skips steps, it validates, and it keeps some of its checkpoints.
# KILLS says how many times (10), KILL_SEED which moments.
kills=${KILLS:-10}
seed=${KILL_SEED:-$$}
echo "KILL_SEED=$seed" >&2
steps=300
options="--steps $steps --save-every 3 --keep-every 100 --val-fraction 0.2 --val-every 30
    --guard 0.7 --guard-stop 1000"
# shellcheck disable=SC2086
train $options --keep 0 --out whole >/dev/null 2>&1
grep -q skipped whole/metrics.jsonl

moment() { # a random part of a second that a run seldom outlives
    awk -v seed="$1" -v most="$2" 'BEGIN { srand(seed); printf "%.4f", rand() * most }'
}
same_as_whole() {
    for file in cut/checkpoint-*.safetensors; do
        [ ! -e "$file" ] || cmp "$file" "whole/${file#cut/}" || die "KILL_SEED=$seed: $file differs"
    done
}
newest() { ls "$1" 2>/dev/null | sed -n 's/^checkpoint-0*\([0-9]*\)\.safetensors$/\1/p' | tail -n 1; }
numbers() { sed 's/, "seconds": [^,}]*//; s/, "tokens_per_s": [^,}]*//' "$1"; }
numbers whole/metrics.jsonl >whole.metrics
checkpoints() { ls "$1" | grep '^checkpoint-.*safetensors$'; }
# Each hundredth, unless its step was skipped, and the newest two.
{ checkpoints whole | grep '00\.safetensors$' && checkpoints whole | tail -n 2; } | sort -u >kept

done=0
runs=0
while [ $done -lt "$kills" ]; do
    rm -rf cut
    code=137
    before=0
    while [ $code -eq 137 ]; do
        # shellcheck disable=SC2086
        "$WKV" train --resume $train_args $options --threads $((1 + done % 2)) --out cut \
            >/dev/null 2>err &
        pid=$!
        [ $done -ge "$kills" ] || sleep "$(moment $((seed + done + runs)) 0.6)"
        [ $done -ge "$kills" ] || kill -9 $pid 2>/dev/null || :
        code=0
        wait $pid 2>/dev/null || code=$?
        [ $code -ne 137 ] || done=$((done + 1))
        [ ! -e cut ] || same_as_whole
        after=$(newest cut)
        [ "${after:-0}" -ge "$before" ] || die "KILL_SEED=$seed: checkpoint $before was lost"
        before=${after:-0}
    done
    [ $code -eq 0 ] || { cat err; die "KILL_SEED=$seed: exit status $code"; }
    runs=$((runs + 1))
    cmp whole/model.safetensors cut/model.safetensors
    numbers cut/metrics.jsonl | cmp - whole.metrics
    checkpoints cut | cmp - kept
    [ -z "$(ls cut | grep -e damaged -e tmp)" ]
done
echo "$done kills, $runs runs" >&2
