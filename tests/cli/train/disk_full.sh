# No room for a checkpoint: a clear error, those before stay as they were and
# nothing is left lying about; with room again, the run ends as if nothing had happened.
# A limit on the size of files stands in for the full disk.
text >text
train --steps 200 --save-every 5 --out whole >/dev/null 2>&1
# shellcheck disable=SC2086
"$WKV" train $train_args --steps 200 --save-every 5 --out run >/dev/null 2>&1 &
pid=$!
two_are_there() { [ "$(ls run 2>/dev/null | grep -c '^checkpoint-[0-9]*.safetensors$')" -ge 2 ]; }
await two_are_there
kill -9 $pid
wait $pid 2>/dev/null || :
rm -f run/*.tmp
sums() { (cd run && sha256sum checkpoint-*.safetensors); }
sums >before
newest=$(ls run/checkpoint-*.safetensors | tail -n 1 | tr -dc 0-9)
next=$(printf %08d $(($(echo "$newest" | sed 's/^0*//') + 5)))
expect 1 sh -c 'trap "" XFSZ; ulimit -f 300; exec "$0" train --resume --out run' "$WKV"
says "run/checkpoint-$next.safetensors: cannot write after"
sums | cmp - before
ls run | grep -v -e tfevents -e checkpoint
"$WKV" train --resume --out run >/dev/null 2>&1
cmp run/model.safetensors whole/model.safetensors
