# A validation that a signal cuts short is done by the resumed run, first of all; the run ends as one
# that was left alone, and is not finished before.
text >text
for _ in 1 2 3 4 5 6 7 8; do cat text; done >held
options="$train_args --val held --val-every 6"
# shellcheck disable=SC2086
"$WKV" train $options --out whole >/dev/null 2>&1
# cut LINES: begins or goes on, and ends it in the validation after so many steps and one.
cut() {
    # shellcheck disable=SC2086
    "$WKV" train --resume $options --out cut >out 2>progress &
    pid=$!
    await has_lines cut/metrics.jsonl "$1"
    sleep 0.05
    kill -INT $pid
    wait $pid
    grep -q "^stopped after step $(($1 + 1)); saved cut/checkpoint-" progress
    ! tail -n 1 cut/metrics.jsonl | grep val_loss
    [ ! -e cut/model.safetensors ]
}
cut 5
cut 11
grep -q '^step 6: validation loss' progress
"$WKV" train --resume --out cut >out 2>progress
grep -q '^step 12: validation loss' progress
grep -q '^validation ' out
cmp whole/model.safetensors cut/model.safetensors
for run in whole cut; do
    sed 's/, "seconds": [^,}]*//; s/, "tokens_per_s": [^,}]*//' $run/metrics.jsonl >$run.metrics
done
cmp whole.metrics cut.metrics
grep '"how"' cut/manifest.json
