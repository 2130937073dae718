# lib.sh - what the cases share.  `sh -eu` is in force: a failing command fails the case.

# Fails with a message.
die() {
    echo "$*" >&2
    exit 1
}

# expect CODE COMMAND...: runs it, its stderr going to ./err; its exit code must be CODE.
expect() {
    want=$1
    shift
    got=0
    "$@" 2>err || got=$?
    [ "$got" -eq "$want" ] || { cat err >&2; die "expected exit $want, got $got: $*"; }
}

# says TEXT: the last expect's stderr must contain it.
says() {
    grep -qF -- "$1" err || { cat err >&2; die "expected on stderr: $1"; }
}

# await COMMAND...: until it succeeds, a minute or two at most.
await() {
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ $tries -lt 3000 ] || die "waited in vain: $*"
        sleep 0.02
    done
}

# has_lines FILE N: so many have been written, at least.
has_lines() {
    [ "$(cat "$1" 2>/dev/null | wc -l)" -ge "$2" ]
}

# need_data FILE...: skips the case where outside data is absent.
need_data() {
    for file in "$@"; do
        [ -e "$DATA/$file" ] || exit 77
    done
}

# A text to learn from that every clone has.
text() {
    cat "$SOURCE/include/wkv/model.h" "$SOURCE/include/wkv/train.h"
}

# train ARG...: the smallest run worth the name, one thread.  train_args alone is for runs
# in the background, where a function would be one more process to kill.  --data is that text
# unless the case has its own.
train_args='--data text --layers 2 --width 32 --head-size 16 --ctx 16 --batch 2 --steps 12
    --warmup 2 --threads 1'
train() {
    [ -f text ] || text >text
    case " $* " in
    # shellcheck disable=SC2086
    *" --data "*) "$WKV" train ${train_args#--data text} "$@" ;;
    # shellcheck disable=SC2086
    *) "$WKV" train $train_args "$@" ;;
    esac
}

# A model in ./model.safetensors, from a few steps of training.
small_model() {
    train --steps 3 --out made >/dev/null 2>&1
    cp made/model.safetensors model.safetensors
}

# near A B - two files of numbers agree but for the last bits.
near() {
    paste "$1" "$2" | awk '
        { d = $1 - $2; if (d < 0) d = -d; if (NF != 2 || d > 1e-4) wrong = 1 }
        END { exit wrong || NR == 0 }'
}
