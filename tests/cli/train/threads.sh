# One thread and two give the same bits.
train --out one >/dev/null 2>&1
train --out two --threads 2 >/dev/null 2>&1
cmp one/model.safetensors two/model.safetensors

# Stopped on two threads and gone on with on one, a run ends the same.
train --steps 400 --save-every 0 --val-fraction 0.2 --val-every 25 --out whole >/dev/null 2>&1
# shellcheck disable=SC2086
"$WKV" train $train_args --steps 400 --save-every 0 --val-fraction 0.2 --val-every 25 --threads 2 \
    --out stopped >/dev/null 2>progress &
pid=$!
await has_lines stopped/metrics.jsonl 20
kill -TERM $pid
wait $pid
grep -q '^stopped after step [0-9]*; saved ' progress
[ ! -e stopped/model.safetensors ]
"$WKV" train --resume --threads 1 --out stopped >/dev/null 2>&1
cmp whole/model.safetensors stopped/model.safetensors
