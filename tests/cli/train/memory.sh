# The memory that is foreseen is told, kept to and met; what is recomputed changes no bit.
big='--layers 2 --width 128 --head-size 64 --ctx 256 --batch 8 --steps 1'
for how in none light full bf16; do
    option="--recompute $how"
    [ $how != bf16 ] || option='--activations bf16'
    # shellcheck disable=SC2086
    train $big $option --out $how >summary.$how 2>progress
    grep -q '^memory: [0-9.]*MB: parameters [0-9.]*MB, gradients ' progress
    [ $how = bf16 ] || cmp none/model.safetensors $how/model.safetensors
    # "memory  310MB at most, 300MB foreseen"; sanitizers hold memory of their own.
    ! grep -q __asan_init "$WKV" || continue
    sed -n 's/^memory *\([0-9.]*\)MB at most, \([0-9.]*\)MB foreseen$/\1 \2/p' summary.$how |
        awk '{ n++; if ($1 > $2 + 24 || $1 < $2 - 24) bad = 1 } END { exit bad || n != 1 }' ||
        { cat summary.$how >&2; die "not what was foreseen: recompute $how"; }
done
# A frozen model of 16 bits is widened; its file, 70 MB, does not count beside.
"$WKV" random-model half.gguf --layers 2 --width 256 --dtype f16 2>err
"$WKV" prepare --out set text >out 2>err
train --data set --init half.gguf --layers 2 --width 256 --head-size 64 --lora 2 --steps 2 --out frozen >summary 2>err
grep -q __asan_init "$WKV" || sed -n 's/^memory *\([0-9.]*\)MB at most, \([0-9.]*\)MB foreseen$/\1 \2/p' summary |
    awk '{ n++; if ($1 > $2 + 24) bad = 1 } END { exit bad || n != 1 }' ||
    { cat summary >&2; die "not what was foreseen: a frozen model"; }
# Two thirds: how much that is depends on the build.
all=$(sed -n 's/^memory .* \([0-9]*\)[0-9.]*MB foreseen$/\1/p' summary.none)
# shellcheck disable=SC2086
expect 1 train $big --memory-limit $((all * 2 / 3))MB --out limited
says 'memory: the run takes 0.'
says 'what fits is recompute none with micro-batch'
[ ! -d limited ]
# shellcheck disable=SC2086
expect 1 train $big --recompute full --memory-limit 10MB --out limited
says 'the least is recompute full with micro-batch 1'
# Where rows are short, so that a row at a time is slow, it is advised when nothing else fits.
short='--layers 2 --width 128 --head-size 64 --ctx 64 --batch 12 --steps 1 --recompute full'
foreseen() { # OPTION...: megabytes
    # shellcheck disable=SC2086
    train $short --out short "$@" 2>/dev/null | sed -n 's/^memory .* \([0-9]*\)[0-9.]*MB foreseen$/\1/p'
}
all=$(foreseen) row=$(foreseen --micro-batch 1)
# shellcheck disable=SC2086
expect 1 train $short --memory-limit $(((all + 2 * row) / 3))MB --out limited
says 'what fits is recompute full with micro-batch'
expect 2 train --memory-limit much --out limited
says '--memory-limit: expected a size such as 8GB, 500MB or 2GiB'
train --micro-batch 1 --memory-limit 2GiB --out pieces >/dev/null 2>&1
expect 1 train --micro-batch 2 --resume --out pieces
says 'micro-batch 2 contradicts the run that is resumed, which has 1'
train --recompute light --resume --out pieces >/dev/null 2>&1

# bf16: whatever is trained, on any number of threads, and to the end of the run.
train --activations bf16 --threads 1 --out rounded >/dev/null 2>&1
train --activations bf16 --threads 2 --out again >/dev/null 2>&1
cmp rounded/model.safetensors again/model.safetensors
expect 1 train --activations f32 --resume --out rounded
says 'activations f32 contradicts the run that is resumed, which has bf16'
for what in '--lora 2' --state-tuning; do
    # shellcheck disable=SC2086
    train --init rounded/model.safetensors $what --activations bf16 --out tuned >/dev/null 2>&1
done
