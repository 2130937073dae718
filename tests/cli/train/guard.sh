# Steps that are outliers are skipped and said, in the metrics too; after several in a row
# training ends badly and names the last good checkpoint, from which it can be gone on with.
train --steps 120 --guard 0.5 --guard-stop 1000 --save-every 10 --out run >/dev/null 2>progress
skipped=$(grep -c '"skipped": "[a-z ]*", "limit": [0-9.]*}$' run/metrics.jsonl)
[ "$skipped" -gt 5 ] && [ "$skipped" -lt 88 ]
[ "$(grep -c '^wkv train: step [0-9]* skipped: its [a-z ]*, [0-9.]*, is above [0-9.]*$' progress)" \
    -eq "$skipped" ]
[ "$(wc -l <run/metrics.jsonl)" -eq 120 ]

# The guard's memory is in the checkpoint: stopped anywhere, the run ends the same.
for at in 37 61 89; do
    rm -rf cut
    # shellcheck disable=SC2086
    "$WKV" train $train_args --steps 120 --guard 0.5 --guard-stop 1000 --save-every 10 --out cut \
        >/dev/null 2>&1 &
    pid=$!
    await has_lines cut/metrics.jsonl $at
    kill -9 $pid 2>/dev/null || :
    wait $pid 2>/dev/null || :
    "$WKV" train --resume --out cut >/dev/null 2>&1
    cmp run/model.safetensors cut/model.safetensors
done

expect 1 train --steps 400 --guard 0.01 --guard-stop 3 --save-every 4 --out bad
says '3 steps in a row could not be taken'
grep -q '^wkv train: the last good checkpoint is bad/checkpoint-[0-9]*.safetensors$' err
[ ! -e bad/model.safetensors ]
expect 1 "$WKV" train --resume --out bad
says '3 steps in a row could not be taken'
"$WKV" train --resume --guard 0 --out bad >/dev/null 2>&1
[ -e bad/model.safetensors ]
expect 2 "$WKV" train --guard -1
says '--guard: expected a number from 0'

# A model that can say nothing any more is told, and no success, as often as one asks.
expect 1 train --steps 80 --lr 1000 --lr-final 1000 --warmup 0 --clip 0 --weight-decay 1000 \
    --guard 0 --guard-stop 100 --val-fraction 0.2 --out dead
says 'step 80: validation loss nan'
says 'wkv train: no step was taken after step '
says 'wkv train: dead/model.safetensors: the validation loss is not finite'
grep -q '"how": "failed"' dead/manifest.json
expect 1 "$WKV" train --resume --out dead
says 'the validation loss is not finite'
# Without held-out data it is no more than a warning.
expect 0 train --steps 80 --lr 1000 --lr-final 1000 --warmup 0 --clip 0 --weight-decay 1000 \
    --guard 0 --guard-stop 100 --out dying
says 'the model may be of no use'
