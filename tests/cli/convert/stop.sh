# SIGTERM while a model is written: the old output stays, and nothing lies beside it.
"$WKV" random-model model.safetensors --layers 6 --width 512 --dtype bf16 2>/dev/null
mkdir out
"$WKV" random-model out/old.pth --layers 1 --width 64 --vocab 300 2>/dev/null
cp out/old.pth old

being_written() { # or over already
    [ -n "$(find out -name '*.tmp')" ] || ! kill -0 $pid 2>/dev/null
}

# stops NAME COMMAND...: what is asked to stop while it writes does; one that was too quick is
# started again.
stops() {
    name=$1
    shift
    for attempt in 1 2 3 4 5 6 7 8 9 10; do
        cp old out/old.pth
        "$@" 2>err &
        pid=$!
        await being_written
        kill -TERM $pid 2>/dev/null || :
        code=0
        wait $pid || code=$?
        [ "$(ls out)" = old.pth ] || [ $code -eq 0 ] || die "left by $name: $(ls out)"
        rm -rf out/new*
        [ $code -eq 0 ] || break
    done
    [ $code -eq 130 ] || die "$name: exit status $code after $attempt attempts"
    says "wkv $name: stopped; out/"
    cmp old out/old.pth
}

stops convert "$WKV" convert model.safetensors out/old.pth --dtype f32
stops convert "$WKV" convert model.safetensors out/new/ --dtype f32
stops random-model "$WKV" random-model out/old.pth --layers 6 --width 512
