# The newest checkpoints stay, and those of every so many steps; a damaged one is said and set
# aside, and the run goes on from the one before to the very same end.
train --steps 12 --save-every 2 --keep 2 --keep-every 5 --val-fraction 0.2 --out whole \
    >/dev/null 2>&1
kept() { ls "$1" | sed -n 's/^checkpoint-0*\([0-9]*\)\.safetensors$/\1/p' | tr '\n' ' '; }
kept whole; echo
train --steps 12 --save-every 2 --keep 0 --out all >/dev/null 2>&1
kept all; echo
train --steps 12 --save-every 2 --keep 1 --out one >/dev/null 2>&1
kept one; echo

flip() { printf '\377' | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null; }
damaged=whole/checkpoint-00000012.safetensors
flip $damaged 60000
before=whole/checkpoint-00000010.safetensors
cp whole/model.safetensors model
"$WKV" train --resume --keep 2 --out whole >/dev/null 2>err
says "$damaged: damaged: its tensors do not match their checksum"
says "set aside as $damaged.damaged"
says "using the one before, $before"
says 'going on after step 10'
cmp whole/model.safetensors model
[ "$(wc -l <whole/metrics.jsonl)" -eq 12 ]
kept whole; echo
ls whole | grep damaged

# A type that does not exist, F22 or F24; a tensor of another name.
for what in '"dtype":"F' 'blocks'; do
    at=$(grep -abo "$what" $damaged | sed -n '3s/:.*//p')
    printf 2 | dd of=$damaged bs=1 seek=$((at + ${#what})) conv=notrunc 2>/dev/null
    "$WKV" train --resume --out whole >/dev/null 2>err
    says "set aside as $damaged.damaged"
    says "using the one before, $before"
    cmp whole/model.safetensors model
done

# Cut short, and then nothing whole at all: it does not begin anew by itself.
for file in whole/checkpoint-*.safetensors; do
    head -c 5000 "$file" >cut
    mv cut "$file"
done
expect 1 "$WKV" train --resume --out whole
says 'whole/checkpoint-00000005.safetensors'
says 'no checkpoint in whole is whole'
[ -f whole/checkpoint-00000005.safetensors.damaged ]
expect 1 "$WKV" train --resume --out whole
says 'no checkpoint in whole is whole'
train --steps 2 --out whole >/dev/null 2>&1
kept whole; echo
ls whole | grep -c damaged || :

# Another run's checkpoint is not passed over.
train --steps 12 --save-every 2 --lr 2e-3 --out other >/dev/null 2>&1
cp other/checkpoint-00000012.safetensors all/
expect 1 "$WKV" train --resume --out all
says 'lr'
[ -f all/checkpoint-00000012.safetensors ]
