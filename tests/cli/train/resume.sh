# Killed at any moment and resumed, a run ends with the very same weights and losses,
# and every step has one line of metrics.
steps=60
train --steps $steps --save-every 3 --out whole >/dev/null 2>&1
# shellcheck disable=SC2086
"$WKV" train $train_args --steps $steps --save-every 3 --out cut >/dev/null 2>&1 &
pid=$!
for pause in 0.03 0.11 0.05 0.19 0.08; do
    sleep $pause
    kill -9 $pid 2>/dev/null || :
    wait $pid 2>/dev/null || :
    # shellcheck disable=SC2086
    "$WKV" train --resume $train_args --steps $steps --save-every 3 --out cut >/dev/null 2>&1 &
    pid=$!
done
wait $pid || :
"$WKV" train --resume --out cut >/dev/null 2>&1
cmp whole/model.safetensors cut/model.safetensors
for run in whole cut; do
    sed 's/, "seconds": [^,}]*//; s/, "tokens_per_s": [^,}]*//' $run/metrics.jsonl >$run.metrics
done
cmp whole.metrics cut.metrics
[ "$(wc -l <cut.metrics)" -eq $steps ]
# The time that the run took goes on from where it was cut.
sed 's/.*"seconds": \([^,]*\),.*/\1/' cut/metrics.jsonl | sort -gc
ls cut | grep -v tfevents
