# No room for a checkpoint: a clear error, the previous checkpoint stays as it was and
# nothing is left lying about; with room again, the run ends as if nothing had happened.
# A limit on the size of files stands in for the full disk.
text >text
train --steps 200 --save-every 5 --out whole >/dev/null 2>&1
# shellcheck disable=SC2086
"$WKV" train $train_args --steps 200 --save-every 5 --out run >/dev/null 2>&1 &
pid=$!
while [ ! -e run/checkpoint.safetensors ]; do
    sleep 0.02
done
kill -9 $pid
wait $pid 2>/dev/null || :
cp run/checkpoint.safetensors before
expect 1 sh -c 'trap "" XFSZ; ulimit -f 300; exec "$0" train --resume --out run' "$WKV"
says 'run/checkpoint.safetensors: cannot write after'
cmp run/checkpoint.safetensors before
ls run | grep -v tfevents
"$WKV" train --resume --out run >/dev/null 2>&1
cmp run/model.safetensors whole/model.safetensors
