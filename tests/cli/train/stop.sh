# SIGTERM finishes the step, saves and ends well; what was saved can be gone on with.
text >text
# shellcheck disable=SC2086
"$WKV" train $train_args --steps 100000 --out stopped >out 2>progress &
pid=$!
for second in 1 2 3 4 5 6 7 8 9 10; do
    [ ! -s stopped/metrics.jsonl ] || break
    sleep 1
done
# Meanwhile nobody else may train there.
expect 1 "$WKV" train $train_args --out stopped
says 'stopped: another process is at work in this folder'
mv stopped/options.json options
expect 1 "$WKV" train --resume $train_args --steps 100000 --out stopped
says 'stopped: another process is at work in this folder'
mv options stopped/options.json
kill -TERM $pid
wait $pid
step=$(sed -n 's/^stopped after step \([0-9]*\); saved stopped.checkpoint-[0-9]*[.]safetensors$/\1/p' progress)
[ "$(wc -l <stopped/metrics.jsonl)" -eq "$step" ]
grep -q '^go on with: wkv train --resume --out stopped$' progress
[ ! -e stopped/model.safetensors ]
"$WKV" train --resume --out stopped >out 2>err &
pid=$!
for second in 1 2 3 4 5 6 7 8 9 10; do
    [ "$(wc -l <stopped/metrics.jsonl)" -le "$step" ] || break
    sleep 1
done
kill -INT $pid
wait $pid || :
grep -q "^going on after step $step$" err
