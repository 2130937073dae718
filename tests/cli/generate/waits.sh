# Ctrl-C ends a program that waits for standard input.
small_model
mkfifo pipe
exec 3<>pipe # which never ends
text | head -c 300 >&3
for what in "generate model.safetensors" "eval perplexity model.safetensors -"; do
    # shellcheck disable=SC2086
    "$WKV" $what <pipe >/dev/null 2>err &
    pid=$!
    sleep 0.3
    kill -0 $pid
    kill -INT $pid
    status=0
    wait $pid || status=$?
    [ $status -eq 130 ] || die "$what: status $status after Ctrl-C"
done
# What comes through a pipe is all of it.
text >whole
cat whole | "$WKV" generate model.safetensors -n 5 --seed 1 >piped
"$WKV" generate model.safetensors -n 5 --seed 1 <whole | cmp - piped
